/**
 * The engine bench: tokens per second and time to first token over HTTP streaming, at 1, 4, 16 and
 * 32 streams, of Unbusy's embedded engine against llama.cpp's own server; llama-batched-bench is
 * the ceiling. Same model file, same client, same prompts, same machine, interleaved.
 *
 *   node bench/engine/run.ts [--repeats 5] [--servers unbusy,llama-server-t1,llama-server-t2]
 *                            [--widths 1,4,16,32] [--tokens 128] [--scale 1] [--name engine]
 *
 * `--scale 0.1` makes a tenth of the requests, to try the harness; its figures mean nothing.
 */
import { parseArgs } from 'node:util';
import { describeMachine } from '../measure/machine.ts';
import { machineBusySeconds, ownCpuSeconds } from '../measure/other-load.ts';
import { writeResult } from '../measure/result-file.ts';
import { measureCeiling } from './batched-bench.ts';
import { eosTokens } from './eos-tokens.ts';
import { runLoad } from './generation-load.ts';
import { type CeilingRow, engineReport, type ServerRow } from './report.ts';
import { type EngineServer, engineServers } from './servers.ts';
import { readMetrics, stepTimes } from './step-metrics.ts';

const { values } = parseArgs({
  options: {
    repeats: { type: 'string', default: '5' },
    servers: { type: 'string', default: 'unbusy,llama-server-t1,llama-server-t2' },
    widths: { type: 'string', default: '1,4,16,32' },
    tokens: { type: 'string', default: '128' },
    scale: { type: 'string', default: '1' },
    name: { type: 'string', default: 'engine' },
  },
});

const repeats = Number(values.repeats);
const widths = values.widths.split(',').map(Number);
const maxTokens = Number(values.tokens);
/** About what the prompts of `prompts.ts` come to with the template. */
const promptTokens = 16;
const ceilingThreads = [1, 2];

const servers = values.servers.split(',').map((name) => {
  const found = engineServers.find((server) => server.name === name);
  if (found !== undefined) return found;
  const known = engineServers.map((server) => server.name).join(', ');
  throw new Error(`unknown server: ${name}; known: ${known}`);
});

const machine = describeMachine('bench/engine/run.ts', { 'node-llama-cpp': '3.22.1' });
const rows: ServerRow[] = [];
const ceilings: CeilingRow[] = [];
const bannedTokens = await eosTokens();

for (let repeat = 0; repeat < repeats; repeat++) {
  const steps: readonly (() => Promise<void>)[] = [
    ...servers.map((server) => () => measureServer(server, repeat)),
    ...ceilingThreads.map((threads) => () => measureBench(threads, repeat)),
  ];
  for (const step of repeat % 2 === 0 ? steps : steps.toReversed()) await step();
  process.stderr.write(`written: ${save(repeat + 1)}\n`);
}
process.exit(0);

async function measureServer(server: EngineServer, repeat: number): Promise<void> {
  const running = await server.start();
  try {
    const common = { maxTokens, bannedTokens };
    await runLoad(running, {
      ...common,
      streams: 32,
      requestsPerStream: 2,
      maxTokens: 16,
      seed: 1,
    });
    for (const streams of widths) {
      process.stderr.write(`repeat ${repeat + 1}/${repeats}: ${server.name}, ${streams} streams\n`);
      const seed = 1000 * (repeat + 1) + streams;
      const metrics = server.kind === 'unbusy' ? await readMetrics(running.port) : new Map();
      const cpu = running.process.cpuSecondsByRole();
      const busy = machineBusySeconds();
      const own = ownCpuSeconds();
      const load = await runLoad(running, {
        ...common,
        streams,
        requestsPerStream: requestsPerStream(streams),
        seed,
      });
      const cpuAfter = running.process.cpuSecondsByRole();
      const busyAfter = machineBusySeconds();
      const metricsAfter = server.kind === 'unbusy' ? await readMetrics(running.port) : new Map();
      const mainCpuS = cpuAfter.main - cpu.main;
      const childrenCpuS = cpuAfter.children - cpu.children;
      const benchCpuS = mainCpuS + childrenCpuS + load.clientCpuS + ownCpuSeconds() - own;
      const otherCores = (busyAfter - busy - benchCpuS) / load.elapsedS;
      rows.push({
        server: server.name,
        kind: server.kind,
        repeat,
        streams,
        load,
        mainCpuS,
        childrenCpuS,
        otherCores,
        steps: stepTimes(metrics, metricsAfter),
      });
    }
  } catch (error) {
    throw new Error(`${server.name}: ${error}\n${running.process.log().slice(-3000)}`);
  } finally {
    await running.process.stop();
  }
}

async function measureBench(threads: number, repeat: number): Promise<void> {
  process.stderr.write(
    `repeat ${repeat + 1}/${repeats}: llama-batched-bench, ${threads} threads\n`,
  );
  const found = await measureCeiling({ threads, widths, promptTokens, tokens: maxTokens });
  for (const [streams, tokensPerS] of found)
    ceilings.push({ threads, repeat, streams, tokensPerS });
}

/** Enough for some seconds at each width: few streams make more requests each. */
function requestsPerStream(streams: number): number {
  const requests = Math.max(3, Math.ceil(96 / streams)) * Number(values.scale);
  return Math.max(1, Math.round(requests));
}

/** After each repeat, so that an interrupted run keeps what it has. */
function save(done: number): string {
  const input = { rows, ceilings, servers, widths, repeats: done, maxTokens, machine };
  const data = { machine, repeats: done, maxTokens, bannedTokens, rows, ceilings };
  return writeResult({ name: values.name, data, markdown: engineReport(input) });
}
