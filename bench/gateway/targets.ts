/** What is measured: each gateway as a program in front of the mock upstream, on one core. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { output } from '../measure/machine.ts';
import type { ServerOptions } from '../measure/server-process.ts';
import type { Workload } from './workloads.ts';

const repository = path.join(import.meta.dirname, '../..');
const portkey = path.join(repository, 'bench/peers/portkey/node_modules/@portkey-ai/gateway');

export interface Place {
  readonly port: number;
  readonly upstreamPort: number;
  /** An empty folder for what the program needs. */
  readonly folder: string;
  readonly workloads: readonly Workload[];
}

export interface Target {
  readonly name: string;
  readonly what: string;
  /** Absent: no gateway, the client talks to the mock upstream. */
  readonly server?: ((place: Place) => Omit<ServerOptions, 'name' | 'cores'>) | undefined;
  /** The model that the client asks for. */
  readonly model: (workload: Workload) => string;
}

const asItIs = (workload: Workload): string => workload.model;
const renamed = (workload: Workload): string => `bench-${workload.name}`;

export const targets: readonly Target[] = [
  { name: 'direct', what: 'no gateway', model: asItIs },
  {
    name: 'nginx',
    what: 'proxy_pass, proxy_buffering off, one worker',
    server: nginx,
    model: asItIs,
  },
  {
    name: 'portkey',
    what: '@portkey-ai/gateway 1.15.2, @hono/node-server 1.13.8',
    server: ({ port }) => ({
      command: process.execPath,
      args: [path.join(portkey, 'build/start-server.js'), `--port=${port}`, '--headless'],
      env: { NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' },
      readyUrl: `http://127.0.0.1:${port}/`,
    }),
    model: asItIs,
  },
  {
    name: 'hybridW',
    what: "the experiment's reference: node:http in, raw sockets out, gateway work, no safety",
    server: ({ port, upstreamPort }) => ({
      command: process.execPath,
      args: [path.join(import.meta.dirname, 'hybrid-reference.ts'), `${port}`, `${upstreamPort}`],
      readyUrl: `http://127.0.0.1:${port}/`,
    }),
    model: asItIs,
  },
  {
    name: 'unbusy-raw',
    what: 'unbusy serve, kind openai, relay mode raw',
    server: (place) => unbusy(place, false),
    model: asItIs,
  },
  {
    name: 'unbusy-patch',
    what: "the same with upstream_model, so that every event's model is replaced (patch)",
    server: (place) => unbusy(place, true),
    model: renamed,
  },
];

export function targetVersions(): Readonly<Record<string, string>> {
  return {
    nginx: output('nginx', ['-v']).replace(/^.*nginx\//, ''),
    '@portkey-ai/gateway': '1.15.2',
  };
}

function nginx({ port, upstreamPort, folder }: Place): Omit<ServerOptions, 'name' | 'cores'> {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${folder}/${kind};`)
    .join(' ');
  const config = `
worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/error.log warn;
worker_rlimit_nofile 20000;
events { worker_connections 16000; multi_accept on; }
http {
  access_log off; ${temporary}
  keepalive_requests 100000000; keepalive_timeout 60s; tcp_nodelay on;
  upstream mock {
    server 127.0.0.1:${upstreamPort}; keepalive 8192; keepalive_requests 100000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer up"; proxy_buffering off;
      proxy_request_buffering on; client_body_buffer_size 64k;
    }
  }
}
`;
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'nginx.conf');
  writeFileSync(file, config);
  return {
    command: 'nginx',
    args: ['-p', folder, '-c', file, '-e', path.join(folder, 'error.log')],
    readyUrl: `http://127.0.0.1:${port}/`,
  };
}

/** Unbusy with no keys and nothing limited; each workload's answer shape is a model. */
function unbusy(place: Place, rename: boolean): Omit<ServerOptions, 'name' | 'cores'> {
  const shapes = rename ? place.workloads : [];
  const endpoint = {
    kind: 'openai',
    url: `http://127.0.0.1:${place.upstreamPort}/v1`,
    concurrency: { policy: 'fixed', max: 20_000 },
  };
  const config = {
    server: { host: '127.0.0.1', port: place.port },
    ...(rename && {
      models: Object.fromEntries(shapes.map((shape) => [renamed(shape), { pool: [shape.name] }])),
    }),
    endpoints: rename
      ? Object.fromEntries(
          shapes.map((shape) => [shape.name, { ...endpoint, upstream_model: shape.model }]),
        )
      : { mock: endpoint },
  };
  mkdirSync(place.folder, { recursive: true });
  const file = path.join(place.folder, 'unbusy.yaml');
  // JSON is YAML.
  writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`);
  return {
    command: process.execPath,
    args: [path.join(repository, 'bin/unbusy.js'), 'serve', '--config', file],
    cwd: repository,
    readyUrl: `http://127.0.0.1:${place.port}/readyz`,
  };
}
