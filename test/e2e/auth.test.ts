/** Keys: who may call what, and how a refusal looks (J2). */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { keyHash } from '../../src/config/key-hash.ts';
import { createFakeUpstream, type FakeUpstream } from '../../src/upstream/fake-upstream.ts';
import { validateWire } from '../conformance/validate-wire.ts';
import { post, postError } from './ask.ts';
import { type Server, startServer } from './start-server.ts';

const route = '/v1/chat/completions';
const request = { messages: [{ role: 'user', content: 'x' }] };
let upstream: FakeUpstream;
let server: Server;

const keys = {
  infer: 'ub_team-a_0123456789abcdef',
  both: 'ub_team-a_fedcba9876543210',
  read: 'ub_ops_0123456789abcdef0',
  debug: 'ub_dev_0123456789abcdef0',
  old: 'ub_old_0123456789abcdef0',
};

before(async () => {
  upstream = await createFakeUpstream();
  server = await startServer({
    config: {
      endpoints: { far: { kind: 'openai', url: upstream.url } },
      keys: [
        { id: 'team-a', hash: `sha256:${sha256(keys.infer)}` },
        { id: 'team-a', secret: keys.both, scopes: ['infer', 'read'], expires: '2999-01-01' },
        { id: 'ops', secret: keys.read, scopes: ['read'] },
        { id: 'dev', secret: keys.debug, scopes: ['infer', 'debug'] },
        { id: 'old', secret: keys.old, expires: '2020-01-01' },
      ],
    },
  });
});
after(async () => {
  await server.stop();
  await upstream.close();
});

function sha256(key: string): string {
  return keyHash(key).replace(/^sha256:/, '');
}

function bearer(key: string) {
  return { authorization: `Bearer ${key}` };
}

test('J2: both keys of one id answer, by either header', async () => {
  for (const headers of [
    bearer(keys.infer),
    bearer(keys.both),
    { 'x-api-key': keys.infer },
    { authorization: `bearer  ${keys.infer}` },
  ]) {
    assert.equal((await post(server.url, route, request, headers)).status, 200);
  }
});

const refusals: readonly [string, Record<string, string>, number, string, RegExp][] = [
  ['no key', {}, 401, 'invalid_api_key', /no API key was sent: .*authorization: Bearer/],
  ['an unknown key', bearer('ub_team-a_0000000000000000'), 401, 'invalid_api_key', /not known/],
  ['another scheme', { authorization: 'Basic dTpw' }, 401, 'invalid_api_key', /not known/],
  ['an expired key', bearer(keys.old), 401, 'key_expired', /expired/],
  ['a key without the scope', bearer(keys.read), 403, 'forbidden', /needs infer/],
];
for (const [name, headers, status, code, message] of refusals) {
  test(`J2: ${name} is a ${status} that says why and shows no key`, async () => {
    for (const stream of [false, true]) {
      const answer = await postError(server.url, route, { ...request, stream }, headers);
      assert.deepEqual([answer.status, answer.body.code], [status, code]);
      assert.match(answer.body.message, message);
      assert.equal(answer.headers.get('x-should-retry'), 'false');
      assert.ok(!JSON.stringify(answer.body).includes('0123456789abcdef'));
    }
  });
}

test('J2: every path but the probes asks for a key, and each for its scope', async () => {
  const status = async (path: string, key?: string) => {
    const response = await fetch(server.url + path, key ? { headers: bearer(key) } : {});
    if (response.status >= 400) validateWire('ErrorResponse', await response.json());
    else await response.text();
    return response.status;
  };
  assert.deepEqual([await status('/healthz'), await status('/readyz')], [200, 200]);
  assert.equal(await status('/v1/models'), 401);
  assert.equal(await status('/v1/models', keys.infer), 200);
  assert.equal(await status('/metrics'), 401);
  assert.equal(await status('/metrics', keys.infer), 403);
  assert.equal(await status('/metrics', keys.read), 200);
  for (const path of [
    '/tokenize',
    '/detokenize',
    '/v1/embeddings',
    '/generate',
    '/v1/completions',
  ]) {
    assert.equal((await postError(server.url, path, { prompt: 'x' })).status, 401, path);
  }
});

test('which endpoint answered is told only to keys with the debug scope', async () => {
  const plain = await post(server.url, route, request, bearer(keys.infer));
  assert.equal(plain.headers.get('x-unbusy-endpoint'), null);
  const debug = await post(server.url, route, request, bearer(keys.debug));
  assert.equal(debug.headers.get('x-unbusy-endpoint'), 'far');
});

test('no key stands in the log', async () => {
  const { headers } = await post(server.url, route, request, bearer(keys.both));
  await server.outcomeOf(headers.get('x-request-id') ?? '');
  const written = JSON.stringify(server.log);
  for (const key of Object.values(keys)) assert.ok(!written.includes(key));
});
