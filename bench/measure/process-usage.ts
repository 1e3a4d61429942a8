/**
 * CPU time and memory of a process and everything it started, from /proc (Linux).
 *
 * CPU is the scheduler's own count in ns (`schedstat`), which is exact over windows of a second
 * where the 10 ms ticks of `stat` are not. Time of threads that have ended is lost.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** Seconds of CPU that the process and its descendants have used. */
export function cpuSeconds(pid: number): number {
  return sumOver(pid, ownCpuNs) / 1e9;
}

/** The same, of the process itself and of its descendants. */
export function cpuSecondsByRole(pid: number): {
  readonly main: number;
  readonly children: number;
} {
  const main = ownCpuNs(pid) / 1e9;
  return { main, children: descendants(pid).reduce((sum, each) => sum + ownCpuNs(each), 0) / 1e9 };
}

/** Resident memory of the process and its descendants, KiB. */
export function residentKiB(pid: number): number {
  return sumOver(pid, (each) => {
    const line = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${each}/status`));
    return Number(line?.[1] ?? 0);
  });
}

function sumOver(pid: number, measure: (pid: number) => number): number {
  return [pid, ...descendants(pid)].reduce((sum, each) => sum + measure(each), 0);
}

function descendants(pid: number): readonly number[] {
  const children = threads(pid)
    .flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(' '))
    .filter((text) => text.trim() !== '')
    .map(Number);
  return children.flatMap((child) => [child, ...descendants(child)]);
}

function ownCpuNs(pid: number): number {
  return threads(pid).reduce((sum, thread) => {
    const running = read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0];
    return sum + Number(running ?? 0);
  }, 0);
}

function threads(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** A process may end while it is looked at: then it has nothing. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
