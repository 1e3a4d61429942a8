/**
 * How long an answer will probably be, in tokens: the tenant's recent mean, never more than the
 * caller's own limit. Shares, rate limits and waits are reckoned with it until the truth is known.
 *
 * State: one mean per tenant, for at most `tenantsMax`; the longest unused goes first.
 */
import { createRunningMean, type RunningMean } from '../scheduling/running-mean.ts';

export interface ExpectedCompletionOptions {
  /** Assumed for a tenant without history. */
  readonly priorTokens?: number;
  readonly tenantsMax?: number;
}

export interface AnswerShape {
  /** The caller's limit for each choice. */
  readonly maxTokens?: number | undefined;
  /** Answers asked for at once: inputs × choices per input. */
  readonly choices: number;
}

export interface ExpectedCompletion {
  /** Expected tokens of all choices together, reasoning included; ≥ 1. */
  expect(tenant: string, answer: AnswerShape): number;
  /** An answer was complete. Answers cut short by a failure say nothing. */
  observe(tenant: string, answer: Pick<AnswerShape, 'choices'>, completionTokens: number): void;
  /** Mean tokens of one choice by tenant. */
  toJSON(): Readonly<Record<string, number>>;
}

/** A reasoning model's short answer; a few real ones replace it. */
const priorTokensDefault = 800;
const tenantsMaxDefault = 10_000;

export function createExpectedCompletion(
  options: ExpectedCompletionOptions = {},
): ExpectedCompletion {
  const priorTokens = options.priorTokens ?? priorTokensDefault;
  const tenantsMax = options.tenantsMax ?? tenantsMaxDefault;
  const means = new Map<string, RunningMean>();
  return {
    expect(tenant, { maxTokens, choices }) {
      const mean = means.get(tenant)?.value() ?? priorTokens;
      return Math.max(1, Math.round(Math.min(mean, maxTokens ?? mean) * choices));
    },
    observe(tenant, { choices }, completionTokens) {
      const mean = means.get(tenant) ?? createRunningMean(priorTokens);
      mean.add(completionTokens / choices);
      // A map keeps the order of insertion: what was used last goes to the end.
      means.delete(tenant);
      means.set(tenant, mean);
      const [oldest] = means.keys();
      if (means.size > tenantsMax && oldest !== undefined) means.delete(oldest);
    },
    toJSON: () => Object.fromEntries([...means].map(([tenant, mean]) => [tenant, mean.value()])),
  };
}
