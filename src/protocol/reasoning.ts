/**
 * Where a thought ends and an answer begins.
 *
 * R1 writes `<think>\n…\n</think>\n\nanswer`, or, when the prompt already opened the thought, only
 * what follows the opening tag. The splitter cuts such text into the two channels while it streams.
 * A thought stands only at the very beginning: tags that come later are ordinary text, so that an
 * answer may speak about them. What it holds back is only what may still become a tag or a newline
 * beside one, and its output does not depend on how the text was cut into pieces.
 *
 * Each splitter belongs to one choice and keeps its state inside.
 */

/** The tags of DeepSeek-R1 and its relatives. */
export const r1ThinkTags: ThinkTags = { open: '<think>', close: '</think>' };

export interface ThinkTags {
  readonly open: string;
  readonly close: string;
}

export interface ThinkSplitterOptions extends ThinkTags {
  /** The prompt already contains the opening tag, so the text begins inside the thought. */
  readonly startsInThought: boolean;
}

export interface ThoughtPart {
  readonly channel: 'reasoning' | 'answer';
  /** Never empty. */
  readonly text: string;
  /** Where `text` begins in all text pushed so far, in UTF-16 units. */
  readonly at: number;
}

export interface ThinkSplitter {
  push(text: string): readonly ThoughtPart[];
  /** The end of the text: gives out what was held back. */
  flush(): readonly ThoughtPart[];
  /** The thought is open at the end of what was pushed. */
  readonly inThought: boolean;
}

/** Newlines beside a tag that are taken for part of it; bounds what is held back. */
const maxTrimmed = 64;

const leadingNewlines = /^[\r\n]+/;
const trailingNewlines = /[\r\n]+$/;

/**
 * Splits streamed text into thought and answer. Dropped: the tags, whitespace before the opening
 * one, newlines after either, and newlines before the closing one. Nothing else.
 *
 * A `</think>` that nobody opened stays as it is, because what came before it was already given out
 * as answer; where the whole text is at hand, `splitThought` does better.
 */
export function createThinkSplitter(options: ThinkSplitterOptions): ThinkSplitter {
  const { open, close, startsInThought } = options;
  let stage: 'opening' | 'entering' | 'thought' | 'leaving' | 'answer' = 'opening';
  let held = '';
  let heldAt = 0;
  let parts: ThoughtPart[] = [];

  const drop = (length: number): void => {
    held = held.slice(length);
    heldAt += length;
  };
  const emit = (channel: ThoughtPart['channel'], length: number): void => {
    if (length > 0) parts.push({ channel, text: held.slice(0, length), at: heldAt });
    drop(length);
  };
  const dropNewlines = (next: typeof stage): boolean => {
    drop(leadingNewlines.exec(held)?.[0].length ?? 0);
    if (held !== '') stage = next;
    return held !== '';
  };

  /** One move of the machine; false when it needs more text. */
  const step = (final: boolean): boolean => {
    switch (stage) {
      case 'opening': {
        const opening = matchOpening(held, open);
        if (opening === 'undecided' && !final) return false;
        if (typeof opening === 'number') drop(opening);
        stage = typeof opening === 'number' || startsInThought ? 'entering' : 'answer';
        return true;
      }
      case 'entering':
        return dropNewlines('thought');
      case 'thought': {
        const end = held.indexOf(close);
        if (end < 0) {
          emit('reasoning', final ? held.length : held.length - undecidedTail(held, close));
          return false;
        }
        const newlines = newlinesBefore(held, end);
        emit('reasoning', end - newlines);
        drop(newlines + close.length);
        stage = 'leaving';
        return true;
      }
      case 'leaving':
        return dropNewlines('answer');
      case 'answer':
        emit('answer', held.length);
        return false;
    }
  };
  const advance = (final: boolean): readonly ThoughtPart[] => {
    parts = [];
    while (step(final));
    return parts;
  };

  return {
    push(text) {
      held += text;
      return advance(false);
    },
    flush: () => advance(true),
    get inThought() {
      return (
        stage === 'entering' || stage === 'thought' || (stage === 'opening' && startsInThought)
      );
    },
  };
}

/** Whole text to thought and answer; a `</think>` without an opening tag ends a thought, too. */
export function splitThought(
  text: string,
  tags: ThinkTags,
): { readonly reasoning: string; readonly answer: string } {
  const opened = typeof matchOpening(text, tags.open) === 'number';
  const startsInThought = !opened && text.includes(tags.close);
  const splitter = createThinkSplitter({ ...tags, startsInThought });
  const result = { reasoning: '', answer: '' };
  for (const part of [...splitter.push(text), ...splitter.flush()]) {
    result[part.channel] += part.text;
  }
  return result;
}

/** The reverse of splitting: thought and answer in one text, as R1 itself writes them. */
export interface InlineThought {
  /** `text` with the tags that belong in front of it. */
  push(part: Pick<ThoughtPart, 'channel' | 'text'>): string;
  /** The closing tag if the thought was closed and no answer followed; otherwise nothing. */
  finish(inThought: boolean): string;
}

/** Joins split parts again for callers who asked for the thought inline. */
export function createInlineThought(tags: ThinkTags): InlineThought {
  const closing = `\n${tags.close}\n\n`;
  let inside = false;
  return {
    push({ channel, text }) {
      const wasInside = inside;
      inside = channel === 'reasoning';
      if (inside === wasInside) return text;
      return inside ? `${tags.open}\n${text}` : `${closing}${text}`;
    },
    finish: (inThought) => (inside && !inThought ? closing : ''),
  };
}

/** Length of whitespace and opening tag at the start of `text`, if they are there. */
function matchOpening(text: string, open: string): number | 'undecided' | 'none' {
  const trimmed = text.trimStart();
  const lead = text.length - trimmed.length;
  if (lead > maxTrimmed) return 'none';
  if (trimmed.startsWith(open)) return lead + open.length;
  return open.startsWith(trimmed) ? 'undecided' : 'none';
}

/** How many characters at the end of `text` may still become a closing tag with its newlines. */
function undecidedTail(text: string, close: string): number {
  let tag = Math.min(close.length - 1, text.length);
  while (!text.endsWith(close.slice(0, tag))) tag--;
  return tag + newlinesBefore(text, text.length - tag);
}

function newlinesBefore(text: string, end: number): number {
  const near = text.slice(Math.max(0, end - maxTrimmed), end);
  return trailingNewlines.exec(near)?.[0].length ?? 0;
}
