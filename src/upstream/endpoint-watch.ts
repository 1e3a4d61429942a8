/**
 * Keeps an endpoint's status: probes it until it answers, again and again with back-off while it
 * does not, and lightly while it does.
 *
 * A refused connection takes it out at once. Silence does so only after several probes during which
 * it said nothing to anybody, because a full engine answers slowly (B5). Owns the state, the facts and one timer.
 */
import type { Clock, Timer, UpstreamState } from '../protocol/ports.ts';
import type { TelemetrySink } from '../protocol/telemetry.ts';
import {
  detectEndpoint,
  type EndpointFacts,
  ProbeFailure,
  type ProbeOptions,
  refreshEndpoint,
} from './endpoint-probe.ts';

export interface EndpointWatchOptions extends ProbeOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly telemetry: TelemetrySink;
  /** Called when the endpoint's facts have been found anew, before listeners are. */
  readonly onFacts: () => void;
}

const READY_INTERVAL_MS = 10_000;
const RETRY_FIRST_MS = 250;
const RETRY_MAX_MS = 5000;
const SILENT_PROBES_MAX = 3;
const NOTED_MODELS = 5;

export class EndpointWatch {
  readonly #options: EndpointWatchOptions;
  readonly #listeners = new Set<() => void>();
  readonly #started = Promise.withResolvers<void>();
  #state: UpstreamState = 'starting';
  #reason: string | undefined = 'not asked yet';
  #facts: EndpointFacts | undefined;
  #sample: { readonly tokens: number; readonly atMs: number } | undefined;
  #tokensPerSecond: number | undefined;
  #timer: Timer | undefined;
  #probing = false;
  #closed = false;
  #retryMs = RETRY_FIRST_MS;
  #silentProbes = 0;

  constructor(options: EndpointWatchOptions) {
    this.#options = options;
  }

  get state(): UpstreamState {
    return this.#state;
  }

  get reason(): string | undefined {
    return this.#reason;
  }

  /** The last that were found, also while it is down. */
  get facts(): EndpointFacts | undefined {
    return this.#facts;
  }

  /** Over the time between the last two probes, where the engine counts. */
  get tokensPerSecond(): number | undefined {
    return this.#state === 'ready' ? this.#tokensPerSecond : undefined;
  }

  /** Begins to probe; resolves when the endpoint can answer, rejects when it is closed before. */
  start(): Promise<void> {
    void this.#probe();
    return this.#started.promise;
  }

  /** A request has found nobody there: probe now. */
  doubt(): void {
    void this.#probe();
  }

  /** Returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#listeners.clear();
    // Nobody has to wait for the start of an endpoint that is closed.
    this.#started.promise.catch(() => {});
    this.#started.reject(new Error(`endpoint ${this.#options.name} has been closed`));
  }

  async #probe(): Promise<void> {
    if (this.#probing || this.#closed) return;
    this.#probing = true;
    this.#timer?.cancel();
    try {
      const facts =
        this.#state === 'ready' && this.#facts !== undefined
          ? await refreshEndpoint(this.#options, this.#facts)
          : await detectEndpoint(this.#options);
      if (!this.#closed) this.#found(facts);
    } catch (thrown) {
      if (!this.#closed) this.#missed(asProbeFailure(thrown));
    }
    this.#probing = false;
    if (!this.#closed) this.#schedule();
  }

  #schedule(): void {
    const delayMs = this.#state === 'ready' ? READY_INTERVAL_MS : this.#retryMs;
    if (this.#state !== 'ready') this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MAX_MS);
    this.#timer = this.#options.clock.setTimer(delayMs, () => void this.#probe());
  }

  #found(facts: EndpointFacts): void {
    const { name, telemetry, onFacts } = this.#options;
    const news = this.#facts === undefined || identity(this.#facts) !== identity(facts);
    this.#facts = facts;
    this.#silentProbes = 0;
    this.#retryMs = RETRY_FIRST_MS;
    this.#measure(facts);
    if (news) {
      onFacts();
      const models = facts.models.slice(0, NOTED_MODELS).map(({ id }) => id);
      telemetry.note('info', 'endpoint_detected', { endpoint: name, engine: facts.engine, models });
    }
    if (this.#state !== 'ready') this.#change('ready', undefined);
    else if (news) this.#tell();
    this.#started.resolve();
  }

  #missed({ kind, message }: ProbeFailure): void {
    const { client, clock } = this.#options;
    const speaking = clock.now() - client.lastReadAtMs < READY_INTERVAL_MS;
    this.#silentProbes = kind === 'silent' && !speaking ? this.#silentProbes + 1 : 0;
    const patient = kind === 'silent' && this.#silentProbes < SILENT_PROBES_MAX;
    if (this.#state === 'ready' && patient) return;
    // Until it has answered once nobody can say that it is down: weights load for minutes.
    const unknown = this.#facts === undefined && kind !== 'refused';
    this.#change(unknown || kind === 'loading' ? 'starting' : 'down', message);
  }

  #measure(facts: EndpointFacts): void {
    const tokens = facts.metrics?.generatedTokens;
    const before = this.#sample;
    const atMs = this.#options.clock.now();
    this.#sample = tokens === undefined ? undefined : { tokens, atMs };
    this.#tokensPerSecond =
      tokens === undefined || before === undefined || atMs <= before.atMs || tokens < before.tokens
        ? undefined
        : ((tokens - before.tokens) * 1000) / (atMs - before.atMs);
  }

  #change(state: UpstreamState, reason: string | undefined): void {
    if (state === this.#state && reason === this.#reason) return;
    this.#state = state;
    this.#reason = reason;
    this.#options.telemetry.endpointState(this.#options.name, state, reason);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** What counts as a change of the endpoint; its load does not. */
function identity({ engine, apiBase, models, slots }: EndpointFacts): string {
  return JSON.stringify({ engine, apiBase, models, slots });
}

function asProbeFailure(thrown: unknown): ProbeFailure {
  if (thrown instanceof ProbeFailure) return thrown;
  return new ProbeFailure('unreachable', thrown instanceof Error ? thrown.message : String(thrown));
}
