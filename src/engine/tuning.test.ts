import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadBinding } from './binding.ts';
import { modelPath } from './engine-fixture.ts';
import type { Binding } from './native.ts';
import { chooseTuning, threadCandidates } from './tuning.ts';

const cacheDir = mkdtempSync(join(tmpdir(), 'unbusy-tuning-'));
after(() => rmSync(cacheDir, { recursive: true }));

test('a small model is tried with one thread, a large one with fractions of the cores', () => {
  assert.deepEqual(threadCandidates({ modelBytes: 1e7, cores: 8, gpu: false }), [1]);
  assert.deepEqual(threadCandidates({ modelBytes: 5e9, cores: 8, gpu: false }), [8, 4, 1]);
  assert.deepEqual(threadCandidates({ modelBytes: 5e9, cores: 1, gpu: false }), [1]);
  assert.deepEqual(threadCandidates({ modelBytes: 5e9, cores: 8, gpu: true }), [1]);
});

test('what was measured is kept, used again, and measured anew where it cannot be read', async () => {
  const binding: Binding = await loadBinding({ gpuLayers: 0, onLog: () => undefined });
  const model = await binding.loadModel(modelPath, { gpuLayers: 0, onProgress: () => undefined });
  const request = {
    threads: 'auto',
    flashAttention: 'auto',
    gpuLayers: 0,
    digest: 'abc',
    cacheDir: join(cacheDir, 'nested'),
  } as const;
  const measured = await chooseTuning(binding, model, request);
  assert.equal(measured.threads, 1);
  assert.ok(measured.prefillTokensPerMs > 0);
  const [name] = readdirSync(request.cacheDir);
  const file = join(request.cacheDir, name!);
  const planted = { threads: 3, flashAttention: false, prefillTokensPerMs: 9 };
  writeFileSync(file, JSON.stringify(planted));
  assert.deepEqual(await chooseTuning(binding, model, request), planted);
  writeFileSync(file, '{"threads":0');
  assert.equal((await chooseTuning(binding, model, request)).threads, 1);
  assert.equal(JSON.parse(readFileSync(file, 'utf8')).threads, 1);
  await model.dispose();
});
