/** Drives one server at one width with the C client and reads what it printed. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { nativeProgram } from '../measure/native-program.ts';
import { requestBodies } from './prompts.ts';
import type { RunningServer } from './servers.ts';

const folder = path.join(import.meta.dirname, '../.cache');

export interface LoadOptions {
  readonly streams: number;
  /** Requests that each stream makes, one after the other. */
  readonly requestsPerStream: number;
  readonly maxTokens: number;
  readonly bannedTokens: readonly number[];
  readonly seed: number;
}

/** Times in ms unless named otherwise. */
export interface LoadResult {
  readonly elapsedS: number;
  readonly clientCpuS: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** Answers of fewer tokens than asked for. */
  readonly short: number;
  /** Requests that met a connection which the server was closing, and were sent once more. */
  readonly resent: number;
  readonly firstTextMs: readonly number[];
  /** Per request: time from first text to the end, per further token. */
  readonly perTokenMs: readonly number[];
}

type Answer = readonly [
  status: number,
  promptTokens: number,
  completionTokens: number,
  firstTextMs: number,
  totalMs: number,
];

/** Throws unless every request was answered with 200 and told its usage. */
export async function runLoad(server: RunningServer, options: LoadOptions): Promise<LoadResult> {
  const { streams, requestsPerStream, maxTokens, seed, bannedTokens } = options;
  const count = streams * requestsPerStream;
  const bodies = path.join(folder, 'bodies.jsonl');
  mkdirSync(folder, { recursive: true });
  writeFileSync(bodies, requestBodies({ count, seed, maxTokens, bannedTokens }).join('\n'));
  const limitS = 60;
  const args = [server.port, streams, requestsPerStream].map(String);
  const { stdout, stderr } = await promisify(execFile)(
    nativeProgram('generation-load'),
    [...args, bodies, String(limitS)],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  const printed = JSON.parse(stdout) as {
    readonly elapsedS: number;
    readonly clientCpuS: number;
    readonly resent: number;
    readonly answers: readonly Answer[];
  };
  const { elapsedS, clientCpuS, resent, answers } = printed;
  const failed = answers.filter((answer) => answer[0] !== 200 || answer[2] < 0).length;
  if (failed > 0)
    throw new Error(`${failed} of ${count} requests failed\n${stderr.slice(0, 1000)}`);
  return {
    elapsedS,
    clientCpuS,
    resent,
    promptTokens: answers.reduce((sum, answer) => sum + answer[1], 0),
    completionTokens: answers.reduce((sum, answer) => sum + answer[2], 0),
    short: answers.filter((answer) => answer[2] !== maxTokens).length,
    firstTextMs: answers.map((answer) => answer[3]),
    perTokenMs: answers.map((answer) => (answer[4] - answer[3]) / Math.max(1, answer[2] - 1)),
  };
}
