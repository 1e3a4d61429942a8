/** A fault or a remark about one place of the config, before it is tied to a line and column. */

export type Path = readonly (string | number)[];

export interface Problem {
  readonly path: Path;
  readonly message: string;
  /** The key itself is at fault, not its value: the position is the key's. */
  readonly atKey?: boolean | undefined;
}

/** `endpoints.h200-a.preferred_batch_size[1]` */
export function pathText(path: Path): string {
  let written = '';
  for (const step of path) {
    if (typeof step === 'number') written += `[${step}]`;
    else written += written === '' ? step : `.${step}`;
  }
  return written;
}

/** A value as a message shows it: short, one line. */
export function valueText(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'a block of keys';
  const written = JSON.stringify(value) ?? String(value);
  return written.length > 60 ? `${written.slice(0, 57)}…` : written;
}

/** A plain tree of the file: what YAML gives before anything is checked. */
export type Plain = Record<string, unknown>;

export function isBlock(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at `path`, undefined where the way there does not exist. */
export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) {
    if (Array.isArray(value) && typeof step === 'number') value = value[step];
    else if (isBlock(value) && Object.hasOwn(value, step)) value = value[step];
    else return undefined;
  }
  return value;
}
