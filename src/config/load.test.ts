import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { UnbusyError } from '../core/errors.ts';
import { configFromFlags, type LoadedConfig, type LoadOptions, loadConfig } from './load.ts';

/** Loads `text` as unbusy.yaml, with the files and the environment that a test gives. */
function load(text: string, options: LoadOptions & { files?: Record<string, string> } = {}) {
  const files: Record<string, string> = { ...options.files, [resolve('/etc/u/unbusy.yaml')]: text };
  return loadConfig({
    path: 'unbusy.yaml',
    cwd: '/etc/u',
    env: {},
    readFile: (path) => {
      const found = files[path];
      if (found === undefined) throw Object.assign(new Error('no'), { code: 'ENOENT' });
      return found;
    },
    ...options,
  });
}

function faultsOf(make: () => LoadedConfig): string[] {
  try {
    make();
  } catch (error) {
    assert.ok(error instanceof UnbusyError, String(error));
    assert.equal(error.code, 'invalid_config');
    return error.message.split('\n');
  }
  return [];
}

const vllm = 'endpoints:\n  a: { kind: vllm, url: "http://a:8000" }\n';

const faultTable: readonly {
  readonly name: string;
  readonly text: string;
  readonly fault: string;
}[] = [
  {
    name: 'a wrong type',
    text: 'server:\n  port: "x"\n',
    fault: 'unbusy.yaml:2:9: server.port: found "x"; allowed: a whole number from 0 to 65535',
  },
  {
    name: 'a number out of range',
    text: 'server: { port: 70000 }',
    fault: 'unbusy.yaml:1:17: server.port: found 70000; allowed: a whole number from 0 to 65535',
  },
  {
    name: 'an unknown key with its nearest neighbour',
    text: `${vllm}queue:\n  max_dept: 5\n`,
    fault:
      'unbusy.yaml:4:3: queue.max_dept: unknown key "max_dept"; did you mean "max_depth"?; ' +
      'allowed: max_wait_ms, max_depth, age_ms, headers_after_ms, comments',
  },
  {
    name: 'an unknown block',
    text: 'servers: {}',
    fault:
      'unbusy.yaml:1:1: servers: unknown key "servers"; did you mean "server"?; ' +
      'allowed: server, models, endpoints, tenants, keys, queue, retry',
  },
  {
    name: 'an unknown kind',
    text: 'endpoints:\n  a:\n    kind: vlm\n',
    fault:
      'unbusy.yaml:3:11: endpoints.a.kind: found "vlm"; did you mean "vllm"?; ' +
      'allowed: one of embedded, openai, vllm, sglang, llama-server',
  },
  {
    name: 'a kind of a later version',
    text: 'endpoints:\n  a:\n    kind: siliconflow\n',
    fault:
      'unbusy.yaml:3:11: endpoints.a.kind: found "siliconflow", which is not available in this ' +
      'version; allowed: one of embedded, openai, vllm, sglang, llama-server',
  },
  {
    name: 'a missing kind, shown at its block',
    text: 'endpoints:\n  a: { url: "http://a" }\n',
    fault:
      'unbusy.yaml:2:3: endpoints.a.kind: missing; ' +
      'allowed: one of embedded, openai, vllm, sglang, llama-server',
  },
  {
    name: 'a missing key, shown at its block',
    text: 'endpoints:\n  a: { kind: vllm }\n',
    fault: 'unbusy.yaml:2:3: endpoints.a.url: missing; allowed: http://host:port/v1 or https://…',
  },
  {
    name: 'a key of another kind',
    text: 'endpoints:\n  a: { kind: embedded, url: "http://a" }\n',
    fault:
      'unbusy.yaml:2:24: endpoints.a.url: unknown key "url"; allowed: kind, model, replicas, ' +
      'threads, gpu_layers, context_tokens, flash_attention, dynamic_batching, warmup, weight, ' +
      'region, timeouts',
  },
  {
    name: 'a name that cannot be a label',
    text: 'tenants:\n  "a b": {}\n',
    fault:
      'unbusy.yaml:2:3: tenants.a b: the name "a b" cannot be used; allowed: a name of 1 to 63 ' +
      'letters, digits, dots, dashes and underscores',
  },
  {
    name: 'credentials in a URL, without showing them',
    text: 'endpoints:\n  a: { kind: vllm, url: "http://me:hunter2@a:8000" }\n',
    fault:
      'unbusy.yaml:2:25: endpoints.a.url: credentials do not belong in a URL, which is logged; ' +
      'use key: or headers:',
  },
  {
    name: 'a pool that names nothing',
    text: `${vllm}models:\n  r1: { pool: [a, aa] }\n`,
    fault:
      'unbusy.yaml:4:19: models.r1.pool[1]: there is no endpoint "aa"; did you mean "a"?; allowed: a',
  },
  {
    name: 'a tenant that does not exist',
    text: `keys:\n  - { id: x, tenant: paid, hash: "sha256:${'0'.repeat(64)}" }\n`,
    fault: 'unbusy.yaml:2:22: keys[0].tenant: there is no tenant "paid"; allowed: default',
  },
  {
    name: 'a key that is no key',
    text: 'keys: [{ id: x }]',
    fault: 'unbusy.yaml:1:8: keys[0]: allowed: exactly one of hash and secret',
  },
  {
    name: 'a feature of a later version, by name',
    text: 'hedge: { enabled: true }',
    fault:
      'unbusy.yaml:1:1: hedge: found a block of keys, but hedging is not available in this ' +
      'version; allowed: null or leave the key out',
  },
  {
    name: 'a preferred size over the largest (C2)',
    text: 'endpoints:\n  a: { kind: embedded, dynamic_batching: { max_batch_size: 4, preferred_batch_size: [8] } }',
    fault:
      'unbusy.yaml:2:86: endpoints.a.dynamic_batching.preferred_batch_size[0]: found 8; ' +
      'allowed: at most max_batch_size, which is 4',
  },
  {
    name: 'a public address without keys',
    text: 'server: { host: 0.0.0.0 }',
    fault:
      'unbusy.yaml:1:17: server.host: 0.0.0.0 is reachable from other machines and no keys are ' +
      'set; add keys: (`unbusy key new ID` makes one), use 127.0.0.1, or start with --insecure',
  },
  {
    name: 'an environment variable that is not set',
    text: `endpoints:\n  a: { kind: vllm, url: "http://a", key: "\${NO_SUCH}" }`,
    fault: `unbusy.yaml:2:42: endpoints.a.key: \${NO_SUCH}: the environment variable NO_SUCH is not set`,
  },
  {
    name: 'a secret file that is not there',
    text: `endpoints:\n  a: { kind: vllm, url: "http://a", key: "\${file:/run/secrets/k}" }`,
    fault:
      `unbusy.yaml:2:42: endpoints.a.key: \${file:/run/secrets/k}: the file /run/secrets/k ` +
      'cannot be read (ENOENT)',
  },
  {
    name: 'the precision of an article (C2)',
    text: 'endpoints:\n  a: { kind: embedded, inference: { precision: fp8 } }',
    fault:
      'unbusy.yaml:2:37: endpoints.a.inference.precision: found "fp8"; the precision is the ' +
      "model file's and cannot be chosen when it is loaded; allowed: auto, or give a GGUF file " +
      'of that precision as model',
  },
  {
    name: 'a root that is a list',
    text: '- a\n',
    fault: 'unbusy.yaml:1:1: found a list of 1; allowed: a block of keys such as server:',
  },
];

for (const { name, text, fault } of faultTable) {
  test(`an error names its place, what was found and what is allowed: ${name}`, () => {
    assert.deepEqual(
      faultsOf(() => load(text)),
      [fault],
    );
  });
}

test('YAML that cannot be read and keys given twice are errors with a position', () => {
  assert.match(faultsOf(() => load('server: { port: [1\n'))[0] ?? '', /^unbusy\.yaml:\d+:\d+: /);
  assert.match(
    faultsOf(() => load('queue: {}\nqueue: {}\n'))[0] ?? '',
    /^unbusy\.yaml:2:1: .*unique/,
  );
});

test('several errors come at once, in the order of the file', () => {
  const faults = faultsOf(() => load('queue: { max_depth: -1 }\nserver: { port: x, hots: y }\n'));
  assert.deepEqual(
    faults.map((fault) => fault.split(': ', 2).join(' ')),
    [
      'unbusy.yaml:1:21 queue.max_depth',
      'unbusy.yaml:2:17 server.port',
      'unbusy.yaml:2:20 server.hots',
    ],
  );
});

test('an empty file, empty blocks and no file at all mean the demonstration model', () => {
  const { config, source } = loadConfig({ env: {} });
  assert.equal(source, 'defaults');
  assert.deepEqual(Object.keys(config.endpoints), ['demo']);
  assert.equal(config.endpoints['demo']?.kind, 'embedded');
  assert.deepEqual(config.models, {});
  assert.deepEqual(load('').config, config);
  assert.deepEqual(load('server:\nendpoints:\nkeys:\n').config, config);
});

test('a file that cannot be read is one clear line', () => {
  assert.deepEqual(
    faultsOf(() => loadConfig({ path: 'no/such.yaml' })),
    ['no/such.yaml: there is no such file'],
  );
});

test('upstreams on the command line become endpoints, and are consent that prompts go there', () => {
  const { config } = configFromFlags({ upstreams: ['http://gpu-1:8000/', 'https://api.x.com/v2'] });
  const first = config.endpoints['upstream-1'];
  const second = config.endpoints['upstream-2'];
  assert.ok(first?.kind === 'openai' && second?.kind === 'openai');
  assert.deepEqual([first.url, first.location], ['http://gpu-1:8000/v1', 'own']);
  assert.deepEqual([second.url, second.location], ['https://api.x.com/v2', 'public']);
  assert.equal(config.tenants['default']?.data, 'may_leave');
  assert.equal(Object.keys(config.endpoints).length, 2);
});

test('without --upstream prompts stay', () => {
  assert.equal(configFromFlags({}).config.tenants['default']?.data, 'stays');
});

test('a model file on the command line belongs to the working directory, one in a file to the file', () => {
  const fromFlag = loadConfig({ flags: { model: 'm.gguf' }, cwd: '/srv' }).config;
  const flagged = fromFlag.endpoints['local'];
  assert.ok(flagged?.kind === 'embedded');
  assert.equal(flagged.model, resolve('/srv/m.gguf'));
  const written = load('endpoints: { x: { kind: embedded, model: m.gguf } }').config.endpoints['x'];
  assert.ok(written?.kind === 'embedded');
  assert.equal(written.model, resolve('/etc/u/m.gguf'));
});

test('flags go over the file', () => {
  const { config } = load('server: { port: 1000, drain_ms: 5 }', { flags: { port: '2000' } });
  assert.deepEqual([config.server.port, config.server.drainMs], [2000, 5]);
});

test('a flag at fault is named as the flag', () => {
  assert.deepEqual(
    faultsOf(() => configFromFlags({ port: '99999', logFormat: 'xml', upstreams: ['gpu:8000'] })),
    [
      '--port: found 99999; allowed: a whole number from 0 to 65535',
      '--log-format: found "xml"; allowed: one of text, json',
      '--upstream: this is not a URL; allowed: http://host:port/v1 or https://…',
    ],
  );
  assert.match(
    faultsOf(() => configFromFlags({ host: '0.0.0.0' }))[0] ?? '',
    /^--host: 0\.0\.0\.0/,
  );
  assert.deepEqual(
    faultsOf(() => configFromFlags({ host: '0.0.0.0' }, { insecure: true })),
    [],
  );
});

test('--upstream beside endpoints of a file is refused, because it would belong to no pool', () => {
  assert.match(
    faultsOf(() => load(vllm, { flags: { upstreams: ['http://b'] } }))[0] ?? '',
    /^unbusy\.yaml:1:1: endpoints: the config file names endpoints already, so --upstream/,
  );
});

test("C2: an article's block and Triton's microseconds are mapped", () => {
  const { config, warnings } = load(
    'endpoints:\n  a:\n    kind: embedded\n' +
      '    inference: { batch_size: 64, max_sequence_length: 2048, precision: auto }\n' +
      '    dynamic_batching: { max_queue_delay_microseconds: 5000, preferred_batch_size: [32, 64] }\n',
  );
  const endpoint = config.endpoints['a'];
  assert.ok(endpoint?.kind === 'embedded');
  assert.equal(endpoint.dynamicBatching.maxBatchSize, 64);
  assert.equal(endpoint.dynamicBatching.maxQueueDelayMs, 5);
  assert.equal(endpoint.contextTokens, 2048);
  assert.deepEqual(warnings, []);
});

test('C2: the block is refused on an engine that batches by itself, and doubled keys are', () => {
  const faults = faultsOf(() =>
    load(
      'endpoints:\n  a: { kind: vllm, url: "http://a", inference: { batch_size: 8 } }\n' +
        '  b: { kind: embedded, inference: { batch_size: 8 }, dynamic_batching: { max_batch_size: 8 } }\n',
    ),
  );
  assert.match(faults[0] ?? '', /^unbusy\.yaml:2:37: endpoints\.a\.inference: only an embedded/);
  assert.match(
    faults[1] ?? '',
    /endpoints\.b\.inference\.batch_size: max_batch_size says the same/,
  );
});

test('C2: sizes that are no powers of two bring a warning with their place', () => {
  const { warnings } = load(
    'endpoints:\n  a: { kind: embedded, dynamic_batching: { max_batch_size: 48, preferred_batch_size: [1, 8, 12] } }',
  );
  assert.deepEqual(
    warnings.map((warning) => warning.split(': ').slice(0, 2).join(' ')),
    [
      'unbusy.yaml:2:60 endpoints.a.dynamic_batching.max_batch_size',
      'unbusy.yaml:2:93 endpoints.a.dynamic_batching.preferred_batch_size[2]',
    ],
  );
});

test('later features in their off form are accepted and change nothing', () => {
  const off =
    'server: { grpc_port: null, workers: 1 }\nhedge: { enabled: false }\ncontinuation: off\n' +
    'cache: { exact: { enabled: false } }\nstore: { redis: null }\nalerts: []\n' +
    'request_log: null\n';
  assert.deepEqual(load(off).config, load('').config);
});

test('D4: secrets come from the environment and from files, and are never shown', () => {
  const { config } = load(
    `endpoints:\n  a:\n    kind: vllm\n    url: http://a\n    key: "\${K}"\n` +
      `    headers: { x-team: "t-\${file:team}" }\n`,
    { env: { K: 'sk-very-secret' }, files: { [resolve('/etc/u/team')]: 'blue\n' } },
  );
  const endpoint = config.endpoints['a'];
  assert.ok(endpoint !== undefined && endpoint.kind !== 'embedded');
  assert.equal(endpoint.key?.reveal(), 'sk-very-secret');
  assert.equal(endpoint.headers['x-team']?.reveal(), 't-blue');
  assert.doesNotMatch(JSON.stringify(config), /sk-very-secret|t-blue/);
});

test('D4: a secret with a line break cannot smuggle in a header', () => {
  const faults = faultsOf(() =>
    load(`endpoints: { a: { kind: vllm, url: "http://a", headers: { x: "\${K}" } } }`, {
      env: { K: 'a\r\nx-admin: yes' },
    }),
  );
  assert.match(faults[0] ?? '', /headers\.x: the resolved value holds a control character$/);
});

test('J2: two keys may share an id, but not with different tenants and not the same secret', () => {
  const hash = (digit: string) => `"sha256:${digit.repeat(64)}"`;
  const two = (second: string) =>
    `tenants: { paid: {} }\nkeys:\n  - { id: a, hash: ${hash('1')} }\n  - { ${second} }\n`;
  assert.equal(load(two(`id: a, hash: ${hash('2')}`)).config.keys.length, 2);
  assert.match(
    faultsOf(() => load(two(`id: a, tenant: paid, hash: ${hash('2')}`)))[0] ?? '',
    /keys\[1\]\.tenant: an earlier key "a" is of tenant "default"/,
  );
  assert.match(
    faultsOf(() => load(two(`id: b, hash: ${hash('1')}`)))[0] ?? '',
    /keys\[1\]: the same key is in the list twice/,
  );
});

test('a burst is twice the rate unless it is given (D1)', () => {
  const { config } = load('tenants: { a: { rate: { rps: 150 } }, b: { rate: { tpm: 5 } } }');
  assert.equal(config.tenants['a']?.rate?.burst, 300);
  assert.equal(config.tenants['b']?.rate?.burst, undefined);
});
