import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { UnbusyError } from '../core/errors.ts';
import { loadConfig } from './load.ts';
import { readYaml } from './source.ts';

function load(text: string) {
  return loadConfig({ path: 'unbusy.yaml', cwd: '/etc/u', env: {}, readFile: () => text });
}

/** A config, or errors that each begin with a place in the file. */
function loadsOrExplains(text: string): void {
  try {
    load(text);
  } catch (error) {
    assert.ok(error instanceof UnbusyError, `${text}\n${String(error)}`);
    assert.equal(error.code, 'invalid_config');
    // YAML's own messages may quote the text over several lines.
    assert.match(error.message, /^unbusy\.yaml:\d+:\d+: /, text);
  }
}

const blocks = ['server', 'models', 'endpoints', 'tenants', 'keys', 'queue', 'retry', 'hedge', 'x'];

test('whatever a file holds, it loads or the errors name a place', () => {
  const anything = fc.jsonValue({ maxDepth: 4 });
  const named = fc.dictionary(fc.constantFrom(...blocks), fc.oneof(anything, endpointish()), {
    maxKeys: 5,
  });
  fc.assert(
    fc.property(fc.oneof(named, anything), (value) => loadsOrExplains(stringify(value))),
    { numRuns: 500 },
  );
});

test('whatever text a file is, it loads or the errors name a place', () => {
  const line = fc.constantFrom(
    'a: b',
    ' - x',
    'server:',
    '  port: 1',
    '&a',
    '*a',
    '{',
    '"',
    '\t',
    '? ',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(line, fc.string()), { maxLength: 6 }), (lines) =>
      loadsOrExplains(lines.join('\n')),
    ),
    { numRuns: 500 },
  );
});

test('aliases and merge keys work, and a fault inside one is placed where it is written', () => {
  const text = `endpoints:
  a: &engine { kind: vllm, url: "http://a", weight: 2 }
  b: { <<: *engine, url: "http://b" }
`;
  const { b } = load(text).config.endpoints;
  assert.ok(b?.kind === 'vllm');
  assert.deepEqual([b.url, b.weight], ['http://b/v1', 2]);
  assert.throws(
    () => load(text.replace('weight: 2', 'weight: -1')),
    /^UnbusyError: unbusy\.yaml:2:53/,
  );
});

test('a bomb of aliases is refused', () => {
  const levels = Array.from({ length: 12 }, (_, i) => {
    const aliases = Array.from({ length: 12 }, () => `*l${i}`).join(', ');
    return `l${i + 1}: &l${i + 1} [${i === 0 ? '1' : aliases}]`;
  });
  assert.equal(readYaml(`l0: &l0 x\n${levels.join('\n')}`, 'f').faults.length, 1);
});

/** Values that are nearly endpoints, so that the search gets past the first check. */
function endpointish(): fc.Arbitrary<unknown> {
  const kind = fc.constantFrom('embedded', 'openai', 'vllm', 'nope', 7, null);
  const block = fc.record(
    {
      kind,
      url: fc.oneof(fc.constant('http://a'), fc.string()),
      key: fc.jsonValue({ maxDepth: 1 }),
      timeouts: fc.jsonValue({ maxDepth: 2 }),
      dynamic_batching: fc.jsonValue({ maxDepth: 2 }),
      inference: fc.jsonValue({ maxDepth: 2 }),
      concurrency: fc.jsonValue({ maxDepth: 2 }),
    },
    { requiredKeys: [] },
  );
  return fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'a b'), block, { maxKeys: 3 });
}
