/** Codes that end a start. */
import type { WrittenEntry } from '../error-entry.ts';

export const startErrors = {
  invalid_config: {
    kind: 'invalid_request',
    title: 'The config is not valid',
    whatItMeans: 'unbusy.yaml or a flag says something that cannot be meant. Nothing was started.',
    likelyCauses: ['a typing mistake', 'an environment variable that is not set'],
    remedy:
      'Each line names file, line, column, what was found and what is allowed; ' +
      '`unbusy config check` repeats them, `unbusy config schema` serves editors.',
  },
  port_in_use: {
    kind: 'internal',
    title: 'The port is taken',
    whatItMeans: 'Another program listens on the address.',
    likelyCauses: ['another Unbusy', 'an engine on the same port'],
    remedy: 'Stop the other, or start with `--port`. An engine can be fronted with `--upstream`.',
  },
  cannot_listen: {
    kind: 'internal',
    title: 'The address cannot be listened on',
    whatItMeans: 'The system refused to open the port.',
    likelyCauses: ['a port below 1024 without the right to it', 'an address of another machine'],
    remedy: 'Choose another `server.host` or `server.port`.',
    retryable: false,
  },
  model_unusable: {
    kind: 'invalid_request',
    title: 'The model cannot be served by this engine',
    whatItMeans: 'The file is whole, but its vocabulary or chat template is of an unknown kind.',
    likelyCauses: ['a model newer than this version', 'a template with constructs of its own'],
    remedy: 'Update Unbusy, or serve the model with another engine and front it (`--upstream`).',
  },
  model_unreadable: {
    kind: 'invalid_request',
    title: 'The model file cannot be used',
    whatItMeans: 'The file is missing, cannot be read, or is no GGUF file of a known architecture.',
    likelyCauses: ['a wrong path', 'a download that was cut', 'a Git LFS pointer in its place'],
    remedy: 'Check path and size; a GGUF file begins with the letters GGUF.',
  },
  engine_binding_missing: {
    kind: 'internal',
    title: 'The engine was not installed',
    whatItMeans: 'The native package of this platform is not in node_modules.',
    likelyCauses: ['an install without optional dependencies', 'a platform without a binary'],
    remedy: 'Install again without `--omit=optional`, or front an engine with `--upstream`.',
    retryable: false,
  },
  engine_binding_unusable: {
    kind: 'internal',
    title: 'The engine cannot be loaded',
    whatItMeans: 'The native package is there, but this machine cannot run it.',
    likelyCauses: ['an older C library', 'another version than the one this build was made for'],
    remedy: 'Install again with the lock file, or front an engine with `--upstream`.',
    retryable: false,
  },
} satisfies Record<string, WrittenEntry>;
