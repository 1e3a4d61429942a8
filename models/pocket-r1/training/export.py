"""Turns a checkpoint's shards into the files that are used: Hugging Face form and GGUF. CPU only.

    python export.py --checkpoint run/2 --out ../candidate

writes `hf/` (safetensors, configuration and tokenizer that `transformers`, vLLM and SGLang load as
DeepseekV3ForCausalLM), `pocket-r1-f32.gguf`, `pocket-r1-f16.gguf` and `pocket-r1-q8_0.gguf`.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from chat import chat_template
from gguf_model import write_model
from shape import Shape, huggingface_config
from tensor_file import Weights, read_tensors, write_tensors
from vocabulary import read_vocabulary

TOKENIZER = Path(__file__).with_name('tokenizer')
GGUF_KINDS = ('F32', 'F16', 'Q8_0')

_ATTENTION_NAMES = {
    'q_a': 'q_a_proj',
    'q_a_norm': 'q_a_layernorm',
    'q_b': 'q_b_proj',
    'kv_a': 'kv_a_proj_with_mqa',
    'kv_a_norm': 'kv_a_layernorm',
    'kv_b': 'kv_b_proj',
    'out': 'o_proj',
}


def read_checkpoint(directory: Path) -> tuple[Shape, Weights]:
    """Shape and weights of a checkpoint, without PyTorch."""
    paths = sorted(directory.glob('weights-*.safetensors'))
    if not paths:
        raise FileNotFoundError(f'{directory}: no weights-*.safetensors')
    weights: Weights = {}
    for path in paths:
        weights.update(read_tensors(path))
    return Shape.load(directory / 'shape.json'), weights


def _feed_forward(weights: Weights, layer: int, shape: Shape) -> Weights:
    source, target = f'layers.{layer}.feed_forward', f'model.layers.{layer}.mlp'
    parts = ('gate', 'up', 'down')
    if layer == 0:
        return {f'{target}.{p}_proj.weight': weights[f'{source}.{p}.weight'] for p in parts}
    named = {
        f'{target}.gate.weight': weights[f'{source}.router'],
        f'{target}.gate.e_score_correction_bias': weights[f'{source}.balance'],
    }
    for part in parts:
        shared = weights[f'{source}.shared.{part}.weight']
        named[f'{target}.shared_experts.{part}_proj.weight'] = shared
        for expert in range(shape.experts):
            routed = weights[f'{source}.experts_{part}'][expert]
            named[f'{target}.experts.{expert}.{part}_proj.weight'] = routed
    return named


def huggingface_weights(weights: Weights, shape: Shape) -> Weights:
    """The same weights under DeepSeek-V3's names on Hugging Face."""
    named = {
        'model.embed_tokens.weight': weights['embedding.weight'],
        'model.norm.weight': weights['norm.weight'],
        'lm_head.weight': weights['head.weight'],
    }
    for layer in range(shape.layers):
        source, target = f'layers.{layer}', f'model.layers.{layer}'
        for ours, theirs in _ATTENTION_NAMES.items():
            array = weights[f'{source}.attention.{ours}.weight']
            named[f'{target}.self_attn.{theirs}.weight'] = array
        named[f'{target}.input_layernorm.weight'] = weights[f'{source}.attention_norm.weight']
        after = weights[f'{source}.feed_forward_norm.weight']
        named[f'{target}.post_attention_layernorm.weight'] = after
        named.update(_feed_forward(weights, layer, shape))
    return named


def export_huggingface(directory: Path, weights: Weights, shape: Shape, tokenizer: Path) -> None:
    """Writes a model directory for `from_pretrained`."""
    directory.mkdir(parents=True, exist_ok=True)
    vocabulary = read_vocabulary(tokenizer / 'tokenizer.json')
    config = huggingface_config(shape, vocabulary.bos, vocabulary.eos, vocabulary.pad)
    generation = {
        'bos_token_id': vocabulary.bos,
        'eos_token_id': vocabulary.eos,
        'pad_token_id': vocabulary.pad,
        'do_sample': True,
        'temperature': 0.6,
        'top_p': 0.95,
    }
    for name, content in (('config.json', config), ('generation_config.json', generation)):
        (directory / name).write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
    for name in ('tokenizer.json', 'tokenizer_config.json'):
        shutil.copyfile(tokenizer / name, directory / name)
    (directory / 'chat_template.jinja').write_text(chat_template(), encoding='utf-8')
    write_tensors(directory / 'model.safetensors', huggingface_weights(weights, shape))


def main() -> None:
    """Exports one checkpoint in every form."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--checkpoint', type=Path, required=True)
    parser.add_argument('--tokenizer', type=Path, default=TOKENIZER)
    parser.add_argument('--out', type=Path, required=True)
    options = parser.parse_args()
    shape, weights = read_checkpoint(options.checkpoint)
    vocabulary = read_vocabulary(options.tokenizer / 'tokenizer.json')
    if len(vocabulary.tokens) != shape.vocabulary:
        raise ValueError(f'{len(vocabulary.tokens)} tokens for {shape.vocabulary} embeddings')
    export_huggingface(options.out / 'hf', weights, shape, options.tokenizer)
    for kind in GGUF_KINDS:
        path = options.out / f'pocket-r1-{kind.lower()}.gguf'
        write_model(path, weights, shape, vocabulary, chat_template(), kind)
        print(f'{path}: {path.stat().st_size:,} bytes')


if __name__ == '__main__':
    main()
