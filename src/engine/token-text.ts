/**
 * The exact bytes of each token.
 *
 * llama.cpp's own detokenizer answers in strings, and a token may hold part of a character, so the
 * bytes come from the vocabulary's text: byte-level BPE spells every byte as one of 256 printable
 * characters (GPT-2's alphabet); SentencePiece and Unigram write `▁` for a space and `<0xNN>` for a
 * byte. Control and user-defined tokens are spelled literally. Follows `llama_vocab::token_to_piece`
 * of llama.cpp.
 *
 * The binding looks ids up without a bound and takes the process down on a wrong one; this is the
 * place that checks them. Owns a cache of one entry per token asked for.
 */
import { UnbusyError } from '../core/errors.ts';

/** What is needed of the native model (`NativeModel` is one). */
export interface Vocabulary {
  /** The token as the vocabulary spells it. */
  tokenSpelling(token: number): string;
  /** Bit field `llama_token_attr`. */
  tokenAttributes(token: number): number;
  /** `llama_vocab_type`. */
  readonly vocabularyType: number;
  isEndOfGeneration(token: number): boolean;
}

export interface TokenText {
  /** The bytes that `token` stands for; control tokens as they are spelled. Not to be changed. */
  bytesOf(token: number): Uint8Array;
  /** A control or unknown token: not text that a model means to say. */
  isSpecial(token: number): boolean;
  isEndOfGeneration(token: number): boolean;
  /** Throws `invalid_request` (`invalid_token`) unless `token` is in the vocabulary. */
  check(token: number, param?: string): void;
  /** Number of tokens in the vocabulary. */
  readonly size: number;
}

/** `enum llama_vocab_type` (llama.h): the three kinds that spell text in the two known ways. */
const vocabularyTypes = { sentencePiece: 1, bytePairs: 2, unigram: 4 } as const;

/** `enum llama_token_attr` (llama.h). */
const attribute = { unknown: 1, control: 8, userDefined: 16, byte: 32 } as const;
const special = attribute.unknown | attribute.control;

/**
 * Token texts of one vocabulary of `size` tokens (`readGguf().vocabularySize`).
 *
 * Throws `model_unusable` if the vocabulary spells its tokens in a way not known here.
 */
export function createTokenText(vocabulary: Vocabulary, size: number): TokenText {
  const decode = decoderOf(vocabulary.vocabularyType);
  const cache: (Uint8Array | undefined)[] = [];
  const check = (token: number, param?: string): void => {
    if (Number.isInteger(token) && token >= 0 && token < size) return;
    throw new UnbusyError(
      'invalid_request',
      'invalid_token',
      `token ${token} is not in the model's vocabulary: allowed are 0 to ${size - 1}`,
      { param },
    );
  };
  return {
    size,
    check,
    bytesOf(token) {
      const known = cache[token];
      if (known !== undefined) return known;
      check(token);
      const text = vocabulary.tokenSpelling(token);
      const bytes = decode(text, vocabulary.tokenAttributes(token));
      cache[token] = bytes;
      return bytes;
    },
    isSpecial(token) {
      check(token);
      return (vocabulary.tokenAttributes(token) & special) !== 0;
    },
    isEndOfGeneration(token) {
      check(token);
      return vocabulary.isEndOfGeneration(token);
    },
  };
}

type Decode = (text: string, attributes: number) => Uint8Array;

const encoder = new TextEncoder();

function decoderOf(type: number): Decode {
  if (type === vocabularyTypes.bytePairs) {
    const alphabet = bytePairAlphabet();
    return (text, attributes) =>
      attributes & (special | attribute.userDefined)
        ? encoder.encode(text)
        : bytePairBytes(text, alphabet);
  }
  if (type === vocabularyTypes.sentencePiece || type === vocabularyTypes.unigram) {
    return sentencePieceBytes;
  }
  throw new UnbusyError(
    'invalid_request',
    'model_unusable',
    `the model's vocabulary is of llama.cpp type ${type}; Unbusy's engine knows byte-level BPE (${vocabularyTypes.bytePairs}), SentencePiece (${vocabularyTypes.sentencePiece}) and Unigram (${vocabularyTypes.unigram})`,
  );
}

function bytePairBytes(text: string, alphabet: ReadonlyMap<string, number>): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const byte = alphabet.get(character);
    if (byte === undefined) bytes.push(...encoder.encode(character));
    else bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

function sentencePieceBytes(text: string, attributes: number): Uint8Array {
  if (attributes & (special | attribute.userDefined)) return encoder.encode(text);
  const byte = attributes & attribute.byte ? /^<0x([0-9A-Fa-f]{2})>$/.exec(text)?.[1] : undefined;
  if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
  return encoder.encode(text.replaceAll('▁', ' '));
}

/**
 * GPT-2's `bytes_to_unicode`: printable Latin-1 bytes stand for themselves, the other 68 for the
 * characters from U+0100 on.
 */
function bytePairAlphabet(): ReadonlyMap<string, number> {
  const alphabet = new Map<string, number>();
  let others = 0;
  for (let byte = 0; byte < 256; byte++) {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xff && byte !== 0xad);
    alphabet.set(String.fromCodePoint(printable ? byte : 0x100 + others++), byte);
  }
  return alphabet;
}
