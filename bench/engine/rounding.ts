/**
 * How often a kernel's rounding changes a token under load (B7).
 *
 * A batch's shape decides which kernels run and in which order they add, so logits differ in their
 * last bits; where two tokens are about equally likely, another one may be taken, and from there
 * the text is another. Each request is made alone, alone once more, and among 15 others, greedily
 * and with a seed at R1's own temperature, then the same with `deterministic: true`, which must
 * not differ at all. One engine process, so that all 16 really share their steps.
 *
 *   node bench/engine/rounding.ts [--requests 208] [--tokens 256] [--server unbusy] [--name rounding]
 *
 * `--server llama-server` measures llama.cpp's own server the same way, without `deterministic`.
 */
import { parseArgs } from 'node:util';
import { describeMachine, machineLines } from '../measure/machine.ts';
import { table, writeResult } from '../measure/result-file.ts';
import { compareAnswers, type Divergence, type TokenAnswer } from './divergence.ts';
import { promptsOf } from './prompts.ts';
import { llamaServer, type RunningServer, unbusyWith } from './servers.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '208' },
    tokens: { type: 'string', default: '256' },
    server: { type: 'string', default: 'unbusy' },
    name: { type: 'string', default: 'rounding' },
  },
});

/** The measured request and 15 others. */
const width = 16;
/** The middle of what R1's authors advise. */
const temperature = 0.6;

interface Mode {
  readonly name: string;
  readonly fields: (index: number) => Readonly<Record<string, unknown>>;
}

const greedy = { temperature: 0 };
const sampled = (index: number) => ({ temperature, top_p: 0.95, seed: index + 1 });
const modes: readonly Mode[] = [
  { name: 'greedy', fields: () => greedy },
  { name: `temperature ${temperature}, seeded`, fields: sampled },
  ...(values.server === 'unbusy'
    ? [
        { name: 'greedy, deterministic', fields: () => ({ ...greedy, deterministic: true }) },
        {
          name: `temperature ${temperature}, seeded, deterministic`,
          fields: (index: number) => ({ ...sampled(index), deterministic: true }),
        },
      ]
    : []),
];

const prompts = promptsOf(Number(values.requests), 20_26);
const server =
  values.server === 'unbusy' ? unbusyWith('unbusy-one', { replicas: 1 }) : llamaServer(1);
const running = await server.start();
const machine = describeMachine('bench/engine/rounding.ts', { 'node-llama-cpp': '3.22.1' });
const found: { mode: string; pass: string; divergence: Divergence }[] = [];
try {
  for (const mode of modes) {
    process.stderr.write(`${mode.name}\n`);
    const alone = await answerAll(running, mode, 1);
    const passes = { 'alone again': 1, [`among ${width - 1} others`]: width };
    for (const [pass, streams] of Object.entries(passes)) {
      const answers = await answerAll(running, mode, streams);
      found.push({ mode: mode.name, pass, divergence: compareAnswers(alone, answers) });
    }
  }
} finally {
  await running.process.stop();
}
const data = { machine, server: server.name, requests: prompts.length, found };
const file = writeResult({ name: values.name, data, markdown: report() });
process.stderr.write(`written: ${file}\n`);
process.exit(0);

function report(): string {
  const rows = found.map(({ mode, pass, divergence }) => [
    `${mode}: alone against ${pass}`,
    `${divergence.differing} of ${divergence.answers}`,
    String(divergence.tokensExposed),
    `${divergence.perThousand.toFixed(2)} [${divergence.perThousandLow.toFixed(2)}–${divergence.perThousandHigh.toFixed(2)}]`,
    `${(divergence.differingTokenShare * 100).toFixed(2)} %`,
  ]);
  const head = [
    'passes compared',
    'answers that differ',
    'tokens until then',
    'first differences per 1,000 tokens [95 %]',
    'token positions that differ',
  ];
  return [
    `# How often rounding changes a token: ${server.name}`,
    machineLines(machine),
    `pocket-r1 Q8_0, ${prompts.length} prompts, at most ${values.tokens} tokens an answer. After a ` +
      'first different token the rest of an answer is another text, so the rate counts first ' +
      'differences against the tokens up to them.',
    table(head, rows),
  ].join('\n\n');
}

/** Answers in the order of the prompts, `streams` at a time. */
async function answerAll(
  to: RunningServer,
  mode: Mode,
  streams: number,
): Promise<readonly TokenAnswer[]> {
  const answers: TokenAnswer[] = [];
  let next = 0;
  async function work(): Promise<void> {
    for (let index = next++; index < prompts.length; index = next++) {
      answers[index] = await answerTokens(to, prompts[index] ?? '', mode.fields(index));
    }
  }
  await Promise.all(Array.from({ length: streams }, work));
  return answers;
}

interface ChatAnswer {
  readonly choices: readonly {
    readonly message: {
      readonly content?: string | null;
      readonly reasoning_content?: string | null;
    };
  }[];
}

async function answerTokens(
  to: RunningServer,
  prompt: string,
  fields: Readonly<Record<string, unknown>>,
): Promise<TokenAnswer> {
  const answer = await post<ChatAnswer>(to, '/v1/chat/completions', {
    model: 'pocket-r1',
    messages: [{ role: 'user', content: prompt }],
    max_tokens: Number(values.tokens),
    ...fields,
  });
  const message = answer.choices[0]?.message;
  const text = `${message?.reasoning_content ?? ''}</think>${message?.content ?? ''}`;
  // `prompt` is Unbusy's (and vLLM's) name for the text, `content` llama-server's.
  const { tokens } = await post<{ readonly tokens: TokenAnswer }>(to, '/tokenize', {
    model: 'pocket-r1',
    prompt: text,
    content: text,
    add_special_tokens: false,
  });
  return tokens;
}

async function post<T>(to: RunningServer, path: string, body: unknown): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${to.port}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}
