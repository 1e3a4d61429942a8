/**
 * Reads a stream of OpenAI chat or completion events for what a relay must know, event by event.
 *
 * The owner cuts the bytes into events (`EventSplitter`) and shows each to `readEvent`, which says
 * what it is and keeps the marks of the stream as a whole: content seen, finish reasons, usage,
 * `[DONE]`, errors. Nothing is parsed but small fragments (usage, the first id and model).
 */
import type { Usage } from './generation.ts';
import { ChunkScan } from './wire-chunk.ts';
import { skipSpace } from './wire-json.ts';
import { usageFrom } from './wire-usage.ts';

export type EventKind =
  /** A chat or completion chunk. */
  | 'chunk'
  /** `data: [DONE]` */
  | 'done'
  /** An object with a top-level `error`, or `event: error`. */
  | 'error'
  /** Only comments, fields that mean nothing here, or nothing at all. */
  | 'comment'
  /** `data:` with nothing behind it: some servers' sign of life, on which clients throw. */
  | 'empty'
  /** Data that is not one JSON object: clients would throw on it. */
  | 'malformed';

/** What is known of a stream so far. */
export interface StreamMarks {
  /** Events that carried data, `[DONE]` included. */
  readonly events: number;
  /** Chunks with content of any kind: about the number of tokens from engines that stream each. */
  readonly contentEvents: number;
  /** A delta with non-empty content, reasoning, refusal, text or tool calls has come. */
  readonly firstContent: boolean;
  readonly sawReasoning: boolean;
  readonly sawAnswer: boolean;
  /** The last finish reason, as the upstream spelled it. */
  readonly finishReason: string | undefined;
  /** Choices that have their finish reason. */
  readonly finishedChoices: number;
  readonly done: boolean;
  /** The data of the first error event, as text. */
  readonly errorEvent: string | undefined;
  readonly malformed: number;
  readonly usage: Usage | undefined;
  readonly model: string | undefined;
  readonly id: string | undefined;
  /** The limit ended the answer inside its thought: nothing of the answer itself came (B11). */
  readonly cutInThought: boolean;
}

/**
 * Finish reasons that are none: SGLang dropped or aborted the request, DeepSeek lacked resources,
 * newer vLLM failed within it. No complete answer ends like this.
 */
export const GIVEN_UP_REASONS: ReadonlySet<string> = new Set([
  'abort',
  'insufficient_system_resource',
  'error',
]);

const DONE = Buffer.from('[DONE]');
const DATA = Buffer.from('data:');
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const LF = 10;
const CR = 13;
const OPEN_OBJECT = 123;

export class SseScanner implements StreamMarks {
  events = 0;
  contentEvents = 0;
  sawReasoning = false;
  sawAnswer = false;
  finishReason: string | undefined;
  done = false;
  errorEvent: string | undefined;
  malformed = 0;
  model: string | undefined;
  id: string | undefined;
  /** The last event's object; valid where `readEvent` returned `chunk` or `error`. */
  readonly chunk = new ChunkScan();
  /** The bytes that `chunk`'s offsets refer to: the event's own, or its data lines joined. */
  data: Buffer = BOM;
  dataStart = 0;
  dataEnd = 0;
  readonly #finished = new Set<number>();
  #usage: Buffer | undefined;
  #first = true;

  get firstContent(): boolean {
    return this.contentEvents > 0;
  }

  get finishedChoices(): number {
    return this.#finished.size;
  }

  get usage(): Usage | undefined {
    return this.#usage === undefined ? undefined : usageFrom(JSON.parse(this.#usage.toString()));
  }

  get cutInThought(): boolean {
    return this.finishReason === 'length' && this.sawReasoning && !this.sawAnswer;
  }

  /**
   * Looks at one event, `bytes[from, end)`, closing empty line included. `lines` is the number of
   * its non-empty lines.
   */
  readEvent(bytes: Buffer, from: number, end: number, lines: number): EventKind {
    let start = from;
    if (this.#first && matches(bytes, start, end, BOM)) start += BOM.length;
    this.#first = false;
    while (start < end && (bytes[start] === LF || bytes[start] === CR)) start += 1;
    const found = this.#findData(bytes, start, end, lines);
    if (found === 'comment' || found === 'empty') return found;
    this.events += 1;
    return this.#readData(found === 'error');
  }

  /** Sets `data…` to the event's data. Most events are one line that begins with `data:`. */
  #findData(
    bytes: Buffer,
    start: number,
    end: number,
    lines: number,
  ): 'comment' | 'empty' | 'error' | 'data' {
    if (lines !== 1) return this.#findDataInLines(bytes.toString('utf8', start, end));
    if (!matches(bytes, start, end, DATA)) return 'comment';
    let lineEnd = end;
    while (lineEnd > start && (bytes[lineEnd - 1] === LF || bytes[lineEnd - 1] === CR)) {
      lineEnd -= 1;
    }
    this.data = bytes;
    this.dataStart = skipSpace(bytes, start + DATA.length, lineEnd);
    this.dataEnd = lineEnd;
    return this.dataStart < lineEnd ? 'data' : 'empty';
  }

  #findDataInLines(event: string): 'comment' | 'empty' | 'error' | 'data' {
    const { name, data } = fieldsOf(event);
    if (data === undefined) return 'comment';
    this.data = Buffer.from(data);
    this.dataStart = 0;
    this.dataEnd = this.data.length;
    if (name === 'error') return 'error';
    return data === '' ? 'empty' : 'data';
  }

  #readData(namedError: boolean): EventKind {
    const { data, dataStart, dataEnd, chunk } = this;
    if (matches(data, dataStart, dataEnd, DONE)) {
      this.done = true;
      return 'done';
    }
    const sound = data[dataStart] === OPEN_OBJECT && chunk.scan(data, dataStart, dataEnd);
    if (namedError || (sound && chunk.errorStart >= 0)) {
      this.errorEvent ??= data.toString('utf8', dataStart, dataEnd);
      return 'error';
    }
    if (!sound) {
      this.malformed += 1;
      return 'malformed';
    }
    this.#noteChunk();
    return 'chunk';
  }

  #noteChunk(): void {
    const { chunk, data } = this;
    if (chunk.hasReasoning) this.sawReasoning = true;
    if (chunk.hasAnswer) this.sawAnswer = true;
    if (chunk.hasReasoning || chunk.hasAnswer) this.contentEvents += 1;
    if (this.model === undefined) this.model = this.#text(chunk.modelStart, chunk.modelEnd);
    if (this.id === undefined) this.id = this.#text(chunk.idStart, chunk.idEnd);
    if (chunk.usageStart >= 0) {
      // Kept as bytes: some upstreams send usage with every chunk, and only the last one counts.
      this.#usage = Buffer.from(data.subarray(chunk.usageStart, chunk.usageEnd));
    }
    for (let i = 0; i < chunk.finished.length; i += 1) {
      this.#finished.add(chunk.finished[i] as number);
      this.finishReason = chunk.finishReasons[i];
    }
  }

  #text(start: number, end: number): string | undefined {
    if (start < 0) return undefined;
    const value: unknown = JSON.parse(this.data.toString('utf8', start, end));
    return typeof value === 'string' ? value : undefined;
  }
}

/** The fields of an event of several lines; data lines are joined by line feeds, as the norm says. */
function fieldsOf(event: string): { name: string | undefined; data: string | undefined } {
  let name: string | undefined;
  const data: string[] = [];
  for (const line of event.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') data.push(value);
    else if (field === 'event') name = value;
  }
  return { name, data: data.length === 0 ? undefined : data.join('\n').trim() };
}

function matches(bytes: Buffer, from: number, end: number, expected: Buffer): boolean {
  if (from + expected.length > end) return false;
  for (let i = 0; i < expected.length; i += 1) if (bytes[from + i] !== expected[i]) return false;
  return true;
}
