/** The step loop's batching on the shipped model: waves, chunks, slots, leavers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  chatRequest,
  startTestEngine,
  type TestEngine,
  testEngineOptions,
  textRequest,
} from './engine-fixture.ts';
import type { EngineBatching, EngineOptions } from './protocol.ts';
import { exactChunkTokens } from './step-loop.ts';

const { batching } = testEngineOptions();

async function withEngine(
  changes: Partial<EngineBatching>,
  options: Partial<EngineOptions>,
  run: (engine: TestEngine) => Promise<void>,
): Promise<void> {
  const engine = await startTestEngine(
    testEngineOptions({ ...options, batching: { ...batching, ...changes } }),
  );
  try {
    await run(engine);
  } finally {
    await engine.close();
  }
}

const widest = (engine: TestEngine): number =>
  Math.max(...engine.steps.map(({ batchSize }) => batchSize));

test('without dynamic batching requests are answered one at a time (C2)', async () => {
  await withEngine({ enabled: false }, {}, async (engine) => {
    assert.equal(engine.engine.model.slots, 1);
    await Promise.all([1, 2, 3].map((n) => engine.ask(chatRequest(`${n} + 1`, { maxTokens: 5 }))));
    assert.equal(widest(engine), 1);
  });
});

test('a wave starts at a preferred size without waiting for the delay (C2)', async () => {
  // A delay that no test would survive: only the preferred size can start the wave.
  const delay = { maxQueueDelayMs: 600_000, preferredBatchSizes: [3] };
  await withEngine(delay, {}, async (engine) => {
    const asked = [1, 2, 3].map((n) => engine.ask(chatRequest(`${n} + 1`, { maxTokens: 8 })));
    await Promise.all(asked);
    assert.equal(widest(engine), 3);
  });
});

test('a long prompt is computed in chunks between the steps of answers that run', async () => {
  await withEngine({ stepBudgetMs: 5 }, { contextTokens: 2048 }, async (engine) => {
    const endless = { sampling: { temperature: 0, logitBias: { 1: -100 } }, maxTokens: 400 };
    const begun = engine.step(({ started }) => started.length > 0);
    const running = engine.ask(chatRequest('What is 1 + 2?', endless));
    await begun;
    const from = engine.steps.length;
    await engine.ask(textRequest('word '.repeat(500), { maxTokens: 1 }));
    await running;
    const steps = engine.steps.slice(from);
    const chunks = steps.filter(({ prefillTokens }) => prefillTokens > 0);
    assert.ok(chunks.length > 3, `${chunks.length} chunks`);
    const first = steps.indexOf(chunks[0]!);
    const last = steps.indexOf(chunks.at(-1)!);
    const decoded = steps.slice(first, last).filter(({ batchSize }) => batchSize > 0);
    assert.ok(decoded.length >= chunks.length - 2, 'the answer went on in between');
  });
});

test('a warmed prefix is in the cache for the first caller (F1)', async () => {
  const prefix = 'You are a patient teacher who explains every step in short sentences. '.repeat(3);
  const warmup = { requests: 2, prefixes: [prefix] };
  await withEngine({}, { warmup }, async (engine) => {
    assert.deepEqual(engine.steps, [], 'warming up is nobody’s business');
    const text = (content: string) => [{ kind: 'text', text: content }] as const;
    const messages = [
      { role: 'system', content: text(prefix) },
      { role: 'user', content: text('What is 1 + 2?') },
    ] as const;
    const { usage } = await engine.ask(
      chatRequest('', { inputs: [{ kind: 'chat', messages }], maxTokens: 2 }),
    );
    assert.ok(usage.cachedTokens >= usage.promptTokens - 16, `${usage.cachedTokens}`);
  });
});

test('exact prompts share whole chunks that were built exactly, and no others (B7)', async () => {
  await withEngine({}, { contextTokens: 1024 }, async (engine) => {
    const long = 'plums and pears '.repeat(80);
    const ask = (changes: object) => engine.ask(textRequest(long, { maxTokens: 4, ...changes }));
    const plain = await ask({});
    assert.equal(plain.usage.cachedTokens < exactChunkTokens, true);
    const exact = { deterministic: true, sampling: { seed: 1, temperature: 0.8 } };
    const first = await ask(exact);
    assert.equal(first.usage.cachedTokens, 0, 'what was built otherwise is not used');
    const second = await ask(exact);
    const { promptTokens, cachedTokens } = second.usage;
    assert.equal(
      cachedTokens,
      Math.floor((promptTokens - 1) / exactChunkTokens) * exactChunkTokens,
    );
    assert.ok(cachedTokens > 0);
    assert.deepEqual(second.choices, first.choices);
  });
});

test('property: whatever comes, leaves and repeats, everyone who stays is answered as if alone', async () => {
  await withEngine({ maxBatchSize: 4 }, {}, async (engine) => {
    const alone = new Map<number, unknown>();
    const seeded = (n: number) =>
      chatRequest(`What is ${n} + ${n * 3}?`, {
        deterministic: n % 2 === 0,
        sampling: { temperature: 0, seed: n },
        maxTokens: 10 + n * 3,
      });
    for (let n = 0; n < 8; n++) alone.set(n, (await engine.ask(seeded(n))).choices);
    const visitor = fc.record({ which: fc.nat(7), leavesAfter: fc.option(fc.nat(20)) });
    await fc.assert(
      fc.asyncProperty(fc.array(visitor, { maxLength: 14 }), async (visitors) => {
        const asked = visitors.map(async ({ which, leavesAfter }, index) => {
          if (leavesAfter === null) {
            const { choices } = await engine.ask(seeded(which));
            if (which % 2 === 0) assert.deepEqual(choices, alone.get(which));
            assert.equal(choices.length, 1);
            return;
          }
          const id = `leaver-${index}`;
          engine.engine.handle({ type: 'generate', request: { ...seeded(which), id } });
          for (let turn = 0; turn < leavesAfter; turn++) await new Promise(setImmediate);
          engine.abort(id);
        });
        await Promise.all(asked);
      }),
      { numRuns: 15 },
    );
    const { usage } = await engine.ask(seeded(1));
    assert.ok(usage.completionTokens > 0);
  });
});
