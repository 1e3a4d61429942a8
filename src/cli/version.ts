/** `unbusy version`: ours and that of the Node below. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, limitPositionals } from './command.ts';

/** The version of this package; src/ and dist/ are equally deep below its manifest. */
export const version: string = JSON.parse(
  readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'),
).version;

export const versionCommand: Command = {
  usage: '[--json]',
  about: 'Shows the versions of Unbusy and of the Node that runs it.',
  options: { json: { type: 'boolean', about: 'As JSON.' } },
  examples: [{ line: 'unbusy version --json', about: 'For scripts.' }],
  async run(args, terminal) {
    limitPositionals(args, 0);
    const platform = `${process.platform}-${process.arch}`;
    terminal.out(
      args.flag('json')
        ? `${JSON.stringify({ unbusy: version, node: process.versions.node, platform })}\n`
        : `unbusy ${version} (Node.js ${process.versions.node}, ${platform})\n`,
    );
    return 0;
  },
};
