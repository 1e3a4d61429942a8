/** The real `openai` client against a live server (B2). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import OpenAI from 'openai';
import { recordWire } from './record-wire.ts';
import { type Behaviour, createTestGateways, type TestGateway } from './start-test-gateway.ts';

const gatewayFor = createTestGateways();

const messages = [{ role: 'user' as const, content: 'What is 17 + 25?' }];

/** Our extension by which two runs give the same tokens. */
const exact = { deterministic: true };

/** Runs a test with a client; what went over the wire is validated at its end. */
function withClient(
  name: string,
  run: (client: OpenAI, gateway: TestGateway) => Promise<void>,
  behaviour: Behaviour = 'answers',
): void {
  test(name, async (t) => {
    const gateway = await gatewayFor(t, behaviour);
    const wire = recordWire();
    const client = new OpenAI({
      baseURL: gateway.baseUrl,
      apiKey: 'none',
      maxRetries: 0,
      fetch: wire.fetch,
    });
    await run(client, gateway);
    // Relayed bytes are the engine's own, and so is what is wrong with them.
    if (behaviour !== 'relayed') wire.validate();
  });
}

/** The small model stays on course when it is not sampled. */
const greedy = { temperature: 0 };

/** DeepSeek's field, which OpenAI's types do not know. */
function thoughtOf(part: object | undefined): string {
  return (part as { reasoning_content?: string } | undefined)?.reasoning_content ?? '';
}

for (const source of ['answers', 'relayed'] as const) {
  withClient(
    `B2: a whole chat completion, ${source}`,
    async (client, { model }) => {
      const { data: completion, request_id } = await client.chat.completions
        .create({ model, messages, ...greedy })
        .withResponse();
      assert.match(request_id ?? '', /^req_/);
      const [choice] = completion.choices;
      assert.ok(choice?.message.content);
      assert.ok(thoughtOf(choice.message));
      assert.equal(choice.finish_reason, 'stop');
      const { usage } = completion;
      assert.ok(usage && usage.completion_tokens > 0);
      assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
      assert.ok((usage.completion_tokens_details?.reasoning_tokens ?? 0) > 0);
    },
    source,
  );
}

for (const source of ['answers', 'relayed'] as const) {
  withClient(
    `B4: a chat stream, chunk by chunk, ${source}`,
    async (client, { model }) => {
      const stream = await client.chat.completions.create({
        model,
        messages,
        ...greedy,
        stream: true,
      });
      const roles: string[] = [];
      const ids = new Set<string>();
      let thought = '';
      let answer = '';
      let finish: string | null | undefined;
      for await (const chunk of stream) {
        const [choice] = chunk.choices;
        ids.add(`${chunk.id} ${chunk.created} ${chunk.model}`);
        if (choice?.delta.role) roles.push(choice.delta.role);
        thought += thoughtOf(choice?.delta);
        answer += choice?.delta.content ?? '';
        finish = choice?.finish_reason;
        assert.equal(chunk.usage, undefined);
      }
      assert.deepEqual(roles, ['assistant']);
      assert.equal(ids.size, 1);
      assert.ok(thought.length > 0 && answer.length > 0);
      assert.equal(finish, 'stop');
    },
    source,
  );
}

for (const source of ['answers', 'relayed'] as const) {
  withClient(
    `B4: usage comes last in a stream that asks for it, ${source}`,
    async (client, { model }) => {
      const stream = await client.chat.completions.create({
        model,
        messages,
        stream: true,
        stream_options: { include_usage: true },
      });
      const chunks = [];
      for await (const chunk of stream) chunks.push(chunk);
      const last = chunks.pop();
      assert.deepEqual(last?.choices, []);
      assert.ok(last?.usage && last.usage.total_tokens > 0);
      for (const { usage } of chunks) assert.equal(usage ?? null, null);
    },
    source,
  );
}

withClient(
  'B4: the client’s own gathering of a stream equals its parts',
  async (client, { model }) => {
    const runner = client.chat.completions.stream({ model, messages, ...greedy });
    let answer = '';
    runner.on('content', (delta) => {
      answer += delta;
    });
    const completion = await runner.finalChatCompletion();
    assert.equal(completion.choices[0]?.message.content, answer);
  },
);

withClient(
  'B4: leaving a stream stops the work behind it',
  async (client, gateway) => {
    const outcome = gateway.nextOutcome();
    const { model } = gateway;
    const stream = await client.chat.completions.create({
      model,
      messages,
      ...greedy,
      stream: true,
    });
    for await (const _ of stream) break;
    assert.equal(await outcome, 'cancelled');
  },
  'endless',
);

withClient(
  'B4: giving up a request that waits for its whole answer stops the work',
  async (client, gateway) => {
    const outcome = gateway.nextOutcome();
    const accepted = gateway.nextRequest();
    const abort = new AbortController();
    const { model } = gateway;
    const { signal } = abort;
    const request = client.chat.completions.create({ model, messages, ...greedy }, { signal });
    await Promise.all([
      assert.rejects(request, OpenAI.APIUserAbortError),
      accepted.then(() => abort.abort()),
    ]);
    assert.equal(await outcome, 'cancelled');
    // The server goes on for others.
    assert.equal((await client.models.list()).data.length, 1);
  },
  'silent',
);

withClient('an answer by JSON Schema fits it', async (client, { model }) => {
  const schema = {
    type: 'object',
    properties: { answer: { type: 'integer' } },
    required: ['answer'],
    additionalProperties: false,
  };
  const completion = await client.chat.completions.create({
    model,
    messages,
    ...greedy,
    response_format: { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } },
  });
  const value: unknown = JSON.parse(completion.choices[0]?.message.content ?? '');
  assert.ok(new Ajv2020().validate(schema, value));
});

withClient('log-probabilities of each token with their alternatives', async (client, { model }) => {
  const request = { model, messages, ...greedy, logprobs: true, top_logprobs: 2, ...exact };
  const { choices } = await client.chat.completions.create(request);
  const whole = choices[0]?.logprobs?.content ?? [];
  assert.ok(whole.length > 0);
  for (const { token, logprob, bytes, top_logprobs } of whole) {
    assert.ok(logprob <= 0);
    assert.equal(Buffer.from(bytes ?? []).toString(), token);
    assert.equal(top_logprobs.length, 2);
  }
  let streamed = 0;
  for await (const chunk of await client.chat.completions.create({ ...request, stream: true })) {
    streamed += chunk.choices[0]?.logprobs?.content?.length ?? 0;
  }
  assert.equal(streamed, whole.length);
});

withClient('several choices, and a limit that ends them', async (client, { model }) => {
  const completion = await client.chat.completions.create({
    model,
    messages,
    ...greedy,
    n: 3,
    max_tokens: 3,
  });
  assert.deepEqual(
    completion.choices.map(({ index, finish_reason }) => [index, finish_reason]),
    [
      [0, 'length'],
      [1, 'length'],
      [2, 'length'],
    ],
  );
});

withClient(
  'legacy completions, whole and streamed, with log-probabilities',
  async (client, { model }) => {
    const request = { model, prompt: ['Once', 'Twice'], ...greedy, logprobs: 2, ...exact };
    const whole = await client.completions.create(request);
    assert.deepEqual(
      whole.choices.map(({ index }) => index),
      [0, 1],
    );
    const [first] = whole.choices;
    assert.equal(first?.logprobs?.tokens?.join(''), first?.text);
    assert.equal(first?.logprobs?.text_offset?.[0], 0);
    const texts = ['', ''];
    for await (const chunk of await client.completions.create({ ...request, stream: true })) {
      for (const { index, text } of chunk.choices) texts[index] += text;
    }
    assert.deepEqual(
      texts,
      whole.choices.map(({ text }) => text),
    );
  },
);

withClient('models are listed, and one can be asked for', async (client, { model }) => {
  const models = [];
  for await (const one of client.models.list()) models.push(one.id);
  assert.deepEqual(models, [model]);
  const one = await client.models.retrieve(model);
  assert.equal(one.object, 'model');
});

withClient(
  'embeddings that no engine makes are an error that says what is missing',
  async (client, { model }) => {
    await assert.rejects(client.embeddings.create({ model, input: 'a' }), (error) => {
      assert.ok(error instanceof OpenAI.APIError);
      assert.equal(error.code, 'not_implemented');
      assert.match(error.message, /embeddings/);
      return true;
    });
  },
);

withClient('a wrong field is a BadRequestError that names it', async (client, { model }) => {
  const wrong = [{ role: 'user', content: 5 }] as never;
  const request = client.chat.completions.create({ model, messages: wrong });
  await assert.rejects(request, (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.equal(error.param, 'messages[0].content');
    assert.equal(error.code, 'invalid_request');
    assert.equal(error.type, 'invalid_request_error');
    assert.match(error.message, /number 5/);
    assert.ok(error.requestID);
    return true;
  });
});

withClient('an unknown model is a NotFoundError', async (client) => {
  const request = client.chat.completions.create({ model: 'gpt-9', messages });
  await assert.rejects(request, (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError);
    assert.equal(error.code, 'model_not_found');
    return true;
  });
});

withClient(
  'D3: a full server says when to come back, in a form that the client honours',
  async (client, { model }) => {
    const request = client.chat.completions.create({ model, messages, ...greedy });
    await assert.rejects(request, (error) => {
      assert.ok(error instanceof OpenAI.InternalServerError);
      assert.equal(error.status, 503);
      assert.equal(error.code, 'queue_full');
      const afterMs = Number(error.headers.get('retry-after-ms'));
      // Longer waits than this are not honoured; the body says the true time.
      assert.ok(afterMs > 0 && afterMs <= 60_000);
      assert.ok(Number(error.headers.get('retry-after')) <= 60);
      assert.equal(error.headers.get('x-should-retry'), null);
      assert.ok((error.error as { retry_after_ms: number }).retry_after_ms > 0);
      return true;
    });
  },
  'overloaded',
);

withClient(
  'a stream that breaks is an error to the client, not a short answer',
  async (client, { model }) => {
    const stream = await client.chat.completions.create({
      model,
      messages,
      ...greedy,
      stream: true,
    });
    const chunks: unknown[] = [];
    const read = (async () => {
      for await (const chunk of stream) chunks.push(chunk);
    })();
    await assert.rejects(read, (error) => {
      assert.ok(error instanceof OpenAI.APIError);
      assert.equal(error.code, 'upstream_cut');
      return true;
    });
    assert.ok(chunks.length > 0);
  },
  'breaks',
);
