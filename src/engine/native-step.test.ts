import assert from 'node:assert/strict';
import test from 'node:test';
import type { LoadedModel } from './loaded-model.ts';
import type { NativeContext, NativeSampler } from './native.ts';
import { createNativeStep } from './native-step.ts';
import type { Sequence } from './sequence.ts';

/** One step of one sequence over a context that writes down what it is asked for. */
async function step(options: {
  readonly inOrder: boolean;
  readonly nextIsSampled?: boolean;
  readonly forced?: number;
  readonly leavesWhileDecoding?: boolean;
  readonly decodeFails?: boolean;
}): Promise<{ readonly calls: string[]; readonly accepted: number[] }> {
  const calls: string[] = [];
  const accepted: number[] = [];
  const owner = { closed: false, request: {} };
  const context = {
    inOrder: options.inOrder,
    begin: () => undefined,
    add: () => Uint32Array.of(0),
    decode: async () => {
      calls.push('decode');
      await Promise.resolve();
      if (options.decodeFails) throw new Error('no room');
    },
    sample: async () => {
      calls.push('sample');
      await new Promise(setImmediate);
      calls.push('sampled');
      return 7;
    },
  } as unknown as NativeContext;
  const sequence = {
    slot: { id: 0, length: 1, append: () => undefined },
    next: 5,
    owner,
    sampler: {} as NativeSampler,
    nextIsSampled: options.nextIsSampled ?? true,
    takeForced: () => options.forced,
    accept: (token: number) => accepted.push(token),
  } as unknown as Sequence;
  const native = createNativeStep({
    model: {} as LoadedModel,
    context,
    outbox: { token: () => undefined } as never,
    meter: { batchSize: 0, prefillTokens: 0, decodeMs: 0, prefillMs: 0, sampleMs: 0 },
    whileDecoding: () => {
      calls.push('tell');
      owner.closed = options.leavesWhileDecoding ?? false;
    },
    onFailed: (_, thrown) => assert.fail(String(thrown)),
    now: () => 0,
  });
  const decoding = native.decode([sequence]);
  if (options.decodeFails) await assert.rejects(decoding, /no room/);
  else await decoding;
  return { calls, accepted };
}

test('where calls are computed in order, a token is sampled behind its decode', async () => {
  const { calls, accepted } = await step({ inOrder: true });
  assert.deepEqual(calls, ['decode', 'sample', 'tell', 'sampled']);
  assert.deepEqual(accepted, [7]);
});

test('where calls have no order, sampling waits for the decode', async () => {
  const { calls, accepted } = await step({ inOrder: false });
  assert.deepEqual(calls, ['decode', 'tell', 'sample', 'sampled']);
  assert.deepEqual(accepted, [7]);
});

test('a token that may yet be forced is not sampled ahead (B11)', async () => {
  const { calls, accepted } = await step({ inOrder: true, nextIsSampled: false, forced: 9 });
  assert.deepEqual(calls, ['decode', 'tell']);
  assert.deepEqual(accepted, [9]);
});

test('a token sampled for a caller who has left is waited for and dropped (B4)', async () => {
  const { calls, accepted } = await step({ inOrder: true, leavesWhileDecoding: true });
  assert.equal(calls.at(-1), 'sampled');
  assert.deepEqual(accepted, []);
});

test('a failed decode is told when its samplers are no longer in use', async () => {
  const { calls, accepted } = await step({ inOrder: true, decodeFails: true });
  assert.equal(calls.at(-1), 'sampled');
  assert.deepEqual(accepted, []);
});
