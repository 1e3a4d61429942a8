/**
 * Shows one answer while it comes: a status line while it waits, the thought dimmed, the answer
 * plain. In a pipe only the answer is written, so that the next program gets nothing else.
 */
import type { Terminal } from '../terminal.ts';
import type { AnswerPart } from './api-client.ts';

export interface AnswerPrinter {
  show(part: AnswerPart): void;
  /** Ends the line that is open, so that what follows starts on its own. */
  finish(): void;
  /** The answer so far, without its thought: what goes back in later turns. */
  readonly answer: string;
}

const eraseLine = '\r\u001b[K';

export function createAnswerPrinter(terminal: Terminal): AnswerPrinter {
  const live = terminal.stdout.isTTY === true;
  let answer = '';
  let last: 'nothing' | 'queued' | 'reasoning' | 'answer' = 'nothing';
  let lineOpen = false;

  function write(text: string, shown: string): void {
    terminal.out(shown);
    if (text !== '') lineOpen = !text.endsWith('\n');
  }

  function clearStatus(): void {
    if (last === 'queued') terminal.out(eraseLine);
  }

  return {
    get answer() {
      return answer;
    },
    show(part) {
      switch (part.kind) {
        case 'queued':
          if (!live || last === 'reasoning' || last === 'answer') return;
          terminal.out(`${eraseLine}${terminal.dim(queuedText(part.position, part.etaMs))}`);
          last = 'queued';
          return;
        case 'reasoning':
          if (!live) return;
          clearStatus();
          write(part.text, terminal.dim(part.text));
          last = 'reasoning';
          return;
        case 'answer':
          clearStatus();
          if (last === 'reasoning') terminal.out(lineOpen ? '\n\n' : '\n');
          write(part.text, part.text);
          answer += part.text;
          last = 'answer';
          return;
        case 'end':
          if (part.reason === 'length') {
            this.finish();
            terminal.err('(cut off: the limit of tokens was reached)\n');
          }
      }
    },
    finish() {
      clearStatus();
      if (lineOpen) terminal.out('\n');
      lineOpen = false;
      last = 'nothing';
    },
  };
}

function queuedText(position: number, etaMs: number): string {
  return `waiting: place ${position} in the queue, about ${Math.max(1, Math.round(etaMs / 1000))} s`;
}
