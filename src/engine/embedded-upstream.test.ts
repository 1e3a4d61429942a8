/** The engine in a process of its own, seen as an upstream. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GenerationEvent, GenerationRequest, Usage } from '../protocol/generation.ts';
import type { Clock, Exchange, UpstreamError } from '../protocol/ports.ts';
import type { TelemetrySink } from '../protocol/telemetry.ts';
import { createEmbeddedUpstream, type EmbeddedUpstream } from './embedded-upstream.ts';
import { chatRequest, collectChoices, testEngineOptions } from './engine-fixture.ts';
import type { EngineOptions } from './protocol.ts';

const clock: Clock = {
  now: () => performance.now(),
  setTimer: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

interface Watched {
  readonly upstream: EmbeddedUpstream;
  readonly states: string[];
  readonly steps: number[];
  readonly notes: string[];
  /** Resolves when the state is reached next. */
  reached(state: string): Promise<void>;
}

function watched(changes: Partial<EngineOptions> = {}): Watched {
  const states: string[] = [];
  const steps: number[] = [];
  const notes: string[] = [];
  const watchers = new Set<() => void>();
  const telemetry: TelemetrySink = {
    requestSettled: () => undefined,
    engineStep: (_endpoint, { batchSize }) => steps.push(batchSize),
    endpointState: (_endpoint, state) => {
      states.push(state);
      for (const watch of watchers) watch();
    },
    note: (_level, code) => notes.push(code),
  };
  const engine = testEngineOptions(changes);
  const upstream = createEmbeddedUpstream({ name: 'demo', engine, telemetry, clock });
  const reached = (state: string): Promise<void> =>
    new Promise((resolve) => {
      const watch = (): void => {
        if (states.at(-1) !== state) return;
        watchers.delete(watch);
        resolve();
      };
      watchers.add(watch);
    });
  return { upstream, states, steps, notes, reached };
}

function request(text: string, changes: Partial<GenerationRequest> = {}): GenerationRequest {
  return { ...chatRequest(text), model: 'pocket-r1', stream: true, ...changes };
}

interface Outcome {
  readonly calls: string[];
  readonly events: GenerationEvent[];
  readonly usage: Usage | undefined;
  readonly error: UpstreamError | undefined;
}

interface Asked {
  readonly exchange: Exchange;
  readonly outcome: Promise<Outcome>;
  /** Resolves with the first text. */
  readonly text: Promise<void>;
}

function ask(upstream: EmbeddedUpstream, asked: GenerationRequest): Asked {
  const calls: string[] = [];
  const events: GenerationEvent[] = [];
  const outcome = Promise.withResolvers<Outcome>();
  const text = Promise.withResolvers<void>();
  const exchange = upstream.dispatch(asked, 'events', {
    onStart: ({ form }) => calls.push(`start ${form}`),
    onRead: () => assert.fail('this upstream has no bytes'),
    onEvents: (some) => {
      calls.push('events');
      events.push(...some);
      text.resolve();
    },
    onEnd: ({ usage }) => outcome.resolve({ calls, events, usage, error: undefined }),
    onError: (error) => outcome.resolve({ calls, events, usage: undefined, error }),
  });
  assert.deepEqual(calls, [], 'nothing is called from inside dispatch');
  return { exchange, outcome: outcome.promise, text: text.promise };
}

test('an engine process serves, is described, and answers questions', async () => {
  const { upstream, states, steps } = watched({ warmup: { requests: 3, prefixes: ['Be brief.'] } });
  try {
    assert.equal(await upstream.measure(request('hi')), undefined, 'nobody to ask yet');
    await upstream.start();
    assert.deepEqual(states, ['starting', 'warming', 'ready']);
    const { models, concurrencyMax, state } = upstream.status();
    assert.equal(state, 'ready');
    assert.equal(concurrencyMax, 16);
    assert.deepEqual(models, [
      {
        id: 'pocket-r1',
        contextTokens: 512,
        description: 'demonstration model, 10 M parameters, Q8_0',
        parameters: 10_015_032,
        ownedBy: 'unbusy',
      },
    ]);
    const { calls, events, usage } = await ask(upstream, request('What is 12 + 34?')).outcome;
    assert.equal(calls[0], 'start events');
    assert.match(collectChoices(events)[0]!.answer, /46/);
    assert.equal(usage?.promptTokens, 15);
    assert.ok(steps.length > 10);
    assert.ok((upstream.status().tokensPerSecond ?? 0) > 0);
    const size = await upstream.measure(request('What is 12 + 34?'));
    assert.deepEqual(size, { promptTokens: 15, contextTokens: 512 });
    const tokens = await upstream.tokenize('12', { addSpecial: false, parseSpecial: false });
    assert.equal(await upstream.detokenize(tokens), '12');
    assert.match(await upstream.render(request('hi')), /hi.*<think>\n$/s);
  } finally {
    await upstream.close();
  }
});

test('what the model can never do is the caller’s fault and names the field', async () => {
  const { upstream } = watched();
  try {
    await upstream.start();
    const image = { kind: 'other', type: 'image_url', path: 'messages[0].content[1]' } as const;
    const inputs = [{ kind: 'chat', messages: [{ role: 'user', content: [image] }] }] as const;
    const picture = await ask(upstream, request('', { inputs })).outcome;
    assert.equal(picture.error?.callerFault, true);
    assert.equal(picture.error?.error.details.param, 'messages[0].content[1]');
    const tools = await ask(upstream, request('hi', { tools: [{ type: 'function' }] })).outcome;
    assert.equal(tools.error?.callerFault, true);
    assert.equal(tools.error?.error.code, 'unsupported_parameter');
    assert.equal(tools.error?.error.details.param, 'tools');
    const long = await ask(upstream, request('word '.repeat(3000))).outcome;
    assert.equal(long.error?.callerFault, true);
    assert.equal(long.error?.error.code, 'context_length_exceeded');
    assert.equal(long.error?.stage, 'not_placed');
    if (upstream.status().state !== 'ready') assert.fail('the engine is unharmed');
  } finally {
    await upstream.close();
  }
});

test('a paused exchange holds its text back, in order, and an aborted one is silent', async () => {
  const { upstream } = watched();
  try {
    await upstream.start();
    const held = ask(upstream, request('What is 12 + 34?'));
    held.exchange.pause();
    const other = await ask(upstream, request('What is 12 + 34?')).outcome;
    const settled = await Promise.race([held.outcome, Promise.resolve('held')]);
    assert.equal(settled, 'held');
    held.exchange.resume();
    const { events } = await held.outcome;
    assert.deepEqual(collectChoices(events), collectChoices(other.events));
    const left = ask(upstream, request('What is 98 + 76?'));
    await left.text;
    left.exchange.abort();
    left.exchange.abort();
    const after = await ask(upstream, request('What is 1 + 2?')).outcome;
    assert.equal(after.error, undefined);
    const silent = await Promise.race([left.outcome, Promise.resolve('silent')]);
    assert.equal(silent, 'silent');
  } finally {
    await upstream.close();
  }
});

test('kill -9: those without text were not placed, those with text break, and it comes back (E4)', async () => {
  const batching = { ...testEngineOptions().batching, maxBatchSize: 2 };
  const { upstream, states, notes, reached } = watched({ batching });
  try {
    await upstream.start();
    const endless = { sampling: { temperature: 0, logitBias: { 1: -100 } } };
    const running = [1, 2].map((n) => ask(upstream, request(`What is ${n} + 34?`, endless)));
    await Promise.all(running.map(({ text }) => text));
    const waiting = Array.from({ length: 20 }, (_, n) =>
      ask(upstream, request(`What is ${n} + 5?`)),
    );
    const lost = reached('starting');
    const back = reached('ready');
    process.kill(upstream.pid!, 'SIGKILL');
    await lost;
    for (const { outcome } of running) {
      const { error } = await outcome;
      assert.equal(error?.stage, 'streaming');
      assert.equal(error?.error.kind, 'upstream_unavailable');
      assert.equal(error?.callerFault, false);
    }
    for (const { outcome } of waiting) assert.equal((await outcome).error?.stage, 'not_placed');
    const refused = await ask(upstream, request('What is 1 + 1?')).outcome;
    assert.equal(refused.error?.stage, 'not_placed');
    assert.equal(upstream.status().state, 'starting', 'it comes back: callers may wait');
    assert.deepEqual(notes, ['engine_lost']);
    await back;
    const { events } = await ask(upstream, request('What is 12 + 34?')).outcome;
    assert.match(collectChoices(events)[0]!.answer, /46/);
    assert.deepEqual(states.slice(-4), ['ready', 'starting', 'warming', 'ready']);
  } finally {
    await upstream.close();
  }
});

test('a model that cannot be loaded is told once, without restarts', async () => {
  const { upstream, states } = watched({ modelPath: '/nowhere/model.gguf' });
  await assert.rejects(upstream.start(), { code: 'model_unreadable' });
  assert.equal(states.at(-1), 'down');
  assert.match(upstream.status().reason ?? '', /nowhere/);
  await upstream.close();
});
