/**
 * When to stop, and when to stop at once.
 *
 * The first SIGTERM or SIGINT asks for a drain. A second one means "now", but only if it comes more
 * than a second later: npm, a terminal and the launcher each deliver the same Ctrl-C.
 */

/** Signals within this time of the first are taken as the same one, ms. */
const sameSignalMs = 1000;

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

export type StopSignal = keyof typeof exitCodes;

export type StopDecision =
  | { readonly kind: 'drain' }
  | { readonly kind: 'ignore' }
  /** Exit at once with this code. */
  | { readonly kind: 'exit'; readonly code: number };

/** Decides about each signal in turn; holds when the first one came. */
export function createStopPolicy(): (signal: StopSignal, nowMs: number) => StopDecision {
  let firstAtMs: number | undefined;
  return (signal, nowMs) => {
    if (firstAtMs === undefined) {
      firstAtMs = nowMs;
      return { kind: 'drain' };
    }
    return nowMs - firstAtMs > sameSignalMs
      ? { kind: 'exit', code: exitCodes[signal] }
      : { kind: 'ignore' };
  };
}

/** Resolves at the first signal; a true second one ends the process. */
export function untilStopSignal(process: NodeJS.Process): Promise<StopSignal> {
  const decide = createStopPolicy();
  return new Promise((resolve) => {
    const onSignal = (signal: StopSignal): void => {
      const decision = decide(signal, performance.now());
      if (decision.kind === 'drain') resolve(signal);
      if (decision.kind === 'exit') process.exit(decision.code);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
