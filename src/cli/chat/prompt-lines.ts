/**
 * Lines typed at a prompt, and Ctrl-C, as values to wait for.
 *
 * The terminal stays in readline's hands while an answer streams, so that Ctrl-C arrives here as a
 * key and not as a signal that would end the program; lines typed meanwhile are kept for later.
 */
import { createInterface } from 'node:readline';
import type { Terminal } from '../terminal.ts';

export type PromptInput =
  | { readonly kind: 'line'; readonly text: string }
  | { readonly kind: 'interrupt' }
  /** Ctrl-D, or the terminal is gone. */
  | { readonly kind: 'end' };

export interface PromptLines {
  /** Shows the prompt and waits for what comes next. */
  next(): Promise<PromptInput>;
  /** Calls back at Ctrl-C while an answer runs; returns how to stop listening. */
  onInterrupt(listener: () => void): () => void;
  close(): void;
}

export function openPromptLines(terminal: Terminal, prompt: string): PromptLines {
  const readline = createInterface({
    input: terminal.stdin,
    output: terminal.stdout,
    prompt,
    historySize: 200,
  });
  const waitingLines: string[] = [];
  let ended = false;
  let waiter: ((input: PromptInput) => void) | undefined;
  let interruptListener: (() => void) | undefined;

  function give(input: PromptInput): boolean {
    const taker = waiter;
    waiter = undefined;
    taker?.(input);
    return taker !== undefined;
  }

  readline.on('line', (text) => {
    if (!give({ kind: 'line', text })) waitingLines.push(text);
  });
  readline.on('close', () => {
    ended = true;
    interruptListener?.();
    give({ kind: 'end' });
  });
  readline.on('SIGINT', () => {
    if (interruptListener === undefined) give({ kind: 'interrupt' });
    else interruptListener();
  });

  return {
    next() {
      const text = waitingLines.shift();
      if (text !== undefined) return Promise.resolve({ kind: 'line', text });
      if (ended) return Promise.resolve({ kind: 'end' });
      return new Promise((resolve) => {
        waiter = resolve;
        readline.prompt();
      });
    },
    onInterrupt(listener) {
      interruptListener = listener;
      return () => {
        interruptListener = undefined;
      };
    },
    close: () => readline.close(),
  };
}
