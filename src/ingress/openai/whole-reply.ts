/**
 * The reply to a caller who waits for the whole answer: one JSON body with a true status.
 *
 * With `keepAlive`, white space goes out every ten seconds before the JSON, for proxies that cut
 * silent requests. From the first of it on the status is 200, so a failure can then only be shown
 * by breaking the connection.
 */
import type { UnbusyError } from '../../core/errors.ts';
import type { CallerReply, ReplyEnd, ReplyHead, WireIdentity } from '../../protocol/caller.ts';
import type {
  Dialect,
  GenerationEvent,
  ReasoningOptions,
  Usage,
} from '../../protocol/generation.ts';
import { type Answer, type AnswerChoice, createAnswer } from '../../protocol/openai/answer.ts';
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
  return new WholeReply(options);
}

class WholeReply implements CallerReply {
  readonly streaming = false;
  readonly wantsUsage = true;
  readonly dialect: Dialect | undefined;
  readonly identity: WireIdentity | undefined;
  readonly #options: WholeReplyOptions;
  readonly #answer: Answer;
  readonly #stopKeepAlive: () => void;

  constructor(options: WholeReplyOptions) {
    this.#options = options;
    this.dialect = options.dialect;
    this.identity = options.identity;
    this.#answer = createAnswer(options.reasoning);
    this.#stopKeepAlive = options.keepAlive
      ? sendWhiteSpace(options.stream, options.clock)
      : () => {};
  }

  get begun(): boolean {
    return this.#options.stream.begun;
  }

  get unsentBytes(): number {
    return this.#options.stream.unsentBytes;
  }

  begin(): void {}

  comment(): void {}

  bytes(): void {
    throw new Error('a reply that is no stream takes no stream bytes');
  }

  body(head: ReplyHead, json: string | Uint8Array): void {
    const { stream } = this.#options;
    this.#stopKeepAlive();
    if (!stream.begun) stream.send(200, { ...head.headers, ...jsonHeaders }, json);
    else stream.end(typeof json === 'string' ? json : Buffer.from(json).toString());
  }

  events(events: readonly GenerationEvent[]): void {
    this.#answer.add(events);
  }

  finish(head: ReplyHead, end: ReplyEnd): void {
    this.body(head, this.#options.encode(head.model, this.#answer.choices(), end.usage));
  }

  fail(error: UnbusyError, headers: Readonly<Record<string, string>>): void {
    const { stream, refuse } = this.#options;
    this.#stopKeepAlive();
    if (stream.begun) stream.destroy();
    else refuse(stream, error, headers);
  }

  onDrain(callback: () => void): void {
    this.#options.stream.onDrain(callback);
  }

  onGone(callback: () => void): void {
    this.#options.stream.onGone(callback);
  }
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
