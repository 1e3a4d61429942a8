/**
 * Who is calling: key → tenant, share, rights (401, 403).
 *
 * Without configured keys nobody is asked for one: the caller is its remote address, so that one
 * address cannot crowd out the others, and all count as tenant `default`.
 */

import { isLoopback } from '../config/address.ts';
import type { Config, RequestClass, Scope, TenantConfig } from '../config/config.ts';
import type { Keyring } from '../config/keys.ts';
import { UnbusyError } from '../core/errors.ts';
import type { Call } from '../protocol/caller.ts';

export interface Identity {
  readonly tenant: string;
  /** Whose turn it is in the queue: the tenant, else the key, else the address. */
  readonly flow: string;
  readonly weight: number;
  readonly requestClass: RequestClass;
  /** Prompts may go to endpoints outside the operator's premises. */
  readonly dataMayLeave: boolean;
  /** May be told which endpoint answered. */
  readonly mayDebug: boolean;
  readonly rate: TenantConfig['rate'];
}

export type CallerFacts = Pick<Call, 'headers' | 'remoteAddress'>;

export interface Identifier {
  /**
   * Who this is, if it may do what `scope` says.
   *
   * @throws UnbusyError unauthenticated or forbidden.
   */
  identify(caller: CallerFacts, scope: Scope, nowMs: number): Identity;
}

const noTenant: Pick<TenantConfig, 'weight' | 'class' | 'data' | 'rate'> = {
  weight: 1,
  class: 'interactive',
  data: 'stays',
  rate: undefined,
};

export function createIdentifier(config: Config, keyring: Keyring): Identifier {
  const keysExist = config.keys.length > 0;
  const mayDebug = isLoopback(config.server.host);

  function identityOf(tenant: string, flow: string, mayDebug: boolean): Identity {
    const known = config.tenants[tenant] ?? noTenant;
    return {
      tenant,
      flow,
      weight: known.weight,
      requestClass: known.class,
      dataMayLeave: known.data === 'may_leave',
      mayDebug,
      rate: known.rate,
    };
  }

  return {
    identify(caller, scope, nowMs) {
      if (!keysExist) return identityOf('default', caller.remoteAddress, mayDebug);
      const found = keyring.identify(caller.headers, nowMs);
      switch (found.kind) {
        case 'key': {
          if (!found.scopes.includes(scope)) throw lacksScope(found.id, scope, found.scopes);
          const flow = found.tenant === 'default' ? found.id : found.tenant;
          return identityOf(found.tenant, flow, found.scopes.includes('debug'));
        }
        case 'expired':
          throw new UnbusyError('unauthenticated', 'key_expired', 'this API key has expired', {
            retryable: false,
          });
        case 'invalid':
          throw new UnbusyError('unauthenticated', 'invalid_api_key', 'this API key is not known', {
            retryable: false,
          });
        case 'none':
          throw new UnbusyError(
            'unauthenticated',
            'invalid_api_key',
            'no API key was sent: add the header "authorization: Bearer YOUR_KEY"',
            { retryable: false },
          );
      }
    },
  };
}

function lacksScope(id: string, wanted: Scope, has: readonly Scope[]): UnbusyError {
  const message = `key ${id} has the scopes ${has.join(', ')}; this needs ${wanted}`;
  return new UnbusyError('forbidden', 'forbidden', message, { retryable: false });
}
