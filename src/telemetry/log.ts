/**
 * The log: one line per settled request, per change of an endpoint's state, and per note.
 *
 * `text` is for people at a terminal: aligned columns, 120 at most for a request that went well.
 * `json` is for machines and complete. Neither can hold a prompt, an answer or a key, because the
 * events do not. Callers choose some of the values, so control characters never reach the terminal.
 */
import type { Outcome, RequestRecord, TelemetrySink } from '../protocol/telemetry.ts';

export type LogLevel = 'info' | 'warn' | 'error';

export interface LogOptions {
  readonly format: 'text' | 'json';
  /** Takes one whole line, its end included. */
  readonly write: (line: string) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** The lowest level that is written. */
  readonly level: LogLevel;
  /** ANSI colours in text form. */
  readonly color?: boolean;
}

const severity: Readonly<Record<LogLevel, number>> = { info: 0, warn: 1, error: 2 };

/** How loud an outcome is. What the caller did to itself is information. */
const levelOfOutcome: Readonly<Record<Outcome, LogLevel>> = {
  completed: 'info',
  cached: 'info',
  coalesced: 'info',
  cancelled: 'info',
  refused: 'warn',
  expired: 'warn',
  interrupted: 'error',
  failed: 'error',
};

/** A sink that writes lines. */
export function createLogSink(options: LogOptions): TelemetrySink {
  function write(level: LogLevel, facts: () => Record<string, unknown>, text: () => string): void {
    if (severity[level] < severity[options.level]) return;
    const atMs = options.now();
    if (options.format === 'json') {
      const line = { time: new Date(atMs).toISOString(), level, ...facts() };
      options.write(`${JSON.stringify(line, plainValue)}\n`);
    } else {
      options.write(`${clockTime(atMs)} ${text()}\n`);
    }
  }
  const paint = options.color === true ? colored : (text: string) => text;

  return {
    requestSettled(record) {
      const level = requestLevel(record);
      write(
        level,
        () => ({ event: 'request', ...snakeKeys(record) }),
        () => requestText(record, paint),
      );
    },
    engineStep() {},
    endpointState(endpoint, state, reason) {
      const level = state === 'down' ? 'warn' : 'info';
      const why = reason === undefined ? '' : ` (${safe(reason)})`;
      write(
        level,
        () => ({ event: 'endpoint_state', endpoint, state, reason }),
        () => paint(`endpoint ${safe(endpoint)} is ${state}${why}`, level),
      );
    },
    note(level, code, facts) {
      write(
        level,
        () => ({ event: 'note', code, facts }),
        () => `${paint(`${level} ${code}`, level)} ${factsText(facts)}`.trimEnd(),
      );
    },
  };
}

/** Where the request itself was wrong (4xx) nothing of ours failed. */
function requestLevel(record: RequestRecord): LogLevel {
  const level = levelOfOutcome[record.outcome];
  return record.outcome === 'failed' && record.status < 500 ? 'info' : level;
}

type Paint = (text: string, tone: LogLevel | 'dim') => string;

/**
 * Status, outcome, model, tenant, wait, first token, whole time, prompt + completion tokens, id; for
 * one that went wrong its error and attempts in place of first token and tokens.
 */
function requestText(record: RequestRecord, paint: Paint): string {
  const level = requestLevel(record);
  const head = [
    paint(String(record.status), level),
    paint(column(record.outcome, 11), level),
    column(record.model, 13),
    column(record.tenant, 9),
    `wait ${duration(record.queueMs)}`.padEnd(10),
  ];
  const wentWrong = record.errorCode !== undefined;
  const story = wentWrong ? [failureText(record)] : successColumns(record);
  const warning = record.warning === undefined ? [] : [paint(safe(record.warning), 'warn')];
  return [...head, ...story, paint(safe(record.id), 'dim'), ...warning].join(' ');
}

function successColumns(record: RequestRecord): string[] {
  const { firstTokenMs, usage } = record;
  return [
    (firstTokenMs === undefined ? '' : `first ${duration(firstTokenMs)}`).padEnd(11),
    `in ${duration(record.durationMs)}`.padEnd(8),
    (usage === undefined ? '' : `${usage.promptTokens}+${usage.completionTokens}`).padEnd(10),
  ];
}

function failureText(record: RequestRecord): string {
  const attempts = record.attempts.map(({ endpoint, result }) => `${endpoint}:${result}`);
  const tried = attempts.length === 0 ? '' : ` after ${attempts.join(', ')}`;
  const took = `in ${duration(record.durationMs)}`.padEnd(8);
  return `${took} ${safe(`${record.errorCode}${tried}`)}`;
}

function factsText(facts: Readonly<Record<string, unknown>>): string {
  return Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => {
      const plain = plainValue(key, value);
      const text = typeof plain === 'string' ? plain : String(JSON.stringify(plain, plainValue));
      return safe(`${key}=${/[\s"=]/.test(text) ? JSON.stringify(text) : text}`);
    })
    .join(' ');
}

/** What JSON cannot hold, as something that it can. */
function plainValue(_key: string, value: unknown): unknown {
  if (value instanceof Error) return value.message;
  return typeof value === 'bigint' ? String(value) : value;
}

/** Three digits and a unit: `12ms`, `1.3s`, `84s`, `12m`, `3.5h`. */
function duration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)}ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)}s`;
  if (ms < 599_500) return `${Math.round(ms / 1_000)}s`;
  if (ms < 35_970_000) return `${Math.round(ms / 60_000)}m`;
  return `${(ms / 3_600_000).toFixed(1)}h`;
}

/** Padded to `width`; what is longer keeps its end, where names of models and tenants differ. */
function column(text: string, width: number): string {
  const clean = safe(text);
  return clean.length > width ? `…${clean.slice(clean.length - width + 1)}` : clean.padEnd(width);
}

/** Without what could move the cursor, forge a line or reverse the text. */
function safe(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '·');
}

function clockTime(atMs: number): string {
  const date = new Date(atMs);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
}

const codes: Readonly<Record<LogLevel | 'dim', string>> = {
  info: '32',
  warn: '33',
  error: '31',
  dim: '2',
};

function colored(text: string, tone: LogLevel | 'dim'): string {
  return `\u001b[${codes[tone]}m${text}\u001b[0m`;
}

/** `queueMs` → `queue_ms`, as everywhere outside of the program. */
function snakeKeys(value: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      isPlain(inner) ? snakeKeys(inner) : inner,
    ]),
  );
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
