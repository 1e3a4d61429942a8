/**
 * The gateway bench: what a relayed request or chunk costs in CPU, against nginx and Portkey.
 *
 *   node bench/gateway/run.ts [--repeats 5] [--targets nginx,unbusy-raw] [--workloads W2p,W3]
 *                             [--scale 1] [--name gateway]
 *
 * `--scale 0.1` shortens every window, to try the harness; its figures mean nothing.
 */
import { parseArgs } from 'node:util';
import { describeMachine } from '../measure/machine.ts';
import { writeResult } from '../measure/result-file.ts';
import { measureTarget, type Row, startMock } from './measurement.ts';
import { gatewayReport } from './report.ts';
import { type Target, targets, targetVersions } from './targets.ts';
import { type Workload, workloads } from './workloads.ts';

/** Longest that starting and ending a target may take in each repeat, s; bounds the mock's life. */
const overheadS = 60;

const { values } = parseArgs({
  options: {
    repeats: { type: 'string', default: '5' },
    targets: { type: 'string', default: targets.map((target) => target.name).join(',') },
    workloads: { type: 'string', default: workloads.map((workload) => workload.name).join(',') },
    scale: { type: 'string', default: '1' },
    name: { type: 'string', default: 'gateway' },
  },
});

const repeats = Number(values.repeats);
const chosenTargets = choose(targets, values.targets);
const chosenWorkloads = choose(workloads, values.workloads).map((workload) =>
  scaled(workload, Number(values.scale)),
);

const machine = describeMachine('bench/gateway/run.ts', targetVersions());
const rows: Row[] = [];
const seconds = chosenWorkloads.reduce((sum, each) => sum + each.measureS + each.warmS + 3, 0);
const life = repeats * chosenTargets.length * (seconds + overheadS);
const mock = await startMock(life, [...new Set(chosenWorkloads.map((workload) => workload.model))]);
try {
  for (let repeat = 0; repeat < repeats; repeat++) {
    const order: readonly Target[] = repeat % 2 === 0 ? chosenTargets : chosenTargets.toReversed();
    for (const target of order) {
      process.stderr.write(`repeat ${repeat + 1}/${repeats}: ${target.name}\n`);
      rows.push(...(await measureTarget({ target, workloads: chosenWorkloads, repeat, mock })));
    }
    const file = save(repeat + 1);
    process.stderr.write(`written: ${file}\n`);
  }
} finally {
  await mock.process.stop();
}
process.exit(0);

/** After each repeat, so that an interrupted run keeps what it has. */
function save(done: number): string {
  const input = { rows, workloads: chosenWorkloads, targets: chosenTargets, machine };
  const markdown = gatewayReport({ ...input, repeats: done });
  return writeResult({ name: values.name, data: { machine, repeats: done, rows }, markdown });
}

function choose<T extends { readonly name: string }>(
  all: readonly T[],
  names: string,
): readonly T[] {
  return names.split(',').map((name) => {
    const found = all.find((each) => each.name === name);
    if (found !== undefined) return found;
    throw new Error(`unknown: ${name}; known: ${all.map((each) => each.name).join(', ')}`);
  });
}

function scaled(workload: Workload, scale: number): Workload {
  if (scale === 1) return workload;
  return {
    ...workload,
    measureS: Math.max(0.5, workload.measureS * scale),
    warmS: workload.warmS * scale,
  };
}
