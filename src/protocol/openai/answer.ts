/**
 * Generation events gathered into a whole answer, and the answer as an OpenAI body.
 *
 * The gatherer belongs to one reply. Its size is bounded by the tokens that the request may
 * generate.
 */
import { assertNever } from '../../core/errors.ts';
import type { WireIdentity } from '../caller.ts';
import type {
  Dialect,
  FinishReason,
  GenerationEvent,
  ReasoningOptions,
  TokenLogprob,
  Usage,
} from '../generation.ts';
import { createThoughtInliner } from './inline-thought.ts';
import { encodeChatLogprobs, encodeCompletionLogprobs } from './logprobs.ts';
import { encodeUsage } from './usage.ts';

export interface Answer {
  add(events: readonly GenerationEvent[]): void;
  /** Choices so far, by index. */
  choices(): readonly AnswerChoice[];
}

export interface AnswerChoice {
  readonly index: number;
  readonly reasoning: string;
  readonly text: string;
  /** Absent where none came. */
  readonly logprobs: readonly TokenLogprob[] | undefined;
  readonly finish: FinishReason | undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
interface GrowingChoice extends Omit<Mutable<AnswerChoice>, 'logprobs'> {
  logprobs: TokenLogprob[] | undefined;
}

/** An empty answer. */
export function createAnswer(options: ReasoningOptions): Answer {
  const choices = new Map<number, GrowingChoice>();
  const inliner = options.placement === 'inline' ? createThoughtInliner() : undefined;

  function at(index: number): GrowingChoice {
    let choice = choices.get(index);
    if (choice === undefined) {
      choice = { index, reasoning: '', text: '', logprobs: undefined, finish: undefined };
      choices.set(index, choice);
    }
    return choice;
  }

  function addDelta(event: Extract<GenerationEvent, { kind: 'delta' }>): void {
    const choice = at(event.choice);
    if (event.channel === 'reasoning' && options.include === false) return;
    if (inliner !== undefined) choice.text += inliner.text(event);
    else if (event.channel === 'reasoning') choice.reasoning += event.text;
    else choice.text += event.text;
    if (event.logprobs === undefined) return;
    choice.logprobs ??= [];
    for (const logprob of event.logprobs) choice.logprobs.push(logprob);
  }

  return {
    add(events) {
      for (const event of events) {
        switch (event.kind) {
          case 'delta':
            addDelta(event);
            break;
          case 'finish':
            at(event.choice).finish = event.reason;
            at(event.choice).text += inliner?.finish(event) ?? '';
            break;
          case 'usage':
            // Told with the end, where it is complete.
            break;
          default:
            assertNever(event);
        }
      }
    },
    choices: () => [...choices.values()].sort((a, b) => a.index - b.index),
  };
}

export interface AnswerBody {
  readonly dialect: Dialect;
  readonly identity: WireIdentity;
  readonly model: string;
  readonly choices: readonly AnswerChoice[];
  readonly usage: Usage;
}

/** A whole chat completion or completion, as JSON. */
export function encodeAnswer(answer: AnswerBody): string {
  const chat = answer.dialect === 'chat';
  const choices = answer.choices.map(chat ? encodeChatChoice : encodeTextChoice).join(',');
  return (
    `{"id":${JSON.stringify(answer.identity.id)},` +
    `"object":"${chat ? 'chat.completion' : 'text_completion'}",` +
    `"created":${answer.identity.created},"model":${JSON.stringify(answer.model)},` +
    `"choices":[${choices}],"usage":${encodeUsage(answer.usage)}}`
  );
}

function encodeChatChoice(choice: AnswerChoice): string {
  const reasoning =
    choice.reasoning === '' ? '' : `,"reasoning_content":${JSON.stringify(choice.reasoning)}`;
  const logprobs = choice.logprobs === undefined ? 'null' : encodeChatLogprobs(choice.logprobs);
  return (
    `{"index":${choice.index},"message":{"role":"assistant",` +
    `"content":${JSON.stringify(choice.text)},"refusal":null${reasoning}},` +
    `"logprobs":${logprobs},"finish_reason":"${choice.finish ?? 'stop'}"}`
  );
}

function encodeTextChoice(choice: AnswerChoice): string {
  const logprobs =
    choice.logprobs === undefined ? 'null' : encodeCompletionLogprobs(choice.logprobs, 0);
  return (
    `{"index":${choice.index},"text":${JSON.stringify(choice.reasoning + choice.text)},` +
    `"logprobs":${logprobs},"finish_reason":"${choice.finish ?? 'stop'}"}`
  );
}
