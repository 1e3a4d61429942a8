/**
 * Who holds a port that we wanted: the program, as far as the system tells, and whether it answers
 * like an engine, so that the message can offer the line that fronts it.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';

export interface PortHolder {
  /** `python3 (process 4711)`; undefined where the system does not tell. */
  readonly program: string | undefined;
  /** Models that it lists at `/v1/models`; undefined where it is no engine. */
  readonly models: readonly string[] | undefined;
}

/** How long to ask, ms: this only improves a message. */
const patienceMs = 1000;

/** Looks at `host:port`. Never fails: what cannot be found out is undefined. */
export async function portHolder(host: string, port: number): Promise<PortHolder> {
  const everywhere = host === '0.0.0.0' || host === '::';
  const reachable = everywhere ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  const [program, models] = await Promise.all([
    process.platform === 'linux' ? programOnLinux(port) : programByLsof(port),
    modelsAt(`http://${reachable}:${port}/v1/models`),
  ]);
  return { program, models };
}

async function modelsAt(url: string): Promise<readonly string[] | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(patienceMs) });
    const body: unknown = await response.json();
    if (typeof body !== 'object' || body === null || !('data' in body)) return undefined;
    if (!Array.isArray(body.data)) return undefined;
    return body.data.flatMap((model: unknown) =>
      typeof model === 'object' && model !== null && 'id' in model ? [String(model.id)] : [],
    );
  } catch {
    return undefined;
  }
}

/** The listening socket's inode in /proc/net, then the process that has it open (our own user's). */
function programOnLinux(port: number): string | undefined {
  try {
    const inodes = ['tcp', 'tcp6'].flatMap((table) => listeningInodes(table, port));
    const sockets = new Set(inodes.map((inode) => `socket:[${inode}]`));
    const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && holds(name, sockets));
    if (pid === undefined) return undefined;
    return `${programName(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))} (process ${pid})`;
  } catch {
    return undefined;
  }
}

/** `node unbusy.js`: of a command line, its program and the script that it runs, if it runs one. */
function programName(commandLine: string): string {
  const [program = '', script = ''] = commandLine.split('\0');
  const isScript = /\.\w+$/.test(script) && !script.startsWith('-');
  return isScript ? `${basename(program)} ${basename(script)}` : basename(program);
}

/** Columns of /proc/net/tcp: 1 local address, 3 state (0A: listening), 9 inode. */
function listeningInodes(table: string, port: number): string[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync(`/proc/net/${table}`, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === '0A' && columns[1]?.endsWith(`:${hexPort}`))
    .map((columns) => columns[9] ?? '');
}

function holds(pid: string, sockets: ReadonlySet<string>): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((fd) => sockets.has(readlinkSync(`${folder}/${fd}`)));
  } catch {
    // Another user's process, or one that has just ended.
    return false;
  }
}

async function programByLsof(port: number): Promise<string | undefined> {
  try {
    const wanted = ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'];
    const { stdout } = await promisify(execFile)('lsof', wanted, { timeout: patienceMs });
    const pid = /^p(\d+)$/m.exec(stdout)?.[1];
    const name = /^c(.+)$/m.exec(stdout)?.[1];
    return pid === undefined ? undefined : `${name ?? 'a program'} (process ${pid})`;
  } catch {
    return undefined;
  }
}
