/**
 * One answer for several callers: the reply that the request path writes to, fanned out.
 *
 * A caller who repeats a request that is still in flight (same `Idempotency-Key`) joins it: it is
 * sent what has come so far and then the rest as it comes. One caller leaving, or reading slowly,
 * does not disturb the others: the answer goes on while anybody is left, and upstream reading stops
 * only while everyone is behind. Answers are kept as events until they end, so any two reply forms
 * can share one.
 */
import type { UnbusyError } from '../core/errors.ts';
import type { CallerReply, ReplyEnd, ReplyHead } from '../protocol/caller.ts';
import type { GenerationEvent, Usage } from '../protocol/generation.ts';

export interface SharedReply extends CallerReply {
  /** Adds a caller and says how the answer ended for all of them; undefined: it has ended already. */
  join(reply: CallerReply): Promise<SharedEnd> | undefined;
}

export type SharedEnd =
  | { readonly kind: 'finished'; readonly usage: Usage }
  /** Already told to every caller. */
  | { readonly kind: 'failed'; readonly error: UnbusyError }
  /** This caller left before the end. */
  | { readonly kind: 'gone' };

/** A reply that others may join, answering `first` until then. */
export function createSharedReply(first: CallerReply): SharedReply {
  const members = new Set<CallerReply>();
  const soFar: GenerationEvent[] = [];
  const drainCallbacks: (() => void)[] = [];
  const waiting = new Map<CallerReply, (end: SharedEnd) => void>();
  let head: ReplyHead | undefined;
  let ended = false;
  let onAllGone = () => {};

  function add(reply: CallerReply): void {
    members.add(reply);
    reply.onGone(() => {
      members.delete(reply);
      tell(reply, { kind: 'gone' });
      if (members.size === 0 && !ended) onAllGone();
    });
    reply.onDrain(() => {
      for (const callback of drainCallbacks) callback();
    });
  }

  function tell(reply: CallerReply, end: SharedEnd): void {
    waiting.get(reply)?.(end);
    waiting.delete(reply);
  }

  function endAll(end: SharedEnd): void {
    ended = true;
    for (const member of members) tell(member, end);
  }

  function sendHead(reply: CallerReply, value: ReplyHead): void {
    if (reply.streaming) reply.begin(value);
  }

  add(first);
  return {
    streaming: first.streaming,
    wantsUsage: first.wantsUsage,
    get begun() {
      return head !== undefined;
    },
    get unsentBytes() {
      let least = Number.POSITIVE_INFINITY;
      for (const member of members) least = Math.min(least, member.unsentBytes);
      return Number.isFinite(least) ? least : 0;
    },
    join(reply) {
      if (ended) return undefined;
      add(reply);
      if (head !== undefined) sendHead(reply, head);
      if (soFar.length > 0) reply.events(soFar);
      return new Promise((resolve) => waiting.set(reply, resolve));
    },
    begin(value) {
      if (head !== undefined) return;
      head = value;
      for (const member of members) sendHead(member, value);
    },
    comment(text) {
      for (const member of members) member.comment(text);
    },
    bytes() {
      throw new Error('a shared reply takes events only');
    },
    body() {
      throw new Error('a shared reply takes events only');
    },
    events(events) {
      soFar.push(...events);
      for (const member of members) member.events(events);
    },
    finish(value: ReplyHead, end: ReplyEnd) {
      for (const member of members) member.finish(value, end);
      endAll({ kind: 'finished', usage: end.usage });
    },
    fail(error: UnbusyError, headers) {
      for (const member of members) member.fail(error, headers);
      endAll({ kind: 'failed', error });
    },
    onDrain(callback) {
      drainCallbacks.push(callback);
    },
    onGone(callback) {
      onAllGone = callback;
    },
  };
}
