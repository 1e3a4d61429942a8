"""Shows that PyTorch, transformers and llama.cpp compute the same function with the same tokens.

    python parity.py --checkpoint run/2 --exported ../candidate

Renders development conversations of at least 2,000 tokens, takes each implementation's token ids
and logits, and prints for every pair the largest difference of logits and of probabilities, and
at how many positions the most likely token agrees. llama.cpp runs inside Node (`llama-logits.ts`).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from tokenizers import Tokenizer

import checkpoint
from chat import encode_ids, render_completion, render_prompt
from decode import dev_samples
from vocabulary import EOS

SEED = 515
Ids = list[list[int]]
Logits = np.ndarray


def conversations(tokenizer: Tokenizer, tokens: int) -> list[str]:
    """Rendered development conversations with their answers, `tokens` long in all."""
    texts, total = [], 0
    for sample in dev_samples(tokens, SEED):
        prompt = render_prompt(sample.messages, sample.prefill)
        completion = render_completion(sample.thought, sample.answer, sample.prefill)
        texts.append(prompt + completion + EOS)
        total += len(encode_ids(tokenizer, texts[-1]))
        if total >= tokens:
            return texts
    raise ValueError(f'the development split is shorter than {tokens} tokens')


@torch.no_grad()
def run_pytorch(directory: Path, tokenizer: Tokenizer, texts: list[str]) -> tuple[Ids, Logits]:
    """Our own model in float32."""
    model, _ = checkpoint.load(directory)
    model.eval()
    ids = [encode_ids(tokenizer, text) for text in texts]
    rows = [model(torch.tensor([row]))[0].numpy() for row in ids]
    return ids, np.concatenate(rows)


@torch.no_grad()
def run_transformers(directory: Path, texts: list[str]) -> tuple[Ids, Logits]:
    """`AutoModelForCausalLM` on the exported directory, in float32."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, DeepseekV3ForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    if not isinstance(model, DeepseekV3ForCausalLM):
        raise TypeError(f'loaded as {type(model).__name__}')
    ids = [tokenizer(text, add_special_tokens=False)['input_ids'] for text in texts]
    rows = [model(torch.tensor([row])).logits[0].numpy() for row in ids]
    return ids, np.concatenate(rows)


def run_llama(gguf: Path, texts: list[str]) -> tuple[Ids, Logits]:
    """llama.cpp as the embedded engine has it."""
    script = Path(__file__).with_name('llama-logits.ts')
    with TemporaryDirectory() as folder:
        source, ids, logits = (Path(folder) / name for name in ('texts.json', 'ids.json', 'f32'))
        source.write_text(json.dumps(texts), encoding='utf-8')
        subprocess.run(['node', script, gguf, source, ids, logits], check=True)
        tokens: Ids = json.loads(ids.read_text(encoding='utf-8'))
        rows = np.fromfile(logits, dtype='<f4').reshape(sum(map(len, tokens)), -1)
    return tokens, rows


def probabilities(logits: Logits) -> np.ndarray:
    """Softmax in float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def compare(name: str, one: tuple[Ids, Logits], other: tuple[Ids, Logits]) -> bool:
    """Prints the differences; false if the token ids differ."""
    same_ids = one[0] == other[0]
    if not same_ids:
        print(f'{name}: token ids differ')
        return False
    logits = np.abs(one[1] - other[1]).max()
    chances = np.abs(probabilities(one[1]) - probabilities(other[1])).max()
    agree = int((one[1].argmax(axis=1) == other[1].argmax(axis=1)).sum())
    print(
        f'{name}: same ids, {agree}/{len(one[1])} arg-max, '
        f'largest difference {logits:.2e} (logit) {chances:.2e} (probability)'
    )
    return True


def main() -> None:
    """Compares all implementations with our PyTorch model; fails where token ids differ."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--checkpoint', type=Path, required=True)
    parser.add_argument('--exported', type=Path, required=True)
    parser.add_argument('--tokens', type=int, default=2_200)
    parser.add_argument('--skip', nargs='*', default=[], help='such as transformers')
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = Tokenizer.from_file(str(options.exported / 'hf' / 'tokenizer.json'))
    texts = conversations(tokenizer, options.tokens)
    reference = run_pytorch(options.checkpoint, tokenizer, texts)
    others: dict[str, Callable[[], tuple[Ids, Logits]]] = {
        'transformers': lambda: run_transformers(options.exported / 'hf', texts),
    }
    for kind in ('f32', 'f16', 'q8_0'):
        path = options.exported / f'pocket-r1-{kind}.gguf'
        others[f'llama.cpp {kind}'] = lambda path=path: run_llama(path, texts)
    good = [
        compare(f'pytorch / {name}', reference, run())
        for name, run in others.items()
        if name not in options.skip
    ]
    sys.exit(0 if all(good) else 1)


if __name__ == '__main__':
    main()
