/**
 * The few changes that a relayed chat or completion object may need, made at scanned offsets: no
 * value is parsed, and every byte that is not named here stays as the upstream sent it.
 */
import { ChunkScan } from './wire-chunk.ts';

export interface WirePatch {
  readonly id?: string | undefined;
  readonly model?: string | undefined;
  /** Unix time, seconds. */
  readonly created?: number | undefined;
  /** `reasoning` (vLLM since 2026) becomes `reasoning_content`, which DeepSeek's clients read. */
  readonly renameReasoning?: boolean | undefined;
  /** Leaves out a stream's usage-only chunk, which the caller did not ask for. */
  readonly dropUsage?: boolean | undefined;
}

/** Where patched bytes go. */
export interface ByteSink {
  append(bytes: Uint8Array, from: number, end: number): void;
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: Buffer;
}

const REASONING_LENGTH = 'reasoning'.length;
const REASONING_CONTENT = Buffer.from('reasoning_content');

/** One patch, ready to be applied to many objects. */
export class WirePatcher {
  readonly #id: Buffer | undefined;
  readonly #model: Buffer | undefined;
  readonly #created: Buffer | undefined;
  readonly #renameReasoning: boolean;
  readonly #dropUsage: boolean;
  readonly #edits: Edit[] = [];

  constructor(patch: WirePatch) {
    this.#id = json(patch.id);
    this.#model = json(patch.model);
    this.#created = json(patch.created);
    this.#renameReasoning = patch.renameReasoning ?? false;
    this.#dropUsage = patch.dropUsage ?? false;
  }

  /** The object is a stream's usage-only chunk that is to be left out. */
  drops(scan: ChunkScan): boolean {
    return this.#dropUsage && scan.hasChoices && scan.choiceCount === 0 && scan.usageStart >= 0;
  }

  /** Finds what must change in the scanned object. False: nothing. Else `write` does it. */
  plan(scan: ChunkScan, bytes: Buffer): boolean {
    this.#edits.length = 0;
    this.#replace(bytes, scan.idStart, scan.idEnd, this.#id);
    this.#replace(bytes, scan.modelStart, scan.modelEnd, this.#model);
    this.#replace(bytes, scan.createdStart, scan.createdEnd, this.#created);
    if (this.#renameReasoning) {
      for (const start of scan.reasoningKeys) {
        this.#edits.push({ start, end: start + REASONING_LENGTH, text: REASONING_CONTENT });
      }
    }
    if (this.#edits.length > 1) this.#edits.sort((a, b) => a.start - b.start);
    return this.#edits.length > 0;
  }

  /** Writes `bytes[from, end)` with the planned changes. */
  write(bytes: Buffer, from: number, end: number, sink: ByteSink): void {
    let at = from;
    for (const edit of this.#edits) {
      sink.append(bytes, at, edit.start);
      sink.append(edit.text, 0, edit.text.length);
      at = edit.end;
    }
    sink.append(bytes, at, end);
  }

  #replace(bytes: Buffer, start: number, end: number, text: Buffer | undefined): void {
    if (text === undefined || start < 0) return;
    if (text.length === end - start && bytes.compare(text, 0, text.length, start, end) === 0)
      return;
    this.#edits.push({ start, end, text });
  }
}

/**
 * A whole JSON body with the patch applied. What is not one JSON object comes back as it is.
 * The same buffer is returned where nothing changes.
 */
export function patchJsonBody(body: Buffer, patch: WirePatch): Buffer {
  const scan = new ChunkScan();
  const patcher = new WirePatcher(patch);
  if (!scan.scan(body, 0, body.length) || !patcher.plan(scan, body)) return body;
  const parts: Uint8Array[] = [];
  patcher.write(body, 0, body.length, {
    append: (bytes, from, end) => parts.push(bytes.subarray(from, end)),
  });
  return Buffer.concat(parts);
}

function json(value: string | number | undefined): Buffer | undefined {
  return value === undefined ? undefined : Buffer.from(JSON.stringify(value));
}
