/** `unbusy explain CODE`: what an error code means, why it happens and what to do (A2). */
import { nearest } from '../config/nearest.ts';
import { type CatalogueEntry, catalogueEntry, errorCatalogue } from '../core/error-catalogue.ts';
import { type Command, limitPositionals, twoColumns, UsageError, wrap } from './command.ts';

export const explainCommand: Command = {
  usage: '[CODE|STATUS] [--json]',
  about:
    'Says what an error code means, what usually causes it and what to do. A status such as 504 ' +
    'lists its codes; nothing lists all.',
  options: { json: { type: 'boolean', about: 'As JSON.' } },
  examples: [
    { line: 'unbusy explain overloaded', about: 'Why a request was refused.' },
    { line: 'unbusy explain 503', about: 'The codes behind a status.' },
  ],
  async run(args, terminal) {
    limitPositionals(args, 1);
    const entries = entriesFor(args.positionals[0]);
    const [only, ...others] = entries;
    if (args.flag('json')) {
      terminal.out(`${JSON.stringify(entries, null, 2)}\n`);
    } else {
      const single = only !== undefined && others.length === 0;
      terminal.out(single ? entryText(only) : `${listText(entries)}\n`);
    }
    return 0;
  },
};

/** The entries that a code or a status stands for; without one, all of them. */
function entriesFor(asked: string | undefined): readonly CatalogueEntry[] {
  if (asked === undefined) return errorCatalogue;
  const entry = catalogueEntry(asked.toLowerCase());
  if (entry !== undefined) return [entry];
  const sharing = errorCatalogue.filter(({ httpStatus }) => String(httpStatus) === asked);
  if (sharing.length > 0) return sharing;
  const close = nearest(
    asked,
    errorCatalogue.map(({ code }) => code),
  );
  const hint = close === undefined ? '`unbusy explain` lists them' : `did you mean "${close}"?`;
  throw new UsageError(`there is no error code "${asked}"; ${hint}`);
}

function listText(entries: readonly CatalogueEntry[]): string {
  const rows = entries.map(({ code, httpStatus, title }): [string, string] => [
    code,
    `${httpStatus}  ${title}`,
  ]);
  return twoColumns(rows);
}

function entryText(entry: CatalogueEntry): string {
  const causes = entry.likelyCauses.map((cause) => `  - ${wrap(cause, 4)}`).join('\n');
  return `${entry.code}: ${entry.title}

${wrap(entry.whatItMeans, 0)}

Status:  ${entry.httpStatus}, type ${entry.openaiType}
Repeat:  ${entry.retryable ? 'the same request can succeed later' : 'cannot help by itself'}

Likely causes:
${causes}

What to do:
  ${wrap(entry.remedy, 2)}
`;
}
