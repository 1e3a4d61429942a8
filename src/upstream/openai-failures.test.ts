import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createVirtualClock } from '../core/clock.ts';
import type { FakeBehaviour } from './fake-upstream.ts';
import { advanceUntil, chat, dispatch, pair, until } from './openai-upstream-fixture.ts';

describe('failures of an OpenAI upstream and what they cost', () => {
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
