/** The contract with the private native binding: everything that the engine relies on. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { loadBinding } from './binding.ts';
import { modelPath } from './engine-fixture.ts';
import type { Binding, NativeContext, NativeModel } from './native.ts';

let binding: Binding;
let model: NativeModel;
let context: NativeContext;
const progress: number[] = [];

const greedy = { temperature: 0, seed: 1 } as const;
const text = '<｜User｜>What is 12 + 34?<｜Assistant｜><think>\n';

before(async () => {
  binding = await loadBinding({ gpuLayers: 0, onLog: () => undefined });
  model = await binding.loadModel(modelPath, {
    gpuLayers: 0,
    onProgress: (ratio) => progress.push(ratio),
  });
  context = await model.createContext({
    sequences: 4,
    contextTokens: 256,
    batchTokens: 64,
    flashAttention: true,
    threads: 1,
  });
});

after(async () => {
  await context.dispose();
  await model.dispose();
});

function prompt(): Uint32Array {
  return Uint32Array.of(model.bosToken, ...model.tokenize(text, true));
}

/** Computes `tokens` in `sequence` from `position` on; the index of the last token's logits. */
async function compute(sequence: number, position: number, tokens: Uint32Array): Promise<number> {
  context.begin(tokens.length);
  const indexes = context.add(sequence, position, tokens, Uint32Array.of(tokens.length - 1));
  await context.decode();
  return indexes[0]!;
}

async function rawAfter(
  sequence: number,
  position: number,
  tokens: Uint32Array,
): Promise<number[]> {
  const index = await compute(sequence, position, tokens);
  return [...(await context.rawLogits(index, 0, 5)).logits];
}

function clear(): void {
  for (const sequence of [0, 1, 2, 3]) context.trim(sequence, 0);
}

test('the package and the machine are known', () => {
  assert.match(binding.package.name, /^@node-llama-cpp\//);
  assert.match(binding.package.version, /^\d+\.\d+\.\d+$/);
  assert.ok(binding.mathCores >= 1);
  assert.equal(progress.at(-1), 1);
});

test('the model tells its size and vocabulary', () => {
  assert.equal(model.parameters, 10_015_032);
  assert.equal(model.trainedContextTokens, 2048);
  assert.equal(model.addsBos, true);
  assert.equal(model.tokenSpelling(model.bosToken), '<｜begin▁of▁sentence｜>');
  assert.equal(model.isEndOfGeneration(model.eosToken), true);
  assert.equal(model.isEndOfGeneration(100), false);
  assert.equal(model.vocabularyType, 2);
  assert.equal(model.tokenAttributes(model.bosToken) & 8, 8, 'control');
});

test('special tokens are parsed only on request, and BOS is never added', () => {
  const [think] = model.tokenize('<think>', true);
  assert.equal(model.tokenSpelling(think!), '<think>');
  assert.notEqual(model.tokenize('<｜User｜>', false).length, 1);
  assert.equal(model.tokenize('<｜User｜>', true).length, 1);
  assert.notEqual(model.tokenize('hello', true)[0], model.bosToken);
  assert.equal(model.tokenize('', true).length, 0);
});

test('a file that is no model is refused by the binding', async () => {
  const path = new URL(import.meta.url).pathname;
  const options = { gpuLayers: 0, onProgress: () => undefined };
  await assert.rejects(binding.loadModel(path, options), { code: 'model_unreadable' });
});

test('a batch computed in two chunks goes on where the first ended', async () => {
  clear();
  const tokens = prompt();
  await compute(0, 0, tokens.subarray(0, 5));
  assert.equal(context.lastPosition(0), 4);
  const index = await compute(0, 5, tokens.subarray(5));
  const token = await context.sample(index, model.createSampler(greedy));
  assert.equal(model.tokenSpelling(token), 'I');
});

test('several sequences decode in one call, each with its own logits', async () => {
  clear();
  const tokens = prompt();
  for (const sequence of [0, 1]) await compute(sequence, 0, tokens);
  context.begin(2);
  const one = Uint32Array.of(0);
  const [need] = model.tokenize(' need', true);
  context.add(0, tokens.length, model.tokenize('I', true), one);
  context.add(1, tokens.length, Uint32Array.of(need!), one);
  await context.decode();
  const first = await context.sample(0, model.createSampler(greedy));
  const second = await context.sample(1, model.createSampler(greedy));
  assert.equal(model.tokenSpelling(first), 'Ġneed');
  assert.notEqual(first, second);
});

test('a batch larger than announced, and a position that leaves a gap, are refused', async () => {
  clear();
  context.begin(1);
  assert.throws(() => context.add(0, 0, prompt(), new Uint32Array()));
  await compute(0, 0, prompt());
  await assert.rejects(compute(0, 200, Uint32Array.of(5)));
});

test('trimming a sequence brings back exactly the state before', async () => {
  clear();
  const tokens = prompt();
  await compute(0, 0, tokens.subarray(0, -1));
  const last = tokens.subarray(-1);
  const once = await rawAfter(0, tokens.length - 1, last);
  await compute(0, tokens.length, Uint32Array.of(7, 8, 9));
  assert.equal(context.trim(0, tokens.length - 1), true);
  assert.equal(context.lastPosition(0), tokens.length - 2);
  assert.deepEqual(await rawAfter(0, tokens.length - 1, last), once);
});

test('a copied sequence is bit-equal, also when its source is cleared before the next decode', async () => {
  clear();
  const tokens = prompt();
  await compute(0, 0, tokens.subarray(0, -1));
  const last = tokens.subarray(-1);
  const original = await rawAfter(0, tokens.length - 1, last);
  context.trim(0, tokens.length - 1);
  await context.copy(2, 0);
  context.trim(0, 0);
  assert.equal(context.lastPosition(2), tokens.length - 2);
  assert.deepEqual(await rawAfter(2, tokens.length - 1, last), original);
});

test('raw logits: the highest first, the one asked for, and a weight that normalises', async () => {
  clear();
  const index = await compute(0, 0, prompt());
  const { logits, weight } = await context.rawLogits(index, 100, 3);
  assert.equal(logits.length, 8);
  assert.ok(logits[1]! >= logits[3]! && logits[3]! >= logits[5]!);
  assert.equal(logits[6], 100);
  let sum = 0;
  const all = await context.rawLogits(index, logits[0]!, 2048);
  for (let at = 0; at < 2048; at++) sum += Math.exp(all.logits[at * 2 + 1]! - logits[1]!);
  assert.ok(Math.abs(sum - weight) < 1e-3 * weight);
});

test('raw logits asked for at the same time do not disturb each other', async () => {
  clear();
  const tokens = prompt();
  context.begin(tokens.length);
  const indexes = context.add(
    0,
    0,
    tokens,
    Uint32Array.from(tokens, (_, at) => at),
  );
  await context.decode();
  const apart: unknown[] = [];
  for (const index of indexes) apart.push(await context.rawLogits(index, 0, 20));
  for (let round = 0; round < 20; round++) {
    const together = await Promise.all(
      [...indexes].map((index) => context.rawLogits(index, 0, 20)),
    );
    assert.deepEqual(together, apart);
  }
});

test('raw logits know nothing of bias, temperature or grammar', async () => {
  clear();
  const index = await compute(0, 0, prompt());
  const before_ = await context.rawLogits(index, 0, 5);
  const bias = { tokens: Uint32Array.of(before_.logits[0]!), values: Float32Array.of(-100) };
  const token = await context.sample(index, model.createSampler({ ...greedy, bias }));
  assert.notEqual(token, before_.logits[0]);
  assert.deepEqual(await context.rawLogits(index, 0, 5), before_);
});

test('the same seed draws the same tokens, another draws others', async () => {
  clear();
  const index = await compute(0, 0, prompt());
  const draw = async (seed: number): Promise<number[]> => {
    const sampler = model.createSampler({ temperature: 50, seed });
    const tokens: number[] = [];
    for (let i = 0; i < 8; i++) tokens.push(await context.sample(index, sampler));
    return tokens;
  };
  assert.deepEqual(await draw(7), await draw(7));
  assert.notDeepEqual(await draw(7), await draw(8));
});

test('top-k, top-p and min-p cut the candidates', async () => {
  clear();
  const index = await compute(0, 0, prompt());
  const hot = { temperature: 50, seed: 3 } as const;
  const distinct = async (
    settings: Parameters<NativeModel['createSampler']>[0],
  ): Promise<number> => {
    const sampler = model.createSampler(settings);
    const seen = new Set<number>();
    for (let i = 0; i < 20; i++) seen.add(await context.sample(index, sampler));
    return seen.size;
  };
  assert.ok((await distinct(hot)) > 10);
  assert.ok((await distinct({ ...hot, topK: 2 })) <= 2);
  assert.equal(await distinct({ ...hot, topP: 0.0001 }), 1);
  assert.equal(await distinct({ ...hot, minP: 0.9999 }), 1);
});

test('penalties count the history and what the sampler itself has drawn', async () => {
  clear();
  const index = await compute(0, 0, prompt());
  const favourite = await context.sample(index, model.createSampler(greedy));
  const penalties = { repetition: 1, presence: 100, frequency: 0, windowTokens: 64 };
  const history = Uint32Array.of(favourite);
  const fresh = { ...penalties, history: new Uint32Array() };
  const told = model.createSampler({ ...greedy, penalties: { ...penalties, history } });
  assert.notEqual(await context.sample(index, told), favourite);
  const own = model.createSampler({ ...greedy, penalties: fresh });
  assert.equal(await context.sample(index, own), favourite);
  assert.notEqual(await context.sample(index, own), favourite);
});

test('a grammar holds from the moment it is given, and ends the text when it is complete', async () => {
  clear();
  const index = await compute(0, 0, prompt());
  const sampler = model.createSampler(greedy);
  assert.equal(model.tokenSpelling(await context.sample(index, sampler)), 'I');
  sampler.useGrammar(model.createGrammar('root ::= "7"'), new Uint32Array());
  assert.equal(model.tokenSpelling(await context.sample(index, sampler)), '7');
  assert.equal(model.isEndOfGeneration(await context.sample(index, sampler)), true);
});

test('a grammar given later keeps penalties and random state', async () => {
  clear();
  const index = await compute(0, 0, prompt());
  const penalties = {
    repetition: 1,
    presence: 100,
    frequency: 0,
    windowTokens: 64,
    history: new Uint32Array(),
  };
  const sampler = model.createSampler({ ...greedy, penalties });
  const drawn = await context.sample(index, sampler);
  sampler.useGrammar(model.createGrammar('root ::= [^\\x00]*'), Uint32Array.of(drawn));
  assert.notEqual(await context.sample(index, sampler), drawn);
});

test('grammars are checked when they are made', () => {
  assert.throws(() => model.createGrammar('root ::= "unfinished'));
  const grammar = model.createGrammar('root ::= "{" [0-9]+ "}"');
  assert.equal(grammar.accepts('{12}'), true);
  assert.equal(grammar.accepts('{12'), false);
  assert.equal(grammar.accepts('{x}'), false);
});

test('memory is told and grows with the context', async () => {
  const options = { sequences: 1, batchTokens: 32, flashAttention: true, threads: 1 };
  const small = await model.createContext({ ...options, contextTokens: 256 });
  const large = await model.createContext({ ...options, contextTokens: 1280 });
  assert.ok(large.memoryBytes - small.memoryBytes > 1024 * 1024);
  await small.dispose();
  await large.dispose();
});
