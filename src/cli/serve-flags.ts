/** The flags of `unbusy serve` that are config; `unbusy config print` takes the same. */
import type { ServeFlags } from '../config/load.ts';
import type { Arguments, OptionSpec } from './command.ts';

export const serveFlagOptions = {
  upstream: {
    type: 'string',
    multiple: true,
    value: 'URL',
    about: 'Front an engine that runs already; may be repeated. Prompts are sent there.',
  },
  model: {
    type: 'string',
    value: 'F.gguf',
    about: 'Serve this GGUF file from the engine inside. Default: the demonstration model.',
  },
  host: { type: 'string', value: 'ADDRESS', about: 'Address to listen on (127.0.0.1).' },
  port: { type: 'string', short: 'p', value: 'N', about: 'Port to listen on (6710).' },
  'log-format': { type: 'string', value: 'text|json', about: 'Form of the log lines (text).' },
} satisfies Readonly<Record<string, OptionSpec>>;

/** The flags that were given. */
export function serveFlags(args: Arguments): ServeFlags {
  const upstreams = args.texts('upstream');
  const flags: ServeFlags = {
    upstreams: upstreams.length === 0 ? undefined : upstreams,
    model: args.text('model'),
    host: args.text('host'),
    port: args.text('port'),
    logFormat: args.text('log-format'),
  };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}
