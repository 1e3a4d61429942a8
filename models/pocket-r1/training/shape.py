"""The size of pocket-r1 and the names that Hugging Face and llama.cpp give to its parts.

One frozen dataclass describes a model of R1's architecture; everything else (the PyTorch module,
the Hugging Face configuration, the GGUF metadata) is derived from it. No third-party imports: the
data workers and the exporter read this file without PyTorch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Shape:
    """Dimensions of a DeepSeek-V3 model; names follow Hugging Face's DeepseekV3Config.

    llama.cpp takes 26 or 27 layers (and 48 with R1's vocabulary) for the "lite" models and then
    skips the query compression, so these depths are refused.
    """

    layers: int = 6
    width: int = 256
    heads: int = 4
    q_lora: int = 256
    kv_lora: int = 128
    nope: int = 32
    rope: int = 32
    value: int = 64
    dense_ff: int = 768
    experts: int = 8
    experts_per_token: int = 2
    expert_ff: int = 256
    shared_experts: int = 1
    routed_scale: float = 2.0
    vocabulary: int = 2048
    context: int = 4096
    rope_base: float = 10000.0
    norm_epsilon: float = 1e-6

    def __post_init__(self) -> None:
        if self.layers in (26, 27, 48):
            raise ValueError(f'layers: {self.layers} is read as a lite model by llama.cpp')
        if self.rope % 2 != 0:
            raise ValueError(f'rope: {self.rope} must be even')
        if not 0 < self.experts_per_token <= self.experts:
            raise ValueError(f'experts_per_token: {self.experts_per_token} of {self.experts}')

    @property
    def query(self) -> int:
        """Size of one head's query and key: the part without and the part with positions."""
        return self.nope + self.rope

    @property
    def shared_ff(self) -> int:
        """Hidden size of the shared expert."""
        return self.expert_ff * self.shared_experts

    def parameters(self) -> tuple[int, int]:
        """Number of parameters: all, and those that one token uses (embedding row excluded)."""
        attention = (
            self.width * (self.q_lora + self.kv_lora + self.rope)
            + self.q_lora * self.heads * self.query
            + self.kv_lora * self.heads * (self.nope + self.value)
            + self.heads * self.value * self.width
        )
        expert = 3 * self.width * self.expert_ff
        shared = 3 * self.width * self.shared_ff
        dense = 3 * self.width * self.dense_ff
        router = self.width * self.experts
        moe = self.layers - 1
        head = self.vocabulary * self.width
        common = attention * self.layers + dense + moe * (shared + router) + head
        return (
            common + head + moe * self.experts * expert,
            common + moe * self.experts_per_token * expert,
        )

    def save(self, path: Path) -> None:
        """Writes the shape as JSON."""
        path.write_text(json.dumps(asdict(self), indent=2) + '\n', encoding='utf-8')

    @staticmethod
    def load(path: Path) -> Shape:
        """Reads a shape that `save` wrote."""
        return Shape(**json.loads(path.read_text(encoding='utf-8')))


POCKET = Shape()

MICRO = Shape(
    layers=2,
    width=64,
    heads=2,
    q_lora=64,
    kv_lora=32,
    nope=32,
    rope=32,
    value=32,
    dense_ff=128,
    experts=4,
    expert_ff=32,
    context=512,
)
"""A few hundred thousand parameters, for trying every step on a CPU."""

DEEP = Shape(layers=8, q_lora=128, expert_ff=128)
"""More layers of smaller experts: what POCKET was compared with."""

SHAPES = {'pocket': POCKET, 'micro': MICRO, 'deep': DEEP}


def huggingface_config(shape: Shape, bos: int, eos: int, pad: int) -> dict[str, object]:
    """`config.json` for `DeepseekV3ForCausalLM` (transformers, vLLM, SGLang)."""
    return {
        'architectures': ['DeepseekV3ForCausalLM'],
        'model_type': 'deepseek_v3',
        'attention_bias': False,
        'attention_dropout': 0.0,
        'bos_token_id': bos,
        'eos_token_id': eos,
        'pad_token_id': pad,
        'first_k_dense_replace': 1,
        'hidden_act': 'silu',
        'hidden_size': shape.width,
        'initializer_range': 0.02,
        'intermediate_size': shape.dense_ff,
        'kv_lora_rank': shape.kv_lora,
        'max_position_embeddings': shape.context,
        'moe_intermediate_size': shape.expert_ff,
        'moe_layer_freq': 1,
        'n_group': 1,
        'n_routed_experts': shape.experts,
        'n_shared_experts': shape.shared_experts,
        'norm_topk_prob': True,
        'num_attention_heads': shape.heads,
        'num_experts_per_tok': shape.experts_per_token,
        'num_hidden_layers': shape.layers,
        'num_key_value_heads': shape.heads,
        'num_nextn_predict_layers': 0,
        'q_lora_rank': shape.q_lora,
        'qk_nope_head_dim': shape.nope,
        'qk_rope_head_dim': shape.rope,
        'rms_norm_eps': shape.norm_epsilon,
        'rope_interleave': True,
        'rope_scaling': None,
        'rope_theta': shape.rope_base,
        'routed_scaling_factor': shape.routed_scale,
        'scoring_func': 'sigmoid',
        'tie_word_embeddings': False,
        'topk_group': 1,
        'topk_method': 'noaux_tc',
        'torch_dtype': 'bfloat16',
        'use_cache': True,
        'v_head_dim': shape.value,
        'vocab_size': shape.vocabulary,
    }
