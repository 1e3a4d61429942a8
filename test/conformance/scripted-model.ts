/** A model for clients to talk to: the same thought and answer each time, token by token. */
import type {
  GenerationEvent,
  GenerationRequest,
  TokenLogprob,
  Usage,
} from '../../src/protocol/generation.ts';

const thought = ['First', ' I', ' think', ' —', ' 好的', '.'];
const prose = ['The', ' answer', ' is', ' 42', ' 🎉', '.'];
const object = ['{"', 'answer', '":', '42', '}'];

export const scriptedUsage: Usage = {
  promptTokens: 9,
  completionTokens: 12,
  reasoningTokens: 6,
  cachedTokens: 4,
};

/** The events of each step, for all choices of the request. */
export function generate(request: GenerationRequest): readonly GenerationEvent[][] {
  const answer = request.format.kind === 'text' ? prose : object;
  const isChat = request.inputs.every(({ kind }) => kind === 'chat');
  const all = [
    ...(isChat ? thought : []).map((text) => ({ channel: 'reasoning' as const, text })),
    ...answer.map((text) => ({ channel: 'answer' as const, text })),
  ];
  const tokens = all.slice(0, request.maxTokens);
  const choices = Array.from(
    { length: request.inputs.length * request.choicesPerInput },
    (_, i) => i,
  );
  const steps: GenerationEvent[][] = tokens.map(({ channel, text }) =>
    choices.map((choice) => {
      const delta = { kind: 'delta', choice, channel, text } as const;
      if (request.topLogprobs === undefined) return delta;
      return { ...delta, logprobs: [logprobOf(text, request.topLogprobs)] };
    }),
  );
  const cut = tokens.length < all.length;
  steps.push(
    choices.map((choice) => ({
      kind: 'finish',
      choice,
      reason: cut ? 'length' : 'stop',
      cutInThought: tokens.at(-1)?.channel === 'reasoning',
    })),
  );
  return steps;
}

function logprobOf(token: string, alternatives: number): TokenLogprob {
  const one = (text: string, logprob: number) => ({
    token: text,
    bytes: [...Buffer.from(text)],
    logprob,
  });
  const others = Array.from({ length: alternatives }, (_, i) => one(`${token}${i}`, -2 - i));
  return { ...one(token, -0.25), tokenId: 1, top: others };
}
