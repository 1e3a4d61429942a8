/** What is written down about one error code. */
import type { ErrorKind } from './errors.ts';

/** The rest of a catalogue entry follows from its kind unless it is given here. */
export interface WrittenEntry {
  readonly kind: ErrorKind;
  readonly title: string;
  readonly whatItMeans: string;
  readonly likelyCauses: readonly string[];
  readonly remedy: string;
  readonly httpStatus?: number;
  readonly retryable?: boolean;
}
