/**
 * The ceiling: llama.cpp's `llama-batched-bench`, which decodes with nothing around it. It neither
 * samples nor detokenises, has no clients, and gives every sequence the same token.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { llamaProgram, modelPath } from './servers.ts';

export interface CeilingOptions {
  readonly threads: number;
  readonly widths: readonly number[];
  readonly promptTokens: number;
  readonly tokens: number;
}

/** Decode tokens/s by width. */
export async function measureCeiling(
  options: CeilingOptions,
): Promise<ReadonlyMap<number, number>> {
  const { threads, widths, promptTokens, tokens } = options;
  const context = Math.max(...widths) * (promptTokens + tokens);
  const { stdout } = await promisify(execFile)(
    llamaProgram('llama-batched-bench'),
    [
      ...['-m', modelPath, '-c', String(context), '-npp', String(promptTokens)],
      ...['-ntg', String(tokens), '-npl', widths.join(','), '-fa', 'on'],
      ...['-t', String(threads), '-tb', String(threads), '--output-format', 'jsonl'],
    ],
    { timeout: 120_000, maxBuffer: 16 * 1024 * 1024 },
  );
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
  return new Map(
    lines.map((line) => {
      const row = JSON.parse(line) as { readonly pl: number; readonly speed_tg: number };
      return [row.pl, row.speed_tg];
    }),
  );
}
