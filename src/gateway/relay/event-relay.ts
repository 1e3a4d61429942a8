/**
 * Relays an answer that comes as events (`translate`).
 *
 * A stream is begun with its first content. For a caller who waits for the whole answer, events
 * are kept here until the end, so that a failed attempt leaves no trace in the reply.
 */

import { assertNever } from '../../core/errors.ts';
import type { GenerationEvent, Usage } from '../../protocol/generation.ts';
import {
  type AnswerRelay,
  type AnswerRelayOptions,
  cutAnswer,
  cutInThought,
  noUsage,
} from './answer-relay.ts';

export function createEventRelay(options: AnswerRelayOptions): AnswerRelay {
  const { start, request, reply } = options;
  const model = start.model ?? request.model;
  const choices = request.inputs.length * request.choicesPerInput;
  let held: GenerationEvent[] = [];
  let finishedChoices = 0;
  let tokensSeen = 0;
  let delivered = false;
  let warning: string | undefined;
  let usage: Usage | undefined;

  function note(event: GenerationEvent): void {
    switch (event.kind) {
      case 'delta':
        if (event.text !== '') tokensSeen += 1;
        return;
      case 'finish':
        finishedChoices += 1;
        if (event.cutInThought) warning = cutInThought;
        return;
      case 'usage':
        usage = event.usage;
        return;
      default:
        assertNever(event);
    }
  }

  function flush(): void {
    if (held.length === 0) return;
    if (!reply.begun) reply.begin(options.head(model, warning));
    reply.events(held);
    held = [];
    delivered = true;
  }

  return {
    mode: 'translate',
    get delivered() {
      return delivered;
    },
    get tokensSeen() {
      return tokensSeen;
    },
    get usage() {
      return usage;
    },
    get warning() {
      return warning;
    },
    read() {
      throw new Error('an upstream that answers in events sent bytes');
    },
    events(events) {
      for (const event of events) {
        note(event);
        held.push(event);
      }
      if (reply.streaming && tokensSeen > 0) flush();
    },
    end(end) {
      if (end.usage !== undefined) usage = end.usage;
      if (finishedChoices < choices) {
        return cutAnswer(`${finishedChoices} of ${choices} choices have a finish reason`);
      }
      if (reply.streaming) flush();
      else reply.events(held);
      delivered = true;
      const comment = reply.streaming ? options.closingComment(warning) : undefined;
      reply.finish(options.head(model, warning), { usage: usage ?? noUsage, comment });
      return { kind: 'complete' };
    },
  };
}
