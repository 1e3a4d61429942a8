/**
 * Whether a request may wait at all, decided on arrival (404, 400, 403, 429, 503).
 *
 * In order: is there such a model and who may serve it to this caller, does the prompt fit its
 * context, what does the caller wish, does its rate allow it, and is the predicted wait within its
 * deadline. All of it is known before a byte is sent, so a refusal is a status with a reason and a
 * time.
 */
import type { Config } from '../config/config.ts';
import { UnbusyError } from '../core/errors.ts';
import { type CallerWishes, readCallerWishes } from '../policy/admission/deadlines.ts';
import type { ExpectedCompletion } from '../policy/admission/expected-completion.ts';
import { decideOnArrival } from '../policy/admission/refusal.ts';
import type { Call, CallerReply } from '../protocol/caller.ts';
import type { GenerationInput, GenerationRequest, Usage } from '../protocol/generation.ts';
import type { Clock, PromptSize } from '../protocol/ports.ts';
import type { Endpoint } from './endpoint.ts';
import type { Identity } from './identify.ts';
import type { ModelPool } from './model-pool.ts';
import type { ModelPools } from './model-pools.ts';
import type { Ticket } from './pool-ticket.ts';
import type { RateLimits } from './rate-limits.ts';
import { createReturningCallers } from './returning-callers.ts';

export interface Arrival {
  readonly call: Call;
  readonly identity: Identity;
  readonly request: GenerationRequest;
  readonly reply: CallerReply;
  /** Sends the head of a stream that has to wait. */
  readonly announce: () => void;
}

export interface Admitted {
  readonly ticket: Ticket;
  readonly predictedWaitMs: number;
  /** The end of the request: what it really used goes back into queue, limits and estimates. */
  settle(usage: Usage | undefined): void;
}

export interface Admission {
  /** @throws UnbusyError model_not_found, context_length_exceeded, rate_limited, overloaded, … */
  admit(arrival: Arrival): Promise<Admitted>;
}

export interface AdmissionOptions {
  readonly config: Pick<Config, 'queue'>;
  readonly pools: ModelPools;
  readonly expected: ExpectedCompletion;
  readonly rateLimits: RateLimits;
  readonly clock: Clock;
}

/** Bytes of UTF-8 per prompt token where the tokenizer is out of reach; English and code are near 4. */
const bytesPerToken = 4;
/** A lost endpoint is looked for every few seconds, so this is when the answer may differ, ms. */
const downRetryAfterMs = 5000;

export function createAdmission(options: AdmissionOptions): Admission {
  const { config, pools, expected, rateLimits, clock } = options;
  const returning = createReturningCallers(clock);
  return {
    async admit({ call, identity, request, reply, announce }) {
      const pool = pools.find(request.model);
      requireEndpoint(pool, identity);
      const promptTokens = (await measure(pool, request)) ?? estimatePrompt(request);
      const wishes = readCallerWishes({
        headers: call.headers,
        body: request.wire?.body,
        tenantClass: identity.requestClass,
      });
      const firstAskedAtMs = returning.firstAskedAtMs(identity.flow, request) ?? call.receivedAtMs;
      const choices = request.inputs.length * request.choicesPerInput;
      const shape = { maxTokens: request.maxTokens, choices };
      const expectedTokens = expected.expect(identity.tenant, shape);
      const costTokens = promptTokens + expectedTokens;
      const deadlineAtMs = call.receivedAtMs + wishes.deadlineMs;
      const reservation = await rateLimits.reserve(identity, costTokens, deadlineAtMs);
      const ticket = pool.open({
        id: call.id,
        tenant: identity.flow,
        weight: identity.weight,
        requestClass: wishes.requestClass,
        costTokens,
        expectedTokens,
        arrivedAtMs: call.receivedAtMs,
        deadlineAtMs,
        orderAtMs: firstAskedAtMs + wishes.deadlineMs,
        session: wishes.session,
        dataMayLeave: identity.dataMayLeave,
        reply,
        announce,
      });
      const predictedWaitMs = pool.predictWaitMs(ticket);
      const hopeless = judge(pool, wishes, predictedWaitMs, deadlineAtMs - clock.now());
      if (hopeless !== undefined) {
        reservation.settle(undefined);
        const retryAfterMs = hopeless.details.retryAfterMs ?? 0;
        returning.refused({ flow: identity.flow, request, firstAskedAtMs, retryAfterMs });
        throw hopeless;
      }
      returning.admitted(identity.flow, request);
      return {
        ticket,
        predictedWaitMs,
        settle(usage) {
          ticket.settle(usage);
          reservation.settle(usage);
          if (usage === undefined) return;
          expected.observe(identity.tenant, shape, usage.completionTokens);
        },
      };
    },
  };

  /** The refusal of a request whose wait would be too long; undefined where it may wait. */
  function judge(
    pool: ModelPool,
    wishes: CallerWishes,
    predictedWaitMs: number,
    deadlineMs: number,
  ): UnbusyError | undefined {
    const decision = decideOnArrival({
      predictedWaitMs,
      deadlineMs,
      classMaxWaitMs: config.queue.maxWaitMs[wishes.requestClass],
      queueFull: pool.depth >= config.queue.maxDepth,
    });
    if (decision.kind === 'admit') return undefined;
    const { because, waitMs, retryAfterMs } = decision;
    const facts = { predicted_wait_ms: Math.round(waitMs), waiting: pool.depth };
    if (because === 'queue_full') {
      const message = `${pool.depth} requests are waiting for ${pool.model}, the most allowed`;
      return new UnbusyError('overloaded', 'queue_full', message, { retryAfterMs, facts });
    }
    const limit = because === 'deadline' ? 'its deadline' : `class ${wishes.requestClass}`;
    const message =
      `${pool.model} is busy: the wait would be ${seconds(waitMs)}, longer than ${limit} allows; ` +
      `come back in ${seconds(retryAfterMs)}`;
    return new UnbusyError('overloaded', 'overloaded', message, { retryAfterMs, facts });
  }
}

/** Refuses what no waiting can change: nobody may serve it, or nobody is there at all. */
function requireEndpoint(pool: ModelPool, identity: Identity): void {
  const endpoints = pool.endpoints();
  const allowed = endpoints.filter(({ location }) => location === 'own' || identity.dataMayLeave);
  if (allowed.length === 0) {
    const message =
      `${pool.model} is served only outside the operator's own premises, and prompts of tenant ` +
      `${identity.tenant} stay inside (data: stays)`;
    throw new UnbusyError('forbidden', 'data_stays', message, { retryable: false });
  }
  const reasons = allowed.map((endpoint) => ({ endpoint, ...endpoint.upstream.status() }));
  if (reasons.some(({ state }) => state !== 'down')) return;
  const why = reasons.map(({ endpoint, reason }) => `${endpoint.name}: ${reason ?? 'down'}`);
  throw new UnbusyError(
    'upstream_unavailable',
    'upstream_unavailable',
    `no endpoint of ${pool.model} can be reached: ${why.join('; ')}`,
    { retryAfterMs: downRetryAfterMs },
  );
}

/** The prompt's exact size from an endpoint that can tell without starting work. */
async function measure(pool: ModelPool, request: GenerationRequest): Promise<number | undefined> {
  const able = pool
    .endpoints()
    .find(({ upstream }) => upstream.measure !== undefined && upstream.status().state === 'ready');
  if (able === undefined) return undefined;
  const size = await sizeFrom(able.upstream, request);
  if (size === undefined) return undefined;
  const { promptTokens, contextTokens } = size;
  if (promptTokens < contextTokens) return promptTokens;
  const message =
    `the prompt has ${promptTokens} tokens, but ${pool.model} has a context of ` +
    `${contextTokens}: at most ${contextTokens - 1} fit with one token of answer`;
  const facts = { prompt_tokens: promptTokens, context_tokens: contextTokens };
  throw new UnbusyError('invalid_request', 'context_length_exceeded', message, {
    facts,
    retryable: false,
  });
}

/** An engine that dies while it counts is no reason to refuse; a prompt it cannot read is. */
async function sizeFrom(
  upstream: Endpoint['upstream'],
  request: GenerationRequest,
): Promise<PromptSize | undefined> {
  try {
    return await upstream.measure?.(request);
  } catch (thrown) {
    if (thrown instanceof UnbusyError && thrown.kind === 'invalid_request') throw thrown;
    return undefined;
  }
}

function estimatePrompt(request: GenerationRequest): number {
  let units = 0;
  for (const input of request.inputs) units += unitsOf(input);
  return Math.max(1, Math.ceil(units / bytesPerToken));
}

/** Bytes, about; a token that came as a token counts as one. */
function unitsOf(input: GenerationInput): number {
  switch (input.kind) {
    case 'tokens':
      return input.tokens.length * bytesPerToken;
    case 'text':
      return input.text.length;
    case 'chat': {
      let length = 0;
      for (const { content } of input.messages) {
        for (const part of content) length += part.kind === 'text' ? part.text.length : 0;
      }
      return length;
    }
  }
}

function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}
