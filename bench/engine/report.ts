/** Rows of the engine bench → tables. Ratios are formed within each repeat, then summarised. */
import { type Machine, machineLines } from '../measure/machine.ts';
import { disturbanceLine } from '../measure/other-load.ts';
import { table } from '../measure/result-file.ts';
import { median, quantile, type Summary, showSummary, summarize } from '../measure/statistics.ts';
import type { LoadResult } from './generation-load.ts';
import type { EngineServer } from './servers.ts';
import type { StepTimes } from './step-metrics.ts';

export interface ServerRow {
  readonly server: string;
  readonly kind: EngineServer['kind'];
  readonly repeat: number;
  readonly streams: number;
  readonly load: LoadResult;
  /** CPU of the process that serves HTTP, and of those that it started. */
  readonly mainCpuS: number;
  readonly childrenCpuS: number;
  /** Cores that processes outside of the bench used meanwhile. */
  readonly otherCores: number;
  readonly steps?: StepTimes | undefined;
}

export interface CeilingRow {
  readonly threads: number;
  readonly repeat: number;
  readonly streams: number;
  readonly tokensPerS: number;
}

export interface EngineReportInput {
  readonly rows: readonly ServerRow[];
  readonly ceilings: readonly CeilingRow[];
  readonly servers: readonly EngineServer[];
  readonly widths: readonly number[];
  readonly repeats: number;
  readonly maxTokens: number;
  readonly machine: Machine;
}

/** Least share of llama-server's tokens/s at every width, and of the ceiling at 16 streams. */
const floorOfLlamaServer = 1;
const goalOfCeiling = 0.8;
const goalWidth = 16;

export function engineReport(input: EngineReportInput): string {
  return [
    '# Embedded engine: tokens per second over HTTP streaming',
    machineLines(input.machine),
    disturbanceLine(input.rows.map((row) => row.otherCores)),
    `pocket-r1 Q8_0, greedy, ${input.maxTokens} tokens an answer (the end token is banned by ` +
      'logit_bias for all), short prompts that differ, prefill included in the time. ' +
      `${input.repeats} interleaved repeats, order reversed every other time, servers started ` +
      'anew in each; median [min–max]. Server and client share all cores. Ratios are formed ' +
      'within a repeat; llama-server counts with its better thread count at each width.',
    input.servers.map((server) => `- \`${server.name}\`: ${server.what}`).join('\n'),
    throughput(input),
    latency(input),
    whereTimeGoes(input),
    verdicts(input),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function throughput(input: EngineReportInput): string {
  const row = (name: string, cell: (width: number) => string): readonly string[] => [
    name,
    ...input.widths.map(cell),
  ];
  const rows = [
    ...input.servers.map((server) =>
      row(server.name, (width) => showSummary(speed(input, server.name, width), 0)),
    ),
    ...ceilingThreads(input).map((threads) =>
      row(`llama-batched-bench -t ${threads} (decode only)`, (width) =>
        showSummary(ceiling(input, threads, width), 0),
      ),
    ),
    ...ours(input).flatMap((name) => [
      row(`${name} / llama-server`, (width) => showSummary(ofLlamaServer(input, name, width), 2)),
      row(`${name} / llama-batched-bench`, (width) =>
        showSummary(ofCeiling(input, name, width), 2),
      ),
    ]),
  ];
  const head = ['tokens/s at streams', ...input.widths.map(String)];
  return `## Throughput\n\n${table(head, rows)}`;
}

function latency(input: EngineReportInput): string {
  const rows = input.widths.flatMap((width) =>
    input.servers.map((server) => {
      const loads = rowsOf(input, server.name, width).map((row) => row.load);
      const first = loads.flatMap((load) => load.firstTextMs);
      const perToken = loads.flatMap((load) => load.perTokenMs);
      return [
        `${width} × ${server.name}`,
        ...[0.5, 0.9, 0.99].map((q) => quantile(first, q).toFixed(1)),
        ...[0.5, 0.99].map((q) => quantile(perToken, q).toFixed(2)),
        String(loads.reduce((sum, load) => sum + load.short, 0)),
        String(loads.reduce((sum, load) => sum + load.resent, 0)),
      ];
    }),
  );
  const head = [
    'streams × server',
    'TTFT p50, ms',
    'p90',
    'p99',
    'ms per token p50',
    'p99',
    'short',
    'resent',
  ];
  return (
    '## Time to first token\n\nAll repeats together. Resent: the server closed a kept connection ' +
    `as the request arrived on it, so the client sent it again on a fresh one.\n\n${table(head, rows)}`
  );
}

function whereTimeGoes(input: EngineReportInput): string {
  const rows = input.widths.flatMap((width) =>
    input.servers.map((server) => {
      const found = rowsOf(input, server.name, width);
      const perToken = (of: (row: ServerRow) => number): string => {
        const us = median(found.map((row) => (of(row) * 1e6) / row.load.completionTokens));
        return Number.isNaN(us) ? '' : us.toFixed(0);
      };
      const step = (of: (steps: StepTimes) => number): string =>
        perToken((row) => (row.steps === undefined ? Number.NaN : of(row.steps)));
      const batch = median(found.map((row) => row.steps?.batchSizeMean ?? Number.NaN));
      return [
        `${width} × ${server.name}`,
        perToken((row) => row.load.elapsedS),
        perToken((row) => row.mainCpuS),
        perToken((row) => row.childrenCpuS),
        perToken((row) => row.load.clientCpuS),
        step((steps) => steps.decodeS),
        step((steps) => steps.prefillS),
        step((steps) => steps.sampleS),
        Number.isNaN(batch) ? '' : batch.toFixed(1),
        summarize(found.map((row) => row.otherCores)).max.toFixed(2),
      ];
    }),
  );
  const head = [
    'µs per token',
    'wall',
    'CPU: server process',
    'CPU: its children (engines)',
    'CPU: client',
    'engines: decode',
    'engines: prefill',
    'engines: sample',
    'mean batch',
    'others, cores',
  ];
  return (
    '## Where the time goes\n\nThe engine columns are wall time within the step loops, added up ' +
    `over engine processes; what engines use beyond them is their loop and messages.\n\n${table(head, rows)}`
  );
}

function verdicts(input: EngineReportInput): string {
  const rows = ours(input).flatMap((name) => [
    ...input.widths.map((width) => {
      const value = ofLlamaServer(input, name, width).median;
      const held = value >= floorOfLlamaServer ? 'held' : 'MISSED';
      const what = `of llama-server at ${width}`;
      return [name, what, value.toFixed(2), `floor ${floorOfLlamaServer.toFixed(1)}`, held];
    }),
    ...input.widths
      .filter((width) => width === goalWidth)
      .map((width) => {
        const value = ofCeiling(input, name, width).median;
        const held = value >= goalOfCeiling ? 'reached' : 'not reached';
        const what = `of llama-batched-bench at ${width}`;
        return [name, what, value.toFixed(2), `goal ${goalOfCeiling}`, held];
      }),
  ]);
  const head = ['server', 'what', 'median', '', ''];
  return `## Floors\n\n${rows.length === 0 ? 'Unbusy was not measured.' : table(head, rows)}`;
}

function ours(input: EngineReportInput): readonly string[] {
  return input.servers.filter((each) => each.kind === 'unbusy').map((each) => each.name);
}

function rowsOf(input: EngineReportInput, server: string, width: number): readonly ServerRow[] {
  return input.rows.filter((row) => row.server === server && row.streams === width);
}

function tokensPerS(row: ServerRow): number {
  return row.load.completionTokens / row.load.elapsedS;
}

function speed(input: EngineReportInput, server: string, width: number): Summary {
  return summarize(rowsOf(input, server, width).map(tokensPerS));
}

function ceilingThreads(input: EngineReportInput): readonly number[] {
  return [...new Set(input.ceilings.map((row) => row.threads))].sort((a, b) => a - b);
}

function ceilingRows(input: EngineReportInput, threads: number, width: number) {
  return input.ceilings.filter((row) => row.threads === threads && row.streams === width);
}

function ceiling(input: EngineReportInput, threads: number, width: number): Summary {
  return summarize(ceilingRows(input, threads, width).map((row) => row.tokensPerS));
}

/** Against the llama-server whose thread count has the better median at this width. */
function ofLlamaServer(input: EngineReportInput, server: string, width: number): Summary {
  const peers = input.servers.filter((each) => each.kind === 'llama-server');
  const best = highest(peers, (peer) => speed(input, peer.name, width).median);
  const bestRows = best === undefined ? [] : rowsOf(input, best.name, width);
  const values = rowsOf(input, server, width).map((row) => {
    const other = bestRows.find((each) => each.repeat === row.repeat);
    return other === undefined ? Number.NaN : tokensPerS(row) / tokensPerS(other);
  });
  return summarize(values);
}

function ofCeiling(input: EngineReportInput, server: string, width: number): Summary {
  const threads = highest(ceilingThreads(input), (each) => ceiling(input, each, width).median);
  const bestRows = threads === undefined ? [] : ceilingRows(input, threads, width);
  const values = rowsOf(input, server, width).map((row) => {
    const other = bestRows.find((each) => each.repeat === row.repeat);
    return tokensPerS(row) / (other?.tokensPerS ?? Number.NaN);
  });
  return summarize(values);
}

function highest<T>(all: readonly T[], value: (each: T) => number): T | undefined {
  return [...all].sort((a, b) => value(b) - value(a))[0];
}
