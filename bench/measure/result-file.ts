/** Writes a result twice into `bench/results`: JSON to compare by program, Markdown to read. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const folder = path.join(import.meta.dirname, '../results');

export interface Result {
  /** File name without ending. */
  readonly name: string;
  readonly data: unknown;
  readonly markdown: string;
}

/** Returns the path of the Markdown file. */
export function writeResult(result: Result): string {
  mkdirSync(folder, { recursive: true });
  const base = path.join(folder, result.name);
  writeFileSync(`${base}.json`, `${JSON.stringify(result.data, null, 1)}\n`);
  writeFileSync(`${base}.md`, `${result.markdown.trimEnd()}\n`);
  return `${base}.md`;
}

/** A Markdown table; numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}
