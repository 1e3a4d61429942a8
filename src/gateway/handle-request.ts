/**
 * The life of a request, top to bottom.
 *
 *   identify → decode → admit → queue → route → attempt → relay → settle
 *
 * Each step is a call into one module; this file owns their order, what may be repeated, and that
 * every request ends exactly once in exactly one outcome. ARCHITECTURE.md draws the same path with
 * the status that each step can fail with.
 */
import { toUnbusyError } from '../core/errors.ts';
import type { Call, CallerReply } from '../protocol/caller.ts';
import type { GenerationRequest } from '../protocol/generation.ts';
import type { Clock, UpstreamError } from '../protocol/ports.ts';
import type { TelemetrySink } from '../protocol/telemetry.ts';
import type { Admission } from './admission.ts';
import { startAttempt } from './attempt.ts';
import type { Identifier } from './identify.ts';
import type { InFlight } from './in-flight.ts';
import { callerLeft, type Ticket } from './pool-ticket.ts';
import { Progress } from './progress.ts';
import { type Retries, whyNotPlaced } from './retries.ts';
import { Story } from './story.ts';

/** What the path is made of; `gateway.ts` builds it once. */
export interface RequestPath {
  readonly clock: Clock;
  readonly telemetry: TelemetrySink;
  readonly identifier: Identifier;
  readonly inFlight: InFlight;
  readonly admission: Admission;
  readonly retries: Retries;
  /** Requests in progress, for ending them when a drain has lasted too long. */
  readonly running: Set<Progress>;
}

/** Answers one call. Never rejects: whatever goes wrong is told to the caller and to telemetry. */
export async function handleRequest(path: RequestPath, call: Call): Promise<void> {
  const story = new Story(call, path.clock);
  let reply: CallerReply | undefined;
  try {
    const identity = path.identifier.identify(call, 'infer', path.clock.now());
    story.identified(identity);
    const request = call.decode();
    story.decoded(request);
    reply = call.reply(request);
    const joined = path.inFlight.join(identity.flow, call, request, reply);
    if (joined.kind === 'joined') {
      story.coalesced(await joined.end);
    } else {
      reply = joined.reply;
      await answer(path, { call, identity, request, reply, story }).finally(joined.leave);
    }
  } catch (thrown) {
    const error = story.forCaller(toUnbusyError(thrown));
    story.failed(error, reply?.begun ?? false);
    if (reply === undefined) call.refuse(error, story.headers());
    else reply.fail(error, story.headers());
  }
  path.telemetry.requestSettled(story.settled());
}

interface Answering {
  readonly call: Call;
  readonly identity: ReturnType<Identifier['identify']>;
  readonly request: GenerationRequest;
  readonly reply: CallerReply;
  readonly story: Story;
}

/** Admits, then makes attempts until one completes or none can help. */
async function answer(path: RequestPath, answering: Answering): Promise<void> {
  const { request, reply, story } = answering;
  const progress = new Progress();
  reply.onGone(() => progress.leave());
  path.running.add(progress);
  try {
    const admitted = await path.admission.admit({
      ...answering,
      announce: () => reply.begin(story.head(request.model, undefined)),
    });
    path.retries.observeRequest();
    story.admitted(admitted.ticket.requestClass, admitted.predictedWaitMs);
    try {
      progress.admitted(admitted.ticket);
      await attemptUntilDone(path, answering, admitted.ticket, progress);
    } finally {
      admitted.settle(story.usage);
    }
  } finally {
    path.running.delete(progress);
  }
}

async function attemptUntilDone(
  path: RequestPath,
  { request, reply, story }: Answering,
  ticket: Ticket,
  progress: Progress,
): Promise<void> {
  let failure: UpstreamError | undefined;
  for (;;) {
    const placement = await ticket.place().catch((thrown: unknown) => {
      throw whyNotPlaced(thrown, failure, story.attempts);
    });
    const { endpoint } = placement;
    story.placed(endpoint.name, placement.waitedMs);
    const result = await progress.attempting(
      startAttempt({
        endpoint,
        request,
        reply,
        head: (model, warning) => story.head(model, warning),
        closingComment: (warning) => story.closingComment(warning),
        onProgress: (tokens) => ticket.progress(tokens),
        clock: path.clock,
      }),
    );
    story.attempted(endpoint.name, result);
    placement.release(result.kind === 'failed' ? result.failure : undefined);
    if (result.kind === 'complete') return;
    if (result.kind === 'gone') throw callerLeft();
    failure = result.failure;
    const elsewhere = failure.error.details.retryable !== false || ticket.avoid(endpoint);
    const { deadlineAtMs } = ticket;
    path.retries.requireAnother({ failure, attempts: story.attempts, deadlineAtMs, elsewhere });
  }
}
