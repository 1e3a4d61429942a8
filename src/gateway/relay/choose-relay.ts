/**
 * How one attempt's answer is passed on: chosen once, before its first byte, and named in the log.
 *
 * `raw` and `patch` forward the upstream's own OpenAI bytes; `translate` goes through events, for
 * other protocols and for engines that speak in events.
 */
import type { AnswerRelay, AnswerRelayOptions } from './answer-relay.ts';
import { EventRelay } from './event-relay.ts';
import { JsonRelay } from './json-relay.ts';
import { StreamBytesRelay } from './stream-bytes-relay.ts';

/** The relay for an answer that has just started. */
export function createAnswerRelay(options: AnswerRelayOptions): AnswerRelay {
  if (options.start.form === 'events') return new EventRelay(options);
  return options.start.streaming ? new StreamBytesRelay(options) : new JsonRelay(options);
}
