/** Codes about who calls, and about waiting. */
import type { WrittenEntry } from '../error-entry.ts';

export const callerErrors = {
  invalid_api_key: {
    kind: 'unauthenticated',
    title: 'The API key is missing or not known',
    whatItMeans: 'This server asks for keys, and the request brought none that it knows.',
    likelyCauses: ['no `authorization: Bearer` header', 'a key that was removed', 'a cut key'],
    remedy: 'Send the key that the operator gave you. Operators: `unbusy key new ID` makes one.',
  },
  key_expired: {
    kind: 'unauthenticated',
    title: 'The API key has expired',
    whatItMeans: 'The key was valid until the date in its `expires`.',
    likelyCauses: ['the date has passed', 'a clock that is wrong'],
    remedy: 'Ask the operator for a new key; two keys with one id may overlap.',
  },
  forbidden: {
    kind: 'forbidden',
    title: 'The key may not do this',
    whatItMeans: 'The key is valid but lacks the scope that this path needs.',
    likelyCauses: ['a key with `infer` used to read metrics'],
    remedy: 'Use another key, or add the scope to its entry under `keys:`.',
  },
  data_stays: {
    kind: 'forbidden',
    title: 'The prompt may not leave',
    whatItMeans:
      "Only endpoints with `location: public` serve the model, and the tenant's prompts stay home.",
    likelyCauses: ['a public API in the pool and no own engine', 'an own engine taken for public'],
    remedy:
      'Operators: give the tenant `data: may_leave`, add an own engine, or set `location: own` on ' +
      'an endpoint that is.',
  },
  rate_limited: {
    kind: 'rate_limited',
    title: "The caller's own limit is reached",
    whatItMeans:
      "The tenant's `rate` allows no more now, and the request's deadline leaves no time to wait.",
    likelyCauses: ['a burst', 'a loop that retries without waiting'],
    remedy: 'Wait for `retry-after`. Operators: raise `rate` of the tenant.',
  },
  overloaded: {
    kind: 'overloaded',
    title: 'The wait would be longer than the deadline',
    whatItMeans:
      'Refused on arrival: the predicted wait breaks the deadline, so waiting would be in vain.',
    likelyCauses: ['more demand than the engines can serve', 'an endpoint that is down'],
    remedy:
      'Come back after `retry-after`, or give more time with `x-unbusy-deadline-ms`. Operators: ' +
      'add endpoints; the body tells the true wait.',
  },
  queue_full: {
    kind: 'overloaded',
    title: 'The queue is full',
    whatItMeans: 'Refused on arrival: `queue.max_depth` requests are already waiting.',
    likelyCauses: ['a flood', 'every endpoint is down while callers go on'],
    remedy: 'Come back after `retry-after`. Operators: look at endpoints before raising the depth.',
  },
  deadline_exceeded: {
    kind: 'expired',
    title: 'The deadline passed in the queue',
    whatItMeans: 'No engine became free before the first token was due. Nothing was started.',
    likelyCauses: ['an engine went down while requests waited', 'answers longer than predicted'],
    remedy:
      'Ask again, with a longer `x-unbusy-deadline-ms` if the answer may come later. Delaying ' +
      'batches (`max_queue_delay_ms`) makes it worse: it adds its delay to every request.',
  },
  cancelled: {
    kind: 'cancelled',
    title: 'The caller left',
    whatItMeans: 'The connection was closed before the answer was complete; the engine stopped.',
    likelyCauses: ['the user pressed stop', 'a time-out in the client or in a proxy in between'],
    remedy: 'None if it was wanted. Else raise the time-out of the client: R1 thinks for minutes.',
  },
  draining: {
    kind: 'draining',
    title: 'The server is stopping',
    whatItMeans: 'It finishes the answers that it has begun and takes no new requests.',
    likelyCauses: ['an upgrade or a restart'],
    remedy: 'Ask again: a balancer sends the retry to another instance.',
  },
} satisfies Record<string, WrittenEntry>;
