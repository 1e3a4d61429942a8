/** Measures one target: starts it on core 0, drives the workloads from core 1, ends it. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { nativeProgram } from '../measure/native-program.ts';
import { machineBusySeconds, ownCpuSeconds } from '../measure/other-load.ts';
import { cpuSeconds } from '../measure/process-usage.ts';
import { freePort, type ServerProcess, startServer } from '../measure/server-process.ts';
import type { Target } from './targets.ts';
import type { Workload } from './workloads.ts';

/** One target under one workload in one repeat. Times in microseconds. */
export interface Row {
  readonly target: string;
  readonly workload: string;
  readonly repeat: number;
  readonly load: LoadReport;
  /** Units per second of the gateway's CPU; NaN without a gateway. */
  readonly unitsPerCpuS: number;
  /** Share of one core that the gateway used. */
  readonly utilization: number;
  readonly residentKiB: number;
  /** Cores that processes outside of the bench used meanwhile. */
  readonly otherCores: number;
  /** Growth per open stream since before the workload; only where connections are many. */
  readonly kibPerStream?: number | undefined;
}

/** What `gateway-load` prints. */
export interface LoadReport {
  readonly elapsedS: number;
  readonly requests: number;
  readonly requestsPerS: number;
  readonly chunks: number;
  readonly chunksPerS: number;
  readonly ttftP50: number;
  readonly ttftP99: number;
  readonly chunkP50: number;
  readonly chunkP99: number;
  readonly totalP50: number;
  readonly totalP99: number;
  readonly errors: number;
  readonly notOk: number;
}

const gatewayCore = '0';
const loadCore = '1';
/** Memory per stream is meaningful only against many streams. */
const manyConnections = 1000;

export interface Mock {
  readonly port: number;
  readonly process: ServerProcess;
}

/** The upstream that all targets share. Its end is built in, should the bench die. */
export async function startMock(lifeS: number, models: readonly string[]): Promise<Mock> {
  const port = await freePort();
  const mock = await startServer({
    name: 'mock-upstream',
    command: nativeProgram('mock-upstream'),
    args: [String(Math.ceil(lifeS)), String(port), ...models],
    cores: loadCore,
    readyUrl: `http://127.0.0.1:${port}/v1/models`,
  });
  return { port, process: mock };
}

export interface TargetRun {
  readonly target: Target;
  readonly workloads: readonly Workload[];
  readonly repeat: number;
  readonly mock: Mock;
}

/**
 * Small workloads run one after the other in one process, as they warm each other up. One with
 * many connections gets a process of its own, warmed by a short small one, for its memory.
 */
export async function measureTarget(run: TargetRun): Promise<readonly Row[]> {
  const few = run.workloads.filter((workload) => workload.connections < manyConnections);
  const many = run.workloads.filter((workload) => workload.connections >= manyConnections);
  const rows: Row[] = [];
  if (few.length > 0) rows.push(...(await measureInOneProcess(run, few)));
  for (const workload of many) {
    rows.push(...(await measureInOneProcess(run, [workload], warmUpOf(workload))));
  }
  return rows;
}

function warmUpOf(workload: Workload): Workload {
  return { ...workload, connections: 64, measureS: 1.5, warmS: 0.5, rampMs: 0 };
}

async function measureInOneProcess(
  run: TargetRun,
  workloads: readonly Workload[],
  warmUp?: Workload,
): Promise<readonly Row[]> {
  const { target, mock } = run;
  const upstreamPort = mock.port;
  const folder = mkdtempSync(path.join(os.tmpdir(), 'unbusy-bench-'));
  const port = target.server === undefined ? upstreamPort : await freePort();
  const place = { port, upstreamPort, folder, workloads: run.workloads };
  const server =
    target.server &&
    (await startServer({ ...target.server(place), name: target.name, cores: gatewayCore }));
  try {
    if (warmUp !== undefined) {
      await drive(target.model(warmUp), warmUp, port, mock, undefined);
      await sleep(500);
    }
    const rows: Row[] = [];
    for (const workload of workloads) {
      const before = server?.residentKiB() ?? 0;
      const model = target.model(workload);
      const driven = await drive(model, workload, port, mock, server);
      rows.push(rowOf(run, workload, driven, before));
    }
    return rows;
  } catch (error) {
    throw new Error(`${target.name}: ${error}\n${server?.log().slice(-2000) ?? ''}`);
  } finally {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Driven {
  readonly load: LoadReport;
  readonly cpuS: number;
  readonly windowS: number;
  readonly residentKiB: number;
  readonly otherCores: number;
}

/** Runs the load client; the gateway's CPU is read at both ends of its measuring window. */
async function drive(
  model: string,
  workload: Workload,
  port: number,
  mock: Mock,
  server: ServerProcess | undefined,
): Promise<Driven> {
  const { connections, measureS, stream, rampMs, warmS } = workload;
  const numbers = [port, connections, measureS, stream ? 1 : 0];
  const args = [...numbers.map(String), model, String(rampMs), String(warmS), String(mock.port)];
  const limitMs = (measureS + warmS + 20) * 1000;
  const client = spawn('taskset', ['-c', loadCore, nativeProgram('gateway-load'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: limitMs,
    killSignal: 'SIGKILL',
  });
  let printed = '';
  let complaints = '';
  client.stdout.on('data', (bytes: Buffer) => {
    printed += bytes.toString();
  });
  const ended = new Promise<void>((resolve) => client.on('close', () => resolve()));
  await new Promise<void>((resolve) => {
    createInterface({ input: client.stderr }).on('line', (line) => {
      if (line === 'measuring') resolve();
      else complaints += `${line}\n`;
    });
    void ended.then(resolve);
  });
  const gatewayCpuS = (): number => server?.cpuSeconds() ?? 0;
  const benchCpuS = (): number =>
    gatewayCpuS() + mock.process.cpuSeconds() + cpuSeconds(client.pid ?? 0) + ownCpuSeconds();
  const cpuBefore = gatewayCpuS();
  const othersBefore = machineBusySeconds() - benchCpuS();
  const startedAt = performance.now();
  await sleep(measureS * 600);
  const residentKiB = server?.residentKiB() ?? 0;
  await sleep(measureS * 1000 - (performance.now() - startedAt) - 10);
  const cpuS = gatewayCpuS() - cpuBefore;
  const windowS = (performance.now() - startedAt) / 1000;
  const otherCores = (machineBusySeconds() - benchCpuS() - othersBefore) / windowS;
  await ended;
  if (printed === '')
    throw new Error(`${workload.name}: no report from the load client\n${complaints}`);
  return { load: JSON.parse(printed) as LoadReport, cpuS, windowS, residentKiB, otherCores };
}

function rowOf(run: TargetRun, workload: Workload, driven: Driven, residentBefore: number): Row {
  const { load, cpuS, windowS, residentKiB, otherCores } = driven;
  const perS = workload.unit === 'requests' ? load.requestsPerS : load.chunksPerS;
  const grown = (residentKiB - residentBefore) / workload.connections;
  const isServer = run.target.server !== undefined;
  return {
    target: run.target.name,
    workload: workload.name,
    repeat: run.repeat,
    load,
    unitsPerCpuS: isServer ? (perS * windowS) / cpuS : Number.NaN,
    utilization: cpuS / windowS,
    residentKiB,
    otherCores,
    ...(isServer && workload.connections >= manyConnections && { kibPerStream: grown }),
  };
}
