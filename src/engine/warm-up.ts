/**
 * The first requests of an engine, made by itself before it is ready.
 *
 * They touch every page of the weights and fill the slots with the prefixes that callers will share
 * (system prompts), so that the first caller finds what the hundredth finds.
 */
import type { UnbusyError } from '../core/errors.ts';
import type { GenerationInput } from '../protocol/generation.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { EngineOptions, EngineRequest, EngineStep } from './protocol.ts';

/** Lengths of the prompts, in turn: short, usual, long. */
const promptTokens = [16, 64, 256] as const;
const answerTokens = 4;

export interface WarmUpTarget {
  readonly model: LoadedModel;
  readonly submit: (request: EngineRequest) => void;
  readonly contextTokens: number;
}

export interface WarmUpListener {
  onStep(step: EngineStep): void;
  onFailed(id: string, error: UnbusyError): void;
}

/** Runs the plan; resolves when all of it is answered. Prefixes last: they are to stay in the slots. */
export async function warmUp(
  target: WarmUpTarget,
  plan: EngineOptions['warmup'],
  listen: (listener: WarmUpListener) => void,
): Promise<void> {
  const token = Math.max(0, target.model.native.eosToken);
  const requests = Array.from({ length: plan.requests }, (_, index) => {
    const length = Math.min(
      promptTokens[index % promptTokens.length] ?? 16,
      target.contextTokens / 2,
    );
    const tokens = new Array<number>(Math.max(1, Math.floor(length))).fill(token);
    return warmUpRequest(`warm-up-${index}`, { kind: 'tokens', tokens }, answerTokens);
  });
  await runAll(requests, target, listen);
  const prefixes = plan.prefixes.map((prefix, index) =>
    warmUpRequest(
      `warm-up-prefix-${index}`,
      { kind: 'text', text: prefixText(target.model, prefix) },
      0,
    ),
  );
  await runAll(prefixes, target, listen);
}

function runAll(
  requests: readonly EngineRequest[],
  target: WarmUpTarget,
  listen: (listener: WarmUpListener) => void,
): Promise<void> {
  const open = new Set(requests.map(({ id }) => id));
  if (open.size === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const done = (id: string): void => {
      open.delete(id);
      if (open.size === 0) resolve();
    };
    listen({
      onStep: ({ finished }) => {
        for (const { id } of finished) done(id);
      },
      onFailed: (_id, error) => reject(error),
    });
    for (const request of requests) target.submit(request);
  });
}

/** A system prompt as the template begins a chat with it; as it stands where there is no template. */
function prefixText(model: LoadedModel, prefix: string): string {
  try {
    const content = [{ kind: 'text', text: prefix }] as const;
    const message = { role: 'system', content } as const;
    const rendered = model.template?.render([message], { addGenerationPrompt: false, tools: [] });
    return rendered ?? prefix;
  } catch {
    // Some templates refuse a chat without a user's turn.
    return prefix;
  }
}

function warmUpRequest(id: string, input: GenerationInput, maxTokens: number): EngineRequest {
  return {
    id,
    inputs: [input],
    choicesPerInput: 1,
    maxTokens,
    sampling: { temperature: 0 },
    stop: [],
    echo: false,
    format: { kind: 'text' },
    reasoning: { placement: 'inline' },
    tools: [],
    deterministic: false,
  };
}
