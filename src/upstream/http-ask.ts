/**
 * A whole answer at once, for the small questions that go beside generation: probes, tokenizers,
 * embeddings. Bounded in size and in time.
 */
import type { HttpClient } from './http1/http-client.ts';
import type { HttpFailure, HttpFailureKind } from './http1/http-exchange.ts';
import type { ResponseHead } from './http1/response-head.ts';

export interface Ask {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** Longest silence, before the answer and within it, ms. */
  readonly timeoutMs: number;
  readonly bytesMax: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** The question could not be asked or its answer did not come whole. */
export class AskFailure extends Error {
  override readonly name = 'AskFailure';
  readonly kind: HttpFailureKind;

  constructor(failure: HttpFailure) {
    super(failure.message, { cause: failure.cause });
    this.kind = failure.kind;
  }
}

/** Rejects with `AskFailure`. An answer of any status is an answer. */
export function ask(client: HttpClient, question: Ask): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const parts: Buffer[] = [];
  let length = 0;
  let head: ResponseHead | undefined;
  const { method, path, headers, body, timeoutMs, bytesMax } = question;
  const exchange = client.request(
    { method, path, headers, body, firstByteMs: timeoutMs, idleMs: timeoutMs },
    {
      onHead(given) {
        head = given;
      },
      onRead({ buffer, spans, spanCount }) {
        for (let span = 0; span < spanCount; span += 1) {
          const part = Buffer.from(buffer.subarray(spans[2 * span], spans[2 * span + 1]));
          parts.push(part);
          length += part.length;
        }
        if (length <= bytesMax) return;
        exchange.abort();
        reject(new AskFailure({ kind: 'protocol', message: `more than ${bytesMax} bytes` }));
      },
      onEnd() {
        const { status = 0, headers: answered = new Map<string, string>() } = head ?? {};
        resolve({ status, headers: answered, body: Buffer.concat(parts) });
      },
      onError: (failure) => reject(new AskFailure(failure)),
    },
  );
  return promise;
}
