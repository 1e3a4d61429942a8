/**
 * A model in memory with everything that is read from its file: vocabulary, template, names.
 *
 * The header is read by us before llama.cpp sees the file, because llama.cpp's reasons for refusing
 * one end up in a log; the weights are mapped by the native side.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { UnbusyError } from '../core/errors.ts';
import { r1ThinkTags } from '../protocol/reasoning.ts';
import { type ChatTemplate, createChatTemplate } from './chat-template.ts';
import { type GgufInfo, readGguf } from './gguf.ts';
import type { Binding, NativeModel } from './native.ts';
import { createTokenText, type TokenText } from './token-text.ts';

export interface LoadedModel {
  readonly native: NativeModel;
  readonly info: GgufInfo;
  /** `general.name`, else the file's name. */
  readonly name: string;
  readonly text: TokenText;
  readonly template: ChatTemplate | undefined;
  /** SHA-256 over the file's size, first and last MiB: cheap, and names the revision. */
  readonly digest: string;
}

export interface LoadOptions {
  readonly path: string;
  readonly gpuLayers: number;
  readonly onProgress: (ratio: number) => void;
}

const digestPartBytes = 1024 * 1024;

/** Loads a GGUF file. Throws `UnbusyError` `model_unreadable` with one line that says why. */
export async function loadModel(binding: Binding, options: LoadOptions): Promise<LoadedModel> {
  const { info, digest } = inspect(options.path);
  const native = await binding.loadModel(options.path, options);
  const text = createTokenText(native, info.vocabularySize);
  return {
    native,
    info,
    name: info.name ?? basename(options.path, '.gguf'),
    text,
    template:
      info.chatTemplate === undefined
        ? undefined
        : createChatTemplate(info.chatTemplate, {
            bosToken: info.bos?.text ?? '',
            eosToken: info.eos?.text ?? '',
            vocabularyThinks: info.hasToken(r1ThinkTags.close),
          }),
    digest,
  };
}

function inspect(path: string): { info: GgufInfo; digest: string } {
  const file = open(path);
  try {
    const { size } = fstatSync(file);
    const read = (offset: number, length: number): Uint8Array => {
      const buffer = Buffer.allocUnsafe(length);
      return buffer.subarray(0, readSync(file, buffer, 0, length, offset));
    };
    const info = readGguf(read, size);
    const digest = createHash('sha256')
      .update(`${size}\n`)
      .update(read(0, Math.min(size, digestPartBytes)))
      .update(read(Math.max(0, size - digestPartBytes), Math.min(size, digestPartBytes)))
      .digest('hex');
    return { info, digest };
  } catch (cause) {
    if (!(cause instanceof UnbusyError)) throw cause;
    throw new UnbusyError(cause.kind, cause.code, `${path}: ${cause.message}`, { cause });
  } finally {
    closeSync(file);
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UnbusyError(
      'invalid_request',
      'model_unreadable',
      `the model file cannot be opened: ${reason}`,
      { cause },
    );
  }
}
