/**
 * Relays an answer that comes as events (`translate`).
 *
 * A stream is begun with its first content. For a caller who waits for the whole answer, events
 * are kept here until the end, so that a failed attempt leaves no trace in the reply.
 */
import { assertNever } from '../../core/errors.ts';
import type { GenerationEvent, Usage } from '../../protocol/generation.ts';
import type { UpstreamEnd } from '../../protocol/ports.ts';
import {
  type AnswerRelay,
  type AnswerRelayOptions,
  cutAnswer,
  cutInThought,
  noUsage,
  type RelayEnd,
} from './answer-relay.ts';

export class EventRelay implements AnswerRelay {
  readonly mode = 'translate';
  delivered = false;
  tokensSeen = 0;
  usage: Usage | undefined;
  warning: string | undefined;
  readonly #options: AnswerRelayOptions;
  readonly #model: string;
  #held: GenerationEvent[] = [];
  #finishedChoices = 0;

  constructor(options: AnswerRelayOptions) {
    this.#options = options;
    this.#model = options.start.model ?? options.request.model;
  }

  read(): void {
    throw new Error('an upstream that answers in events sent bytes');
  }

  events(events: readonly GenerationEvent[]): void {
    for (const event of events) {
      this.#note(event);
      this.#held.push(event);
    }
    if (this.#options.reply.streaming && this.tokensSeen > 0) this.#flush();
  }

  end(end: UpstreamEnd): RelayEnd {
    const { request, reply, head, closingComment } = this.#options;
    if (end.usage !== undefined) this.usage = end.usage;
    const choices = request.inputs.length * request.choicesPerInput;
    if (this.#finishedChoices < choices) {
      return cutAnswer(`${this.#finishedChoices} of ${choices} choices have a finish reason`);
    }
    if (reply.streaming) this.#flush();
    else reply.events(this.#held);
    this.delivered = true;
    const comment = reply.streaming ? closingComment(this.warning) : undefined;
    const usage = this.usage ?? noUsage;
    reply.finish(head(this.#model, this.warning), { usage, comment });
    return { kind: 'complete' };
  }

  #note(event: GenerationEvent): void {
    switch (event.kind) {
      case 'delta':
        if (event.text !== '') this.tokensSeen += 1;
        return;
      case 'finish':
        this.#finishedChoices += 1;
        if (event.cutInThought) this.warning = cutInThought;
        return;
      case 'usage':
        this.usage = event.usage;
        return;
      default:
        assertNever(event);
    }
  }

  #flush(): void {
    if (this.#held.length === 0) return;
    const { reply, head } = this.#options;
    if (!reply.begun) reply.begin(head(this.#model, this.warning));
    reply.events(this.#held);
    this.#held = [];
    this.delivered = true;
  }
}
