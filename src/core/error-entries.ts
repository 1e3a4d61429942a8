/**
 * The table of error codes, in the groups of the reference page. Add a code to its group when an
 * `UnbusyError` first carries it; never rename or reuse one, because callers' programs and runbooks
 * know it.
 */
import { callerErrors } from './error-entries/caller-errors.ts';
import { engineErrors } from './error-entries/engine-errors.ts';
import { requestErrors } from './error-entries/request-errors.ts';
import { startErrors } from './error-entries/start-errors.ts';
import type { WrittenEntry } from './error-entry.ts';

/** Every code by the title of its group. */
export const errorEntryGroups = {
  'The request': requestErrors,
  'The caller and the queue': callerErrors,
  Engines: engineErrors,
  Starting: startErrors,
} satisfies Record<string, Record<string, WrittenEntry>>;
