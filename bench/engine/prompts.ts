/**
 * Prompts that the demonstration model was made for, each different, in English and Chinese, and
 * the request bodies made of them. The same for every server.
 */
import { createRandom } from '../../src/core/random.ts';

export interface BodyOptions {
  readonly count: number;
  /** Another seed gives other prompts, so that no prefix cache answers for the engine. */
  readonly seed: number;
  readonly maxTokens: number;
  /** Tokens that would end an answer early: never sampled, so that every answer has its length. */
  readonly bannedTokens: readonly number[];
}

export function promptsOf(count: number, seed: number): readonly string[] {
  const random = createRandom(seed);
  const number = (below: number): number => Math.floor(random.next() * below) + 2;
  const forms = [
    () => `What is ${number(900)} + ${number(900)}?`,
    () => `What is ${number(90)} * ${number(90)}?`,
    () => `Sort these numbers: ${[0, 0, 0, 0, 0].map(() => number(99)).join(', ')}`,
    () => `Is ${number(400)} a prime number?`,
    () => `What is ${number(99)}% of ${number(900)}?`,
    () => `${number(900)} 减 ${number(300)} 等于多少？`,
    () => `Which is larger, ${number(10)}.${number(90)} or ${number(10)}.${number(9)}?`,
  ];
  return Array.from({ length: count }, (_, index) => forms[index % forms.length]?.() ?? '');
}

/** Greedy streamed chat requests of one fixed length, one JSON text each. */
export function requestBodies(options: BodyOptions): readonly string[] {
  const bias = Object.fromEntries(options.bannedTokens.map((token) => [String(token), -100]));
  return promptsOf(options.count, options.seed).map((prompt) =>
    JSON.stringify({
      model: 'pocket-r1',
      messages: [{ role: 'user', content: prompt }],
      max_tokens: options.maxTokens,
      temperature: 0,
      logit_bias: bias,
      stream: true,
      stream_options: { include_usage: true },
    }),
  );
}
