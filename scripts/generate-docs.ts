/**
 * Writes the reference pages that are made from code: `npm run docs`.
 *
 * The pages are committed, so that they can be read where the code is; `test/tidy.test.ts` fails
 * when one is stale.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { configReference } from '../src/config/describe.ts';
import { catalogueMarkdown } from '../src/core/error-catalogue.ts';
import { commandReference } from './command-reference.ts';
import { metricsReference } from './metrics-reference.ts';

/** The generated pages: path from the repository root → text. */
export async function generatedPages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ['docs/reference/cli.md', await commandReference()],
    ['docs/reference/config.md', configReference()],
    ['docs/reference/errors.md', catalogueMarkdown()],
    ['docs/reference/metrics.md', metricsReference()],
  ]);
}

if (import.meta.main) {
  for (const [file, text] of await generatedPages()) {
    const absolute = path.join(import.meta.dirname, '..', file);
    mkdirSync(path.dirname(absolute), { recursive: true });
    writeFileSync(absolute, text);
  }
}
