/** What a result was measured on and with: without it a figure means nothing. */
import { execFileSync } from 'node:child_process';
import os from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly commit: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly date: string;
  /** The command that was run, from the repository's root. */
  readonly command: string;
}

/** `versions` names what else took part. */
export function describeMachine(
  script: string,
  versions: Readonly<Record<string, string>>,
): Machine {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.cpus().length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    commit: output('git', ['describe', '--always', '--dirty']),
    versions,
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    command: ['node', script, ...process.argv.slice(2)].join(' '),
  };
}

/** The lines under a table's heading. */
export function machineLines(machine: Machine): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  return [
    `${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, ${machine.kernel}, ` +
      [`Node ${machine.node}`, ...versions, `commit ${machine.commit}`].join(', '),
    `${machine.date} UTC: \`${machine.command}\``,
  ].join('  \n');
}

/** First line that a command prints on stdout or, failing that, on stderr. */
export function output(command: string, args: readonly string[]): string {
  try {
    const text = execFileSync('sh', ['-c', '"$@" 2>&1', 'sh', command, ...args], {
      encoding: 'utf8',
    });
    return text.trim().split('\n')[0] ?? '';
  } catch {
    return 'unknown';
  }
}
