/** What `unbusy serve` says when it can answer: where, which model, and a line to try it with. */
import { builtInModel } from '../../config/flags.ts';
import type { Config } from '../../config/load.ts';
import type { UpstreamModel } from '../../protocol/ports.ts';
import type { Invocation } from '../terminal.ts';

export interface ReadyFacts {
  readonly version: string;
  /** Where callers reach us, without `/v1`. */
  readonly url: string;
  readonly models: readonly UpstreamModel[];
  readonly endpoints: readonly EndpointFacts[];
  readonly config: Config;
  /** The file, `command line` or `defaults`. */
  readonly source: string;
  readonly invocation: Invocation;
}

export interface EndpointFacts {
  readonly name: string;
  readonly kind: string;
  readonly state: string;
  readonly reason?: string | undefined;
}

const modelsShown = 8;

/** The block for people, within 80 columns where names allow. */
export function readyText(facts: ReadyFacts): string {
  const { version, url, source, models, config } = facts;
  const lines = [
    `unbusy ${version} is ready: ${url}/v1  (config: ${source})`,
    ...models.slice(0, modelsShown).map((model) => `  model     ${modelText(model)}`),
    ...(models.length > modelsShown ? [`            and ${models.length - modelsShown} more`] : []),
    ...upstreamLines(config),
    ...troubleLines(facts.endpoints),
    '',
    'Try it:',
    ...curlLines(facts),
    `or talk to it: ${facts.invocation.command} chat${chatFlags(facts)}`,
  ];
  if (isDemonstration(config)) {
    lines.push('', 'To front an engine that runs already:');
    lines.push(`  ${facts.invocation.serve} --upstream http://HOST:8000/v1`);
  }
  return `${lines.join('\n')}\n`;
}

/** The same for `--log-format json`: one object. */
export function readyRecord(facts: ReadyFacts): Record<string, unknown> {
  return {
    time: new Date().toISOString(),
    level: 'info',
    event: 'ready',
    version: facts.version,
    url: `${facts.url}/v1`,
    config: facts.source,
    models: facts.models.map(({ id }) => id),
    endpoints: facts.endpoints,
  };
}

/** Nothing but the model that comes with us: whoever starts that may have engines of their own. */
function isDemonstration({ endpoints }: Config): boolean {
  return Object.values(endpoints).every(
    (endpoint) => endpoint.kind === 'embedded' && endpoint.model === builtInModel,
  );
}

function modelText({ id, description, parameters, contextTokens }: UpstreamModel): string {
  const about = [
    description,
    parameters === undefined || description?.includes('parameters')
      ? undefined
      : `${parametersText(parameters)} parameters`,
    contextTokens === undefined ? undefined : `context ${contextTokens}`,
  ].filter((part) => part !== undefined);
  return about.length === 0 ? id : `${id} (${about.join(', ')})`;
}

/** `10 M`, `671 B`. */
function parametersText(parameters: number): string {
  return parameters >= 1e9
    ? `${Math.round(parameters / 1e9)} B`
    : `${Math.round(parameters / 1e6)} M`;
}

/** Where prompts are sent: an operator must see that they leave. */
function upstreamLines({ endpoints }: Config): string[] {
  return Object.entries(endpoints).flatMap(([name, endpoint]) => {
    if (endpoint.kind === 'embedded') return [];
    const where = endpoint.location === 'public' ? ', outside your own network' : '';
    return [`  upstream  ${name}: prompts go to ${endpoint.url}${where}`];
  });
}

function troubleLines(endpoints: readonly EndpointFacts[]): string[] {
  return endpoints
    .filter(({ state }) => state !== 'ready')
    .map(({ name, state, reason }) => {
      const why = reason === undefined ? '' : `: ${reason}`;
      return `  ${state.padEnd(9)} ${name}${why}`;
    });
}

/** The prompt is one that the demonstration model can do. */
function curlLines({ url, models, config }: ReadyFacts): string[] {
  const model = models[0]?.id ?? 'MODEL';
  const auth = config.keys.length === 0 ? [] : [`    -H 'authorization: Bearer YOUR_KEY' \\`];
  return [
    `  curl -N ${reachable(url)}/v1/chat/completions \\`,
    ...auth,
    `    -H 'content-type: application/json' -d '{"stream": true,`,
    `    "model": ${JSON.stringify(model)}, "messages": [{"role": "user",`,
    `    "content": "What is 17 + 25?"}]}'`,
  ];
}

function chatFlags({ url, config }: ReadyFacts): string {
  const address = reachable(url) === 'http://127.0.0.1:6710' ? '' : ` --url ${reachable(url)}/v1`;
  return `${address}${config.keys.length === 0 ? '' : ' --key YOUR_KEY'}`;
}

/** An address that listens everywhere is reached here by loopback. */
function reachable(url: string): string {
  return url.replace('//0.0.0.0', '//127.0.0.1').replace('//[::]', '//[::1]');
}

/** What is said when nothing can answer yet. */
export function waitingText({ url, endpoints }: ReadyFacts): string {
  const lines = [`listening on ${url}/v1; no model can answer yet`, ...troubleLines(endpoints)];
  return `${lines.join('\n')}\n`;
}
