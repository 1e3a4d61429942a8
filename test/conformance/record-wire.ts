/**
 * A `fetch` for clients under test that keeps every answer, so that what a client accepted is also
 * held against the schemas.
 */
import assert from 'node:assert/strict';
import { validateStream, validateWire, type WireKind } from './validate-wire.ts';

export interface WireRecorder {
  readonly fetch: typeof fetch;
  /** Validates all answers so far and forgets them; throws on the first fault, and if there is none. */
  validate(): void;
}

interface Recorded {
  readonly path: string;
  readonly status: number;
  readonly type: string;
  body: string;
  whole: boolean;
}

const bodyKinds: Readonly<Record<string, { whole: WireKind; chunk?: WireKind }>> = {
  '/v1/chat/completions': {
    whole: 'CreateChatCompletionResponse',
    chunk: 'CreateChatCompletionStreamResponse',
  },
  '/v1/completions': { whole: 'CreateCompletionResponse', chunk: 'CompletionChunk' },
  '/v1/models': { whole: 'ListModelsResponse' },
};

export function recordWire(): WireRecorder {
  let answers: Recorded[] = [];
  return {
    async fetch(input, init) {
      const response = await fetch(input, init);
      const { status, headers, body } = response;
      const type = headers.get('content-type') ?? '';
      const answer = { path: new URL(response.url).pathname, status, type, body: '', whole: false };
      answers.push(answer);
      assert.ok(headers.get('x-request-id'), 'every answer has a request id');
      return new Response(body?.pipeThrough(collector(answer)) ?? null, { status, headers });
    },
    validate() {
      assert.ok(answers.length > 0, 'nothing was recorded');
      for (const answer of answers) validateAnswer(answer);
      answers = [];
    },
  };
}

function collector(answer: Recorded): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new TextDecoder();
  return new TransformStream({
    transform(bytes, controller) {
      answer.body += decoder.decode(bytes, { stream: true });
      controller.enqueue(bytes);
    },
    flush() {
      answer.whole = true;
    },
  });
}

function validateAnswer({ path, status, type, body, whole }: Recorded): void {
  const kinds = bodyKinds[path] ?? { whole: 'Model' };
  if (!type.startsWith('text/event-stream')) {
    validateWire(status === 200 ? kinds.whole : 'ErrorResponse', JSON.parse(body));
    return;
  }
  assert.ok(kinds.chunk, `${path} streams`);
  // A client that left early has the beginning only.
  const events = whole ? body : body.slice(0, body.lastIndexOf('\n\n') + 2);
  validateStream(kinds.chunk, events);
}
