/**
 * What an address says by itself: whether it listens to others, whether it leaves the premises, and
 * where an engine's OpenAI API begins. Pure text work, no look-ups.
 */
import { isIP, isIPv4 } from 'node:net';

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  return (
    bare === 'localhost' ||
    bare.endsWith('.localhost') ||
    (isIPv4(bare) && bare.startsWith('127.')) ||
    bare === '::1'
  );
}

/**
 * `own` for addresses that cannot be on the public internet: loopback, private and link-local
 * ranges (RFC 1918, RFC 6598, RFC 4193), names without a dot, and the suffixes that are reserved
 * or customary for inside use. Everything else counts as `public`, because a prompt that has left
 * cannot be called back.
 */
export function locationOf(url: string): 'own' | 'public' {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (isLoopback(host)) return 'own';
  const version = isIP(host);
  if (version === 4) return isPrivateIpv4(host) ? 'own' : 'public';
  if (version === 6) return /^(f[cd]|fe[89ab])/.test(host) ? 'own' : 'public';
  if (!host.includes('.')) return 'own';
  return /\.(local|internal|lan|intranet|corp|home\.arpa|svc|svc\.cluster\.local)$/.test(host)
    ? 'own'
    : 'public';
}

function isPrivateIpv4(host: string): boolean {
  const [first = 0, second = 0] = host.split('.').map(Number);
  return (
    first === 10 ||
    (first === 172 && second >= 16 && second <= 31) ||
    (first === 192 && second === 168) ||
    (first === 169 && second === 254) ||
    (first === 100 && second >= 64 && second <= 127)
  );
}

/**
 * The base of an engine's OpenAI API without a closing slash. A bare origin gets `/v1`, which is
 * where every engine serves it; a path that was given is kept, because some APIs use another.
 */
export function apiBase(url: string): string {
  const parsed = new URL(url);
  const path = parsed.pathname.replace(/\/+$/, '');
  return `${parsed.origin}${path === '' ? '/v1' : path}`;
}

/** Why `url` cannot be an engine's address; undefined when it can. */
export function urlFault(url: string): string | undefined {
  if (!url.includes('://') || !URL.canParse(url)) {
    return 'this is not a URL; allowed: http://host:port/v1 or https://…';
  }
  const parsed = new URL(url);
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    return `${parsed.protocol}// is not supported; allowed: http:// or https://`;
  }
  if (parsed.username !== '' || parsed.password !== '') {
    return 'credentials do not belong in a URL, which is logged; use key: or headers:';
  }
  if (parsed.search !== '' || parsed.hash !== '') return 'a query or fragment is not allowed';
  return undefined;
}
