/** A config text with positions: parsed YAML on one side, line and column of any path on the other. */
import { isMap, isNode, isPair, isScalar, LineCounter, type Pair, parseDocument } from 'yaml';
import { isBlock, type Path, type Plain, type Problem, pathText, valueText } from './problem.ts';

export interface Source {
  readonly root: Plain;
  /** Faults of the YAML itself, complete lines. */
  readonly faults: readonly string[];
  /** `unbusy.yaml:3:9: server.port: message` */
  locate(problem: Problem): string;
  /** Where in the text it is, for putting problems in reading order. */
  offset(problem: Problem): number;
}

/** Parses YAML. `name` is how the file is called in messages. */
export function readYaml(text: string, name: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, merge: true, prettyErrors: false });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const faults = document.errors.map((error) => `${at(error.pos[0])}: ${error.message}`);
  const root = faults.length === 0 ? plainRoot(document, faults, at) : {};
  const offset = (problem: Problem) =>
    offsetOf(document.contents, problem.path, problem.atKey === true);
  return {
    root,
    faults,
    offset,
    locate: (problem) => `${at(offset(problem))}: ${pathText(problem.path)}: ${problem.message}`,
  };
}

function plainRoot(
  document: ReturnType<typeof parseDocument>,
  faults: string[],
  at: (offset: number) => string,
): Plain {
  let value: unknown;
  try {
    value = document.toJS();
  } catch (error) {
    // Unresolved or too many aliases show only here.
    faults.push(`${at(0)}: ${error instanceof Error ? error.message : String(error)}`);
    return {};
  }
  if (value === null || value === undefined) return {};
  if (isBlock(value)) return value;
  faults.push(`${at(0)}: found ${valueText(value)}; allowed: a block of keys such as server:`);
  return {};
}

/** Offset of the deepest part of `path` that exists: a missing key is shown at its block. */
function offsetOf(contents: unknown, path: Path, atKey: boolean): number {
  let node = contents;
  let offset = startOf(node) ?? 0;
  for (const [depth, step] of path.entries()) {
    const pair = isMap(node) ? pairOf(node.items, step) : undefined;
    const next: unknown = pair
      ? pair.value
      : isNode(node) && 'get' in node
        ? itemOf(node, step)
        : undefined;
    if (pair === undefined && next === undefined) return offset;
    const last = depth === path.length - 1;
    const position = last && !atKey ? startOf(next) : undefined;
    offset = position ?? startOf(pair?.key) ?? startOf(next) ?? offset;
    node = next;
  }
  return offset;
}

function pairOf(items: readonly unknown[], step: string | number): Pair | undefined {
  return items.find(
    (item): item is Pair =>
      isPair(item) && isScalar(item.key) && String(item.key.value) === String(step),
  );
}

function itemOf(node: object, step: string | number): unknown {
  return 'items' in node && Array.isArray(node.items) && typeof step === 'number'
    ? node.items[step]
    : undefined;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
