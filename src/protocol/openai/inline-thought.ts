/** The thought written into the answer's text again, for each choice of a reply. */
import type { GenerationEvent } from '../generation.ts';
import { createInlineThought, type InlineThought, r1ThinkTags } from '../reasoning.ts';

type Event<Kind> = Extract<GenerationEvent, { kind: Kind }>;

export interface ThoughtInliner {
  /** The delta's text with the tags that belong before it. */
  text(delta: Event<'delta'>): string;
  /** What closes a thought that no answer followed; empty where a limit cut it. */
  finish(event: Event<'finish'>): string;
}

/** Keeps, per choice, whether a thought is open. */
export function createThoughtInliner(): ThoughtInliner {
  const choices = new Map<number, InlineThought>();
  return {
    text(delta) {
      let inline = choices.get(delta.choice);
      if (inline === undefined) {
        inline = createInlineThought(r1ThinkTags);
        choices.set(delta.choice, inline);
      }
      return inline.push(delta);
    },
    finish: ({ choice, cutInThought }) => choices.get(choice)?.finish(cutInThought) ?? '',
  };
}
