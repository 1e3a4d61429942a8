/**
 * How long answers are expected to be, by tenant: what the queue charges before the truth is known.
 *
 * A moving mean of what the tenant's answers really had, and never more than the request allows.
 */
import { createRunningMean, type RunningMean } from '../policy/scheduling/running-mean.ts';
import type { GenerationRequest } from '../protocol/generation.ts';

export interface CompletionEstimates {
  /** Tokens that all choices of this request are expected to have together. */
  expect(tenant: string, request: GenerationRequest): number;
  /** What an answer really had. */
  observe(tenant: string, request: GenerationRequest, completionTokens: number): void;
}

/** A short reasoned answer; the first real one outweighs it. */
const priorTokens = 500;
/** Tenants remembered; the least recently seen goes first. */
const tenantsMax = 10_000;

export function createCompletionEstimates(): CompletionEstimates {
  const means = new Map<string, RunningMean>();
  return {
    expect(tenant, request) {
      const mean = means.get(tenant)?.value() ?? priorTokens;
      const each = Math.min(mean, request.maxTokens ?? mean);
      return Math.max(1, Math.round(each * choicesOf(request)));
    },
    observe(tenant, request, completionTokens) {
      const mean = means.get(tenant) ?? createRunningMean(priorTokens);
      means.delete(tenant);
      means.set(tenant, mean);
      mean.add(completionTokens / choicesOf(request));
      if (means.size > tenantsMax) means.delete(means.keys().next().value ?? '');
    },
  };
}

function choicesOf(request: GenerationRequest): number {
  return request.inputs.length * request.choicesPerInput;
}
