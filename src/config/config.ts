/** The config as the program uses it: camelCase, complete, checked, read-only. */
import type { Camel } from './case.ts';
import type { FileConfig } from './schema.ts';
import type { Secret } from './secret.ts';

type CamelFile = Camel<FileConfig>;
type FileEndpoint = CamelFile['endpoints'][string];
type FileHttpEndpoint = Exclude<FileEndpoint, { readonly kind: 'embedded' }>;

/** An engine process of our own. `model` is an absolute path or a built-in model's name. */
export type EmbeddedEndpointConfig = Extract<FileEndpoint, { readonly kind: 'embedded' }>;

/** An engine or API that is reached over HTTP. */
export type HttpEndpointConfig = Omit<FileHttpEndpoint, 'key' | 'headers' | 'location'> & {
  readonly location: 'own' | 'public';
  readonly key?: Secret | undefined;
  readonly headers: Readonly<Record<string, Secret>>;
};

export type EndpointConfig = EmbeddedEndpointConfig | HttpEndpointConfig;
export type TenantConfig = CamelFile['tenants'][string];
export type RequestClass = TenantConfig['class'];
export type Scope = CamelFile['keys'][number]['scopes'][number];

/** A caller's key; only its hash is kept. */
export type KeyConfig = Omit<CamelFile['keys'][number], 'hash' | 'secret'> & {
  /** `sha256:` and 64 hexadecimal digits. */
  readonly hash: string;
};

export type Config = Omit<CamelFile, 'endpoints' | 'keys'> & {
  readonly endpoints: Readonly<Record<string, EndpointConfig>>;
  readonly keys: readonly KeyConfig[];
};
