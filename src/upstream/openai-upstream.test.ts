import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FakeBehaviour } from './fake-upstream.ts';
import { chat, type Dispatched, dispatch, pair, until } from './openai-upstream-fixture.ts';

describe('OpenAI upstream', () => {
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
