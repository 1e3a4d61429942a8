/**
 * One request for text and what comes back for it, in our own terms.
 *
 * Every ingress protocol decodes into `GenerationRequest`; every upstream that does not already
 * speak OpenAI's wire form answers in `GenerationEvent`s. Lengths are tokens unless named otherwise.
 */

export interface GenerationRequest {
  /** The request id that the caller sees (`x-request-id`). */
  readonly id: string;
  /** The model as the caller named it. */
  readonly model: string;
  readonly inputs: readonly GenerationInput[];
  /** Completions per input; choice index = input index × choicesPerInput + i. */
  readonly choicesPerInput: number;
  /** Upper bound of generated tokens per choice, thought included. Absent: what the context leaves. */
  readonly maxTokens?: number | undefined;
  readonly sampling: Sampling;
  readonly stop: readonly string[];
  /** Number of alternatives per token (0: the chosen token's only). Absent: no logprobs. */
  readonly topLogprobs?: number | undefined;
  /** Repeat the prompt before the completion (legacy completions only). */
  readonly echo: boolean;
  readonly format: AnswerFormat;
  readonly reasoning: ReasoningOptions;
  readonly tools: readonly unknown[];
  /** Own decode call and fixed prefill chunks: exact for one build on one machine (B7). */
  readonly deterministic: boolean;
  readonly stream: boolean;
  /**
   * The request as it came over an OpenAI-shaped ingress. Present: an upstream that speaks the same
   * dialect forwards it with few changes, so that fields unknown to us survive.
   */
  readonly wire?: WireRequest | undefined;
}

export interface WireRequest {
  readonly dialect: Dialect;
  /** The parsed body. Not to be changed: copy shallowly to alter a field. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The same body as it arrived, UTF-8 JSON. */
  readonly bytes: Uint8Array;
}

/** The two OpenAI wire forms that can be relayed without being rebuilt. */
export type Dialect = 'chat' | 'completion';

export type GenerationInput =
  | { readonly kind: 'chat'; readonly messages: readonly ChatMessage[] }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tokens'; readonly tokens: readonly number[] };

export interface ChatMessage {
  readonly role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  readonly content: readonly ContentPart[];
  /** An earlier turn's thought, as the caller sent it back. */
  readonly reasoning?: string | undefined;
  readonly name?: string | undefined;
  readonly toolCalls?: readonly unknown[] | undefined;
  readonly toolCallId?: string | undefined;
}

/** Text, or a part that only some upstreams take (`path` names it in the caller's body). */
export type ContentPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'other'; readonly type: string; readonly path: string };

/** Absent fields mean the model's own defaults. */
export interface Sampling {
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly minP?: number | undefined;
  readonly repetitionPenalty?: number | undefined;
  readonly presencePenalty?: number | undefined;
  readonly frequencyPenalty?: number | undefined;
  /** Token id → bias added to its logit (−100 … 100). */
  readonly logitBias?: Readonly<Record<string, number>> | undefined;
  readonly seed?: number | undefined;
}

export type AnswerFormat =
  | { readonly kind: 'text' }
  | { readonly kind: 'json_object' }
  | { readonly kind: 'json_schema'; readonly name: string; readonly schema: unknown };

export interface ReasoningOptions {
  /** The thought is closed by force after this many tokens. */
  readonly maxTokens?: number | undefined;
  /** `separate`: thought in `reasoning_content`; `inline`: `<think>…</think>` within `content`. */
  readonly placement: 'separate' | 'inline';
  /** `false`: the thought is generated, and counted, but not sent. */
  readonly include?: boolean | undefined;
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

export type GenerationEvent =
  | {
      readonly kind: 'delta';
      readonly choice: number;
      readonly channel: 'reasoning' | 'answer';
      readonly text: string;
      /** One entry per token in `text`, in order; only when asked for. */
      readonly logprobs?: readonly TokenLogprob[] | undefined;
    }
  | {
      readonly kind: 'finish';
      readonly choice: number;
      readonly reason: FinishReason;
      /** The limit ended the answer inside its thought (B11). */
      readonly cutInThought: boolean;
    }
  | { readonly kind: 'usage'; readonly usage: Usage };

export interface TokenLogprob {
  readonly token: string;
  readonly tokenId: number;
  readonly bytes: readonly number[];
  /** Natural log of the probability in the raw distribution; null for a prompt's first token. */
  readonly logprob: number | null;
  readonly top: readonly {
    readonly token: string;
    readonly bytes: readonly number[];
    readonly logprob: number;
  }[];
}

export interface Usage {
  readonly promptTokens: number;
  /** All generated tokens, reasoning included. */
  readonly completionTokens: number;
  readonly reasoningTokens: number;
  /** Prompt tokens that were already in a KV cache. */
  readonly cachedTokens: number;
}
