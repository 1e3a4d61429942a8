/**
 * The reply to a streaming caller: server-sent events.
 *
 * Relayed bytes pass through untouched; events are encoded here, one write per batch. After the
 * head a failure is an error event, and the stream closes without `[DONE]`, because OpenAI's clients
 * take a stream that just ends for a whole answer.
 */
import type { UnbusyError } from '../../core/errors.ts';
import type { CallerReply, ReplyEnd, ReplyHead, WireIdentity } from '../../protocol/caller.ts';
import type { Dialect, GenerationEvent } from '../../protocol/generation.ts';
import { doneEvent, type EventEncoder, sseComment } from '../../protocol/openai/encode-events.ts';
import { encodeError } from '../../protocol/openai/error-body.ts';
import type { CallerStream } from '../http/caller-stream.ts';
import { openAiTypeOf } from '../wire-errors.ts';
import type { RefuseOpenAi } from './refuse.ts';
import type { ReplyForm } from './reply-form.ts';

/** `x-accel-buffering` keeps nginx from collecting events before it passes them on. */
const streamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no',
};

export interface StreamReplyOptions extends ReplyForm {
  readonly stream: CallerStream;
  readonly wantsUsage: boolean;
  /** Encodes the events of this stream, all under one model's name. */
  readonly createEncoder: (model: string) => EventEncoder;
  readonly refuse: RefuseOpenAi;
}

/** A reply on `stream`; nothing is sent yet. */
export function createStreamReply(options: StreamReplyOptions): CallerReply {
  return new StreamReply(options);
}

class StreamReply implements CallerReply {
  readonly streaming = true;
  readonly dialect: Dialect | undefined;
  readonly identity: WireIdentity | undefined;
  readonly wantsUsage: boolean;
  readonly #options: StreamReplyOptions;
  readonly #stream: CallerStream;
  #model: string | undefined;
  /** Made when events come: a relayed stream of bytes needs none. */
  #encoder: EventEncoder | undefined;
  /** The last of the answer came as bytes, with the upstream's own ending. */
  #relayed = false;

  constructor(options: StreamReplyOptions) {
    this.#options = options;
    this.#stream = options.stream;
    this.dialect = options.dialect;
    this.identity = options.identity;
    this.wantsUsage = options.wantsUsage;
  }

  get begun(): boolean {
    return this.#stream.begun;
  }

  get unsentBytes(): number {
    return this.#stream.unsentBytes;
  }

  begin(head: ReplyHead): void {
    if (this.#model !== undefined) return;
    this.#model = head.model;
    this.#stream.begin(200, { ...head.headers, ...streamHeaders });
  }

  comment(text: string): void {
    if (this.#stream.begun) this.#stream.writePayload(sseComment(text));
  }

  bytes(framed: Uint8Array): void {
    this.#relayed = true;
    this.#stream.writeFramed(framed);
  }

  body(): void {
    throw new Error('a streaming reply takes no JSON body');
  }

  events(events: readonly GenerationEvent[]): void {
    this.#relayed = false;
    this.#stream.writePayload(this.#encode().events(events));
  }

  finish(head: ReplyHead, end: ReplyEnd): void {
    this.begin(head);
    if (this.#relayed) this.#stream.end();
    else this.#stream.end(this.#encode().end(end.usage, end.comment) + doneEvent);
  }

  fail(error: UnbusyError, headers: Readonly<Record<string, string>>): void {
    if (!this.#stream.begun) this.#options.refuse(this.#stream, error, headers);
    else this.#stream.end(`data: ${encodeError(error, openAiTypeOf(error))}\n\n`);
  }

  onDrain(callback: () => void): void {
    this.#stream.onDrain(callback);
  }

  onGone(callback: () => void): void {
    this.#stream.onGone(callback);
  }

  #encode(): EventEncoder {
    if (this.#model === undefined) throw new Error('events were given before the head');
    this.#encoder ??= this.#options.createEncoder(this.#model);
    return this.#encoder;
  }
}
