import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindingPackageNames, findBindingPackage } from './binding-package.ts';

test('a GPU package that is installed wins over the CPU one, and only if it is wanted', () => {
  const names = bindingPackageNames('linux', 'x64');
  assert.equal(names[0], '@node-llama-cpp/linux-x64-cuda');
  assert.equal(names.at(-1), '@node-llama-cpp/linux-x64');
  const asked: string[] = [];
  const nothing = (name: string): undefined => {
    asked.push(name);
  };
  assert.throws(() => findBindingPackage('linux', 'x64', false, nothing));
  assert.deepEqual(asked, ['@node-llama-cpp/linux-x64']);
  asked.length = 0;
  assert.throws(() => findBindingPackage('linux', 'x64', true, nothing));
  assert.deepEqual(asked, names);
});

test('a missing package is named together with the command that installs it', () => {
  assert.throws(() => findBindingPackage('darwin', 'arm64', false, () => undefined), {
    code: 'engine_binding_missing',
    message: /@node-llama-cpp\/mac-arm64-metal.*npm install @node-llama-cpp\/mac-arm64-metal/,
  });
});

test('a machine that nothing is published for is told what remains', () => {
  assert.throws(() => findBindingPackage('aix', 'ppc64', false, () => undefined), {
    code: 'engine_binding_missing',
    message: /aix on ppc64.*--upstream/,
  });
});
