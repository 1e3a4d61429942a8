/**
 * Relays a stream as the upstream's own bytes (`raw`, or `patch` where a few values change).
 *
 * Bytes before the first content are kept back, so that an upstream which opens a stream and then
 * fails can be replaced; beyond `preambleBytesMax` they go out as they are.
 */
import { UnbusyError } from '../../core/errors.ts';
import type { Usage } from '../../protocol/generation.ts';
import type { WireRead } from '../../protocol/ports.ts';
import {
  type AnswerRelay,
  type AnswerRelayOptions,
  cutAnswer,
  cutInThought,
  noUsage,
  type RelayEnd,
  wirePatch,
} from './answer-relay.ts';
import { createStreamRelay, type StreamRelay } from './stream-relay.ts';

/** Far more than a role chunk and keep-alive comments need. */
const preambleBytesMax = 64 * 1024;

export class StreamBytesRelay implements AnswerRelay {
  readonly mode: 'raw' | 'patch';
  delivered = false;
  readonly #options: AnswerRelayOptions;
  readonly #relay: StreamRelay;
  #preamble: Uint8Array[] = [];
  #preambleBytes = 0;

  constructor(options: AnswerRelayOptions) {
    this.#options = options;
    const { request, reply } = options;
    const patch = wirePatch(options);
    this.mode = patch === undefined ? 'raw' : 'patch';
    this.#relay = createStreamRelay({
      patch,
      // A head that is still to be sent will say it all.
      closingComment: () => (reply.begun ? options.closingComment(this.warning) : undefined),
      choices: request.inputs.length * request.choicesPerInput,
    });
  }

  get tokensSeen(): number {
    return this.#relay.marks.contentEvents;
  }

  /** Where the upstream told none, or was cut, what was seen is counted instead. */
  get usage(): Usage | undefined {
    const { usage, contentEvents } = this.#relay.marks;
    if (usage !== undefined || contentEvents === 0) return usage;
    return { ...noUsage, completionTokens: contentEvents };
  }

  get warning(): string | undefined {
    return this.#relay.marks.cutInThought ? cutInThought : undefined;
  }

  read(read: WireRead): void {
    const bytes = this.#relay.push(read);
    if (bytes !== undefined) this.#send(bytes);
    if (this.#relay.fault === undefined) return;
    const { why } = this.#relay.finish();
    throw new UnbusyError('upstream_failed', 'upstream_cut', why);
  }

  events(): void {
    throw new Error('an upstream that answers in bytes sent events');
  }

  end(): RelayEnd {
    const { request, reply, head } = this.#options;
    const { bytes, complete, why } = this.#relay.finish();
    if (!complete) return cutAnswer(why);
    if (bytes !== undefined) this.#send(bytes);
    if (!this.delivered) this.#begin();
    reply.finish(head(request.model, this.warning), { usage: this.usage ?? noUsage });
    return { kind: 'complete' };
  }

  #send(bytes: Uint8Array): void {
    if (this.delivered) {
      this.#options.reply.bytes(bytes);
      return;
    }
    this.#preamble.push(bytes);
    this.#preambleBytes += bytes.length;
    if (this.#relay.marks.firstContent || this.#preambleBytes > preambleBytesMax) this.#begin();
  }

  #begin(): void {
    const { request, reply, head } = this.#options;
    this.delivered = true;
    if (!reply.begun) reply.begin(head(request.model, this.warning));
    for (const held of this.#preamble) reply.bytes(held);
    this.#preamble = [];
  }
}
