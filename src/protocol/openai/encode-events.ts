/**
 * Generation events → the `data:` lines of an OpenAI stream.
 *
 * What is constant in a stream (id, created, model) is turned into JSON once; per event only the
 * text is escaped. One encoder belongs to one stream and keeps in which choices the role has been
 * sent and whether an inline thought is open.
 */
import { assertNever } from '../../core/errors.ts';
import type { WireIdentity } from '../caller.ts';
import type {
  Dialect,
  GenerationEvent,
  ReasoningOptions,
  TokenLogprob,
  Usage,
} from '../generation.ts';
import { createThoughtInliner } from './inline-thought.ts';
import { codePoints, encodeChatLogprobs, encodeCompletionLogprobs } from './logprobs.ts';
import { encodeUsage } from './usage.ts';

export interface StreamForm {
  readonly dialect: Dialect;
  readonly identity: WireIdentity;
  readonly model: string;
  /** A usage chunk at the end, and `usage: null` before. */
  readonly wantsUsage: boolean;
  readonly reasoning: ReasoningOptions;
}

export interface EventEncoder {
  /** The `data:` lines for these events; empty where they show nothing. */
  events(events: readonly GenerationEvent[]): string;
  /** The usage chunk where it was asked for, and the closing comment. Without `[DONE]`. */
  end(usage: Usage, comment: string | undefined): string;
}

export const doneEvent = 'data: [DONE]\n\n';

/** An SSE comment, which clients pass over. Line ends in `text` become spaces. */
export function sseComment(text: string): string {
  return `: ${text.replace(/[\r\n]+/g, ' ')}\n\n`;
}

type Delta = Extract<GenerationEvent, { kind: 'delta' }>;
type Finish = Extract<GenerationEvent, { kind: 'finish' }>;

/** Encodes the events of one stream. */
export function createEventEncoder(form: StreamForm): EventEncoder {
  const { dialect, identity, wantsUsage } = form;
  const object = dialect === 'chat' ? 'chat.completion.chunk' : 'text_completion';
  const constant =
    `data: {"id":${JSON.stringify(identity.id)},"object":"${object}",` +
    `"created":${identity.created},"model":${JSON.stringify(form.model)},"choices":[`;
  const before = `${constant}{"index":`;
  const after = wantsUsage ? '}],"usage":null}\n\n' : '}]}\n\n';
  const choice = dialect === 'chat' ? createChatChoices(form) : createTextChoices();

  return {
    events(events) {
      let text = '';
      for (const event of events) {
        switch (event.kind) {
          case 'delta':
            for (const fields of choice.delta(event)) text += before + fields + after;
            break;
          case 'finish':
            for (const fields of choice.finish(event)) text += before + fields + after;
            break;
          case 'usage':
            // Told by `end`, where it is complete.
            break;
          default:
            assertNever(event);
        }
      }
      return text;
    },
    end(usage, comment) {
      const chunk = wantsUsage ? `${constant}],"usage":${encodeUsage(usage)}}\n\n` : '';
      return comment === undefined ? chunk : chunk + sseComment(comment);
    },
  };
}

/** The members of one choice object, from the value of `index` on; one string per chunk. */
interface ChoiceFields {
  delta(event: Delta): readonly string[];
  finish(event: Finish): readonly string[];
}

function createChatChoices(form: StreamForm): ChoiceFields {
  const introduced = new Set<number>();
  const inliner = form.reasoning.placement === 'inline' ? createThoughtInliner() : undefined;
  const hidden = form.reasoning.include === false;

  function introduce(choice: number): string[] {
    if (introduced.has(choice)) return [];
    introduced.add(choice);
    return [`${choice},"delta":{"role":"assistant","content":""},"finish_reason":null`];
  }

  function chunk(choice: number, field: string, text: string, logprobs: Logprobs): string {
    const told = logprobs === undefined ? '' : `,"logprobs":${encodeChatLogprobs(logprobs)}`;
    return `${choice},"delta":{"${field}":${JSON.stringify(text)}}${told},"finish_reason":null`;
  }

  return {
    delta(event) {
      if (event.text === '' && event.logprobs === undefined) return [];
      if (hidden && event.channel === 'reasoning') return introduce(event.choice);
      const chunks = introduce(event.choice);
      const field =
        event.channel === 'reasoning' && inliner === undefined ? 'reasoning_content' : 'content';
      const text = inliner === undefined ? event.text : inliner.text(event);
      chunks.push(chunk(event.choice, field, text, event.logprobs));
      return chunks;
    },
    finish(event) {
      const chunks = introduce(event.choice);
      const closing = inliner?.finish(event) ?? '';
      if (closing !== '') chunks.push(chunk(event.choice, 'content', closing, undefined));
      chunks.push(`${event.choice},"delta":{},"finish_reason":"${event.reason}"`);
      return chunks;
    },
  };
}

type Logprobs = readonly TokenLogprob[] | undefined;

/** Legacy completions know no channels: the model's text as it is. */
function createTextChoices(): ChoiceFields {
  const offsets = new Map<number, number>();
  return {
    delta(event) {
      if (event.text === '' && event.logprobs === undefined) return [];
      let logprobs = 'null';
      if (event.logprobs !== undefined) {
        const offset = offsets.get(event.choice) ?? 0;
        offsets.set(event.choice, offset + codePoints(event.text));
        logprobs = encodeCompletionLogprobs(event.logprobs, offset);
      }
      const text = JSON.stringify(event.text);
      return [`${event.choice},"text":${text},"logprobs":${logprobs},"finish_reason":null`];
    },
    finish({ choice, reason }) {
      return [`${choice},"text":"","logprobs":null,"finish_reason":"${reason}"`];
    },
  };
}
