/**
 * The reply to a caller who waits for the whole answer: one JSON body with a true status.
 *
 * With `keepAlive`, white space goes out every ten seconds before the JSON, for proxies that cut
 * silent requests. From the first of it on the status is 200, so a failure can then only be shown
 * by breaking the connection.
 */
import type { CallerReply, ReplyHead } from '../../protocol/caller.ts';
import type { ReasoningOptions, Usage } from '../../protocol/generation.ts';
import { type AnswerChoice, createAnswer } from '../../protocol/openai/answer.ts';
import type { Clock, Timer } from '../../protocol/ports.ts';
import type { CallerStream } from '../http/caller-stream.ts';
import type { RefuseOpenAi } from './refuse.ts';
import type { ReplyForm } from './reply-form.ts';

const jsonHeaders = { 'content-type': 'application/json' };
/** Shorter than any proxy's usual read time-out (nginx 60 s, cloud balancers 30–60 s). */
const keepAliveEveryMs = 10_000;

export interface WholeReplyOptions extends ReplyForm {
  readonly stream: CallerStream;
  readonly reasoning: ReasoningOptions;
  /** The whole answer as JSON. */
  readonly encode: (model: string, choices: readonly AnswerChoice[], usage: Usage) => string;
  readonly clock: Clock;
  readonly keepAlive: boolean;
  readonly refuse: RefuseOpenAi;
}

/** A reply on `stream`; nothing is sent yet. */
export function createWholeReply(options: WholeReplyOptions): CallerReply {
  const { stream, clock, refuse } = options;
  const answer = createAnswer(options.reasoning);
  const stopKeepAlive = options.keepAlive ? sendWhiteSpace(stream, clock) : () => {};

  function send(head: ReplyHead, json: string | Uint8Array): void {
    stopKeepAlive();
    if (!stream.begun) stream.send(200, { ...head.headers, ...jsonHeaders }, json);
    else stream.end(typeof json === 'string' ? json : Buffer.from(json).toString());
  }

  return {
    streaming: false,
    dialect: options.dialect,
    identity: options.identity,
    wantsUsage: true,
    get begun() {
      return stream.begun;
    },
    get unsentBytes() {
      return stream.unsentBytes;
    },
    begin() {},
    comment() {},
    bytes() {
      throw new Error('a reply that is no stream takes no stream bytes');
    },
    body: send,
    events: (events) => answer.add(events),
    finish(head, end) {
      send(head, options.encode(head.model, answer.choices(), end.usage));
    },
    fail(error, headers) {
      stopKeepAlive();
      if (stream.begun) stream.destroy();
      else refuse(stream, error, headers);
    },
    onDrain: (callback) => stream.onDrain(callback),
    onGone: (callback) => stream.onGone(callback),
  };
}

/** Returns how to stop. */
function sendWhiteSpace(stream: CallerStream, clock: Clock): () => void {
  let timer: Timer;
  const wait = () => {
    timer = clock.setTimer(keepAliveEveryMs, () => {
      if (stream.over) return;
      stream.begin(200, jsonHeaders);
      stream.writePayload(' ');
      wait();
    });
  };
  wait();
  stream.onGone(() => timer.cancel());
  return () => timer.cancel();
}
