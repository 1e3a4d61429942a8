/** `unbusy key new`: a key for a caller, shown once, and what to put into the config for it (J2). */
import { newKey } from '../config/keys.ts';
import { loadConfig } from '../config/load.ts';
import { type Command, limitPositionals, UsageError } from './command.ts';

export const keyCommand: Command = {
  usage: 'new ID [--tenant NAME] [--scopes LIST] [--expires DATE] [--json]',
  about:
    'Makes a key. It is shown once and kept nowhere: give it to the caller, and put the entry with ' +
    'its hash under keys: in unbusy.yaml. A second key with the same ID may be valid meanwhile.',
  options: {
    tenant: { type: 'string', value: 'NAME', about: 'The tenant it speaks for (default).' },
    scopes: {
      type: 'string',
      value: 'LIST',
      about: 'Of infer, read, admin and debug, with commas between (infer).',
    },
    expires: { type: 'string', value: 'DATE', about: 'Invalid from then on (never).' },
    json: { type: 'boolean', about: 'As JSON.' },
  },
  examples: [
    { line: 'unbusy key new team-a', about: 'A key that may ask models.' },
    {
      line: 'unbusy key new prometheus --scopes read --expires 2027-01-01',
      about: 'A key that may only read metrics.',
    },
  ],
  async run(args, terminal) {
    const [action, id] = args.positionals;
    limitPositionals(args, 2);
    if (action !== 'new' || id === undefined) throw new UsageError('usage: unbusy key new ID');
    const { key, hash } = newKey(id);
    const tenant = args.text('tenant');
    const expires = args.text('expires');
    const scopes = (args.text('scopes') ?? 'infer').split(',').map((scope) => scope.trim());
    const entry = {
      id,
      ...(tenant === undefined ? {} : { tenant }),
      scopes,
      ...(expires === undefined ? {} : { expires }),
      hash,
    };
    checkEntry(entry, tenant);
    terminal.out(
      args.flag('json') ? `${JSON.stringify({ key, entry })}\n` : keyText(key, yamlLine(entry)),
    );
    return 0;
  },
};

/** The same check that the entry will meet in the file. */
function checkEntry(entry: Readonly<Record<string, unknown>>, tenant: string | undefined): void {
  const text = JSON.stringify({
    keys: [entry],
    ...(tenant === undefined || tenant === 'default' ? {} : { tenants: { [tenant]: {} } }),
  });
  try {
    loadConfig({ path: 'key', readFile: () => text });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(message.replaceAll(/^key:\d+:\d+: (keys\[0\]\.)?/gm, ''));
  }
}

function keyText(key: string, line: string): string {
  return `Key (shown once; keep it secret):
  ${key}

Entry for unbusy.yaml:
  keys:
    ${line}
`;
}

function yamlLine(entry: Readonly<Record<string, unknown>>): string {
  const fields = Object.entries(entry).map(([name, value]) =>
    Array.isArray(value)
      ? `${name}: [${value.join(', ')}]`
      : `${name}: ${name === 'hash' ? `"${value}"` : value}`,
  );
  return `- { ${fields.join(', ')} }`;
}
