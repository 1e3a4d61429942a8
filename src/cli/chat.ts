/** `unbusy chat`: talk to any OpenAI-compatible server, by hand or in a pipe. */
import { text as readAll } from 'node:stream/consumers';
import { createAnswerPrinter } from './chat/answer-printer.ts';
import { ChatFailure, type ChatTarget, listModels, streamAnswer } from './chat/api-client.ts';
import { createConversation } from './chat/conversation.ts';
import { chatInteractively } from './chat/read-eval-print.ts';
import { type Arguments, type Command, limitPositionals, UsageError } from './command.ts';
import type { Terminal } from './terminal.ts';

const defaultUrl = 'http://127.0.0.1:6710/v1';

export const chatCommand: Command = {
  usage: '[--url URL] [--model NAME] [-m PROMPT]',
  about:
    'Talks to a model and shows its thought dimmed. Ctrl-C stops the answer. With -m, or with a ' +
    'prompt on standard input, it answers once; into a pipe it writes the answer alone.',
  options: {
    url: { type: 'string', value: 'URL', about: `The API to talk to (${defaultUrl}).` },
    model: { type: 'string', value: 'NAME', about: 'The model (the first that is listed).' },
    key: { type: 'string', value: 'KEY', about: 'API key (UNBUSY_API_KEY, else none).' },
    system: { type: 'string', value: 'TEXT', about: 'System prompt.' },
    message: { type: 'string', short: 'm', value: 'PROMPT', about: 'Ask this and leave.' },
  },
  examples: [
    { line: 'unbusy chat', about: 'A conversation with the server on this machine.' },
    { line: 'unbusy chat -m "What is 17 + 25?"', about: 'One answer.' },
    { line: 'cat question.txt | unbusy chat > answer.txt', about: 'In a pipe.' },
  ],
  async run(args, terminal) {
    limitPositionals(args, 0);
    const target = targetOf(args, terminal);
    const prompt = await promptOf(args, terminal);
    try {
      const model = args.text('model') ?? (await firstModel(target));
      const system = args.text('system');
      if (prompt === undefined) await chatInteractively({ target, model, system }, terminal);
      else await answerOnce(prompt, model, system, target, terminal);
      return 0;
    } catch (error) {
      if (!(error instanceof ChatFailure)) throw error;
      terminal.err(`unbusy: ${error.message}\n`);
      if (error.message.startsWith('no server answers')) {
        const { serve } = terminal.invocation;
        terminal.err(`start one in another terminal: ${serve.replace(/ --$/, '')}\n`);
      }
      return 1;
    }
  },
};

function targetOf(args: Arguments, terminal: Terminal): ChatTarget {
  const url = args.text('url') ?? defaultUrl;
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new UsageError(`--url: found "${url}"; allowed: an address such as ${defaultUrl}`);
  }
  // The name alone is enough, as for --upstream: every such API lives under /v1.
  const base = new URL(url).pathname === '/' ? `${url.replace(/\/+$/, '')}/v1` : url;
  return { url: base, key: args.text('key') ?? terminal.env['UNBUSY_API_KEY'] };
}

/** The one question to answer; undefined for a conversation. */
async function promptOf(args: Arguments, terminal: Terminal): Promise<string | undefined> {
  const given = args.text('message');
  const prompt =
    given ?? (terminal.stdin.isTTY ? undefined : (await readAll(terminal.stdin)).trim());
  if (prompt === '') throw new UsageError('the prompt is empty');
  return prompt;
}

async function firstModel(target: ChatTarget): Promise<string> {
  const [model] = await listModels(target);
  if (model === undefined) {
    throw new ChatFailure(`${target.url} has no model that can answer yet; try again soon`);
  }
  return model;
}

async function answerOnce(
  prompt: string,
  model: string,
  system: string | undefined,
  target: ChatTarget,
  terminal: Terminal,
): Promise<void> {
  const printer = createAnswerPrinter(terminal);
  const messages = createConversation(system).ask(prompt);
  try {
    const { signal } = new AbortController();
    for await (const part of streamAnswer(target, model, messages, signal)) printer.show(part);
  } finally {
    printer.finish();
  }
}
