import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { pocketModelPath } from '../../test/fixtures/llama-addon.ts';
import { UnbusyError } from '../core/errors.ts';
import { type GgufRead, readGguf } from './gguf.ts';

const pocket = readFileSync(pocketModelPath);

function reading(bytes: Uint8Array): GgufRead {
  return (offset, length) => bytes.subarray(offset, offset + length);
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number | bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function text(value: string): Uint8Array {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function entry(key: string, type: number, ...value: Uint8Array[]): Uint8Array {
  return Buffer.concat([text(key), uint32(type), ...value]);
}

/** A small file with every kind of value in it, and two tensors. */
function smallFile(extra: readonly Uint8Array[] = [], version = 3): Uint8Array {
  const entries = [
    entry('general.architecture', 8, text('tiny')),
    entry('general.name', 8, text('Tiny 模型')),
    entry('general.file_type', 4, uint32(15 + 1024)),
    entry('tiny.context_length', 10, uint64(4096)),
    entry('tiny.scale', 6, uint32(0)),
    entry('tiny.list', 9, uint32(5), uint64(3), uint32(1), uint32(2), uint32(3)),
    entry('tokenizer.ggml.tokens', 9, uint32(8), uint64(3), text('<s>'), text('</s>'), text('a')),
    entry('tokenizer.ggml.merges', 9, uint32(8), uint64(1), text('a b')),
    entry('tokenizer.ggml.bos_token_id', 4, uint32(0)),
    entry('tokenizer.ggml.eos_token_id', 4, uint32(1)),
    entry('tokenizer.ggml.add_bos_token', 7, Uint8Array.of(1)),
    entry('tokenizer.chat_template', 8, text('{{ messages }}')),
    ...extra,
  ];
  const tensors = [
    Buffer.concat([text('w'), uint32(2), uint64(4), uint64(3), uint32(0), uint64(0)]),
    Buffer.concat([text('b'), uint32(1), uint64(5), uint32(0), uint64(64)]),
  ];
  return Buffer.concat([
    Buffer.from('GGUF'),
    uint32(version),
    uint64(tensors.length),
    uint64(entries.length),
    ...entries,
    ...tensors,
    Buffer.alloc(160),
  ]);
}

function readWhole(bytes: Uint8Array) {
  return readGguf(reading(bytes), bytes.length);
}

test('the demonstration model says what it is', () => {
  const { hasToken, chatTemplate, ...info } = readWhole(pocket);
  assert.deepEqual(info, {
    architecture: 'deepseek2',
    name: 'Unbusy pocket R1',
    parameters: 10_015_032,
    quantization: 'Q8_0',
    contextTokens: 2048,
    vocabularySize: 2048,
    bos: { id: 0, text: '<｜begin▁of▁sentence｜>' },
    eos: { id: 1, text: '<｜end▁of▁sentence｜>' },
    addsBos: true,
  });
  assert.ok(chatTemplate?.includes('<｜Assistant｜><think>'));
  assert.deepEqual([hasToken('</think>'), hasToken('<tool>')], [true, false]);
});

test('every kind of value is read or passed over, and tensors are counted', () => {
  const { hasToken, ...info } = readWhole(smallFile());
  assert.deepEqual(info, {
    architecture: 'tiny',
    name: 'Tiny 模型',
    parameters: 17,
    quantization: 'Q4_K_M',
    contextTokens: 4096,
    vocabularySize: 3,
    bos: { id: 0, text: '<s>' },
    eos: { id: 1, text: '</s>' },
    addsBos: true,
    chatTemplate: '{{ messages }}',
  });
  assert.equal(hasToken('a'), true);
});

test('a small header takes one read', () => {
  const asked: number[] = [];
  readGguf((offset, length) => {
    asked.push(length);
    return pocket.subarray(offset, offset + length);
  }, pocket.length);
  assert.equal(asked.length, 1);
});

const wrongFiles: readonly (readonly [Uint8Array, RegExp])[] = [
  [new Uint8Array(0), /it has 0 bytes/],
  [Buffer.from('PK\u0003\u0004 this is a zip archive, not a model'), /not a GGUF file/],
  [smallFile([], 1), /GGUF version 1; versions 2 and 3/],
  [Buffer.concat([Buffer.from('GGUF'), Buffer.from([0, 0, 0, 3]), Buffer.alloc(40)]), /big-endian/],
  [smallFile().subarray(0, 300), /cut short/],
  [smallFile().subarray(0, -160), /cut short: .* last tensor begins at/],
  [smallFile([entry('x', 99, uint32(0))]), /metadata of unknown type 99/],
  [smallFile([entry('x', 9, uint32(9), uint64(1))]), /array of unknown type 9/],
  [smallFile([entry('x', 9, uint32(4), uint64(2n ** 50n))]), /cut short/],
  [smallFile([entry('x', 8, uint64(2n ** 40n))]), /a string of 1099511627776 bytes/],
  [smallFile([entry('x', 8, uint64(2n ** 63n))]), /impossible number/],
  [smallFile([entry('general.alignment', 4, uint32(0))]), /general\.alignment is 0/],
  [smallFile([entry('general.architecture', 4, uint32(0))]), /general\.architecture is missing/],
];

test('a file that is no whole GGUF file gets one line that says why', () => {
  for (const [bytes, message] of wrongFiles) {
    assert.throws(() => readWhole(bytes), { code: 'model_unreadable', message });
  }
});

test('a file that shrinks while it is read is cut short', () => {
  assert.throws(() => readGguf(reading(pocket.subarray(0, 1000)), pocket.length), {
    code: 'model_unreadable',
    message: /cut short/,
  });
});

test('fuzz: truncated and corrupt files are read or refused, never anything else', () => {
  const small = smallFile();
  const readOrRefused = (bytes: Uint8Array): void => {
    try {
      readWhole(bytes);
    } catch (error) {
      assert.ok(error instanceof UnbusyError, String(error));
      assert.equal(error.code, 'model_unreadable');
      assert.ok(!error.message.includes('\n') && error.message.length < 300);
    }
  };
  for (let length = 0; length < small.length; length++) {
    readOrRefused(small.subarray(0, length));
    assert.throws(() => readWhole(small.subarray(0, Math.min(length, small.length - 160))));
  }
  const change = fc.record({ at: fc.nat(small.length - 1), byte: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), (changes) => {
      const bytes = Uint8Array.from(small);
      for (const { at, byte } of changes) bytes[at] = byte;
      readOrRefused(bytes);
    }),
    { numRuns: 2000 },
  );
});
