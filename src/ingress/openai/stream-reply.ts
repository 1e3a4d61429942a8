/**
 * The reply to a streaming caller: server-sent events.
 *
 * Relayed bytes pass through untouched; events are encoded here, one write per batch. After the
 * head a failure is an error event, and the stream closes without `[DONE]`, because OpenAI's clients
 * take a stream that just ends for a whole answer.
 */
import type { CallerReply } from '../../protocol/caller.ts';
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
  const { stream, wantsUsage, refuse } = options;
  let encoder: EventEncoder | undefined;
  /** The last of the answer came as bytes, with the upstream's own ending. */
  let relayed = false;

  function begun(): EventEncoder {
    if (encoder === undefined) throw new Error('events were given before the head');
    return encoder;
  }

  return {
    streaming: true,
    dialect: options.dialect,
    identity: options.identity,
    wantsUsage,
    get begun() {
      return stream.begun;
    },
    get unsentBytes() {
      return stream.unsentBytes;
    },
    begin(head) {
      if (encoder !== undefined) return;
      encoder = options.createEncoder(head.model);
      stream.begin(200, { ...head.headers, ...streamHeaders });
    },
    comment(text) {
      if (stream.begun) stream.writePayload(sseComment(text));
    },
    bytes(framed) {
      relayed = true;
      stream.writeFramed(framed);
    },
    body() {
      throw new Error('a streaming reply takes no JSON body');
    },
    events(events) {
      relayed = false;
      stream.writePayload(begun().events(events));
    },
    finish(head, end) {
      this.begin(head);
      if (relayed) stream.end();
      else stream.end(begun().end(end.usage, end.comment) + doneEvent);
    },
    fail(error, headers) {
      if (!stream.begun) refuse(stream, error, headers);
      else stream.end(`data: ${encodeError(error, openAiTypeOf(error))}\n\n`);
    },
    onDrain: (callback) => stream.onDrain(callback),
    onGone: (callback) => stream.onGone(callback),
  };
}
