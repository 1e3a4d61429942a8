/** docs/reference/cli.md, written from the command table: each command's own help. */
import { commandHelp } from '../src/cli/command.ts';
import { commands } from '../src/cli/main.ts';

const introduction = `# Command line

Generated from \`src/cli/main.ts\`; \`unbusy COMMAND --help\` shows the same. In a clone the program is
\`npx unbusy\`, and \`npm start -- OPTIONS\` is \`unbusy serve OPTIONS\`.

Results go to stdout, everything else to stderr. Exit codes: 0 ok, 1 failed, 2 bad usage or a config
that cannot be meant. \`UNBUSY_DEBUG=1\` adds the stack trace to an error.`;

export async function commandReference(): Promise<string> {
  const sections = await Promise.all(
    Object.entries(commands).map(async ([name, { summary, load }]) => {
      const help = commandHelp(name, await load());
      return `## unbusy ${name}\n\n${summary}\n\n\`\`\`text\n${help}\`\`\``;
    }),
  );
  return `${[introduction, ...sections].join('\n\n')}\n`;
}
