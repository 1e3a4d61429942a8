/** Rows of the gateway bench → tables. Ratios are formed within each repeat, then summarised. */
import { type Machine, machineLines } from '../measure/machine.ts';
import { disturbanceLine } from '../measure/other-load.ts';
import { table } from '../measure/result-file.ts';
import { showSummary, summarize } from '../measure/statistics.ts';
import type { LoadReport, Row } from './measurement.ts';
import type { Target } from './targets.ts';
import { kibPerStreamMax, shareOfReference, type Workload } from './workloads.ts';

export interface ReportInput {
  readonly rows: readonly Row[];
  readonly workloads: readonly Workload[];
  readonly targets: readonly Target[];
  readonly repeats: number;
  readonly machine: Machine;
}

export function gatewayReport(input: ReportInput): string {
  const { machine, targets, repeats } = input;
  return [
    '# Gateway: work per second of proxy CPU',
    machineLines(machine),
    disturbanceLine(input.rows.map((row) => row.otherCores)),
    `Each gateway alone on core 0, mock upstream and load client on core 1. ${repeats} interleaved ` +
      'repeats, order reversed every other time; median [min–max]. Ratios are formed within a ' +
      'repeat. Latencies carry two wake-ups across cores: compare rows with nginx, not with 0.',
    targets.map((target) => `- \`${target.name}\`: ${target.what}`).join('\n'),
    ...input.workloads.map((workload) => workloadSection(input, workload)),
    verdicts(input),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function workloadSection(input: ReportInput, workload: Workload): string {
  const rows = input.targets
    .filter((target) => input.rows.some((row) => row.target === target.name))
    .map((target) => workloadRow(input, workload, target.name));
  const head = [
    'target',
    `${workload.unit}/CPU-s`,
    'of nginx',
    'of Portkey',
    `${workload.unit}/s`,
    'TTFT p50 / p99 added, µs',
    'chunk p50 / p99 added, µs',
    'core used',
    'others, cores',
    'KiB a stream',
    'errors',
  ];
  return `## ${workload.name}: ${workload.what}\n\n${table(head, rows)}`;
}

function workloadRow(input: ReportInput, workload: Workload, target: string): readonly string[] {
  const rows = rowsOf(input, workload, target);
  const units = summarize(rows.map((row) => row.unitsPerCpuS));
  const rate = workload.unit === 'requests' ? 'requestsPerS' : 'chunksPerS';
  const of = (other: string): string => showSummary(ratio(input, workload, target, other), 2);
  const utilization = summarize(rows.map((row) => row.utilization));
  const memory = summarize(rows.map((row) => row.kibPerStream ?? Number.NaN));
  const errors = rows.reduce((sum, row) => sum + row.load.errors + row.load.notOk, 0);
  const isDirect = units.n === 0;
  return [
    target,
    isDirect ? '' : showSummary(units, 0),
    isDirect ? '' : of('nginx'),
    isDirect ? '' : of('portkey'),
    summarize(rows.map((row) => row.load[rate])).median.toFixed(0),
    `${added(input, workload, target, 'ttftP50')} / ${added(input, workload, target, 'ttftP99')}`,
    workload.stream
      ? `${added(input, workload, target, 'chunkP50')} / ${added(input, workload, target, 'chunkP99')}`
      : '',
    isDirect ? '' : `${(utilization.median * 100).toFixed(0)} %`,
    summarize(rows.map((row) => row.otherCores)).max.toFixed(2),
    memory.n === 0 ? '' : showSummary(memory, 1),
    String(errors),
  ];
}

/** Latency above that of the same repeat without a gateway; the plain value when not measured. */
function added(
  input: ReportInput,
  workload: Workload,
  target: string,
  field: keyof LoadReport,
): string {
  const values = rowsOf(input, workload, target).map((row) => {
    const direct = rowsOf(input, workload, 'direct').find((each) => each.repeat === row.repeat);
    return row.load[field] - (target === 'direct' ? 0 : (direct?.load[field] ?? 0));
  });
  return showSummary(summarize(values), 0);
}

/** Units per CPU second of one target over another's in the same repeat. */
function ratio(input: ReportInput, workload: Workload, target: string, other: string) {
  const values = rowsOf(input, workload, target).map((row) => {
    const base = rowsOf(input, workload, other).find((each) => each.repeat === row.repeat);
    return row.unitsPerCpuS / (base?.unitsPerCpuS ?? Number.NaN);
  });
  return summarize(values);
}

function rowsOf(input: ReportInput, workload: Workload, target: string): readonly Row[] {
  return input.rows.filter((row) => row.workload === workload.name && row.target === target);
}

function verdicts(input: ReportInput): string {
  const ours = input.targets.filter((target) => target.name.startsWith('unbusy'));
  const rows = ours.flatMap((target) => [
    ...input.workloads
      .filter((workload) => workload.floor !== undefined)
      .map((workload) => throughputVerdict(input, workload, target.name)),
    ...input.workloads
      .filter((workload) => rowsOf(input, workload, target.name).some((row) => row.kibPerStream))
      .map((workload) => memoryVerdict(input, workload, target.name)),
  ]);
  const head = ['target', 'what', 'median', 'floor', '', `${shareOfReference} × hybridW now`, ''];
  return `## Floors\n\n${rows.length === 0 ? 'Unbusy was not measured.' : table(head, rows)}`;
}

function throughputVerdict(
  input: ReportInput,
  workload: Workload,
  target: string,
): readonly string[] {
  const value = ratio(input, workload, target, 'nginx').median;
  const reference = ratio(input, workload, 'hybridW', 'nginx').median * shareOfReference;
  const floor = workload.floor ?? 0;
  return [
    target,
    `${workload.name} of nginx`,
    value.toFixed(3),
    floor.toFixed(3),
    verdict(value >= floor),
    Number.isNaN(reference) ? '' : reference.toFixed(3),
    Number.isNaN(reference) ? '' : verdict(value >= reference),
  ];
}

function memoryVerdict(input: ReportInput, workload: Workload, target: string): readonly string[] {
  const rows = rowsOf(input, workload, target);
  const value = summarize(rows.map((row) => row.kibPerStream ?? Number.NaN)).median;
  const what = `${workload.name} KiB a stream`;
  const held = verdict(value <= kibPerStreamMax);
  return [target, what, value.toFixed(1), String(kibPerStreamMax), held, '', ''];
}

function verdict(held: boolean): string {
  return held ? 'held' : 'MISSED';
}
