import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { type Config, loadConfig } from './load.ts';
import { printConfig } from './print.ts';

const env = { UPSTREAM_KEY: 'sk-secret-one', TEAM: 'secret-two' };

function load(text: string): Config {
  return loadConfig({
    path: 'unbusy.yaml',
    cwd: '/etc/u',
    env,
    insecure: true,
    readFile: () => text,
  }).config;
}

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const embedded = fc.record({
  kind: fc.constant('embedded'),
  model: fc.constantFrom('pocket-r1', 'models/a.gguf', '/srv/b.gguf'),
  replicas: fc.oneof(fc.constant('auto'), fc.integer({ min: 1, max: 8 })),
  flash_attention: fc.constantFrom('auto', true, false),
  weight: fc.double({ min: 0.001, max: 1000, noNaN: true }),
  dynamic_batching: maybe(
    fc.record({
      enabled: fc.boolean(),
      max_queue_delay_ms: fc.double({ min: 0, max: 9, noNaN: true }),
    }),
  ),
  warmup: maybe(fc.record({ prefixes: fc.array(fc.string({ minLength: 1 }), { maxLength: 3 }) })),
});

const http = fc.record({
  kind: fc.constantFrom('openai', 'vllm', 'sglang', 'llama-server'),
  url: fc.constantFrom('http://a:8000', 'https://api.example.com/v1/', 'http://[::1]:30000/v1'),
  key: maybe(fc.constant(`\${UPSTREAM_KEY}`)),
  headers: maybe(fc.dictionary(name, fc.constant(`team \${TEAM}`), { maxKeys: 2 })),
  location: maybe(fc.constantFrom('own', 'public')),
  upstream_model: maybe(fc.constant('deepseek-ai/DeepSeek-R1')),
  concurrency: maybe(
    fc.record({
      max: fc.oneof(
        fc.constant('auto'),
        fc.nat(99).map((n) => n + 1),
      ),
    }),
  ),
});

const files = fc.record({
  server: maybe(
    fc.record({
      host: fc.constantFrom('127.0.0.1', '0.0.0.0', '::1'),
      port: fc.integer({ min: 0, max: 6000 }),
      keep_alive: fc.constantFrom('off', 'whitespace'),
    }),
  ),
  endpoints: maybe(fc.dictionary(name, fc.oneof(embedded, http), { maxKeys: 4 })),
  tenants: maybe(
    fc.dictionary(
      name,
      fc.record({
        class: fc.constantFrom('interactive', 'standard', 'batch'),
        rate: maybe(fc.record({ rps: fc.integer({ min: 1, max: 500 }) })),
      }),
      { maxKeys: 3 },
    ),
  ),
  keys: maybe(
    fc.uniqueArray(
      fc.record({
        id: name,
        hash: fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`),
        expires: maybe(fc.constantFrom('2027-01-01', '2027-01-01T08:00:00Z')),
      }),
      { maxLength: 3, selector: ({ hash }) => hash },
    ),
  ),
  queue: maybe(fc.record({ comments: fc.boolean(), max_depth: fc.integer({ min: 1, max: 1000 }) })),
});

test('what is printed loads again as an equal config', () => {
  fc.assert(
    fc.property(files, (file) => {
      const config = load(stringify(file, { keepUndefined: false }));
      assert.deepEqual(load(printConfig(config)), config);
    }),
    { numRuns: 200 },
  );
});

test('D4: no secret is printed; one that was written out cannot be loaded back unnoticed', () => {
  const printed = printConfig(
    load(
      `endpoints:\n  a: { kind: vllm, url: "http://a", key: "\${UPSTREAM_KEY}" }\n` +
        '  b: { kind: vllm, url: "http://b", key: sk-literal }\n',
    ),
  );
  assert.match(printed, /key: \$\{UPSTREAM_KEY\}/);
  assert.match(printed, /key: <redacted>/);
  assert.doesNotMatch(printed, /sk-/);
  assert.throws(() => load(printed), /endpoints\.b\.key: <redacted> stands for a secret/);
});

test('a caller key given as a secret is printed as its hash', () => {
  const printed = printConfig(
    load('keys: [{ id: a, secret: "a-key-of-more-than-twenty-characters" }]'),
  );
  assert.match(printed, /hash: sha256:[0-9a-f]{64}/);
  assert.doesNotMatch(printed, /twenty/);
});
