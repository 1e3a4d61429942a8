"""pocket-r1's weights and vocabulary in llama.cpp's terms: architecture `deepseek2`.

`kv_b` is stored as two tensors, the keys' part transposed, because llama.cpp attends over the
compressed cache ("absorbed" MLA). Names and layouts: `convert_hf_to_gguf.py` and
`src/models/deepseek2.cpp` of llama.cpp.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gguf_writer import Value, write_gguf
from shape import Shape
from vocabulary import Vocabulary

FILE_TYPES = {'F32': 0, 'F16': 1, 'Q8_0': 7}
_GATING_SIGMOID = 2

Weights = dict[str, np.ndarray]


def metadata(shape: Shape, vocabulary: Vocabulary, template: str, kind: str) -> dict[str, Value]:
    """Everything in the file that is not a weight."""
    arch = 'deepseek2'
    return {
        'general.architecture': arch,
        'general.name': 'Unbusy pocket-r1',
        'general.description': (
            "R1's architecture in ten megabytes: a demonstration and test model trained on "
            'synthetic English and Chinese exercises; not DeepSeek-R1'
        ),
        'general.license': 'apache-2.0',
        'general.type': 'model',
        'general.size_label': f'{shape.parameters()[0] / 1e6:.0f}M',
        'general.languages': ['en', 'zh'],
        'general.file_type': FILE_TYPES[kind],
        'general.quantization_version': 2,
        f'{arch}.block_count': shape.layers,
        f'{arch}.context_length': shape.context,
        f'{arch}.embedding_length': shape.width,
        f'{arch}.feed_forward_length': shape.dense_ff,
        f'{arch}.attention.head_count': shape.heads,
        f'{arch}.attention.head_count_kv': 1,
        f'{arch}.rope.freq_base': shape.rope_base,
        f'{arch}.attention.layer_norm_rms_epsilon': shape.norm_epsilon,
        f'{arch}.leading_dense_block_count': 1,
        f'{arch}.vocab_size': shape.vocabulary,
        f'{arch}.attention.q_lora_rank': shape.q_lora,
        f'{arch}.attention.kv_lora_rank': shape.kv_lora,
        f'{arch}.attention.key_length': shape.kv_lora + shape.rope,
        f'{arch}.attention.value_length': shape.kv_lora,
        f'{arch}.attention.key_length_mla': shape.query,
        f'{arch}.attention.value_length_mla': shape.value,
        f'{arch}.expert_feed_forward_length': shape.expert_ff,
        f'{arch}.expert_count': shape.experts,
        f'{arch}.expert_used_count': shape.experts_per_token,
        f'{arch}.expert_shared_count': shape.shared_experts,
        f'{arch}.expert_weights_scale': shape.routed_scale,
        f'{arch}.expert_weights_norm': True,
        f'{arch}.expert_gating_func': _GATING_SIGMOID,
        f'{arch}.expert_group_count': 1,
        f'{arch}.expert_group_used_count': 1,
        f'{arch}.rope.dimension_count': shape.rope,
        f'{arch}.rope.scaling.type': 'none',
        'tokenizer.ggml.model': 'gpt2',
        'tokenizer.ggml.pre': 'deepseek-v3',
        'tokenizer.ggml.tokens': vocabulary.tokens,
        'tokenizer.ggml.token_type': vocabulary.types,
        'tokenizer.ggml.merges': vocabulary.merges,
        'tokenizer.ggml.bos_token_id': vocabulary.bos,
        'tokenizer.ggml.eos_token_id': vocabulary.eos,
        'tokenizer.ggml.padding_token_id': vocabulary.pad,
        'tokenizer.ggml.add_bos_token': True,
        'tokenizer.ggml.add_eos_token': False,
        'tokenizer.chat_template': template,
    }


def split_kv_b(weight: np.ndarray, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """`kv_b` [heads·(nope+value), kv_lora] as k_b [heads, kv_lora, nope] and v_b."""
    by_head = weight.reshape(shape.heads, shape.nope + shape.value, shape.kv_lora)
    keys, values = by_head[:, : shape.nope], by_head[:, shape.nope :]
    return np.ascontiguousarray(keys.transpose(0, 2, 1)), np.ascontiguousarray(values)


def _attention(weights: Weights, layer: int, shape: Shape) -> list[tuple[str, np.ndarray]]:
    source, target = f'layers.{layer}.attention', f'blk.{layer}'
    k_b, v_b = split_kv_b(weights[f'{source}.kv_b.weight'], shape)
    return [
        (f'{target}.attn_norm.weight', weights[f'layers.{layer}.attention_norm.weight']),
        (f'{target}.attn_q_a.weight', weights[f'{source}.q_a.weight']),
        (f'{target}.attn_q_a_norm.weight', weights[f'{source}.q_a_norm.weight']),
        (f'{target}.attn_q_b.weight', weights[f'{source}.q_b.weight']),
        (f'{target}.attn_kv_a_mqa.weight', weights[f'{source}.kv_a.weight']),
        (f'{target}.attn_kv_a_norm.weight', weights[f'{source}.kv_a_norm.weight']),
        (f'{target}.attn_k_b.weight', k_b),
        (f'{target}.attn_v_b.weight', v_b),
        (f'{target}.attn_output.weight', weights[f'{source}.out.weight']),
        (f'{target}.ffn_norm.weight', weights[f'layers.{layer}.feed_forward_norm.weight']),
    ]


def _feed_forward(weights: Weights, layer: int) -> list[tuple[str, np.ndarray]]:
    source, target = f'layers.{layer}.feed_forward', f'blk.{layer}'
    parts = ('gate', 'up', 'down')
    if layer == 0:
        return [(f'{target}.ffn_{p}.weight', weights[f'{source}.{p}.weight']) for p in parts]
    routed = [(f'{target}.ffn_{p}_exps.weight', weights[f'{source}.experts_{p}']) for p in parts]
    shared = [
        (f'{target}.ffn_{p}_shexp.weight', weights[f'{source}.shared.{p}.weight']) for p in parts
    ]
    router = [
        (f'{target}.ffn_gate_inp.weight', weights[f'{source}.router']),
        (f'{target}.exp_probs_b.bias', weights[f'{source}.balance']),
    ]
    return router + routed + shared


def tensor_kind(name: str, array: np.ndarray, kind: str) -> str:
    """Vectors, the router and its bias stay in F32; matrices take the file's type."""
    return 'F32' if array.ndim == 1 or 'ffn_gate_inp' in name else kind


def write_model(
    path: Path, weights: Weights, shape: Shape, vocabulary: Vocabulary, template: str, kind: str
) -> None:
    """Writes the whole model as GGUF of type `kind` (F32, F16 or Q8_0)."""
    named = [
        ('token_embd.weight', weights['embedding.weight']),
        ('output_norm.weight', weights['norm.weight']),
        ('output.weight', weights['head.weight']),
    ]
    for layer in range(shape.layers):
        named += _attention(weights, layer, shape) + _feed_forward(weights, layer)
    tensors = [(name, array, tensor_kind(name, array, kind)) for name, array in named]
    write_gguf(path, metadata(shape, vocabulary, template, kind), tensors)
