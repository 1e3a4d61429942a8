/**
 * One choice while it is generated: which token comes next, what its text is, when it ends.
 *
 * The step loop drives it in two parts. `accept` is quick and decides, between two decode calls,
 * whether the sequence goes on. `tell` turns the token into text while the next decode runs; what it
 * finds there (a stop string, the end of the thought) takes effect one token later.
 *
 * Tokens can also be forced: into the sequence as if they had been sampled. That is how a thought is
 * closed when its budget is spent, and how a grammar begins only after the thought.
 */
import type { FinishReason, GenerationEvent, TokenLogprob } from '../protocol/generation.ts';
import { r1ThinkTags } from '../protocol/reasoning.ts';
import { type AnswerText, createAnswerText } from './answer-text.ts';
import type { LoadedModel } from './loaded-model.ts';
import type { NativeGrammar, NativeSampler } from './native.ts';
import type { PreparedPrompt } from './prompt.ts';
import type { RunningRequest } from './running-request.ts';
import { samplerSettings } from './sampling.ts';
import type { Slot } from './slot-table.ts';

export interface SequenceOptions {
  readonly model: LoadedModel;
  readonly owner: RunningRequest;
  readonly choice: number;
  readonly prompt: PreparedPrompt;
  /** The first choice of the same input: it computes the prompt for all. */
  readonly leader: Sequence | undefined;
  readonly grammar: NativeGrammar | undefined;
  readonly contextTokens: number;
  readonly randomSeed: number;
}

/** What R1's template puts after an opened thought and between a closed one and the answer. */
const thoughtStart = `${r1ThinkTags.open}\n`;
const thoughtEnd = `\n${r1ThinkTags.close}\n\n`;
const answerStart = '\n\n';

export class Sequence {
  readonly owner: RunningRequest;
  readonly choice: number;
  readonly prompt: PreparedPrompt;
  readonly leader: Sequence | undefined;
  slot: Slot | undefined;
  /** The token that the next decode takes; undefined until the prompt is computed. */
  next: number | undefined;
  ended: FinishReason | undefined;
  /** Its last event is out. */
  told = false;
  generated = 0;
  reasoningTokens = 0;
  readonly #model: LoadedModel;
  readonly #sampler: NativeSampler;
  readonly #text: AnswerText;
  readonly #tokenLimit: number;
  #thoughtLimit: number;
  #forced: number[] = [];
  /** Begins when the thought is over. */
  #grammar: NativeGrammar | undefined;
  /** What penalties have seen, kept until the grammar begins: a sampler with one starts anew. */
  readonly #history: number[];

  constructor(options: SequenceOptions) {
    const { owner, prompt, model } = options;
    const { request } = owner;
    const thinks = prompt.chat && (model.template?.reasons ?? false);
    this.owner = owner;
    this.choice = options.choice;
    this.prompt = prompt;
    this.leader = options.leader;
    this.#model = model;
    this.#grammar = options.grammar;
    const settings = samplerSettings({
      sampling: request.sampling,
      choice: options.choice,
      randomSeed: options.randomSeed,
      prompt: prompt.tokens,
      contextTokens: options.contextTokens,
    });
    this.#sampler = model.native.createSampler(settings);
    this.#history = [...(settings.penalties?.history ?? [])];
    this.#text = createAnswerText({
      stop: request.stop,
      placement: request.reasoning.placement,
      startsInThought: prompt.startsInThought,
      thinkStart: thinks ? r1ThinkTags.open : undefined,
      thinkEnd: thinks ? r1ThinkTags.close : undefined,
      wantsLogprobs: request.topLogprobs !== undefined,
    });
    const room = options.contextTokens - prompt.tokens.length;
    this.#tokenLimit = Math.min(request.maxTokens ?? room, room);
    this.#thoughtLimit = thinks ? (request.reasoning.maxTokens ?? Infinity) : Infinity;
    if (this.#thoughtLimit <= 0 && prompt.startsInThought) this.#closeThought();
    if (this.#grammar !== undefined && !prompt.startsInThought) {
      // A thinking model opens its thought itself; the grammar must not begin before that.
      if (thinks && !prompt.startsInAnswer) this.#force(thoughtStart);
      else this.#beginGrammar();
    }
  }

  /** Decoded with nothing else, from a prompt computed in fixed chunks. */
  get alone(): boolean {
    return this.owner.request.deterministic;
  }

  /**
   * The prompt is computed in fixed chunks from position 0. A seed asks for it too: rounding depends
   * on how a prompt was cut, and the same seed must give the same text however much was cached.
   */
  get exactPrefill(): boolean {
    return this.alone || this.owner.request.sampling.seed !== undefined;
  }

  /** Prompt tokens still to be computed. */
  get promptLeft(): number {
    return Math.max(0, this.prompt.tokens.length - (this.slot?.length ?? 0));
  }

  /** The prompt is computed and the first token, if one is wanted, has been chosen. */
  get begun(): boolean {
    return this.next !== undefined || this.ended !== undefined;
  }

  get sampler(): NativeSampler {
    return this.#sampler;
  }

  /**
   * The next token is sampled, whatever the text of the last one turns out to be: nothing is forced
   * or about to be, and no grammar is about to begin.
   */
  get nextIsSampled(): boolean {
    const thoughtGoesOn = this.reasoningTokens + 1 < this.#thoughtLimit;
    return thoughtGoesOn && this.#grammar === undefined && this.#forced.length === 0;
  }

  /** The token that is to come instead of a sampled one. */
  takeForced(): number | undefined {
    return this.#forced.shift();
  }

  /** Nothing may be generated at all (`max_tokens: 0`, to score a prompt). */
  get wantsNothing(): boolean {
    return this.#tokenLimit === 0;
  }

  /** Takes the token that came next; −1 where the grammar left none. */
  accept(token: number): void {
    if (token < 0 || this.#model.text.isEndOfGeneration(token)) {
      this.ended = 'stop';
      return;
    }
    this.generated++;
    if (this.#grammar !== undefined) this.#history.push(token);
    if (this.generated >= this.#tokenLimit) this.ended = 'length';
    else this.next = token;
  }

  /** The text of an accepted token, as events of this choice. */
  tell(token: number, logprob: TokenLogprob | undefined, events: GenerationEvent[]): void {
    if (token < 0 || this.#model.text.isEndOfGeneration(token)) return;
    const inThought = this.#text.inThought;
    this.#emit(this.#text.push(this.#model.text.bytesOf(token), logprob), events);
    if (inThought) this.#countThought();
    if (this.#grammar !== undefined && this.#forced.length === 0 && !this.#text.inThought) {
      if (inThought) this.#force(answerStart);
      else this.#beginGrammar();
    }
    if (this.#text.stopped !== undefined) this.ended = 'stop';
  }

  /** The last events of a sequence that has ended. A second call does nothing. */
  tellEnd(events: GenerationEvent[]): void {
    if (this.told || this.ended === undefined) return;
    this.told = true;
    const cutInThought = this.ended === 'length' && this.#text.inThought;
    this.#emit(this.#text.flush(), events);
    events.push({ kind: 'finish', choice: this.choice, reason: this.ended, cutInThought });
  }

  dispose(): void {
    this.#sampler.dispose();
  }

  #emit(parts: ReturnType<AnswerText['push']>, events: GenerationEvent[]): void {
    for (const part of parts) events.push({ kind: 'delta', choice: this.choice, ...part });
  }

  #countThought(): void {
    this.reasoningTokens++;
    if (this.reasoningTokens >= this.#thoughtLimit && this.#text.inThought) this.#closeThought();
  }

  #closeThought(): void {
    // Once: the forced tokens are part of the thought themselves.
    this.#thoughtLimit = Number.POSITIVE_INFINITY;
    this.#force(thoughtEnd);
  }

  #force(text: string): void {
    this.#forced.push(...this.#model.native.tokenize(text, true));
  }

  #beginGrammar(): void {
    if (this.#grammar === undefined) return;
    this.#sampler.useGrammar(this.#grammar, Uint32Array.from(this.#history));
    this.#grammar = undefined;
  }
}
