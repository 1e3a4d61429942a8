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

/** Each process keeps a KV cache of its own: beyond this memory goes and nothing is gained. */
const autoReplicasMax = 8;

/**
 * Engine processes for one model; at least 1. `auto`: for a small model one per core, at most
 * `autoReplicasMax`; for a large one a single process.
 */
export function resolveReplicas(options: {
  readonly replicas: number | 'auto';
  readonly modelBytes: number;
  readonly cores: number;
}): number {
  if (options.replicas !== 'auto') return Math.max(1, Math.floor(options.replicas));
  if (options.modelBytes >= smallModelBytes) return 1;
  return Math.min(autoReplicasMax, Math.max(1, Math.floor(options.cores)));
}

/** Sequences that one engine process decodes together; without batching one after the other. */
export function slotCount(batching: {
  readonly enabled: boolean;
  readonly maxBatchSize: number;
}): number {
  return batching.enabled ? batching.maxBatchSize : 1;
}
