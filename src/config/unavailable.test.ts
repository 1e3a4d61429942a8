import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './load.ts';
import { unavailableKeys } from './unavailable.ts';

/** A file that sets `path` to `value`; names that people give become `x`. */
function fileWith(path: readonly string[], value: unknown): string {
  const root: Record<string, unknown> = {
    endpoints: { x: { kind: 'vllm', url: 'http://x', concurrency: {} } },
    models: { x: { pool: ['x'] } },
    server: {},
  };
  let block = root;
  for (const [depth, step] of path.entries()) {
    const name = step === '*' ? 'x' : step;
    if (depth === path.length - 1) block[name] = value;
    else block = block[name] as Record<string, unknown>;
  }
  return JSON.stringify(root);
}

function load(text: string) {
  return loadConfig({ path: 'unbusy.yaml', cwd: '/etc/u', env: {}, readFile: () => text }).config;
}

for (const { path, off, what } of unavailableKeys) {
  const key = path.join('.').replaceAll('*', 'x');

  test(`${key} is refused by name, and accepted where it is off`, () => {
    const plain = load(fileWith([], undefined));
    for (const value of off) assert.deepEqual(load(fileWith(path, value)), plain);
    assert.throws(
      () => load(fileWith(path, { enabled: true })),
      (error: Error) =>
        error.message.includes(`: ${key}: found`) &&
        error.message.includes(`${what} is not available in this version`),
    );
  });
}
