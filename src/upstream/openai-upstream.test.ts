import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { createSystemClock, createVirtualClock, type VirtualClock } from '../core/clock.ts';
import type { GenerationEvent, GenerationRequest } from '../protocol/generation.ts';
import type {
  Exchange,
  OutputForm,
  Upstream,
  UpstreamError,
  UpstreamStart,
  WireRead,
} from '../protocol/ports.ts';
import type { TelemetrySink } from '../protocol/telemetry.ts';
import {
  createFakeUpstream,
  type FakeBehaviour,
  type FakeUpstream,
  type FakeUpstreamOptions,
} from './fake-upstream.ts';
import { createOpenAiUpstream, type OpenAiUpstreamOptions } from './openai-upstream.ts';

const TIMEOUTS = { connectMs: 2000, firstTokenMs: 5000, idleMs: 5000, totalMs: 10_000 };

function silentTelemetry(states: string[] = []): TelemetrySink {
  return {
    requestSettled() {},
    engineStep() {},
    endpointState: (_, state) => states.push(state),
    note() {},
  };
}

const MINIMAL: OpenAiUpstreamOptions = {
  name: 'e1',
  url: 'http://127.0.0.1:1',
  timeouts: TIMEOUTS,
  clock: createSystemClock(),
  telemetry: silentTelemetry(),
};

function upstreamFor(
  t: TestContext,
  url: string,
  options: Partial<OpenAiUpstreamOptions> = {},
): Upstream {
  const upstream = createOpenAiUpstream({ ...MINIMAL, url, ...options });
  t.after(() => upstream.close());
  return upstream;
}

async function fakeFor(t: TestContext, options: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
  const fake = await createFakeUpstream(options);
  t.after(() => fake.close());
  return fake;
}

/** A fake of the engine and a started upstream in front of it. */
async function pair(
  t: TestContext,
  fakeOptions: FakeUpstreamOptions = {},
  options: Partial<OpenAiUpstreamOptions> = {},
): Promise<{ readonly fake: FakeUpstream; readonly upstream: Upstream }> {
  const fake = await fakeFor(t, fakeOptions);
  const upstream = upstreamFor(t, fake.url, options);
  await upstream.start();
  return { fake, upstream };
}

function chat(body: Record<string, unknown> = {}): GenerationRequest {
  const whole = { model: 'deepseek-r1', messages: [{ role: 'user', content: '2+2?' }], ...body };
  return {
    id: 'req-1',
    model: whole.model,
    inputs: [
      { kind: 'chat', messages: [{ role: 'user', content: [{ kind: 'text', text: '2+2?' }] }] },
    ],
    choicesPerInput: 1,
    sampling: {},
    stop: [],
    echo: false,
    format: { kind: 'text' },
    reasoning: { placement: 'separate' },
    tools: [],
    deterministic: false,
    stream: body['stream'] === true,
    wire: { dialect: 'chat', body: whole, bytes: Buffer.from(JSON.stringify(whole)) },
  };
}

interface Result {
  readonly start: UpstreamStart | undefined;
  readonly text: string;
  readonly events: readonly GenerationEvent[];
  readonly failure: UpstreamError | undefined;
}

interface Dispatched {
  readonly exchange: Exchange;
  readonly result: Promise<Result>;
}

function dispatch(
  upstream: Upstream,
  request: GenerationRequest,
  output: OutputForm = 'bytes',
  onRead?: (read: WireRead) => void,
): Dispatched {
  const { promise, resolve } = Promise.withResolvers<Result>();
  const seen: { start: UpstreamStart | undefined; parts: Buffer[]; events: GenerationEvent[] } = {
    start: undefined,
    parts: [],
    events: [],
  };
  const finish = (failure?: UpstreamError) =>
    resolve({
      start: seen.start,
      text: Buffer.concat(seen.parts).toString(),
      events: seen.events,
      failure,
    });
  const exchange = upstream.dispatch(request, output, {
    onStart(start) {
      seen.start = start;
    },
    onRead(read) {
      for (let span = 0; span < read.spanCount; span += 1) {
        seen.parts.push(
          Buffer.from(read.buffer.subarray(read.spans[2 * span], read.spans[2 * span + 1])),
        );
      }
      onRead?.(read);
    },
    onEvents: (events) => seen.events.push(...events),
    onEnd: () => finish(),
    onError: (failure) => finish(failure),
  });
  return { exchange, result: promise };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets virtual time pass, slowly enough for answers to come in between. */
async function advanceUntil(clock: VirtualClock, condition: () => boolean): Promise<void> {
  while (!condition()) {
    clock.advance(50);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('OpenAI upstream', () => {
  describe('finds out what answers', () => {
    for (const engine of ['openai', 'vllm', 'sglang', 'llama-server'] as const) {
      it(`knows ${engine} by its routes`, async (t) => {
        const { upstream } = await pair(t, { engine, contextTokens: 4096, slots: 3 });
        assert.equal(upstream.kind, engine);
        const status = upstream.status();
        assert.equal(status.state, 'ready');
        assert.equal(status.models[0]?.id, 'deepseek-r1');
        assert.equal(status.models[0]?.contextTokens, 4096);
        assert.equal(status.concurrencyMax, engine === 'llama-server' ? 3 : 64);
        assert.equal(status.kvUsageRatio, engine === 'vllm' ? 0.5 : undefined);
      });
    }

    it('takes an address with and without /v1, and with a slash behind it', async (t) => {
      const fake = await fakeFor(t, { engine: 'vllm' });
      for (const path of ['', '/', '/v1', '/v1/']) {
        const upstream = upstreamFor(t, fake.url + path);
        await upstream.start();
        assert.equal(upstream.kind, 'vllm');
        const { text } = await dispatch(upstream, chat()).result;
        assert.equal(JSON.parse(text).choices[0].message.content, 'The answer is 4.');
      }
    });

    it('waits for an engine that is not there yet, and says so', async (t) => {
      const fake = await createFakeUpstream();
      await fake.close();
      const clock = createVirtualClock();
      const states: string[] = [];
      const telemetry = silentTelemetry(states);
      const upstream = upstreamFor(t, fake.url, { clock, telemetry });
      const started = upstream.start();
      let changes = 0;
      upstream.onStatusChange(() => {
        changes += 1;
      });
      await until(() => changes === 1);
      assert.equal(upstream.status().state, 'starting');
      assert.match(upstream.status().reason ?? '', /GET \/v1\/models: .*ECONNREFUSED/);
      await fakeFor(t, { port: fake.port });
      await advanceUntil(clock, () => upstream.status().state === 'ready');
      await started;
      assert.equal(upstream.status().state, 'ready');
      assert.deepEqual(states, ['starting', 'ready']);
    });

    it('tells loading from gone, and finds out again what came back', async (t) => {
      const clock = createVirtualClock();
      const fake = await createFakeUpstream({ engine: 'llama-server' });
      fake.setLoading(true);
      const upstream = upstreamFor(t, fake.url, { clock });
      let changes = 0;
      upstream.onStatusChange(() => {
        changes += 1;
      });
      const started = upstream.start();
      await until(() => changes === 1);
      assert.deepEqual(
        [upstream.status().state, upstream.status().reason],
        ['starting', 'GET /v1/models answered 503: Loading model'],
      );
      fake.setLoading(false);
      await advanceUntil(clock, () => upstream.status().state === 'ready');
      await started;
      await fake.close();
      await advanceUntil(clock, () => upstream.status().state === 'down');
      await fakeFor(t, { engine: 'sglang', port: fake.port });
      await advanceUntil(clock, () => upstream.status().state === 'ready');
      assert.equal(upstream.kind, 'sglang');
    });

    it('takes a refused request for a sign, and does not wait for the next probe', async (t) => {
      const { fake, upstream } = await pair(t, {}, { clock: createVirtualClock() });
      await fake.close();
      const { failure } = await dispatch(upstream, chat()).result;
      assert.equal(failure?.stage, 'not_placed');
      await until(() => upstream.status().state === 'down');
    });

    it('names a key that is not accepted, and never the key', async (t) => {
      const fake = await fakeFor(t, { key: 'right' });
      const upstream = upstreamFor(t, fake.url, { key: 'wrong-secret' });
      upstream.start().catch(() => {});
      await until(() => upstream.status().state === 'down');
      assert.equal(
        upstream.status().reason,
        'GET /v1/models answered 401: the key is not accepted',
      );
      const right = upstreamFor(t, fake.url, { key: 'right' });
      await right.start();
      assert.equal(right.status().state, 'ready');
    });

    it('rejects start where it is closed before, and a url that is none', async (t) => {
      const fake = await createFakeUpstream();
      await fake.close();
      const upstream = upstreamFor(t, fake.url);
      const started = upstream.start();
      await upstream.close();
      await assert.rejects(started, /e1 has been closed/);
      for (const url of ['', 'host:8000', 'ftp://host', 'http://h/v1?a=b', 'http://u:p@h']) {
        assert.throws(() => upstreamFor(t, url), { code: 'invalid_config' });
      }
    });

    it('refuses a key that cannot be sent, without showing it', () => {
      assert.throws(
        () => createOpenAiUpstream({ ...MINIMAL, key: 'secret\n' }),
        (error: Error) =>
          /header authorization/.test(error.message) && !/secret/.test(error.message),
      );
    });

    it('stays ready while a silent engine still speaks to callers, and not for ever (B5)', async (t) => {
      const clock = createVirtualClock();
      const answer = Array<string>(100_000).fill('x');
      const timeouts = { ...TIMEOUTS, idleMs: 60_000 };
      const behaviour: FakeBehaviour = { kind: 'answer', answer, paceMs: 1 };
      const { fake, upstream } = await pair(t, { behaviour }, { clock, timeouts });
      let reads = 0;
      const { exchange } = dispatch(upstream, chat({ stream: true }), 'bytes', () => {
        reads += 1;
      });
      await until(() => reads > 0);
      fake.setSilent(true);
      for (let probe = 0; probe < 10; probe += 1) {
        const before = reads;
        clock.advance(5000);
        await until(() => reads > before);
      }
      assert.equal(upstream.status().state, 'ready');
      exchange.abort();
      await advanceUntil(clock, () => upstream.status().state === 'down');
      assert.match(upstream.status().reason ?? '', /no answer began within 5000 ms/);
    });

    it('takes the operator’s word for a model that the endpoint does not list', async (t) => {
      const { fake, upstream } = await pair(t, { model: 'other' }, { upstreamModel: 'ep-1' });
      assert.deepEqual(upstream.status().models, [{ id: 'ep-1' }]);
      await dispatch(upstream, chat()).result;
      assert.equal(fake.requests[0]?.body['model'], 'ep-1');
    });
  });

  describe('answers', () => {
    it('passes the bytes of a stream on as they came (B4)', async (t) => {
      for (const engine of ['openai', 'vllm', 'sglang', 'llama-server'] as const) {
        const { upstream } = await pair(t, { engine });
        const { start, text, failure } = await dispatch(upstream, chat({ stream: true })).result;
        assert.equal(failure, undefined);
        assert.deepEqual(start, {
          form: 'bytes',
          streaming: true,
          model: 'deepseek-r1',
          renamesReasoning: engine === 'vllm',
          addsUsage: true,
        });
        assert.ok(text.startsWith('data: {"id":"fake-1"'));
        assert.ok(
          text.includes(
            engine === 'vllm' ? '"reasoning":"2 and 2"' : '"reasoning_content":"2 and 2"',
          ),
        );
        assert.ok(text.endsWith('data: [DONE]\n\n'));
      }
    });

    it('passes a body on whole, without the line breaks of a provider that queues', async (t) => {
      for (const keepAlives of [0, 3]) {
        const { upstream } = await pair(t, { behaviour: { kind: 'answer', keepAlives } });
        const { start, text } = await dispatch(upstream, chat()).result;
        assert.equal(start?.streaming, false);
        assert.equal(start?.contentLength, text.length);
        assert.equal(start?.model, 'deepseek-r1');
        assert.equal(JSON.parse(text).choices[0].message.content, 'The answer is 4.');
      }
    });

    it('gives events where they are asked for, streamed and whole', async (t) => {
      for (const stream of [true, false]) {
        const { upstream } = await pair(t, { engine: 'vllm' });
        const { start, events } = await dispatch(upstream, chat({ stream }), 'events').result;
        assert.equal(start?.form, 'events');
        const text = (channel: string) =>
          events
            .map((one) => (one.kind === 'delta' && one.channel === channel ? one.text : ''))
            .join('');
        assert.equal(text('reasoning'), '2 and 2 is 4.');
        assert.equal(text('answer'), 'The answer is 4.');
        assert.deepEqual(
          events.filter(({ kind }) => kind === 'finish'),
          [{ kind: 'finish', choice: 0, reason: 'stop', cutInThought: false }],
        );
        assert.deepEqual(events.at(-1), {
          kind: 'usage',
          usage: { promptTokens: 7, completionTokens: 5, reasoningTokens: 2, cachedTokens: 0 },
        });
      }
    });

    it('turns the JSON of a server that does not stream into events', async (t) => {
      const body =
        '{"model":"m","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}';
      const headers = { 'content-type': 'application/json' };
      const { upstream } = await pair(t, {
        behaviour: { kind: 'status', status: 200, body, headers },
      });
      const { start, events } = await dispatch(upstream, chat({ stream: true })).result;
      assert.deepEqual(start, { form: 'events', streaming: true, model: 'm' });
      assert.equal(events[0]?.kind === 'delta' && events[0].text, 'hi');
    });

    it('is byte-exact for bytes that come one by one, cut code points included', async (t) => {
      const answer = ['服务器', '繁忙 😀'];
      const behaviour: FakeBehaviour = { kind: 'answer', answer, byteByByte: true, keepAlives: 2 };
      const { fake, upstream } = await pair(t, { behaviour });
      const slow = await dispatch(upstream, chat({ stream: true })).result;
      fake.behave({ kind: 'answer', answer, keepAlives: 2 });
      const fast = await dispatch(upstream, chat({ stream: true })).result;
      assert.equal(slow.text, fast.text);
      assert.ok(slow.text.includes('繁忙 😀'));
      const { events } = await dispatch(upstream, chat({ stream: true }), 'events').result;
      assert.ok(events.some((one) => one.kind === 'delta' && one.text === '繁忙 😀'));
    });

    it('sends the request as it came, and asks for usage in streams', async (t) => {
      const { fake, upstream } = await pair(t);
      const request = chat({ stream: true, temperature: 0.6, unknown_field: { a: 1 } });
      await dispatch(upstream, request).result;
      const sent = fake.requests[0];
      assert.deepEqual(sent?.body, {
        ...request.wire?.body,
        stream_options: { include_usage: true },
      });
      assert.equal(sent?.headers['x-request-id'], 'req-1');
      assert.equal(sent?.headers['accept-encoding'], 'identity');
    });

    it('uses the only model’s own name for it', async (t) => {
      const { fake, upstream } = await pair(t, { model: 'deepseek-ai/DeepSeek-R1' });
      await dispatch(upstream, chat()).result;
      assert.equal(fake.requests[0]?.body['model'], 'deepseek-ai/DeepSeek-R1');
    });
  });

  describe('abort', () => {
    for (const [name, behaviour] of [
      ['before the first byte', { kind: 'hang' }],
      ['within a stream', { kind: 'answer', answer: Array(1000).fill('x'), paceMs: 5 }],
    ] as const) {
      it(`closes the socket ${name}, which is how engines are told (B4)`, async (t) => {
        const { fake, upstream } = await pair(t, { behaviour });
        let reads = 0;
        const { exchange } = dispatch(upstream, chat({ stream: true }), 'bytes', () => {
          reads += 1;
        });
        await until(() => (behaviour.kind === 'hang' ? fake.inFlight === 1 : reads > 0));
        exchange.abort();
        await until(() => fake.aborted === 1);
      });
    }
  });

  describe('failures and what they cost', () => {
    const answered = (status: number, body: string, headers = {}): FakeBehaviour => ({
      kind: 'status',
      status,
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });
    const errorEvent = (error: unknown) => `data: ${JSON.stringify({ error })}\n\n`;
    const CASES: readonly {
      readonly name: string;
      readonly behaviour: FakeBehaviour;
      readonly stream?: boolean;
      readonly stage: string;
      readonly code: string;
      readonly message?: RegExp;
    }[] = [
      {
        name: 'a reset before any byte',
        behaviour: { kind: 'reset' },
        stage: 'not_placed',
        code: 'upstream_unavailable',
      },
      {
        name: '429',
        behaviour: answered(429, '{"error":{"message":"slow down"}}', { 'retry-after': '7' }),
        stage: 'not_placed',
        code: 'upstream_busy',
        message: /answered 429: slow down/,
      },
      {
        name: '503',
        behaviour: answered(503, '{"error":"overloaded"}'),
        stage: 'not_placed',
        code: 'upstream_busy',
      },
      {
        name: '500 with an HTML page',
        behaviour: answered(500, '<html><title>500 Oops</title></html>', {
          'content-type': 'text/html',
        }),
        stage: 'started',
        code: 'upstream_failed',
        message: /HTML page, "500 Oops"/,
      },
      {
        name: '200 with an HTML page',
        behaviour: answered(200, '<html></html>', { 'content-type': 'text/html' }),
        stage: 'started',
        code: 'upstream_failed',
        message: /not that of an API/,
      },
      {
        name: '401',
        behaviour: answered(401, '{"error":{"message":"key sk-secret is bad"}}'),
        stage: 'not_placed',
        code: 'upstream_failed',
        message: /e1 answered 401: the endpoint's key/,
      },
      {
        name: '404',
        behaviour: answered(404, '{"error":{"message":"no model x"}}'),
        stage: 'not_placed',
        code: 'upstream_failed',
        message: /404: no model x/,
      },
      {
        name: 'a 200 with an error body',
        behaviour: answered(200, '{"error":{"message":"full","code":429}}'),
        stage: 'not_placed',
        code: 'upstream_busy',
      },
      {
        name: 'a 200 with an error body for a stream',
        stream: true,
        behaviour: answered(200, '{"object":"error","message":"full","code":503}'),
        stage: 'not_placed',
        code: 'upstream_busy',
      },
      {
        name: 'a 200 that is not JSON',
        behaviour: answered(200, 'OK'),
        stage: 'started',
        code: 'upstream_failed',
      },
      {
        name: 'a body that is cut',
        behaviour: { kind: 'answer', cut: { afterEvents: 0, by: 'destroy' } },
        stage: 'started',
        code: 'upstream_cut',
      },
      {
        name: 'abort before any content (SGLang, queue full)',
        stream: true,
        behaviour: {
          kind: 'answer',
          reasoning: [],
          answer: [],
          finishReason: 'abort',
          keepAlives: 2,
        },
        stage: 'not_placed',
        code: 'upstream_busy',
      },
      {
        name: 'insufficient_system_resource in a whole answer (DeepSeek)',
        behaviour: {
          kind: 'answer',
          reasoning: [],
          answer: [],
          finishReason: 'insufficient_system_resource',
        },
        stage: 'not_placed',
        code: 'upstream_busy',
      },
      {
        name: 'an error event before any content',
        stream: true,
        behaviour: {
          kind: 'answer',
          insert: { afterEvents: 1, text: errorEvent({ message: 'CUDA', code: 500 }) },
        },
        stage: 'started',
        code: 'upstream_failed',
        message: /CUDA/,
      },
      {
        name: 'a malformed event before any content',
        stream: true,
        behaviour: { kind: 'answer', insert: { afterEvents: 0, text: 'data: {"cho\n\n' } },
        stage: 'started',
        code: 'upstream_failed',
      },
      {
        name: 'a clean end before any content',
        stream: true,
        behaviour: { kind: 'answer', cut: { afterEvents: 1, by: 'end' } },
        stage: 'started',
        code: 'upstream_cut',
      },
      {
        name: 'a lost connection before any content',
        stream: true,
        behaviour: { kind: 'answer', cut: { afterEvents: 1, by: 'destroy' } },
        stage: 'started',
        code: 'upstream_cut',
      },
      {
        name: '[DONE] and nothing else',
        stream: true,
        behaviour: { kind: 'answer', insert: { afterEvents: 0, text: 'data: [DONE]\n\n' } },
        stage: 'started',
        code: 'upstream_failed',
      },
      {
        name: 'a lost connection within the answer',
        stream: true,
        behaviour: { kind: 'answer', cut: { afterEvents: 3, by: 'destroy' } },
        stage: 'streaming',
        code: 'upstream_cut',
      },
      {
        name: 'no HTTP',
        behaviour: { kind: 'raw', bytes: ['hello\r\n'] },
        stage: 'started',
        code: 'upstream_failed',
        message: /not valid HTTP/,
      },
      {
        name: 'compression that nobody asked for',
        behaviour: answered(200, 'x', { 'content-encoding': 'gzip' }),
        stage: 'started',
        code: 'upstream_failed',
        message: /content-encoding gzip/,
      },
    ];
    for (const { name, behaviour, stream = false, stage, code, message } of CASES) {
      it(`${name}: ${stage}, ${code}`, async (t) => {
        const { upstream } = await pair(t, { behaviour });
        const { failure, text } = await dispatch(upstream, chat({ stream })).result;
        assert.equal(failure?.stage, stage);
        assert.equal(failure.error.code, code);
        assert.equal(failure.callerFault, false);
        assert.match(failure.error.message, message ?? /./);
        assert.doesNotMatch(failure.error.message, /sk-secret/);
        if (stage !== 'streaming') assert.equal(text, '');
        const events = await dispatch(upstream, chat({ stream }), 'events').result;
        assert.equal(events.failure?.stage, stage);
      });
    }

    it('keeps Retry-After', async (t) => {
      const { upstream } = await pair(t, { behaviour: answered(429, '', { 'retry-after': '7' }) });
      const { failure } = await dispatch(upstream, chat()).result;
      assert.equal(failure?.error.details.retryAfterMs, 7000);
    });

    it('leaves the caller’s own faults with the caller, in the upstream’s words', async (t) => {
      const vllm =
        '{"error":{"message":"temperature must be >= 0","type":"BadRequestError","param":"temperature","code":400}}';
      const { fake, upstream } = await pair(t, { behaviour: answered(400, vllm) });
      const { failure } = await dispatch(upstream, chat()).result;
      assert.equal(failure?.callerFault, true);
      assert.equal(failure.error.kind, 'invalid_request');
      assert.equal(failure.error.message, 'temperature must be >= 0');
      assert.equal(failure.error.details.param, 'temperature');
      fake.behave(
        answered(
          400,
          '{"error":{"code":400,"message":"too long","type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":4}}',
        ),
      );
      const tooLong = await dispatch(upstream, chat()).result;
      assert.equal(tooLong.failure?.error.code, 'context_length_exceeded');
    });

    it('reports a stream of events that ends without its finish reason as cut', async (t) => {
      const behaviour: FakeBehaviour = { kind: 'answer', cut: { afterEvents: 4, by: 'end' } };
      const { fake, upstream } = await pair(t, { behaviour });
      const { failure } = await dispatch(upstream, chat({ stream: true }), 'events').result;
      assert.equal(failure?.error.code, 'upstream_cut');
      fake.behave({ kind: 'answer', finishReason: 'abort' });
      const aborted = await dispatch(upstream, chat({ stream: true }), 'events').result;
      assert.equal(aborted.failure?.stage, 'streaming');
    });

    it('refuses tools where only events can be given, before anything is sent', async (t) => {
      const { fake, upstream } = await pair(t);
      const { failure } = await dispatch(upstream, { ...chat(), tools: [{}] }, 'events').result;
      assert.equal(failure?.callerFault, true);
      assert.equal(fake.requests.length, 0);
    });

    it('gives up on a server that says nothing, and on one that stops, each in its time', async (t) => {
      const clock = createVirtualClock();
      const timeouts = { connectMs: 2000, firstTokenMs: 3000, idleMs: 200, totalMs: 9000 };
      const cases: readonly [FakeBehaviour, boolean, number, string][] = [
        [{ kind: 'hang' }, true, 3000, 'upstream_timeout_first_token'],
        [{ kind: 'hang' }, false, 9000, 'upstream_timeout_first_token'],
        [
          { kind: 'answer', answer: ['x', 'y'], paceMs: 60_000, reasoning: [], keepAlives: 0 },
          true,
          3000,
          'upstream_timeout_idle',
        ],
      ];
      for (const [behaviour, stream, limitMs, code] of cases) {
        const { fake, upstream } = await pair(t, { behaviour }, { clock, timeouts });
        const { result } = dispatch(upstream, chat({ stream }));
        await until(() => fake.inFlight === 1);
        let ended = false;
        void result.then(() => {
          ended = true;
        });
        clock.advance(limitMs - 20);
        await new Promise((resolve) => setImmediate(resolve));
        assert.equal(ended, false);
        // What has come in the meantime begins the time anew.
        await advanceUntil(clock, () => ended);
        assert.equal((await result).failure?.error.code, code);
      }
    });
  });

  describe('side calls', () => {
    for (const engine of ['vllm', 'sglang', 'llama-server'] as const) {
      it(`asks the tokenizer of ${engine}`, async (t) => {
        const { upstream } = await pair(t, { engine });
        const options = { addSpecial: false, parseSpecial: true };
        assert.deepEqual(await upstream.tokenize?.('hé', options), [104, 233]);
        assert.equal(await upstream.detokenize?.([104, 233]), 'hé');
        const rendered = await upstream.render?.(chat());
        assert.equal(rendered, engine === 'llama-server' ? '2+2?' : undefined);
      });
    }

    it('offers no tokenizer where there is none, and forwards embeddings', async (t) => {
      const { upstream } = await pair(t);
      assert.equal(upstream.tokenize, undefined);
      const body = Buffer.from('{"model":"mine","input":"x"}');
      const answer = await upstream.forward?.('/embeddings', body);
      assert.equal(answer?.status, 200);
      assert.equal(JSON.parse(Buffer.from(answer.body).toString()).model, 'deepseek-r1');
    });
  });

  it('pauses and goes on', async (t) => {
    const answer = Array<string>(2000).fill('0123456789'.repeat(200));
    const { upstream } = await pair(t, { behaviour: { kind: 'answer', answer } });
    let reads = 0;
    const dispatched: Dispatched = dispatch(upstream, chat({ stream: true }), 'bytes', () => {
      reads += 1;
      if (reads === 2) dispatched.exchange.pause();
    });
    await until(() => reads === 2);
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(reads, 2);
    dispatched.exchange.resume();
    const { text, failure } = await dispatched.result;
    assert.equal(failure, undefined);
    assert.ok(text.length > 4_000_000);
  });
});
