/**
 * `endpoints:` of `unbusy.yaml`: who can answer, one schema per kind.
 *
 * Adding a kind is one object here and one entry in `endpointKinds`.
 */
import { z } from 'zod';
import { urlFault } from './address.ts';
import { autoOr, count, milliseconds, modelName, plainName, secretText, text } from './fields.ts';

/** R1 thinks for minutes, so these are long on purpose; see docs/guide for choosing them. */
const answerTimeouts = {
  first_token_ms: milliseconds({ min: 1 })
    .default(120_000)
    .describe('From dispatch to the first token, ms. A loaded engine needs long for it.'),
  idle_ms: milliseconds({ min: 1 })
    .default(60_000)
    .describe('Longest silence between two parts of an answer, ms.'),
  total_ms: milliseconds({ min: 1 })
    .default(1_800_000)
    .describe('From dispatch to the end of the answer, ms.'),
};

const weight = z
  .number()
  .positive()
  .max(1000)
  .default(1)
  .describe('Share of the work against the other endpoints of a pool: 3 gets three times 1.');

const region = plainName.optional().describe('Where it stands; shown to operators.');

const dynamicBatching = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('Decode several requests together. Off: one at a time, in order.'),
    max_batch_size: count(1, 512)
      .default(32)
      .describe('Slots: requests decoded together in one process.'),
    preferred_batch_size: z
      .array(count(1, 512))
      .max(32)
      .default([])
      .describe('Sizes at which an idle engine starts at once instead of waiting for more.'),
    max_queue_delay_ms: z
      .number()
      .min(0)
      .max(10_000)
      .default(0)
      .describe(
        'How long an idle engine waits for a preferred size before its first step, ms. ' +
          'Running engines take requests in at the next step and never wait.',
      ),
    step_budget_ms: count(1, 10_000)
      .default(30)
      .describe('Prompts are read in pieces that keep one step under this, ms.'),
  })
  .prefault({})
  .describe('How requests share a pass of the engine.');

const embedded = z
  .strictObject({
    kind: z.literal('embedded').describe('The engine inside this program (llama.cpp).'),
    model: text
      .default('pocket-r1')
      .describe(
        'A GGUF file, relative to this config file, or `pocket-r1`: the demonstration model ' +
          '(10 M parameters) that is shipped.',
      ),
    replicas: autoOr(1, 256)
      .default('auto')
      .describe('Engine processes. auto: one per core for a small model, one for a large one.'),
    threads: autoOr(1, 1024)
      .default('auto')
      .describe('Threads per process. auto: measured at start.'),
    gpu_layers: count(0, 10_000)
      .default(0)
      .describe('Layers placed on a GPU; needs an engine built for one.'),
    context_tokens: autoOr(128, 16_777_216)
      .default('auto')
      .describe("Context per slot, tokens. auto: the model's own, as far as memory allows."),
    flash_attention: z
      .union([z.literal('auto'), z.boolean()])
      .default('auto')
      .describe('auto: measured at start.'),
    dynamic_batching: dynamicBatching,
    warmup: z
      .strictObject({
        requests: count(0, 1000)
          .default(2)
          .describe('Requests made before the first caller is let in.'),
        prefixes: z
          .array(z.string().min(1).max(200_000))
          .max(64)
          .default([])
          .describe('Texts, such as system prompts, whose state is prepared beforehand.'),
      })
      .prefault({})
      .describe('What is done between loading and the first caller.'),
    weight,
    region,
    timeouts: z.strictObject(answerTimeouts).prefault({}).describe('Limits of one attempt.'),
  })
  .describe('An engine process of our own.');

const httpFields = {
  url: z
    .string()
    .superRefine((value, context) => {
      const message = urlFault(value);
      if (message !== undefined) context.addIssue({ code: 'custom', message });
    })
    .meta({ allowed: 'http://host:port/v1 or https://…' })
    .describe("Where its OpenAI API is. A bare origin means that origin's /v1."),
  key: secretText.optional().describe('Sent as `authorization: Bearer …`.'),
  headers: z
    .record(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,99}$/), secretText)
    .default({})
    .describe('Further headers sent with every request.'),
  upstream_model: modelName
    .optional()
    .describe('The name of the model over there. Default: as the endpoint reports it.'),
  location: z
    .enum(['own', 'public'])
    .optional()
    .describe(
      'public: prompts go there only for tenants with `data: may_leave`. Default: own for ' +
        'loopback, private addresses and names without a dot, else public.',
    ),
  weight,
  region,
  revision: text
    .optional()
    .describe('Names the exact weights; endpoints of a pool should agree in it.'),
  timeouts: z
    .strictObject({
      connect_ms: milliseconds({ min: 1 })
        .default(2000)
        .describe('To open a connection, ms. A busy engine still accepts at once.'),
      ...answerTimeouts,
    })
    .prefault({})
    .describe('Limits of one attempt.'),
  concurrency: z
    .strictObject({
      policy: z.enum(['fixed']).default('fixed').describe('How the limit is found.'),
      max: autoOr(1, 100_000)
        .default('auto')
        .describe(
          'Requests in flight there at once; more wait in our queue, where it is fair. ' +
            'auto: the slots that the engine reports, else 64.',
        ),
    })
    .prefault({})
    .describe('How much is sent there at once.'),
};

function httpKind<const Kind extends string>(kind: Kind, what: string) {
  return z.strictObject({ kind: z.literal(kind).describe(what), ...httpFields }).describe(what);
}

export const endpointSchema = z.discriminatedUnion('kind', [
  embedded,
  httpKind('openai', 'Any server with an OpenAI-compatible API.'),
  httpKind('vllm', 'An engine of the kind vLLM.'),
  httpKind('sglang', 'An engine of the kind SGLang.'),
  httpKind('llama-server', "llama.cpp's own server, llama-server."),
]);

/** Kinds that this version can use, for messages. */
export const endpointKinds = ['embedded', 'openai', 'vllm', 'sglang', 'llama-server'] as const;
