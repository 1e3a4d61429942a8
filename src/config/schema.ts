/**
 * `unbusy.yaml`: the one schema that types, errors, defaults, `unbusy config schema` and
 * docs/reference/config.md come from.
 *
 * The file is snake_case with units in the names; `load.ts` turns it into the camelCase `Config`
 * of `config.ts`. Every key has a default, so an empty file is a valid one. Keys that belong to
 * features of later versions are listed in `unavailable.ts` and not here.
 */
import { z } from 'zod';
import { endpointSchema } from './endpoint-schema.ts';
import { count, milliseconds, modelName, plainName, secretText } from './fields.ts';

const server = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .max(255)
      .default('127.0.0.1')
      .describe('Address to listen on. Beyond loopback, keys are needed (or --insecure).'),
    port: count(0, 65_535).default(6710).describe('Port for callers. 0: any free one.'),
    admin_port: count(0, 65_535)
      .default(6712)
      .describe(
        'Port on loopback for /metrics when `host` is not loopback; otherwise they share `port`.',
      ),
    body_bytes_max: count(1024, 1_073_741_824)
      .default(16_777_216)
      .describe('Largest request body, bytes.'),
    drain_ms: milliseconds()
      .default(900_000)
      .describe('After SIGTERM: how long running answers may take to finish, ms.'),
    caller_stall_ms: milliseconds({ min: 1 })
      .default(60_000)
      .describe('A caller who takes nothing of its answer for this long is dropped, ms.'),
    keep_alive: z
      .enum(['off', 'whitespace'])
      .default('off')
      .describe(
        'whitespace: send spaces every 10 s before a non-streamed answer, for proxies that cut ' +
          'silent requests.',
      ),
    log_format: z.enum(['text', 'json']).default('text').describe('Form of the log lines.'),
  })
  .prefault({})
  .describe('Where and how this program listens.');

const model = z.strictObject({
  pool: z
    .array(plainName)
    .min(1)
    .max(1000)
    .describe('Names of the endpoints that serve it. They must serve the same weights.'),
});

const classNames = ['interactive', 'standard', 'batch'] as const;

const rate = z
  .strictObject({
    rps: z.number().positive().max(1_000_000).optional().describe('Requests per second.'),
    burst: z
      .number()
      .min(1)
      .max(10_000_000)
      .optional()
      .describe('Requests that may come at once. Default: twice rps.'),
    tpm: count(1, 1_000_000_000_000)
      .optional()
      .describe('Tokens per minute, prompt and answer together.'),
  })
  .transform(({ rps, burst, tpm }) => ({
    rps,
    burst: burst ?? (rps === undefined ? undefined : Math.max(1, Math.ceil(rps * 2))),
    tpm,
  }));

const tenant = z.strictObject({
  weight: z
    .number()
    .positive()
    .max(1000)
    .default(1)
    .describe('Share when there is not enough for all: 2 gets twice what 1 gets.'),
  class: z
    .enum(classNames)
    .default('interactive')
    .describe('Class of requests that name none (`x-unbusy-class`, `service_tier`).'),
  data: z
    .enum(['stays', 'may_leave'])
    .default('stays')
    .describe('may_leave: prompts may go to endpoints with `location: public`.'),
  rate: rate.optional().describe('Limits of this tenant. Default: none.'),
});

const key = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,39}$/)
    .meta({ allowed: 'up to 40 lower-case letters, digits and dashes' })
    .describe('Name of the key in logs. Two keys may share one, for a change-over.'),
  tenant: plainName.default('default').describe('The tenant that it speaks for.'),
  hash: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/)
    .meta({ allowed: 'sha256: and 64 hexadecimal digits (`unbusy key new` prints it)' })
    .optional()
    .describe('SHA-256 of the key: what to keep in a file.'),
  secret: secretText.optional().describe('The key itself, from the environment or a file.'),
  scopes: z
    .array(z.enum(['infer', 'read', 'admin', 'debug']))
    .min(1)
    .default(['infer'])
    .describe('infer: ask models. read: metrics. admin: change things. debug: see endpoints.'),
  expires: z
    .union([z.iso.date(), z.iso.datetime({ offset: true })])
    .meta({ allowed: 'a date such as 2027-01-01 or a time such as 2027-01-01T08:00:00Z' })
    .optional()
    .describe('Invalid from then on; a date means its beginning in UTC. Default: never.'),
});

const queue = z
  .strictObject({
    max_wait_ms: z
      .strictObject({
        interactive: milliseconds().default(60_000).describe('Somebody watches, ms.'),
        standard: milliseconds().default(600_000).describe('A program waits, ms.'),
        batch: milliseconds().default(86_400_000).describe('Nobody waits, ms.'),
      })
      .prefault({})
      .describe('Longest predicted wait for a first token before a request is refused on arrival.'),
    max_depth: count(1, 1_000_000).default(10_000).describe('Requests that may wait at once.'),
    age_ms: milliseconds({ min: 1 })
      .default(30_000)
      .describe('After waiting this long a request counts as one class higher, ms.'),
    headers_after_ms: milliseconds()
      .default(1000)
      .describe('A waiting stream gets its headers and live position after this long, ms.'),
    comments: z
      .boolean()
      .default(true)
      .describe('Tell waiting streams their position and time in SSE comments.'),
  })
  .prefault({})
  .describe('Where requests wait when every endpoint is full.');

const retry = z
  .strictObject({
    budget_ratio: z
      .number()
      .min(0)
      .max(1)
      .default(0.2)
      .describe('Repeated work as a share of all requests; 0.2 is a fifth.'),
  })
  .prefault({})
  .describe('Attempts after one that an engine had begun.');

export const fileSchema = z
  .strictObject({
    server,
    models: z
      .record(modelName, model)
      .default({})
      .describe(
        'Models by the name that callers use. Empty: every model that an endpoint reports, ' +
          'under its own name, by all endpoints that report it.',
      ),
    endpoints: z
      .record(plainName, endpointSchema)
      .default({})
      .describe('Who can answer. Empty: one embedded engine with the demonstration model.'),
    tenants: z
      .record(plainName, tenant)
      .default({})
      .describe('Who shares what. `default` is everyone who belongs to no other.'),
    keys: z
      .array(key)
      .max(100_000)
      .default([])
      .describe('Who may call. Without any key, no key is asked for.'),
    queue,
    retry,
  })
  .describe('unbusy.yaml');

/** The file as it is after defaults, still in snake_case. */
export type FileConfig = z.output<typeof fileSchema>;
