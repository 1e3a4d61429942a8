import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRouteTable } from './route-table.ts';

const table = createRouteTable({
  'POST /v1/chat/completions': 'chat',
  'GET /v1/models': 'models',
  'GET /v1/models/{id*}': 'model',
  'POST /v2/models/{name}/infer': 'infer',
});

test('a path and method find their handler', () => {
  assert.deepEqual(table.find('POST', '/v1/chat/completions'), {
    kind: 'found',
    route: 'POST /v1/chat/completions',
    handler: 'chat',
    params: {},
  });
  const head = table.find('HEAD', '/v1/models');
  assert.equal(head.kind === 'found' && head.handler, 'models');
});

test('a model id with slashes is one parameter, plain or escaped', () => {
  for (const path of ['/v1/models/deepseek-ai/R1', '/v1/models/deepseek-ai%2FR1']) {
    const match = table.find('GET', path);
    assert.deepEqual(match.kind === 'found' && match.params, { id: 'deepseek-ai/R1' });
  }
  const match = table.find('POST', '/v2/models/r1/infer');
  assert.deepEqual(match.kind === 'found' && match.params, { name: 'r1' });
  assert.equal(table.find('POST', '/v2/models/a/b/infer').kind, 'not_found');
});

test('a known path with another method says which it takes', () => {
  assert.deepEqual(table.find('DELETE', '/v1/models'), {
    kind: 'other_method',
    allow: ['GET', 'HEAD', 'OPTIONS'],
  });
  assert.deepEqual(table.find('GET', '/v1/chat/completions'), {
    kind: 'other_method',
    allow: ['OPTIONS', 'POST'],
  });
});

test('a mistaken base URL is told the path that was meant', () => {
  const cases: [string, string | undefined][] = [
    ['/chat/completions', '/v1/chat/completions'],
    ['/v1/v1/chat/completions', '/v1/chat/completions'],
    ['/v1//chat/completions', '/v1/chat/completions'],
    ['/v1/chat/completions/', '/v1/chat/completions'],
    ['/v1/audio', undefined],
    ['/', undefined],
    ['/v1/models/%E0%A4%A', undefined],
  ];
  for (const [path, similar] of cases) {
    assert.deepEqual(table.find('POST', path), { kind: 'not_found', similar }, path);
  }
});

test('a table with a key that is no route is refused', () => {
  assert.throws(() => createRouteTable({ '/v1/models': 1 }), /not a route/);
});
