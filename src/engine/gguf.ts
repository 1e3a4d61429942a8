/**
 * What a model file says about itself.
 *
 * Reads the header of a GGUF file (versions 2 and 3, little-endian): key–value metadata and the
 * list of tensors, no weights. llama.cpp reads the same things, but its errors end up in a native
 * log; this reader goes first, so that a cut-short download or a wrong file gets one clear line.
 *
 * Pure over a reader callback. Every count in the file is checked against the file's size before
 * anything is allocated for it. Format: ggml/docs/gguf.md of llama.cpp.
 */
import { UnbusyError } from '../core/errors.ts';

export interface GgufInfo {
  readonly architecture: string;
  /** `general.name`. */
  readonly name?: string | undefined;
  /** Sum of all tensors' elements in this file. */
  readonly parameters: number;
  /** Name of `general.file_type`, such as `Q8_0`; `unknown` if the file does not say. */
  readonly quantization: string;
  /** Context length that the model was trained for, tokens. */
  readonly contextTokens?: number | undefined;
  readonly vocabularySize: number;
  readonly bos?: GgufToken | undefined;
  readonly eos?: GgufToken | undefined;
  /** The tokenizer puts the first token of a text there itself. */
  readonly addsBos: boolean;
  readonly chatTemplate?: string | undefined;
  /** The vocabulary has this exact token. */
  hasToken(text: string): boolean;
}

export interface GgufToken {
  readonly id: number;
  readonly text: string;
}

/** Bytes of the file from `offset`; fewer than `length` only where the file ends. */
export type GgufRead = (offset: number, length: number) => Uint8Array;

const maxEntries = 100_000;
const maxStringBytes = 16 * 1024 * 1024;
const windowBytes = 1024 * 1024;

/** `enum gguf_type`: size in bytes of the fixed-size value types. */
const scalarBytes: Readonly<Record<number, number>> = {
  0: 1, // uint8
  1: 1, // int8
  2: 2, // uint16
  3: 2, // int16
  4: 4, // uint32
  5: 4, // int32
  6: 4, // float32
  7: 1, // bool
  10: 8, // uint64
  11: 8, // int64
  12: 8, // float64
};
const stringType = 8;
const arrayType = 9;
/** Smallest tensor entry: empty name, no dimensions, type, offset. */
const minTensorBytes = 8 + 4 + 4 + 8;
/** Smallest metadata entry: empty key, type, one byte. */
const minEntryBytes = 8 + 4 + 1;
const maxDimensions = 4;

/** `enum llama_ftype` (llama.h), without the prefix `MOSTLY_`. */
const fileTypes: Readonly<Record<number, string>> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  7: 'Q8_0',
  8: 'Q5_0',
  9: 'Q5_1',
  10: 'Q2_K',
  11: 'Q3_K_S',
  12: 'Q3_K_M',
  13: 'Q3_K_L',
  14: 'Q4_K_S',
  15: 'Q4_K_M',
  16: 'Q5_K_S',
  17: 'Q5_K_M',
  18: 'Q6_K',
  19: 'IQ2_XXS',
  20: 'IQ2_XS',
  21: 'Q2_K_S',
  22: 'IQ3_XS',
  23: 'IQ3_XXS',
  24: 'IQ1_S',
  25: 'IQ4_NL',
  26: 'IQ3_S',
  27: 'IQ3_M',
  28: 'IQ2_S',
  29: 'IQ2_M',
  30: 'IQ4_XS',
  31: 'IQ1_M',
  32: 'BF16',
  36: 'TQ1_0',
  37: 'TQ2_0',
  38: 'MXFP4',
  39: 'NVFP4',
  40: 'Q1_0',
  41: 'Q2_0',
};
/** `LLAMA_FTYPE_GUESSED`: a flag beside the type. */
const guessedFileType = 1024;

/**
 * Reads a file of `fileBytes` bytes. Throws `invalid_request` (`model_unreadable`) with one line
 * that says what is wrong, without the file's name, for anything that is not a whole GGUF file.
 */
export function readGguf(read: GgufRead, fileBytes: number): GgufInfo {
  const cursor = createCursor(read, fileBytes);
  const { tensorCount, entryCount } = readHeader(cursor);
  const entries = new Map<string, unknown>();
  for (let index = 0; index < entryCount; index++) {
    const key = cursor.string();
    entries.set(key, readValue(cursor, cursor.uint32(), key === 'tokenizer.ggml.tokens'));
  }
  const parameters = readTensors(cursor, tensorCount, alignmentOf(entries), fileBytes);
  return describe(entries, parameters);
}

function readHeader(cursor: Cursor): { tensorCount: number; entryCount: number } {
  if (cursor.left < 24) throw unreadable(`it has ${cursor.left} bytes`);
  const magic = cursor.uint32();
  if (magic !== 0x46554747) throw unreadable('it is not a GGUF file (it does not begin with GGUF)');
  const version = cursor.uint32();
  if (version >= 0x10000) throw unreadable('it is a big-endian GGUF file');
  if (version !== 2 && version !== 3) {
    throw unreadable(`it is GGUF version ${version}; versions 2 and 3 can be read`);
  }
  const tensorCount = cursor.count(minTensorBytes, 'tensors');
  const entryCount = cursor.count(minEntryBytes, 'metadata entries');
  return { tensorCount, entryCount };
}

/** A metadata value; arrays are skipped (undefined) unless `keepStrings` asks for their strings. */
function readValue(cursor: Cursor, type: number, keepStrings = false): unknown {
  if (type === stringType) return cursor.string();
  if (type !== arrayType) return cursor.scalar(type);
  const elementType = cursor.uint32();
  if (elementType === stringType) {
    const length = cursor.count(8, 'strings in an array', Number.POSITIVE_INFINITY);
    const strings: string[] = [];
    for (let index = 0; index < length; index++) {
      if (keepStrings) strings.push(cursor.string());
      else cursor.skipString();
    }
    return keepStrings ? strings : undefined;
  }
  const elementBytes = scalarBytes[elementType];
  if (elementBytes === undefined) throw corrupt(`array of unknown type ${elementType}`);
  const length = cursor.count(elementBytes, 'array elements', Number.POSITIVE_INFINITY);
  cursor.skip(length * elementBytes);
  return undefined;
}

/** Checks that every tensor begins inside the file; returns the sum of their elements. */
function readTensors(cursor: Cursor, count: number, alignment: number, fileBytes: number): number {
  let parameters = 0;
  let lastOffset = -1;
  for (let index = 0; index < count; index++) {
    cursor.skipString();
    const dimensions = cursor.uint32();
    if (dimensions > maxDimensions) throw corrupt(`a tensor of ${dimensions} dimensions`);
    let elements = 1;
    for (let axis = 0; axis < dimensions; axis++) elements *= cursor.uint64();
    parameters += elements;
    cursor.uint32();
    lastOffset = Math.max(lastOffset, cursor.uint64());
  }
  if (!Number.isSafeInteger(parameters)) throw corrupt('impossible tensor sizes');
  const dataOffset = Math.ceil(cursor.offset / alignment) * alignment;
  if (lastOffset >= 0 && dataOffset + lastOffset >= fileBytes) {
    throw unreadable(
      `it is cut short: it has ${fileBytes} bytes and its last tensor begins at ${dataOffset + lastOffset}`,
    );
  }
  return parameters;
}

function alignmentOf(entries: ReadonlyMap<string, unknown>): number {
  const alignment = entries.get('general.alignment') ?? 32;
  if (typeof alignment === 'number' && alignment >= 1 && alignment <= 1 << 20) return alignment;
  throw corrupt(`general.alignment is ${String(alignment)}`);
}

function describe(entries: ReadonlyMap<string, unknown>, parameters: number): GgufInfo {
  const text = (key: string): string | undefined => {
    const value = entries.get(key);
    return typeof value === 'string' ? value : undefined;
  };
  const whole = (key: string): number | undefined => {
    const value = entries.get(key);
    return typeof value === 'number' && Number.isInteger(value) ? value : undefined;
  };
  const architecture = text('general.architecture');
  if (architecture === undefined) throw corrupt('general.architecture is missing');
  const kept = entries.get('tokenizer.ggml.tokens');
  const tokens: readonly string[] = Array.isArray(kept) ? kept : [];
  const token = (key: string): GgufToken | undefined => {
    const id = whole(key);
    const spelling = id === undefined ? undefined : tokens[id];
    return id === undefined || spelling === undefined ? undefined : { id, text: spelling };
  };
  const vocabulary = new Set(tokens);
  const fileType = whole('general.file_type');
  return {
    architecture,
    name: text('general.name'),
    parameters,
    quantization: fileTypes[(fileType ?? -1) & ~guessedFileType] ?? 'unknown',
    contextTokens: whole(`${architecture}.context_length`),
    vocabularySize: tokens.length,
    bos: token('tokenizer.ggml.bos_token_id'),
    eos: token('tokenizer.ggml.eos_token_id'),
    addsBos: entries.get('tokenizer.ggml.add_bos_token') === true,
    chatTemplate: text('tokenizer.chat_template'),
    hasToken: (spelling) => vocabulary.has(spelling),
  };
}

interface Cursor {
  readonly offset: number;
  readonly left: number;
  uint32(): number;
  uint64(): number;
  scalar(type: number): number | boolean;
  string(): string;
  skip(bytes: number): void;
  skipString(): void;
  /** A count of things of at least `bytesEach`, which must fit the rest of the file. */
  count(bytesEach: number, what: string, limit?: number): number;
}

function createCursor(read: GgufRead, fileBytes: number): Cursor {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let offset = 0;
  let window: Uint8Array = new Uint8Array(0);
  let view = new DataView(window.buffer);
  let windowAt = 0;

  /** Makes `length` bytes at the cursor readable, steps over them and says where they lie. */
  const take = (length: number): number => {
    if (length > fileBytes - offset) throw cutShort(fileBytes);
    if (offset < windowAt || offset + length > windowAt + window.length) {
      const wanted = Math.min(Math.max(length, windowBytes), fileBytes - offset);
      window = read(offset, wanted);
      if (window.length < wanted) throw cutShort(offset + window.length);
      view = new DataView(window.buffer, window.byteOffset, window.byteLength);
      windowAt = offset;
    }
    const at = offset - windowAt;
    offset += length;
    return at;
  };
  const uint64 = (): number => {
    const at = take(8);
    const value = Number(view.getBigUint64(at, true));
    if (!Number.isSafeInteger(value)) throw corrupt(`impossible number ${value}`);
    return value;
  };
  const skip = (bytes: number): void => {
    if (bytes > fileBytes - offset) throw cutShort(fileBytes);
    offset += bytes;
  };
  const stringBytes = (): number => {
    const length = uint64();
    if (length > maxStringBytes) throw corrupt(`a string of ${length} bytes`);
    return length;
  };
  return {
    get offset() {
      return offset;
    },
    get left() {
      return fileBytes - offset;
    },
    uint32() {
      const at = take(4);
      return view.getUint32(at, true);
    },
    uint64,
    scalar(type) {
      const bytes = scalarBytes[type];
      if (bytes === undefined) throw corrupt(`metadata of unknown type ${type}`);
      const at = take(bytes);
      return readScalar(view, type, at);
    },
    string() {
      const length = stringBytes();
      const at = take(length);
      return decoder.decode(window.subarray(at, at + length));
    },
    skip,
    skipString: () => skip(stringBytes()),
    count(bytesEach, what, limit = maxEntries) {
      const value = uint64();
      if (value > limit) throw corrupt(`${value} ${what}`);
      if (value * bytesEach > fileBytes - offset) throw cutShort(fileBytes);
      return value;
    },
  };
}

function readScalar(view: DataView, type: number, at: number): number | boolean {
  switch (type) {
    case 0:
      return view.getUint8(at);
    case 1:
      return view.getInt8(at);
    case 2:
      return view.getUint16(at, true);
    case 3:
      return view.getInt16(at, true);
    case 4:
      return view.getUint32(at, true);
    case 5:
      return view.getInt32(at, true);
    case 6:
      return view.getFloat32(at, true);
    case 7:
      return view.getUint8(at) !== 0;
    case 10:
      return Number(view.getBigUint64(at, true));
    case 11:
      return Number(view.getBigInt64(at, true));
    default:
      return view.getFloat64(at, true);
  }
}

function cutShort(bytes: number): UnbusyError {
  return unreadable(`it is cut short or corrupt: its header goes on after its ${bytes} bytes`);
}

function corrupt(found: string): UnbusyError {
  return unreadable(`it is corrupt: ${found}`);
}

function unreadable(reason: string): UnbusyError {
  return new UnbusyError(
    'invalid_request',
    'model_unreadable',
    `the model file cannot be read: ${reason}`,
  );
}
