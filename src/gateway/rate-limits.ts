/**
 * Tenants' rates: a request that comes too fast waits if its deadline allows, else it is told when
 * to come back (429). Without a configured rate nothing is kept and nothing is waited for.
 */
import { UnbusyError } from '../core/errors.ts';
import { createRateLimiter } from '../policy/admission/rate-limit.ts';
import type { Usage } from '../protocol/generation.ts';
import type { Clock } from '../protocol/ports.ts';
import type { Identity } from './identify.ts';

export interface RateLimits {
  /**
   * Takes a request and its estimated tokens from the tenant's buckets, waiting for them if need be.
   *
   * @throws UnbusyError rate_limited where that would take longer than until `deadlineAtMs`.
   */
  reserve(identity: Identity, tokens: number, deadlineAtMs: number): Promise<Reservation>;
}

export interface Reservation {
  /** Corrects the estimate by what was really used; nothing generated counts as nothing used. */
  settle(usage: Usage | undefined): void;
}

const unlimited: Reservation = { settle() {} };

export function createRateLimits(clock: Clock): RateLimits {
  const limiter = createRateLimiter();
  return {
    async reserve(identity, tokens, deadlineAtMs) {
      const { rate, tenant } = identity;
      if (rate === undefined) return unlimited;
      const claim = () => ({ key: tenant, limits: rate, now: clock.now() });
      for (;;) {
        const decision = limiter.reserve(claim(), tokens);
        if (decision.kind === 'allow') break;
        if (clock.now() + decision.waitMs > deadlineAtMs) throw rateLimited(tenant, decision);
        await new Promise<void>((resolve) => {
          clock.setTimer(decision.waitMs, resolve);
        });
      }
      return {
        settle(usage) {
          const used = usage === undefined ? 0 : usage.promptTokens + usage.completionTokens;
          limiter.settle(claim(), used - tokens);
        },
      };
    },
  };
}

function rateLimited(
  tenant: string,
  { waitMs, limit }: { readonly waitMs: number; readonly limit: string },
): UnbusyError {
  const message =
    `tenant ${tenant} is over its rate of ${limit}: there is room again in ` +
    `${Math.ceil(waitMs)} ms, after this request's deadline`;
  return new UnbusyError('rate_limited', 'rate_limited', message, { retryAfterMs: waitMs });
}
