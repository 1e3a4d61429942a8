/**
 * What everything else on the machine uses while a bench runs: a figure measured beside a compiler
 * is not one. From /proc/stat, in ticks of 10 ms, time stolen by the hypervisor included.
 */
import { readFileSync } from 'node:fs';

const ticksPerS = 100;
/** Above this share of one core a run is called disturbed. */
export const otherCoresMax = 0.1;

/** Seconds of CPU that the whole machine has been busy, or robbed of. */
export function machineBusySeconds(): number {
  const line = readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '';
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) / ticksPerS;
}

/** Seconds of CPU that this process has used. */
export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** A line for the head of a report when others took part; else empty. */
export function disturbanceLine(otherCores: readonly number[]): string {
  const disturbed = otherCores.filter((cores) => cores > otherCoresMax);
  if (disturbed.length === 0) return '';
  const most = Math.max(...disturbed).toFixed(2);
  return (
    `**Disturbed: in ${disturbed.length} of ${otherCores.length} measurements other processes used ` +
    `more than ${otherCoresMax} of a core (at most ${most}). Do not quote these figures.**`
  );
}
