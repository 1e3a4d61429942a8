/**
 * What matters in one chat or completion object (a stream's chunk or a whole body), found by
 * walking its structure once: where the values stand that a relay may replace, and whether there
 * is content, a thought, a finish reason, usage or an error in it.
 *
 * It follows keys and nesting, so words inside of strings cannot fool it, and it builds no values.
 * Offsets are into the buffer that was scanned and −1 where absent; the next `scan` overwrites
 * everything.
 */
import { skipKey, skipSpace, skipString, skipValue } from './wire-json.ts';

const QUOTE = 34;
const COMMA = 44;
const OPEN_ARRAY = 91;
const CLOSE_ARRAY = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

type Level = 'object' | 'choice' | 'delta';

const key = (name: string): Uint8Array => Uint8Array.from(name, (c) => c.charCodeAt(0));
const ID = key('id');
const OBJECT = key('object');
const CREATED = key('created');
const MODEL = key('model');
const CHOICES = key('choices');
const USAGE = key('usage');
const ERROR = key('error');
const INDEX = key('index');
const DELTA = key('delta');
const MESSAGE = key('message');
const FINISH_REASON = key('finish_reason');
const TEXT = key('text');
const CONTENT = key('content');
const REFUSAL = key('refusal');
const TOOL_CALLS = key('tool_calls');
const REASONING = key('reasoning');
const REASONING_CONTENT = key('reasoning_content');

export class ChunkScan {
  /** The value of `id`, quotes included. */
  idStart = -1;
  idEnd = -1;
  /** The value of `model`, quotes included. */
  modelStart = -1;
  modelEnd = -1;
  createdStart = -1;
  createdEnd = -1;
  /** The value of `usage` where it is an object. */
  usageStart = -1;
  usageEnd = -1;
  /** The value of `error`, or the whole object of the flat form `{"object":"error",…}`. */
  errorStart = -1;
  errorEnd = -1;
  /** There is a `choices` array. */
  hasChoices = false;
  /** Choices in this object; a usage-only chunk has none. */
  choiceCount = 0;
  /** Index and reason of each choice whose finish reason is there, in order. */
  readonly finished: number[] = [];
  readonly finishReasons: string[] = [];
  /** A non-empty `content`, `text`, `refusal` or `tool_calls`. */
  hasAnswer = false;
  hasReasoning = false;
  /** Where the key `reasoning` stands (without quotes) and there is no `reasoning_content` beside. */
  readonly reasoningKeys: number[] = [];

  #bytes: Buffer = Buffer.alloc(0);
  #end = 0;
  #choiceIndex = 0;
  #choiceFinish: string | undefined;
  #reasoningKey = -1;
  #hasReasoningContent = false;

  /** Scans the object at `bytes[from, end)`. False: it is not one JSON object. */
  scan(bytes: Buffer, from: number, end: number): boolean {
    this.#reset(bytes, end);
    const start = skipSpace(bytes, from, end);
    const behind = this.#object(start, 'object');
    return behind >= 0 && skipSpace(bytes, behind, end) === end;
  }

  #reset(bytes: Buffer, end: number): void {
    this.#bytes = bytes;
    this.#end = end;
    this.idStart = -1;
    this.modelStart = -1;
    this.createdStart = -1;
    this.usageStart = -1;
    this.errorStart = -1;
    this.hasChoices = false;
    this.choiceCount = 0;
    this.finished.length = 0;
    this.finishReasons.length = 0;
    this.hasAnswer = false;
    this.hasReasoning = false;
    this.reasoningKeys.length = 0;
  }

  #object(from: number, level: Level): number {
    const bytes = this.#bytes;
    const end = this.#end;
    if (from >= end || bytes[from] !== OPEN_OBJECT) return -1;
    let at = skipSpace(bytes, from + 1, end);
    if (at < end && bytes[at] === CLOSE_OBJECT) return at + 1;
    for (;;) {
      const keyStart = at + 1;
      const value = skipKey(bytes, at, end);
      if (value < 0) return -1;
      if (level === 'delta') at = this.#deltaMember(keyStart, value);
      else if (level === 'choice') at = this.#choiceMember(keyStart, value);
      else at = this.#topMember(keyStart, value, from);
      if (at < 0) return -1;
      at = skipSpace(bytes, at, end);
      if (at >= end) return -1;
      if (bytes[at] === CLOSE_OBJECT) return at + 1;
      if (bytes[at] !== COMMA) return -1;
      at = skipSpace(bytes, at + 1, end);
    }
  }

  #topMember(keyStart: number, at: number, objectStart: number): number {
    if (this.#is(keyStart, CHOICES) && this.#bytes[at] === OPEN_ARRAY) return this.#choiceList(at);
    const behind = skipValue(this.#bytes, at, this.#end);
    if (behind < 0) return -1;
    if (this.#is(keyStart, ID)) {
      this.idStart = at;
      this.idEnd = behind;
    } else if (this.#is(keyStart, MODEL)) {
      this.modelStart = at;
      this.modelEnd = behind;
    } else if (this.#is(keyStart, CREATED)) {
      this.createdStart = at;
      this.createdEnd = behind;
    } else if (this.#is(keyStart, USAGE)) {
      if (this.#bytes[at] === OPEN_OBJECT) {
        this.usageStart = at;
        this.usageEnd = behind;
      }
    } else if (this.#is(keyStart, ERROR)) {
      if (!this.#isNull(at)) {
        this.errorStart = at;
        this.errorEnd = behind;
      }
    } else if (this.#is(keyStart, OBJECT) && behind - at === 7 && this.#is(at + 1, ERROR)) {
      this.errorStart = objectStart;
      this.errorEnd = this.#end;
    }
    return behind;
  }

  #choiceList(from: number): number {
    const bytes = this.#bytes;
    const end = this.#end;
    this.hasChoices = true;
    let at = skipSpace(bytes, from + 1, end);
    if (at < end && bytes[at] === CLOSE_ARRAY) return at + 1;
    for (;;) {
      this.#choiceIndex = this.choiceCount;
      this.#choiceFinish = undefined;
      const isObject = bytes[at] === OPEN_OBJECT;
      at = isObject ? this.#object(at, 'choice') : skipValue(bytes, at, end);
      if (at < 0) return -1;
      this.choiceCount += 1;
      if (this.#choiceFinish !== undefined) {
        this.finished.push(this.#choiceIndex);
        this.finishReasons.push(this.#choiceFinish);
      }
      at = skipSpace(bytes, at, end);
      if (at >= end) return -1;
      if (bytes[at] === CLOSE_ARRAY) return at + 1;
      if (bytes[at] !== COMMA) return -1;
      at = skipSpace(bytes, at + 1, end);
    }
  }

  #choiceMember(keyStart: number, at: number): number {
    const bytes = this.#bytes;
    if (bytes[at] === OPEN_OBJECT && (this.#is(keyStart, DELTA) || this.#is(keyStart, MESSAGE))) {
      return this.#delta(at);
    }
    const behind = skipValue(bytes, at, this.#end);
    if (behind < 0) return -1;
    if (this.#is(keyStart, FINISH_REASON)) {
      if (bytes[at] === QUOTE) this.#choiceFinish = bytes.toString('utf8', at + 1, behind - 1);
    } else if (this.#is(keyStart, INDEX)) {
      const digit = bytes[at] as number;
      this.#choiceIndex =
        behind - at === 1 ? digit - 48 : Number(bytes.toString('latin1', at, behind));
    } else if (this.#is(keyStart, TEXT)) {
      if (this.#isFilled(at)) this.hasAnswer = true;
    }
    return behind;
  }

  #delta(from: number): number {
    this.#reasoningKey = -1;
    this.#hasReasoningContent = false;
    const behind = this.#object(from, 'delta');
    if (this.#reasoningKey >= 0 && !this.#hasReasoningContent) {
      this.reasoningKeys.push(this.#reasoningKey);
    }
    return behind;
  }

  #deltaMember(keyStart: number, at: number): number {
    if (this.#is(keyStart, REASONING)) {
      this.#reasoningKey = keyStart;
      if (this.#isFilled(at)) this.hasReasoning = true;
    } else if (this.#is(keyStart, REASONING_CONTENT)) {
      this.#hasReasoningContent = true;
      if (this.#isFilled(at)) this.hasReasoning = true;
    } else if (
      this.#is(keyStart, CONTENT) ||
      this.#is(keyStart, TOOL_CALLS) ||
      this.#is(keyStart, REFUSAL)
    ) {
      if (this.#isFilled(at)) this.hasAnswer = true;
    }
    if (this.#bytes[at] === QUOTE) return skipString(this.#bytes, at, this.#end);
    return skipValue(this.#bytes, at, this.#end);
  }

  /** The key that begins at `keyStart` is `name`. */
  #is(keyStart: number, name: Uint8Array): boolean {
    const bytes = this.#bytes;
    const length = name.length;
    if (bytes[keyStart + length] !== QUOTE) return false;
    for (let i = 0; i < length; i += 1) if (bytes[keyStart + i] !== name[i]) return false;
    return true;
  }

  #isNull(at: number): boolean {
    return this.#bytes[at] === 110;
  }

  /** A string or array with something in it. */
  #isFilled(at: number): boolean {
    const byte = this.#bytes[at];
    if (byte === QUOTE) return this.#bytes[at + 1] !== QUOTE;
    return (
      byte === OPEN_ARRAY && this.#bytes[skipSpace(this.#bytes, at + 1, this.#end)] !== CLOSE_ARRAY
    );
  }
}
