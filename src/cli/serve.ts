/**
 * `unbusy serve`: config → gateway → ready line → signals → drain.
 *
 * The gateway does the work; this file only says what happens and when it ends.
 */
import { existsSync } from 'node:fs';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { UnbusyError } from '../core/errors.ts';
import type { RunningGateway } from '../gateway/gateway.ts';
import { type Arguments, type Command, limitPositionals } from './command.ts';
import { portHolder } from './serve/port-holder.ts';
import { type ReadyFacts, readyRecord, readyText, waitingText } from './serve/ready-text.ts';
import { untilStopSignal } from './serve/stop-signals.ts';
import { serveFlagOptions, serveFlags } from './serve-flags.ts';
import type { Terminal } from './terminal.ts';
import { version } from './version.ts';

/** How often a gateway that cannot answer yet is looked at, ms. */
const readyPollMs = 100;

/** Once one model can answer, how long the other endpoints may take to be listed as ready, ms. */
const waitForOthersMs = 1500;

/** After this long without a model the reason is shown, ms. */
const sayWaitingAfterMs = 3000;

/** How long a stopped server may take to let go of its handles, ms. */
const exitGraceMs = 2000;

export const serveCommand: Command = {
  usage: '[--config F] [--upstream URL ...] [--model F.gguf]',
  about:
    'Starts an OpenAI-compatible server. With nothing else it answers with a small demonstration ' +
    'model from an engine inside. Ctrl-C lets running answers finish; a second one stops at once.',
  options: {
    config: { type: 'string', short: 'c', value: 'F', about: 'The config file (unbusy.yaml).' },
    ...serveFlagOptions,
    insecure: { type: 'boolean', about: 'Listen beyond this machine without asking for keys.' },
  },
  examples: [
    { line: 'unbusy serve', about: 'The demonstration model on http://127.0.0.1:6710.' },
    {
      line: 'unbusy serve --upstream http://gpu-1:8000/v1 --upstream http://gpu-2:8000/v1',
      about: 'In front of two engines that serve the same model.',
    },
    { line: 'unbusy serve --config unbusy.yaml --log-format json', about: 'As in production.' },
  ],
  async run(args, terminal) {
    limitPositionals(args, 0);
    const loaded = load(args, terminal);
    const { server } = loaded.config;
    // Before the start: as the first process of a container we get no signal that we do not take.
    const stopped = untilStopSignal(process);
    const gateway = await start(loaded, terminal);
    const announced = new AbortController();
    announce(gateway, loaded, terminal, announced.signal);
    await stopped;
    announced.abort();
    say(terminal, server.logFormat, 'draining', drainText(gateway.inFlight(), server.drainMs));
    await gateway.drain(server.drainMs);
    await gateway.close();
    say(terminal, server.logFormat, 'stopped', 'stopped');
    // Only fires if something still holds the process open.
    setTimeout(() => process.exit(0), exitGraceMs).unref();
    return 0;
  },
};

function load(args: Arguments, terminal: Terminal): LoadedConfig {
  const path = args.text('config');
  const loaded = loadConfig({ path, flags: serveFlags(args), insecure: args.flag('insecure') });
  for (const warning of loaded.warnings) terminal.err(`warning: ${warning}\n`);
  if (path === undefined && existsSync('unbusy.yaml')) {
    terminal.err('note: unbusy.yaml is not read without --config unbusy.yaml\n');
  }
  return loaded;
}

async function start({ config }: LoadedConfig, terminal: Terminal): Promise<RunningGateway> {
  // Loaded here, so that help and bad configs do not wait for it.
  const { startGateway } = await import('../gateway/gateway.ts');
  const { host, port, logFormat } = config.server;
  try {
    return await startGateway(config, {
      write: terminal.out,
      logFormat,
      color: terminal.colours,
      version,
    });
  } catch (error) {
    if (!(error instanceof UnbusyError) || error.code !== 'port_in_use') throw error;
    // The port may also be the one for metrics, which the error then says.
    const facts = error.details.facts ?? {};
    const taken = { host: String(facts['host'] ?? host), port: Number(facts['port'] ?? port) };
    throw new UnbusyError(error.kind, error.code, await portInUseText(taken, terminal), {
      cause: error,
    });
  }
}

async function portInUseText(
  { host, port }: { readonly host: string; readonly port: number },
  terminal: Terminal,
): Promise<string> {
  const { program, models } = await portHolder(host, port);
  const by = program === undefined ? 'another program' : program;
  const lines = [`port ${port} on ${host} is taken by ${by}; choose another with --port`];
  if (models !== undefined) {
    const serving = models.length === 0 ? '' : ` (${models.slice(0, 3).join(', ')})`;
    const { serve } = terminal.invocation;
    lines.push(`it answers like an engine${serving}; to front it:`);
    lines.push(
      `  ${serve} --upstream http://127.0.0.1:${port}/v1 --port ${port === 65_535 ? 6710 : port + 1}`,
    );
  }
  return lines.join('\n');
}

/** Says once that models can answer; before that, once, why none can yet. */
function announce(
  gateway: RunningGateway,
  { config, source }: LoadedConfig,
  terminal: Terminal,
  stop: AbortSignal,
): void {
  const json = config.server.logFormat === 'json';
  const startedMs = performance.now();
  let saidWaiting = false;
  let firstModelMs: number | undefined;
  const facts = (): ReadyFacts => ({
    version,
    url: gateway.url,
    models: gateway.models(),
    endpoints: gateway.endpoints(),
    config,
    source,
    invocation: terminal.invocation,
  });
  const look = (): void => {
    if (stop.aborted) return;
    const now = facts();
    if (now.models.length > 0) firstModelMs ??= performance.now();
    if (firstModelMs !== undefined && (isSettled(now) || isOver(firstModelMs, waitForOthersMs))) {
      terminal.out(json ? `${JSON.stringify(readyRecord(now))}\n` : readyText(now));
      return;
    }
    if (firstModelMs === undefined && !saidWaiting && isOver(startedMs, sayWaitingAfterMs)) {
      saidWaiting = true;
      if (!json) terminal.out(waitingText(now));
    }
    setTimeout(look, readyPollMs).unref();
  };
  look();
}

function isSettled({ endpoints }: ReadyFacts): boolean {
  return endpoints.every(({ state }) => state === 'ready' || state === 'down');
}

function isOver(sinceMs: number, limitMs: number): boolean {
  return performance.now() - sinceMs >= limitMs;
}

function drainText(inFlight: number, drainMs: number): string {
  if (inFlight === 0) return 'stopping: no answer is running';
  const answers = inFlight === 1 ? '1 answer is' : `${inFlight} answers are`;
  const limit = drainMs >= 120_000 ? `${Math.round(drainMs / 60_000)} minutes` : `${drainMs} ms`;
  return `stopping: ${answers} still running, given up to ${limit}; Ctrl-C again stops at once`;
}

function say(terminal: Terminal, form: 'text' | 'json', event: string, text: string): void {
  const record = { time: new Date().toISOString(), level: 'info', event, message: text };
  terminal.out(form === 'json' ? `${JSON.stringify(record)}\n` : `${text}\n`);
}
