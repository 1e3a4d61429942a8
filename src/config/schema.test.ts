import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toCamel, toSnake, userKeyedMaps } from './case.ts';
import { configReference } from './describe.ts';
import { configJsonSchema, type SchemaNode } from './json-schema.ts';

/** Every node of the schema with its key and path. */
function* nodes(
  node: SchemaNode,
  key: string,
  path: string,
): Generator<{ key: string; path: string; node: SchemaNode }> {
  yield { key, path, node };
  for (const [name, child] of Object.entries(node.properties ?? {})) {
    yield* nodes(child, name, path === '' ? name : `${path}.${name}`);
  }
  for (const variant of node.oneOf ?? []) yield* nodes(variant, key, path);
  if (node.items) yield* nodes(node.items, '', `${path}[]`);
  if (typeof node.additionalProperties === 'object') {
    yield* nodes(node.additionalProperties, '', `${path}.NAME`);
  }
}

const all = [...nodes(configJsonSchema(), '', '')];

test('the maps whose keys are kept are exactly those that people name the keys of', () => {
  const maps = all.filter(({ node }) => typeof node.additionalProperties === 'object');
  assert.deepEqual(new Set(maps.map(({ key }) => key)), new Set(userKeyedMaps));
});

test('every key of the file is described, and durations and sizes have their unit in the name', () => {
  for (const { key, path, node } of all) {
    if (key === '') continue;
    assert.ok((node.description ?? '').length > 5, `${path} has no description`);
    assert.match(node.description ?? '', /\.$/, path);
    if (/_ms$/.test(key) && node.type === 'integer') {
      assert.match(node.description ?? '', /ms/, `${path} does not name its unit`);
    }
  }
});

test('the reference page names every key', () => {
  const page = configReference();
  for (const { key, path, node } of all) {
    const isBlock = node.properties !== undefined || typeof node.additionalProperties === 'object';
    const isList = node.items?.properties !== undefined;
    if (key === '' || key === 'kind' || isBlock || isList) continue;
    assert.ok(page.includes(`\`${path}\``), path);
  }
});

test('names given by people survive the conversion, keys of the schema change', () => {
  const file = {
    endpoints: { my_gpu: { first_token_ms: 1, headers: { x_a: 's' } } },
    queue: { max_wait_ms: { batch: 1 } },
  };
  const converted = toCamel(file);
  assert.deepEqual(converted, {
    endpoints: { my_gpu: { firstTokenMs: 1, headers: { x_a: 's' } } },
    queue: { maxWaitMs: { batch: 1 } },
  });
  assert.deepEqual(toSnake(converted), file);
});
