/** The real `@langchain/openai` client against a live server (B2). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChatOpenAI } from '@langchain/openai';
import { recordWire } from './record-wire.ts';
import { type Behaviour, createTestGateways, type TestGateway } from './start-test-gateway.ts';

const gatewayFor = createTestGateways();

const prompt = 'What is 17 + 25?';

/** Runs a test with a client; what went over the wire is validated at its end. */
function withClient(
  name: string,
  run: (client: ChatOpenAI, gateway: TestGateway) => Promise<void>,
  options: { behaviour?: Behaviour; fields?: ConstructorParameters<typeof ChatOpenAI>[0] } = {},
): void {
  test(name, async (t) => {
    const gateway = await gatewayFor(t, options.behaviour ?? 'answers');
    const wire = recordWire();
    const client = new ChatOpenAI({
      model: gateway.model,
      apiKey: 'none',
      maxRetries: 0,
      temperature: 0,
      useResponsesApi: false,
      configuration: { baseURL: gateway.baseUrl, fetch: wire.fetch },
      ...(options.fields as object),
    });
    await run(client, gateway);
    wire.validate();
  });
}

function tokensOf(message: { usage_metadata?: unknown } | undefined): number {
  const usage = message?.usage_metadata as { total_tokens: number } | undefined;
  return usage?.total_tokens ?? 0;
}

withClient('B2: a whole answer with its thought and its tokens', async (client) => {
  const message = await client.invoke(prompt);
  assert.ok(String(message.content).length > 0);
  assert.ok(String(message.additional_kwargs['reasoning_content'] ?? '').length > 0);
  assert.equal(message.response_metadata['finish_reason'], 'stop');
  assert.ok(tokensOf(message) > 0);
});

withClient('B4: a stream gathers to the whole answer, with usage', async (client) => {
  let gathered: Awaited<ReturnType<ChatOpenAI['stream']>> extends AsyncIterable<infer Chunk>
    ? Chunk | undefined
    : never;
  let chunks = 0;
  for await (const chunk of await client.stream(prompt)) {
    gathered = gathered === undefined ? chunk : gathered.concat(chunk);
    chunks += 1;
  }
  assert.ok(chunks > 2);
  assert.ok(String(gathered?.content).length > 0);
  assert.ok(String(gathered?.additional_kwargs['reasoning_content'] ?? '').length > 0);
  assert.ok(tokensOf(gathered) > 0);
});

withClient(
  'B4: aborting a stream stops the work behind it',
  async (client, gateway) => {
    const outcome = gateway.nextOutcome();
    const abort = new AbortController();
    const read = (async () => {
      for await (const _ of await client.stream(prompt, { signal: abort.signal })) abort.abort();
    })();
    await read.catch((error) => assert.match(String(error), /abort/i));
    assert.equal(await outcome, 'cancelled');
  },
  { behaviour: 'endless' },
);

withClient('structured output by JSON Schema', async (client) => {
  const schema = {
    title: 'answer',
    type: 'object',
    properties: { answer: { type: 'integer' } },
    required: ['answer'],
    additionalProperties: false,
  };
  const structured = client.withStructuredOutput<{ answer: number }>(schema, {
    method: 'jsonSchema',
    strict: true,
  });
  const { answer } = await structured.invoke(prompt);
  assert.ok(Number.isInteger(answer));
});

withClient(
  'log-probabilities arrive with the message',
  async (client) => {
    const message = await client.invoke(prompt);
    const { logprobs } = message.response_metadata as { logprobs?: { content: unknown[] } };
    assert.ok((logprobs?.content.length ?? 0) > 0);
  },
  { fields: { logprobs: true, topLogprobs: 2 } },
);

withClient(
  'D3: a full server is an error with its status',
  async (client) => {
    await assert.rejects(client.invoke(prompt), (error) => {
      assert.ok(error instanceof Error && 'status' in error);
      assert.equal(error.status, 503);
      return true;
    });
  },
  { behaviour: 'overloaded' },
);

withClient(
  'a stream that breaks is an error, not a short answer',
  async (client) => {
    const read = (async () => {
      for await (const _ of await client.stream(prompt));
    })();
    await assert.rejects(read, /connection was lost/);
  },
  { behaviour: 'breaks' },
);
