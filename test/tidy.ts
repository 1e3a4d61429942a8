/**
 * House rules as functions: each takes a file's name and text and returns what is wrong with it,
 * one line per fault, saying what to do. `tidy.test.ts` applies them to the repository.
 */
import path from 'node:path';

const linesMax = 400;

/** Names that say where a thing is kept and not what it is. */
const emptyNames = ['util', 'utils', 'helper', 'helpers', 'common', 'manager', 'base', 'misc'];

/** Folders of a developer's machine that a path in the repository would tie it to. */
const machineFolders = ['work', 'tmp', 'root', 'home', 'Users'];

export function nameFaults(file: string): string[] {
  const name = path.posix.basename(file).replace(/\.(test\.)?(ts|js)$/, '');
  if (name === 'index') return [`${file}: no barrel files: import from the file that exports it`];
  const parts = [...path.posix.dirname(file).split('/'), ...name.split(/[-.]/)];
  const empty = parts.find((part) => emptyNames.includes(part));
  return empty === undefined
    ? []
    : [`${file}: "${empty}" says nothing: name it for what it exports`];
}

/** A shipped file opens with a comment: what it is, the intuition, who owns state. */
export function headerFaults(file: string, source: string): string[] {
  const header = /^(?:#![^\n]*\n)?\/\*\*(.*?)\*\//s.exec(source)?.[1] ?? '';
  const text = header.replaceAll(/^\s*\*/gm, '').trim();
  if (text.length === 0) return [`${file}: open with a comment that says what the file is`];
  if (header.split('\n').length > 40)
    return [`${file}: the header is a page long: move it to docs/`];
  return [];
}

export function sizeFaults(file: string, source: string): string[] {
  const lines = source.split('\n').length - 1;
  return lines > linesMax
    ? [`${file}: ${lines} lines, at most ${linesMax}: cut it by subject`]
    : [];
}

/** Unfinished work says why it waits and what is left, in a form that can be searched for. */
export function todoFaults(file: string, source: string): string[] {
  return linesMatching(source, /\b(?:TODO(?!\([^)]{10,}\): \S)|FIXME|XXX)\b/).map(
    (line) => `${file}:${line}: finish it, or write TODO(why it must wait): what is left`,
  );
}

/** A test that runs alone or never runs hides the rest; a missing program is test/requires.ts. */
export function testFaults(file: string, source: string): string[] {
  const pattern = /\b(?:test|it|describe|suite)\.(?:only|skip|todo)\(|\b(?:only|skip|todo): true\b/;
  return linesMatching(source, pattern).map(
    (line) => `${file}:${line}: no lone or skipped tests (test/requires.ts for missing programs)`,
  );
}

/** Absolute paths of one machine; the repository must work wherever it is cloned. */
export function machinePathFaults(file: string, text: string): string[] {
  const pattern = new RegExp(`(?<![\\w.~/:$}*-])/(?:${machineFolders.join('|')})/\\w`);
  return linesMatching(text, pattern).map(
    (line) => `${file}:${line}: names a folder of one machine: use a relative path or os.tmpdir()`,
  );
}

/** Relative links and anchors that lead nowhere. `read` returns undefined for what is absent. */
export function linkFaults(
  file: string,
  markdown: string,
  read: (file: string) => string | undefined,
): string[] {
  const faults: string[] = [];
  for (const [, target = ''] of withoutCode(markdown).matchAll(/\]\(([^)\s]+)(?:\s"[^"]*")?\)/g)) {
    if (/^(?:https?|mailto):/.test(target)) continue;
    const [name = '', anchor] = target.split('#', 2);
    const linked = name === '' ? file : path.posix.join(path.posix.dirname(file), name);
    const text = read(linked);
    if (text === undefined) faults.push(`${file}: the link ${target} leads nowhere`);
    else if (anchor !== undefined && !anchorsOf(text).includes(anchor)) {
      faults.push(`${file}: ${linked} has no heading #${anchor}`);
    }
  }
  return faults;
}

/** Anchors as GitHub makes them from headings. */
function anchorsOf(markdown: string): string[] {
  const seen = new Map<string, number>();
  return [...withoutCode(markdown).matchAll(/^#{1,6}\s+(.+?)\s*$/gm)].map(([, heading = '']) => {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
}

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^(```+)[^\n]*\n.*?^\1\s*$/gms, '').replaceAll(/`([^`\n]*)`/g, '$1');
}

/** Fenced blocks whose info string is exactly `yaml`: by convention an Unbusy config. */
export function yamlBlocks(markdown: string): { readonly text: string; readonly line: number }[] {
  return [...markdown.matchAll(/^```yaml\n(.*?)^```$/gms)].map((match) => ({
    text: match[1] ?? '',
    line: markdown.slice(0, match.index).split('\n').length + 1,
  }));
}

/** Records are numbered without gaps, titled by their number, and say the same three things. */
export function decisionFaults(files: ReadonlyMap<string, string>, overview: string): string[] {
  const names = [...files.keys()].sort();
  return names.flatMap((name, index) => {
    const text = files.get(name) ?? '';
    const number = String(index + 1).padStart(4, '0');
    const faults: string[] = [];
    if (!new RegExp(`^${number}-[a-z0-9-]+\\.md$`).test(name)) {
      faults.push(`${name}: the next number is ${number} (NNNN-title.md, no gaps)`);
    }
    if (!text.startsWith(`# ${number} `)) faults.push(`${name}: begin with "# ${number} Title"`);
    for (const section of ['Context', 'Decision', 'Consequences']) {
      if (!text.includes(`\n## ${section}\n`)) faults.push(`${name}: has no "## ${section}"`);
    }
    if (!overview.includes(`(${name})`)) faults.push(`${name}: not listed in decisions/README.md`);
    return faults;
  });
}

const changeSections = ['Breaking', 'Added', 'Changed', 'Fixed', 'Security', 'Removed', 'Not yet'];

/** `## 0.1.0 (unreleased)` or `## 0.1.0 (2026-01-31)`, newest first, known sections, no empty ones. */
export function changelogFaults(text: string): string[] {
  const faults: string[] = [];
  const releases = text.split(/^## /m).slice(1);
  if (releases.length === 0) faults.push('CHANGELOG.md: has no release');
  releases.forEach((release, index) => {
    const title = release.split('\n', 1)[0] ?? '';
    if (!/^\d+\.\d+\.\d+ \((?:unreleased|\d{4}-\d\d-\d\d)\)$/.test(title)) {
      faults.push(`CHANGELOG.md: "${title}" should read "1.2.3 (2026-01-31)" or "(unreleased)"`);
    }
    if (title.includes('unreleased') && index > 0) {
      faults.push(`CHANGELOG.md: only the first release may be unreleased: ${title}`);
    }
    for (const section of release.split(/^### /m).slice(1)) {
      const name = section.split('\n', 1)[0] ?? '';
      if (!changeSections.includes(name)) {
        faults.push(`CHANGELOG.md: "${name}" is not one of ${changeSections.join(', ')}`);
      }
      if (!section.includes('\n- ')) faults.push(`CHANGELOG.md: "${name}" of ${title} is empty`);
    }
  });
  return faults;
}

/** Codes that errors are made with in `source` and that are not among the `known` ones. */
export function errorCodeFaults(
  file: string,
  source: string,
  known: ReadonlySet<string>,
): string[] {
  const made = /new UnbusyError\(\s*'\w+',\s*'(\w+)'/g;
  return [...source.matchAll(made)]
    .map(([, code = '']) => code)
    .filter((code) => !known.has(code))
    .map((code) => `${file}: add ${code} to src/core/error-entries.ts, so that it is documented`);
}

function linesMatching(text: string, pattern: RegExp): number[] {
  return text.split('\n').flatMap((line, index) => (pattern.test(line) ? [index + 1] : []));
}
