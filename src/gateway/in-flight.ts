/**
 * Requests in flight that a repetition may join, by who asks and `Idempotency-Key`.
 *
 * A client that lost its connection or its patience and asks again with the same key gets the
 * answer that is already being made instead of a second one. When everyone who asked has left, the
 * answer goes on for a grace period, so that there is something to come back to.
 */
import { UnbusyError } from '../core/errors.ts';
import type { Call, CallerReply } from '../protocol/caller.ts';
import type { GenerationRequest } from '../protocol/generation.ts';
import type { Clock, Timer } from '../protocol/ports.ts';
import { requestDigest } from './request-digest.ts';
import { createSharedReply, type SharedEnd, type SharedReply } from './shared-reply.ts';

/** How long an answer that nobody reads any more is kept going, ms: a client's first retry. */
const graceMs = 10_000;
/** Keys longer than this are refused; Stripe's and the IETF draft's examples are far below. */
const keyCharsMax = 255;

export type Joined =
  | { readonly kind: 'first'; readonly reply: CallerReply; readonly leave: () => void }
  | { readonly kind: 'joined'; readonly end: Promise<SharedEnd> };

export interface InFlight {
  /**
   * Joins the request in flight with the caller's `Idempotency-Key`, or opens one that others may
   * join. Without such a header the request stays on its own.
   *
   * @throws UnbusyError invalid_request where the key is malformed or in use for another body.
   */
  join(flow: string, call: Call, request: GenerationRequest, reply: CallerReply): Joined;
}

export function createInFlight(clock: Clock): InFlight {
  const entries = new Map<string, { digest: string; shared: SharedReply }>();

  return {
    join(flow, call, request, reply) {
      const key = call.headers['idempotency-key'];
      if (key === undefined) return { kind: 'first', reply, leave: () => {} };
      if (typeof key !== 'string') throw keyFault('was sent more than once');
      if (key.length > keyCharsMax) {
        throw keyFault(`has ${key.length} characters; at most ${keyCharsMax} are allowed`);
      }
      const id = `${flow}\n${key}`;
      const digest = requestDigest(request);
      const entry = entries.get(id);
      if (entry !== undefined && entry.digest !== digest) {
        throw keyFault('belongs to a different request that is in flight');
      }
      const end = entry?.shared.join(reply);
      if (end !== undefined) return { kind: 'joined', end };
      const shared = withGrace(createSharedReply(reply), clock);
      entries.set(id, { digest, shared });
      const leave = () => {
        if (entries.get(id)?.shared === shared) entries.delete(id);
      };
      return { kind: 'first', reply: shared, leave };
    },
  };
}

function keyFault(what: string): UnbusyError {
  return new UnbusyError('invalid_request', 'invalid_request', `idempotency-key ${what}`, {
    param: 'idempotency-key',
    retryable: false,
  });
}

/** Reports that everybody has left only after the grace period, and not if somebody came back. */
function withGrace(shared: SharedReply, clock: Clock): SharedReply {
  let timer: Timer | undefined;
  return {
    ...shared,
    get begun() {
      return shared.begun;
    },
    get unsentBytes() {
      return shared.unsentBytes;
    },
    join(reply) {
      timer?.cancel();
      return shared.join(reply);
    },
    onGone(callback) {
      shared.onGone(() => {
        timer = clock.setTimer(graceMs, callback);
      });
    },
  };
}
