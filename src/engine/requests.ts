/** Opens a request: prompts, grammar and one sequence per choice. */
import { UnbusyError } from '../core/errors.ts';
import type { AnswerFormat } from '../protocol/generation.ts';
import { grammarForSchema, jsonObjectGrammar } from './grammar/json-schema.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { NativeGrammar } from './native.ts';
import { preparePrompts } from './prompt.ts';
import type { EngineRequest } from './protocol.ts';
import type { RunningRequest } from './running-request.ts';
import { Sequence } from './sequence.ts';

export interface OpenOptions {
  readonly model: LoadedModel;
  readonly contextTokens: number;
  readonly nowMs: number;
  /** Seeds choices of a request that has no seed. */
  readonly randomSeed: number;
}

/**
 * All choices of a request, none with a slot yet. The first choice of each input leads: it computes
 * the prompt that the others copy. Throws `UnbusyError` invalid_request for what cannot be done.
 */
export function openRequest(request: EngineRequest, options: OpenOptions): RunningRequest {
  const { model, contextTokens } = options;
  for (const token of Object.keys(request.sampling.logitBias ?? {})) {
    model.text.check(Number(token), `logit_bias.${token}`);
  }
  const prompts = preparePrompts(model, request, contextTokens);
  const grammar = grammarFor(model, request.format);
  if (grammar !== undefined && prompts.some((prompt) => prompt.startsInAnswer)) {
    throw new UnbusyError(
      'invalid_request',
      'unsupported_parameter',
      'response_format cannot be used to continue an answer that has begun: leave out the last ' +
        'assistant message',
      { param: 'response_format' },
    );
  }
  const running: RunningRequest = {
    request,
    arrivedAtMs: options.nowMs,
    promptTokens: prompts.reduce((sum, prompt) => sum + prompt.tokens.length, 0),
    sequences: [],
    cachedTokens: 0,
    started: false,
    closed: false,
  };
  prompts.forEach((prompt, input) => {
    let leader: Sequence | undefined;
    for (let i = 0; i < request.choicesPerInput; i++) {
      const sequence = new Sequence({
        model,
        owner: running,
        choice: input * request.choicesPerInput + i,
        prompt,
        leader,
        grammar,
        contextTokens,
        randomSeed: options.randomSeed,
      });
      leader ??= sequence;
      running.sequences.push(sequence);
    }
  });
  return running;
}

function grammarFor(model: LoadedModel, format: AnswerFormat): NativeGrammar | undefined {
  switch (format.kind) {
    case 'text':
      return undefined;
    case 'json_object':
      return model.native.createGrammar(jsonObjectGrammar);
    case 'json_schema':
      return model.native.createGrammar(grammarForSchema(format.schema));
  }
}
