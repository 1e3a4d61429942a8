/** The tokens that end an answer, as llama-server knows them: banned so that lengths are equal. */
import { llamaServer } from './servers.ts';

const names = ['<｜end▁of▁sentence｜>'];

export async function eosTokens(): Promise<readonly number[]> {
  const server = await llamaServer(1).start();
  try {
    const found: number[] = [];
    for (const name of names) {
      const response = await fetch(`http://127.0.0.1:${server.port}/tokenize`, {
        method: 'POST',
        body: JSON.stringify({ content: name, parse_special: true }),
      });
      const { tokens } = (await response.json()) as { readonly tokens: readonly number[] };
      const [token] = tokens;
      if (tokens.length !== 1 || token === undefined) throw new Error(`${name} is not one token`);
      found.push(token);
    }
    return found;
  } finally {
    await server.process.stop();
  }
}
