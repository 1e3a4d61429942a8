/**
 * Every error code: what it means, what usually causes it, what to do, and its wire status (A2).
 *
 * `unbusy explain CODE` and docs/reference/errors.md are written from the tables in
 * `error-entries/`. A kind decides the HTTP status, OpenAI's error type and whether repeating can
 * help; a code may be more precise than its kind (405 among the `invalid_request`, 504 among time-outs).
 */
import { errorEntryGroups } from './error-entries.ts';
import type { WrittenEntry } from './error-entry.ts';
import type { ErrorKind, UnbusyError } from './errors.ts';

export interface CatalogueEntry {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly title: string;
  readonly whatItMeans: string;
  readonly likelyCauses: readonly string[];
  readonly remedy: string;
  readonly httpStatus: number;
  /** `error.type` of the OpenAI error object. */
  readonly openaiType: string;
  /** Repeating the same request can help. */
  readonly retryable: boolean;
}

interface KindForm {
  readonly httpStatus: number;
  readonly openaiType: string;
  readonly retryable: boolean;
}

const server = 'server_error';
const request = 'invalid_request_error';

/** 499 is nginx's status for a caller who left; nobody receives it, logs show it. */
const kindForms: Readonly<Record<ErrorKind, KindForm>> = {
  invalid_request: { httpStatus: 400, openaiType: request, retryable: false },
  unauthenticated: { httpStatus: 401, openaiType: 'authentication_error', retryable: false },
  forbidden: { httpStatus: 403, openaiType: 'permission_error', retryable: false },
  not_found: { httpStatus: 404, openaiType: request, retryable: false },
  too_large: { httpStatus: 413, openaiType: request, retryable: false },
  rate_limited: { httpStatus: 429, openaiType: 'rate_limit_error', retryable: true },
  overloaded: { httpStatus: 503, openaiType: server, retryable: true },
  expired: { httpStatus: 504, openaiType: server, retryable: true },
  cancelled: { httpStatus: 499, openaiType: request, retryable: true },
  upstream_unavailable: { httpStatus: 503, openaiType: server, retryable: true },
  upstream_failed: { httpStatus: 502, openaiType: server, retryable: true },
  draining: { httpStatus: 503, openaiType: server, retryable: true },
  internal: { httpStatus: 500, openaiType: server, retryable: true },
};

/** The HTTP status of a kind, where its code is not known. */
export function httpStatusOf(kind: ErrorKind): number {
  return kindForms[kind].httpStatus;
}

/** The HTTP status of an error: its code's own, else its kind's. */
export function httpStatusOfError(error: Pick<UnbusyError, 'kind' | 'code'>): number {
  return catalogueEntry(error.code)?.httpStatus ?? httpStatusOf(error.kind);
}

/** OpenAI's `error.type` for a kind. */
export function openaiTypeOf(kind: ErrorKind): string {
  return kindForms[kind].openaiType;
}

/** All entries in the order of the reference page. */
export const errorCatalogue: readonly CatalogueEntry[] = Object.values(errorEntryGroups).flatMap(
  (group) => Object.entries(group).map(([code, entry]) => complete(code, entry)),
);

const byCode: ReadonlyMap<string, CatalogueEntry> = new Map(
  errorCatalogue.map((entry) => [entry.code, entry]),
);

/** What is known about a code; undefined when it is not one of ours. */
export function catalogueEntry(code: string): CatalogueEntry | undefined {
  return byCode.get(code);
}

function complete(code: string, entry: WrittenEntry): CatalogueEntry {
  return { ...kindForms[entry.kind], code, ...entry };
}

/** docs/reference/errors.md. */
export function catalogueMarkdown(): string {
  const sections = Object.entries(errorEntryGroups).map(([title, group]) =>
    [`## ${title}`, ...Object.keys(group).map((code) => entryMarkdown(code))].join('\n\n'),
  );
  return `${[pageIntroduction, ...sections].join('\n\n')}\n`;
}

const pageIntroduction = `# Errors

Generated from \`src/core/error-entries/\`; \`unbusy explain CODE\` shows the same.

Every error body has the form \`{"error": {"message", "type", "param", "code"}}\`. In a stream that
has begun, the same object comes as an event and the stream closes without \`[DONE]\`. *Repeat* says
whether sending the same request again can help; when it can, \`retry-after\` says when.`;

function entryMarkdown(code: string): string {
  const entry = catalogueEntry(code);
  if (entry === undefined) return '';
  return [
    `### \`${code}\``,
    `**${entry.title}.** ${entry.whatItMeans}`,
    [
      `- Status: ${entry.httpStatus}, type \`${entry.openaiType}\``,
      `- Repeat: ${entry.retryable ? 'can help' : 'cannot help'}`,
      `- Likely causes: ${entry.likelyCauses.join('; ')}`,
      `- What to do: ${entry.remedy}`,
    ].join('\n'),
  ].join('\n\n');
}
