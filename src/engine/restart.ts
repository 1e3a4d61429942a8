/** When a crashed engine process is started again. */

/** What the decision needs to know of the past. */
export interface CrashHistory {
  /** Crashes in a row, without a minute of health between them; at least 1. */
  readonly crashes: number;
  /** The engine has been ready at least once since the gateway started. */
  readonly wasReady: boolean;
}

export type RestartDecision =
  | { readonly kind: 'restart'; readonly delayMs: number }
  /** It has never worked here, and trying on will not help. */
  | { readonly kind: 'give_up' };

/** After this long without a crash the count starts anew. */
export const healthyAfterMs = 60_000;
const firstDelayMs = 500;
const longestDelayMs = 30_000;
/** Crashes before the first `ready` that are taken for bad luck (memory pressure at boot). */
const hopelessCrashes = 3;

/** Half a second, doubling up to half a minute; never given up once the engine has worked. */
export function decideRestart({ crashes, wasReady }: CrashHistory): RestartDecision {
  if (!wasReady && crashes >= hopelessCrashes) return { kind: 'give_up' };
  const doublings = Math.min(crashes - 1, 16);
  return { kind: 'restart', delayMs: Math.min(longestDelayMs, firstDelayMs * 2 ** doublings) };
}
