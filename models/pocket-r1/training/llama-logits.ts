/**
 * llama.cpp's side of the parity check: token ids and all logits of some texts.
 *
 *     node llama-logits.ts model.gguf texts.json out.json out.f32
 *
 * `texts.json` holds an array of rendered prompts, special tokens written out. `out.json` gets the
 * token ids of each, `out.f32` one row of float32 logits per position, text after text.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { loadBinding } from '../../../src/engine/binding.ts';
import type { NativeContext, NativeModel } from '../../../src/engine/native.ts';

/** Logits of every position of one text, ordered by token id. */
async function logitsOf(
  context: NativeContext,
  tokens: Uint32Array,
  vocabularySize: number,
): Promise<Float32Array> {
  context.trim(0, 0);
  context.begin(tokens.length);
  const everywhere = Uint32Array.from(tokens.keys());
  const indexes = context.add(0, 0, tokens, everywhere);
  await context.decode();
  const rows = new Float32Array(tokens.length * vocabularySize);
  for (const [position, index] of indexes.entries()) {
    const { logits } = await context.rawLogits(index, 0, vocabularySize);
    for (let at = 0; at + 1 < logits.length; at += 2) {
      rows[position * vocabularySize + (logits[at] ?? 0)] = logits[at + 1] ?? Number.NaN;
    }
  }
  return rows;
}

function writeLog(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function main([modelPath, textsPath, idsPath, logitsPath]: string[]): Promise<void> {
  if (!modelPath || !textsPath || !idsPath || !logitsPath) {
    throw new Error('usage: llama-logits.ts model.gguf texts.json out.json out.f32');
  }
  const binding = await loadBinding({ gpuLayers: 0, onLog: writeLog });
  const model: NativeModel = await binding.loadModel(modelPath, {
    gpuLayers: 0,
    onProgress: () => {},
  });
  const contextTokens = Math.min(4096, model.trainedContextTokens);
  const context = await model.createContext({
    sequences: 1,
    contextTokens,
    batchTokens: contextTokens,
    flashAttention: true,
    threads: 1,
  });
  const texts: string[] = JSON.parse(readFileSync(textsPath, 'utf8'));
  const vocabularySize = Number(process.env['VOCABULARY'] ?? 2048);
  const ids: number[][] = [];
  const rows: Float32Array[] = [];
  for (const text of texts) {
    const tokens = model.tokenize(text, true);
    ids.push([...tokens]);
    rows.push(await logitsOf(context, tokens, vocabularySize));
  }
  writeFileSync(idsPath, JSON.stringify(ids));
  writeFileSync(logitsPath, Buffer.concat(rows.map((row) => Buffer.from(row.buffer))));
  await context.dispose();
  await model.dispose();
}

await main(process.argv.slice(2));
