/**
 * From the bytes of generated tokens to what the caller is shown, for one choice.
 *
 * bytes → UTF-8 → thought | answer → stop strings (answer only) → placement. Each stage holds back
 * only what it cannot decide yet, and the result is the same however the bytes are cut: a character
 * split over tokens is never shown broken, and neither is a stop string or a tag.
 *
 * Stop strings are searched in the answer, not in the thought: a caller who stops at a blank line
 * would otherwise get the thought's first paragraph and no answer. A choice without tags (legacy
 * completions, models that do not think) is all answer and comes out verbatim.
 *
 * Log probabilities travel with the part that shows the first visible character of their token;
 * tokens of which nothing is shown (tags, trimmed newlines, a stop string) lose theirs.
 */
import type { TokenLogprob } from '../protocol/generation.ts';
import {
  createInlineThought,
  createThinkSplitter,
  type ThoughtPart,
} from '../protocol/reasoning.ts';
import { createStopMatcher } from './stop-strings.ts';

export interface AnswerTextOptions {
  readonly stop: readonly string[];
  readonly placement: 'separate' | 'inline';
  /** The prompt ends inside a thought. */
  readonly startsInThought: boolean;
  /** The tags of a model that thinks; absent: nothing is taken for a thought. */
  readonly thinkStart?: string | undefined;
  readonly thinkEnd?: string | undefined;
  readonly wantsLogprobs: boolean;
}

/** A `delta` event without its choice index; `text` is never empty. */
export interface AnswerPart {
  readonly channel: 'reasoning' | 'answer';
  readonly text: string;
  readonly logprobs?: readonly TokenLogprob[] | undefined;
}

export interface AnswerText {
  /** The bytes of one token. After a stop string was found nothing comes out any more. */
  push(bytes: Uint8Array, logprob?: TokenLogprob): readonly AnswerPart[];
  /** The end of generation: gives out what was held back. */
  flush(): readonly AnswerPart[];
  /** The stop string that ended the answer. */
  readonly stopped: string | undefined;
  /** The thought is open after what was pushed. */
  readonly inThought: boolean;
  /** Shown so far, in UTF-16 units without added tags. */
  readonly reasoningLength: number;
  readonly answerLength: number;
}

/** The text pipeline of one choice. */
export function createAnswerText(options: AnswerTextOptions): AnswerText {
  const { thinkStart, thinkEnd } = options;
  const tags =
    thinkStart === undefined || thinkEnd === undefined
      ? undefined
      : { open: thinkStart, close: thinkEnd };
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const splitter =
    tags && createThinkSplitter({ ...tags, startsInThought: options.startsInThought });
  const inline = tags && options.placement === 'inline' ? createInlineThought(tags) : undefined;
  const stops = createStopMatcher(options.stop);
  const marks = options.wantsLogprobs ? createLogprobMarks() : undefined;
  const shown = { reasoning: 0, answer: 0 };
  let decoded = 0;
  /** Where the next answer text to be shown begins in the decoded text. */
  let answerAt: number | undefined;

  const show = (channel: ThoughtPart['channel'], text: string, at: number): AnswerPart[] => {
    if (text === '') return [];
    shown[channel] += text.length;
    const logprobs = marks?.take(at, at + text.length);
    const part: AnswerPart = inline
      ? { channel: 'answer', text: inline.push({ channel, text }) }
      : { channel, text };
    return [logprobs === undefined ? part : { ...part, logprobs }];
  };
  const showAnswer = (text: string): AnswerPart[] => {
    const at = answerAt ?? 0;
    answerAt = at + text.length;
    return show('answer', text, at);
  };
  const pass = (parts: readonly ThoughtPart[]): AnswerPart[] =>
    parts.flatMap(({ channel, text, at }) => {
      if (channel === 'reasoning') return show(channel, text, at);
      answerAt ??= at;
      return showAnswer(stops.push(text));
    });
  const split = (text: string): readonly ThoughtPart[] => {
    if (text === '') return [];
    return splitter?.push(text) ?? [{ channel: 'answer', text, at: decoded - text.length }];
  };

  return {
    push(bytes, logprob) {
      if (stops.stopped !== undefined) return [];
      const text = decoder.decode(bytes, { stream: true });
      if (logprob !== undefined && bytes.length > 0) {
        marks?.add(logprob, decoded, decoded + text.length);
      }
      decoded += text.length;
      return pass(split(text));
    },
    flush() {
      if (stops.stopped !== undefined) return [];
      const text = decoder.decode();
      decoded += text.length;
      const parts = pass(split(text));
      if (splitter !== undefined) parts.push(...pass(splitter.flush()));
      parts.push(...showAnswer(stops.flush()));
      const closing = inline?.finish(splitter?.inThought ?? false) ?? '';
      if (closing !== '') parts.push({ channel: 'answer', text: closing });
      return parts;
    },
    get stopped() {
      return stops.stopped;
    },
    get inThought() {
      return splitter?.inThought ?? false;
    },
    get reasoningLength() {
      return shown.reasoning;
    },
    get answerLength() {
      return shown.answer;
    },
  };
}

interface LogprobMark {
  readonly logprob: TokenLogprob;
  readonly start: number;
  /** Equal to `start` for a token that holds only the beginning of a character. */
  readonly end: number;
}

/** Remembers which stretch of the decoded text each token wrote until that stretch is shown. */
function createLogprobMarks() {
  const waiting: LogprobMark[] = [];
  return {
    add(logprob: TokenLogprob, start: number, end: number): void {
      waiting.push({ logprob, start, end });
    },
    /** The tokens that begin to show in [from, to); tokens that ended before it are dropped. */
    take(from: number, to: number): readonly TokenLogprob[] {
      const later = waiting.findIndex(({ start }) => start >= to);
      return waiting
        .splice(0, later < 0 ? waiting.length : later)
        .filter(({ start, end }) => start >= from || end > from)
        .map(({ logprob }) => logprob);
    },
  };
}
