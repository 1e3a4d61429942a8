/** The interactive chat: prompt, answer, prompt. Ctrl-C stops an answer; twice at the prompt, us. */
import { wrap } from '../command.ts';
import type { Terminal } from '../terminal.ts';
import { createAnswerPrinter } from './answer-printer.ts';
import { ChatFailure, type ChatTarget, listModels, streamAnswer } from './api-client.ts';
import { type Conversation, createConversation } from './conversation.ts';
import { openPromptLines, type PromptLines } from './prompt-lines.ts';

export interface ChatSession {
  readonly target: ChatTarget;
  readonly model: string;
  readonly system: string | undefined;
}

const commandHelp = `/new           begin a new conversation
/model [NAME]  show the models, or change to one
/quit          leave (as do Ctrl-D, and Ctrl-C twice)
`;

interface State {
  readonly target: ChatTarget;
  readonly conversation: Conversation;
  model: string;
}

/** Runs until the user leaves. */
export async function chatInteractively(session: ChatSession, terminal: Terminal): Promise<void> {
  const { target, model, system } = session;
  const state: State = { target, model, conversation: createConversation(system) };
  const lines = openPromptLines(terminal, '> ');
  terminal.out(`${model} at ${target.url}. /help shows the commands.\n`);
  let interrupted = false;
  try {
    for (;;) {
      const input = await lines.next();
      if (input.kind === 'end') return terminal.out('\n');
      if (input.kind === 'interrupt') {
        if (interrupted) return terminal.out('\n');
        interrupted = true;
        terminal.out('\n(Ctrl-C again to leave)\n');
        continue;
      }
      interrupted = false;
      const line = input.text.trim();
      if (line === '') continue;
      if (line === '/quit' || line === '/exit') return;
      if (line.startsWith('/')) await runCommand(line, state, terminal);
      else await answer(line, state, lines, terminal);
    }
  } finally {
    lines.close();
  }
}

async function runCommand(line: string, state: State, terminal: Terminal): Promise<void> {
  const [command, name] = line.split(/\s+/);
  switch (command) {
    case '/new':
      state.conversation.clear();
      return terminal.out('(new conversation)\n');
    case '/model':
      return await changeModel(name, state, terminal);
    case '/help':
      return terminal.out(commandHelp);
    default:
      return terminal.out(`there is no ${command}\n${commandHelp}`);
  }
}

async function changeModel(
  name: string | undefined,
  state: State,
  terminal: Terminal,
): Promise<void> {
  try {
    const models = await listModels(state.target);
    if (name === undefined) {
      for (const id of models) terminal.out(`${id === state.model ? '*' : ' '} ${id}\n`);
    } else if (models.includes(name)) {
      state.model = name;
      terminal.out(`(${name})\n`);
    } else {
      terminal.out(`there is no model "${name}"; there are: ${models.join(', ')}\n`);
    }
  } catch (error) {
    showFailure(error, terminal);
  }
}

async function answer(
  question: string,
  { target, model, conversation }: State,
  lines: PromptLines,
  terminal: Terminal,
): Promise<void> {
  const abort = new AbortController();
  const forget = lines.onInterrupt(() => abort.abort());
  const printer = createAnswerPrinter(terminal);
  try {
    const messages = conversation.ask(question);
    for await (const part of streamAnswer(target, model, messages, abort.signal)) {
      printer.show(part);
    }
    printer.finish();
  } catch (error) {
    printer.finish();
    if (abort.signal.aborted) terminal.out('(stopped)\n');
    else showFailure(error, terminal);
  } finally {
    forget();
    conversation.keep(question, printer.answer);
  }
}

/** Failures of a request leave the conversation open; anything else is ours and ends it. */
function showFailure(error: unknown, terminal: Terminal): void {
  if (!(error instanceof ChatFailure)) throw error;
  for (const line of error.message.split('\n')) terminal.err(`${wrap(line, 0)}\n`);
}
