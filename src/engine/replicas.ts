/**
 * How many engine processes serve one model on this machine.
 *
 * Threads inside one process meet at barriers many times per layer. When a step lasts a millisecond
 * and another process wants the core for a moment, every barrier waits for the scheduler: measured,
 * two threads then decode 12 tokens a second where one decodes 1,500. A small model therefore scales
 * by single-threaded processes; a large one, whose step outlasts the scheduler's tick, by threads.
 */

/** Below this a step takes milliseconds on any CPU made for servers. */
export const smallModelBytes = 300_000_000;

/** Engine processes for one model; at least 1. `auto`: one per core for a small model, else one. */
export function resolveReplicas(options: {
  readonly replicas: number | 'auto';
  readonly modelBytes: number;
  readonly cores: number;
}): number {
  if (options.replicas !== 'auto') return Math.max(1, Math.floor(options.replicas));
  return options.modelBytes < smallModelBytes ? Math.max(1, Math.floor(options.cores)) : 1;
}
