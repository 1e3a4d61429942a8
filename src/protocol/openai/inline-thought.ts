/**
 * The thought written into the answer's text, for callers who asked for it inline: R1's own form,
 * `<think>\n…\n</think>\n\n…`, whose tags and newlines the splitter (`reasoning.ts`) took away.
 */
import type { GenerationEvent } from '../generation.ts';
import { r1ThinkTags } from '../reasoning.ts';

export interface ThoughtInliner {
  /** The delta's text with the tag that belongs before it. */
  text(delta: Extract<GenerationEvent, { kind: 'delta' }>): string;
  /** What closes a thought that is still open at the end; the choice is then forgotten. */
  close(choice: number): string;
}

const opening = `${r1ThinkTags.open}\n`;
const closing = `\n${r1ThinkTags.close}\n\n`;

/** Keeps, per choice, whether a thought is open. */
export function createThoughtInliner(): ThoughtInliner {
  const thinking = new Set<number>();
  return {
    text({ choice, channel, text }) {
      if (channel === 'reasoning') {
        if (thinking.has(choice)) return text;
        thinking.add(choice);
        return opening + text;
      }
      return thinking.delete(choice) ? closing + text : text;
    },
    close(choice) {
      return thinking.delete(choice) ? closing.trimEnd() : '';
    },
  };
}
