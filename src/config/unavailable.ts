/**
 * Keys that belong to later versions. They are refused by name, because a setting that is silently
 * ignored is a promise that nobody keeps; their off value is accepted, because it is already true.
 *
 * When a feature arrives, its entry moves from here into the schema.
 */
import { isDeepStrictEqual } from 'node:util';
import { isBlock, type Path, type Plain, type Problem, valueText } from './problem.ts';

interface Unavailable {
  /** `*` stands for any name. */
  readonly path: readonly string[];
  /** Values that mean that the feature is not used; the first is shown. */
  readonly off: readonly unknown[];
  readonly what: string;
  /** What to do meanwhile, where there is something. */
  readonly instead?: string;
}

const none = [null, 'off', false] as const;

export const unavailableKeys: readonly Unavailable[] = [
  { path: ['server', 'grpc_port'], off: none, what: 'gRPC', instead: 'use HTTP on server.port' },
  {
    path: ['server', 'workers'],
    off: [1],
    what: 'more than one worker',
    instead: 'run several instances behind a balancer',
  },
  { path: ['models', '*', 'mode'], off: ['protect'], what: 'observe mode' },
  {
    path: ['models', '*', 'routing'],
    off: [null],
    what: 'tuning the router',
    instead: 'set weight on the endpoints',
  },
  { path: ['models', '*', 'rules'], off: [[], null], what: 'request rules' },
  { path: ['models', '*', 'substitutes'], off: [[], null], what: 'substitute models' },
  { path: ['endpoints', '*', 'breaker'], off: none, what: 'tuning the circuit breaker' },
  {
    path: ['endpoints', '*', 'supervise'],
    off: none,
    what: 'starting external engines',
    instead: 'start the engine yourself and give its url',
  },
  { path: ['endpoints', '*', 'overflow_only'], off: [false], what: 'overflow endpoints' },
  { path: ['endpoints', '*', 'budget'], off: none, what: 'spending budgets' },
  {
    path: ['endpoints', '*', 'concurrency', 'min'],
    off: [null],
    what: 'adaptive concurrency',
    instead: 'set concurrency.max',
  },
  {
    path: ['endpoints', '*', 'concurrency', 'target_ms'],
    off: [null],
    what: 'adaptive concurrency',
    instead: 'set concurrency.max',
  },
  { path: ['hedge'], off: [...none, { enabled: false }], what: 'hedging' },
  { path: ['continuation'], off: [...none, { enabled: false }], what: 'continuation' },
  {
    path: ['cache'],
    off: [...none, { exact: { enabled: false } }],
    what: 'the answer cache',
  },
  { path: ['store'], off: [...none, { redis: null }], what: 'a shared store' },
  {
    path: ['request_log'],
    off: [...none, { path: null }],
    what: 'the stored request log',
    instead: 'use --log-format json',
  },
  { path: ['alerts'], off: [[], ...none], what: 'alerts', instead: 'scrape /metrics' },
];

/** Endpoint kinds and concurrency policies of later versions, so that they are not called typos. */
export const unavailableValues: Readonly<Record<string, readonly string[]>> = {
  kind: ['deepseek', 'siliconflow', 'qianfan', 'triton'],
  policy: ['target_latency', 'load_watermark'],
};

/** Takes the keys of later versions out of `root`; those that are switched on become problems. */
export function takeUnavailable(root: Plain): Problem[] {
  return unavailableKeys.flatMap((entry) => takeOne(root, entry, entry.path, []));
}

function takeOne(block: unknown, entry: Unavailable, rest: Path, walked: Path): Problem[] {
  const [step, ...further] = rest;
  if (!isBlock(block) || step === undefined) return [];
  if (step === '*') {
    return Object.keys(block).flatMap((name) =>
      takeOne(block[name], entry, further, [...walked, name]),
    );
  }
  if (!Object.hasOwn(block, step)) return [];
  const path = [...walked, step];
  if (further.length > 0) return takeOne(block[step], entry, further, path);
  const value = block[step];
  delete block[step];
  if (entry.off.some((off) => isDeepStrictEqual(off, value))) return [];
  return [{ path, message: refusal(entry, value), atKey: true }];
}

function refusal(entry: Unavailable, value: unknown): string {
  const off = JSON.stringify(entry.off[0]);
  const instead = entry.instead === undefined ? '' : `; ${entry.instead}`;
  return (
    `found ${valueText(value)}, but ${entry.what} is not available in this version` +
    `; allowed: ${off} or leave the key out${instead}`
  );
}
