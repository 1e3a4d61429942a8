/** The turns of a conversation. A thought never goes back: R1's template drops it anyway. */
import type { ChatMessage } from './api-client.ts';

export interface Conversation {
  /** What to send for a new question. */
  ask(question: string): readonly ChatMessage[];
  /** Keeps a turn once it has an answer; a turn without one leaves no trace. */
  keep(question: string, answer: string): void;
  clear(): void;
}

export function createConversation(system: string | undefined): Conversation {
  const opening: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }];
  let turns: ChatMessage[] = [];
  return {
    ask: (question) => [...opening, ...turns, { role: 'user', content: question }],
    keep(question, answer) {
      if (answer === '') return;
      turns.push({ role: 'user', content: question }, { role: 'assistant', content: answer });
    },
    clear() {
      turns = [];
    },
  };
}
