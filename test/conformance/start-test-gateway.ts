/**
 * The server that real clients are tried against.
 *
 * Tests rely on this contract only, so that any engine can stand behind it:
 * - `answers` (default): a model that thinks, then answers, in several events each; honours
 *   `max_tokens`, `n`, `logprobs`, usage and a JSON Schema of one integer property.
 * - `overloaded`: every request for text is refused with 503 `overloaded` and a time to come back.
 * - `breaks`: the answer breaks off with an error after its first words.
 * - `silent`: nothing is answered for as long as the caller stays.
 */
import { createSystemClock } from '../../src/core/clock.ts';
import { toUnbusyError, UnbusyError } from '../../src/core/errors.ts';
import { systemRandom } from '../../src/core/random.ts';
import { createIngress } from '../../src/ingress/openai/create-ingress.ts';
import type { Call } from '../../src/protocol/caller.ts';
import type { Outcome } from '../../src/protocol/telemetry.ts';
import { generate, scriptedUsage } from './scripted-model.ts';

export type Behaviour = 'answers' | 'overloaded' | 'breaks' | 'silent';

export interface TestGateway {
  /** `http://127.0.0.1:PORT/v1`. */
  readonly baseUrl: string;
  /** The model it serves. */
  readonly model: string;
  /** The next request has been accepted. */
  nextRequest(): Promise<void>;
  /** How the next request ends, once it has. */
  nextOutcome(): Promise<Outcome>;
  close(): Promise<void>;
}

const model = 'pocket-r1';

export async function startTestGateway(behaviour: Behaviour = 'answers'): Promise<TestGateway> {
  const outcomes: Outcome[] = [];
  const waiting: (() => void)[] = [];
  const accepting: (() => void)[] = [];
  const { server } = createIngress({
    clock: createSystemClock(),
    random: systemRandom(),
    keepAlive: 'off',
    models: () => [
      {
        id: model,
        contextTokens: 4096,
        parameters: 10_000_000,
        description: 'demonstration model',
      },
    ],
    readiness: () => ({ ready: true, waitingFor: [] }),
    tokenize: async () => ({ tokens: [1, 2, 3], contextTokens: 4096 }),
    detokenize: async () => 'text',
    embed: async () => {
      throw new UnbusyError('invalid_request', 'unsupported_parameter', 'no model has embeddings');
    },
    metrics: () => '',
    authorize: () => {},
    onFault: ({ error }) => {
      throw error;
    },
    async handleRequest(call) {
      const accepted = () => accepting.shift()?.();
      outcomes.push(await answer(call, behaviour, accepted));
      waiting.shift()?.();
    },
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    model,
    nextRequest: () => new Promise((resolve) => accepting.push(resolve)),
    async nextOutcome() {
      outcomes.length = 0;
      await new Promise<void>((resolve) => waiting.push(resolve));
      return outcomes.shift() ?? 'failed';
    },
    close: () => server.close(),
  };
}

async function answer(call: Call, behaviour: Behaviour, accepted: () => void): Promise<Outcome> {
  try {
    const request = call.decode();
    if (request.model !== model) {
      const message = `there is no model ${JSON.stringify(request.model)}; there is: ${model}`;
      throw new UnbusyError('not_found', 'model_not_found', message, { param: 'model' });
    }
    if (behaviour === 'overloaded') {
      throw new UnbusyError('overloaded', 'overloaded', 'all engines are full', {
        retryAfterMs: 90_000,
      });
    }
    const reply = call.reply(request);
    const head = { model, headers: { 'x-unbusy-model': model } };
    let gone = false;
    const left = new Promise<void>((resolve) => {
      reply.onGone(() => {
        gone = true;
        resolve();
      });
    });
    accepted();
    if (behaviour === 'silent') await left;
    if (gone) return 'cancelled';
    reply.begin(head);
    reply.comment('queued position=1 eta_ms=5');
    const held = [];
    for (const [step, events] of generate(request).entries()) {
      // One turn of the event loop per step, as an engine's steps would come.
      await new Promise((resolve) => setImmediate(resolve));
      if (gone) return 'cancelled';
      if (reply.streaming) reply.events(events);
      else held.push(...events);
      if (behaviour === 'breaks' && step === 2) {
        reply.fail(new UnbusyError('upstream_failed', 'upstream_cut', 'the engine stopped'), {});
        return 'interrupted';
      }
    }
    reply.events(held);
    reply.finish(head, { usage: scriptedUsage, comment: 'unbusy queue_ms=1 attempts=1' });
    return 'completed';
  } catch (thrown) {
    call.refuse(toUnbusyError(thrown), {});
    return 'refused';
  }
}
