/**
 * From chat messages to the prompt, by the model's own Jinja template.
 *
 * The rendered prompt usually begins with the text of the BOS token. Tokenize it with special tokens
 * parsed (`parseSpecial: true`) and without adding BOS when it is already there
 * (`prompt.startsWith(bosToken)`): a doubled BOS is one more token than the model was trained with.
 *
 * Earlier assistant turns lose their thoughts where the template says so (R1's does). A trailing
 * assistant message is not a finished turn but the beginning of the answer: it is rendered without
 * an end and the model goes on from there, inside the thought if that is where it stops.
 */
import { Template } from '@huggingface/jinja';
import { UnbusyError } from '../core/errors.ts';
import type { ChatMessage } from '../protocol/generation.ts';
import { r1ThinkTags } from '../protocol/reasoning.ts';

export interface ChatTemplateOptions {
  /** Text of the BOS and EOS tokens; empty where the vocabulary has none. */
  readonly bosToken: string;
  readonly eosToken: string;
  /** The vocabulary has the think tags as tokens. */
  readonly vocabularyThinks?: boolean | undefined;
}

export interface RenderOptions {
  /** Ask for an answer. A trailing assistant message is continued either way. */
  readonly addGenerationPrompt: boolean;
  readonly tools: readonly unknown[];
}

export interface ChatTemplate {
  /**
   * The prompt for `messages`. Throws `invalid_request`: `template_refused` with the template's own
   * words, `unsupported_parameter` for tools where the template has none, `unsupported_content`
   * for content other than text.
   */
  render(messages: readonly ChatMessage[], options: RenderOptions): string;
  /** The template shows tools to the model. */
  readonly supportsTools: boolean;
  /** The template or the vocabulary knows `<think>`. */
  readonly reasons: boolean;
  /**
   * What the model writes after `prompt` begins inside a thought: the prompt ends with the opening
   * tag, or `messages` end with an assistant message that stops within its thought.
   */
  opensThought(prompt: string, messages?: readonly ChatMessage[]): boolean;
}

/** A message as templates know it. Absent fields are left out: templates ask `is defined`. */
interface TemplateMessage {
  readonly role: string;
  readonly content: string | null;
  readonly reasoning_content?: string;
  readonly name?: string;
  readonly tool_calls?: readonly unknown[];
  readonly tool_call_id?: string;
}

const { open, close } = r1ThinkTags;

/**
 * Compiles a template (`tokenizer.chat_template` of a GGUF file). Throws `model_without_template`
 * where there is none and `model_unusable` where it cannot be parsed.
 */
export function createChatTemplate(
  source: string | undefined,
  options: ChatTemplateOptions,
): ChatTemplate {
  const template = compile(source);
  const supportsTools = mentions(template.parsed, 'tools');
  const argumentsAsObjects = /arguments['"]?\]?\s*\|\s*tojson/.test(source ?? '');

  const renderOnce: RenderTurns = (messages, generate, tools) => {
    try {
      return template.render({
        messages,
        tools: tools.length > 0 ? tools : null,
        add_generation_prompt: generate,
        bos_token: options.bosToken,
        eos_token: options.eosToken,
      });
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new UnbusyError(
        'invalid_request',
        'template_refused',
        `the model's chat template refused the messages: ${reason}`,
        { param: 'messages', cause },
      );
    }
  };
  const renderTurns = keepingSystemTexts(renderOnce);

  return {
    supportsTools,
    reasons: (source ?? '').includes(close) || options.vocabularyThinks === true,
    render(messages, { addGenerationPrompt, tools }) {
      if (tools.length > 0 && !supportsTools) throw noTools();
      const turns = messages.map((message, index) =>
        toTemplateMessage(message, index, argumentsAsObjects),
      );
      const last = turns.at(-1);
      if (last?.role !== 'assistant' || last.tool_calls !== undefined) {
        return renderTurns(turns, addGenerationPrompt, tools);
      }
      return renderContinued(turns.slice(0, -1), last, tools, renderTurns);
    },
    opensThought(prompt, messages) {
      if (prompt.trimEnd().endsWith(open)) return true;
      const last = messages?.at(-1);
      return last?.role === 'assistant' && stopsInThought(last);
    },
  };
}

type RenderTurns = (
  turns: readonly TemplateMessage[],
  generate: boolean,
  tools: readonly unknown[],
) => string;

/**
 * R1's first template keeps only the last of several system messages. Where a template loses one,
 * they are put together at the place of the first, as R1's later template does it.
 */
function keepingSystemTexts(render: RenderTurns): RenderTurns {
  return (turns, generate, tools) => {
    const prompt = render(turns, generate, tools);
    const isSystem = (turn: TemplateMessage): boolean => turn.role === 'system';
    const texts = turns.filter(isSystem).map((turn) => turn.content?.trim() ?? '');
    if (texts.length < 2 || texts.every((text) => prompt.includes(text))) return prompt;
    const first = turns.findIndex(isSystem);
    const merged = turns.flatMap((turn, index) => {
      if (!isSystem(turn)) return [turn];
      return index === first ? [{ ...turn, content: texts.join('\n\n') }] : [];
    });
    return render(merged, generate, tools);
  };
}

/**
 * The prompt up to and including an unfinished assistant message. It goes where the template asks
 * for an answer, so that going on equals not having stopped; a template that cannot ask renders the
 * message with a marker in its place and is cut there.
 */
function renderContinued(
  before: readonly TemplateMessage[],
  last: TemplateMessage,
  tools: readonly unknown[],
  render: RenderTurns,
): string {
  const content = last.content ?? '';
  const thought = last.reasoning_content ?? '';
  const asked = answerPosition(before, last, tools, render);
  if (thought === '' && content === '') return asked;
  const opened = asked.trimEnd().endsWith(open);
  if (thought !== '') {
    const start = opened ? asked : `${asked}${open}\n`;
    return content === '' ? start + thought : `${start}${thought}\n${close}\n\n${content}`;
  }
  const thoughtIsInContent = content.includes(close) && !content.trimStart().startsWith(open);
  if (!opened || thoughtIsInContent) return asked + content;
  return asked.slice(0, asked.lastIndexOf(open)) + content;
}

/** The prompt up to where the assistant's words begin. */
function answerPosition(
  before: readonly TemplateMessage[],
  last: TemplateMessage,
  tools: readonly unknown[],
  render: RenderTurns,
): string {
  const asked = before.length === 0 ? '' : render(before, true, tools);
  if (before.length > 0 && asked !== render(before, false, tools)) return asked;
  const marker = markerFor(before);
  const rendered = render([...before, { ...last, content: marker }], false, tools);
  const end = rendered.lastIndexOf(marker);
  return end < 0 ? asked : rendered.slice(0, end);
}

/** A word that occurs in none of the messages. */
function markerFor(turns: readonly TemplateMessage[]): string {
  const text = JSON.stringify(turns);
  let marker = 'continued';
  while (text.includes(marker)) marker += '-continued';
  return marker;
}

function stopsInThought(message: ChatMessage): boolean {
  const content = textOf(message, 0);
  if (content === '') return (message.reasoning ?? '') !== '';
  return content.trimStart().startsWith(open) && !content.includes(close);
}

function toTemplateMessage(
  message: ChatMessage,
  index: number,
  argumentsAsObjects: boolean,
): TemplateMessage {
  const { reasoning, name, toolCalls, toolCallId } = message;
  const content = textOf(message, index);
  const called = toolCalls !== undefined && toolCalls.length > 0;
  return {
    role: message.role === 'developer' ? 'system' : message.role,
    content: called && content === '' ? null : content,
    ...(reasoning !== undefined && { reasoning_content: reasoning }),
    ...(name !== undefined && { name }),
    ...(called && { tool_calls: argumentsAsObjects ? toolCalls.map(parseArguments) : toolCalls }),
    ...(toolCallId !== undefined && { tool_call_id: toolCallId }),
  };
}

/** The text of all parts, one line each. */
function textOf(message: ChatMessage, index: number): string {
  const texts = message.content.map((part) => {
    if (part.kind === 'text') return part.text;
    throw new UnbusyError(
      'invalid_request',
      'unsupported_content',
      `messages[${index}] has content of type ${JSON.stringify(part.type)}; this model takes text`,
      { param: part.path },
    );
  });
  return texts.join('\n');
}

/** OpenAI sends a call's arguments as JSON text; templates that apply `tojson` want the object. */
function parseArguments(call: unknown): unknown {
  if (!isRecord(call) || !isRecord(call['function'])) return call;
  const { arguments: text } = call['function'];
  if (typeof text !== 'string') return call;
  try {
    return { ...call, function: { ...call['function'], arguments: JSON.parse(text) } };
  } catch {
    return call;
  }
}

function compile(source: string | undefined): Template {
  if (source === undefined || source.trim() === '') {
    throw new UnbusyError(
      'invalid_request',
      'model_without_template',
      'the model file has no chat template (tokenizer.chat_template): take an instruct or chat ' +
        'model, or add the template with gguf_new_metadata.py --chat-template of llama.cpp',
    );
  }
  try {
    return new Template(source);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UnbusyError(
      'invalid_request',
      'model_unusable',
      `the model's chat template cannot be parsed: ${reason}`,
      { cause },
    );
  }
}

/** Whether a parsed template reads the variable `name`. */
function mentions(node: unknown, name: string): boolean {
  if (node instanceof Map) return mentions([...node.entries()], name);
  if (Array.isArray(node)) return node.some((child) => mentions(child, name));
  if (!isRecord(node)) return false;
  if (node['type'] === 'Identifier' && node['value'] === name) return true;
  if (node['type'] === 'MemberExpression' && node['computed'] === false) {
    return mentions(node['object'], name);
  }
  return mentions(Object.values(node), name);
}

function noTools(): UnbusyError {
  return new UnbusyError(
    'invalid_request',
    'unsupported_parameter',
    "tools cannot be used: this model's chat template has no place for them",
    { param: 'tools' },
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
