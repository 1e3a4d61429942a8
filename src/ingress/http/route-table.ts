/**
 * Which handler answers a method and path: the one place that knows 404 from 405.
 *
 * Routes are an object literal, `'POST /v1/chat/completions': handler`. A segment `{name}` stands
 * for one segment and `{name*}` for the rest of the path, because model ids hold slashes. Paths
 * without either are found in one map look-up.
 */

export interface RouteTable<Handler> {
  find(method: string, path: string): RouteMatch<Handler>;
}

export type RouteMatch<Handler> =
  | {
      readonly kind: 'found';
      /** As it stands in the table: low-cardinality, for logs. */
      readonly route: string;
      readonly handler: Handler;
      readonly params: Readonly<Record<string, string>>;
    }
  /** The path exists for these methods only; `OPTIONS` is answered from this too. */
  | { readonly kind: 'other_method'; readonly allow: readonly string[] }
  /** `similar`: the route that was probably meant. */
  | { readonly kind: 'not_found'; readonly similar: string | undefined };

interface Path<Handler> {
  readonly path: string;
  readonly pattern: RegExp | undefined;
  readonly methods: Map<string, { readonly route: string; readonly handler: Handler }>;
}

const noParams: Readonly<Record<string, string>> = Object.freeze({});

/** Compiles a table. Throws on a key that is not `METHOD /path`. */
export function createRouteTable<Handler>(
  routes: Readonly<Record<string, Handler>>,
): RouteTable<Handler> {
  const exact = new Map<string, Path<Handler>>();
  const patterns: Path<Handler>[] = [];
  for (const [route, handler] of Object.entries(routes)) {
    const [method, path, ...rest] = route.split(' ');
    if (method === undefined || !path?.startsWith('/') || rest.length > 0) {
      throw new Error(`not a route: ${route}`);
    }
    let entry = exact.get(path);
    if (entry === undefined) {
      entry = { path, pattern: patternOf(path), methods: new Map() };
      exact.set(path, entry);
      if (entry.pattern !== undefined) patterns.push(entry);
    }
    entry.methods.set(method, { route, handler });
  }

  return {
    find(method, path) {
      const entry = exact.get(path);
      if (entry !== undefined && entry.pattern === undefined) {
        return inMethods(entry, method, noParams);
      }
      for (const candidate of patterns) {
        const params = candidate.pattern?.exec(path)?.groups;
        const decoded = params === undefined ? undefined : decodeParams(params);
        if (decoded !== undefined) return inMethods(candidate, method, decoded);
      }
      return { kind: 'not_found', similar: similarRoute(exact, path) };
    },
  };
}

function inMethods<Handler>(
  entry: Path<Handler>,
  method: string,
  params: Readonly<Record<string, string>>,
): RouteMatch<Handler> {
  const asked = method === 'HEAD' && !entry.methods.has('HEAD') ? 'GET' : method;
  const found = entry.methods.get(asked);
  if (found !== undefined) return { kind: 'found', ...found, params };
  const allow = [...entry.methods.keys()];
  if (allow.includes('GET') && !allow.includes('HEAD')) allow.push('HEAD');
  return { kind: 'other_method', allow: [...allow, 'OPTIONS'].sort() };
}

function patternOf(path: string): RegExp | undefined {
  if (!path.includes('{')) return undefined;
  const source = path
    .replace(/[.*+?^$()|[\]\\]/g, '\\$&')
    .replace(/\{(\w+)\\\*\}/g, '(?<$1>.+)')
    .replace(/\{(\w+)\}/g, '(?<$1>[^/]+)');
  return new RegExp(`^${source}$`);
}

/** Undefined where a percent escape is malformed: such a path names nothing. */
function decodeParams(params: Record<string, string>): Record<string, string> | undefined {
  const decoded: Record<string, string> = {};
  try {
    for (const [name, value] of Object.entries(params)) decoded[name] = decodeURIComponent(value);
  } catch {
    return undefined;
  }
  return decoded;
}

/** Catches what goes wrong with base URLs: `/v1` left out, given twice, doubled or last slashes. */
function similarRoute<Handler>(
  paths: ReadonlyMap<string, Path<Handler>>,
  path: string,
): string | undefined {
  const plain = path.replace(/\/{2,}/g, '/').replace(/(.)\/$/, '$1');
  for (const known of paths.keys()) {
    if (known === plain || known.endsWith(plain) || plain.endsWith(known)) return known;
  }
  return undefined;
}
