/**
 * From a request to the tokens that the model sees.
 *
 * Chats go through the model's own template; texts and token lists are taken as they are, with BOS
 * put in front where the vocabulary asks for it and the caller has not. Nothing is ever cut: what
 * does not fit the context is an error that says how many tokens there were and how many fit.
 */
import { UnbusyError } from '../core/errors.ts';
import type { GenerationInput } from '../protocol/generation.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { EngineRequest } from './protocol.ts';

export interface PreparedPrompt {
  readonly tokens: Uint32Array;
  /** A chat: tags of thought are taken apart. Other prompts' answers come out verbatim. */
  readonly chat: boolean;
  /** The prompt ends inside a thought. */
  readonly startsInThought: boolean;
  /** The prompt ends inside an answer that is to be continued. */
  readonly startsInAnswer: boolean;
}

/**
 * One prompt per input. Throws `UnbusyError` invalid_request `context_length_exceeded` (facts
 * `prompt_tokens`, `context_tokens`), `invalid_token`, `empty_prompt` or `unsupported_parameter`.
 */
export function preparePrompts(
  model: LoadedModel,
  request: EngineRequest,
  contextTokens: number,
): readonly PreparedPrompt[] {
  return request.inputs.map((input) => {
    const prompt = preparePrompt(model, request, input);
    checkFits(prompt.tokens.length, contextTokens, input.kind === 'chat' ? 'messages' : 'prompt');
    return prompt;
  });
}

/** The text that a chat is rendered to. Throws `unsupported_parameter` on a model without chats. */
export function renderChat(
  model: LoadedModel,
  request: EngineRequest,
  input: Extract<GenerationInput, { kind: 'chat' }>,
): string {
  if (model.template === undefined) {
    throw new UnbusyError(
      'invalid_request',
      'unsupported_parameter',
      `the model ${model.name} has no chat template; use /v1/completions with a prompt`,
      { param: 'messages' },
    );
  }
  return model.template.render(input.messages, {
    addGenerationPrompt: true,
    tools: request.tools,
  });
}

/** One prompt, without looking at its length. */
export function preparePrompt(
  model: LoadedModel,
  request: EngineRequest,
  input: GenerationInput,
): PreparedPrompt {
  switch (input.kind) {
    case 'chat': {
      const text = renderChat(model, request, input);
      const startsInThought = model.template?.opensThought(text, input.messages) ?? false;
      return {
        tokens: withBos(model, model.native.tokenize(text, true)),
        chat: true,
        startsInThought,
        startsInAnswer: !startsInThought && input.messages.at(-1)?.role === 'assistant',
      };
    }
    case 'text': {
      const tokens = withBos(model, model.native.tokenize(input.text, true));
      return plainPrompt(tokens);
    }
    case 'tokens': {
      for (const token of input.tokens) model.text.check(token, 'prompt');
      return plainPrompt(Uint32Array.from(input.tokens));
    }
  }
}

/** Puts BOS in front, once, where the vocabulary asks for it. */
export function withBos(model: LoadedModel, tokens: Uint32Array): Uint32Array {
  const { addsBos, bosToken } = model.native;
  if (!addsBos || bosToken < 0 || tokens[0] === bosToken) return tokens;
  const all = new Uint32Array(tokens.length + 1);
  all[0] = bosToken;
  all.set(tokens, 1);
  return all;
}

function plainPrompt(tokens: Uint32Array): PreparedPrompt {
  if (tokens.length > 0) {
    return { tokens, chat: false, startsInThought: false, startsInAnswer: false };
  }
  throw new UnbusyError(
    'invalid_request',
    'empty_prompt',
    'prompt is empty; this model needs at least one token to begin with',
    { param: 'prompt' },
  );
}

function checkFits(promptTokens: number, contextTokens: number, param: string): void {
  if (promptTokens < contextTokens) return;
  throw new UnbusyError(
    'invalid_request',
    'context_length_exceeded',
    `the prompt has ${promptTokens} tokens, and the model's context of ${contextTokens} tokens ` +
      `has room for at most ${contextTokens - 1} and an answer`,
    { param, facts: { prompt_tokens: promptTokens, context_tokens: contextTokens } },
  );
}
