/**
 * Which npm package carries the native binding for this machine, and where its addon lies.
 *
 * node-llama-cpp publishes its prebuilt addon in one package per platform and GPU kind. We depend on
 * the CPU ones only (30 MB each) and on none of node-llama-cpp itself, which would pull in 500 MB of
 * CUDA. A GPU package that the operator has installed beside them wins over the CPU one.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UnbusyError } from '../core/errors.ts';

/** An installed prebuilt addon. */
export interface BindingPackage {
  /** `@node-llama-cpp/linux-x64-cuda` */
  readonly name: string;
  readonly version: string;
  readonly addonPath: string;
  /** Folder of the backend libraries that the addon loads at run time. */
  readonly backendsPath: string;
  /** Further backends for older GPUs, in a package of their own; absent: not installed. */
  readonly fallbackBackendsPath?: string | undefined;
}

/** Packages to try on a machine, best first; empty where nothing is published for it. */
export function bindingPackageNames(platform: string, arch: string): readonly string[] {
  const names: Readonly<Record<string, readonly string[]>> = {
    'linux-x64': ['linux-x64-cuda', 'linux-x64-vulkan', 'linux-x64'],
    'linux-arm64': ['linux-arm64'],
    'linux-arm': ['linux-armv7l'],
    'linux-riscv64': ['linux-riscv64'],
    'darwin-arm64': ['mac-arm64-metal'],
    'darwin-x64': ['mac-x64'],
    'win32-x64': ['win-x64-cuda', 'win-x64-vulkan', 'win-x64'],
    'win32-arm64': ['win-arm64'],
  };
  return (names[`${platform}-${arch}`] ?? []).map((name) => `@node-llama-cpp/${name}`);
}

/**
 * Finds the addon to load. With `gpu: false` the GPU packages are passed over.
 * Throws `UnbusyError` internal `engine_binding_missing`, naming the package and the npm command.
 */
export function findBindingPackage(
  platform: string,
  arch: string,
  gpu: boolean,
  resolve: (name: string) => string | undefined = resolvePackage,
): BindingPackage {
  const names = bindingPackageNames(platform, arch);
  const cpuName = names.at(-1);
  if (cpuName === undefined) {
    throw new UnbusyError(
      'internal',
      'engine_binding_missing',
      `the embedded engine has no build for ${platform} on ${arch}; use --upstream with an engine ` +
        'that runs elsewhere',
    );
  }
  for (const name of gpu ? names : [cpuName]) {
    const entry = resolve(name);
    if (entry !== undefined) return packageAt(name, entry, resolve(`${name}-ext`));
  }
  throw new UnbusyError(
    'internal',
    'engine_binding_missing',
    `the embedded engine needs the package ${cpuName}, which is not installed; run ` +
      `"npm install ${cpuName}" (npm leaves it out with --omit=optional)`,
  );
}

/** `entry` is `<package>/dist/index.js`, the only path that the package exports. */
function packageAt(name: string, entry: string, extEntry: string | undefined): BindingPackage {
  const folder = name.slice(name.indexOf('/') + 1);
  const root = dirname(dirname(entry));
  const backendsPath = join(root, 'bins', folder);
  const manifest: { version: string } = createRequire(entry)(join(root, 'package.json'));
  return {
    name,
    version: manifest.version,
    addonPath: join(backendsPath, 'llama-addon.node'),
    backendsPath,
    fallbackBackendsPath:
      extEntry && join(dirname(dirname(extEntry)), 'bins', `${folder}-ext`, 'fallback'),
  };
}

function resolvePackage(name: string): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(name);
  } catch {
    return undefined;
  }
}
