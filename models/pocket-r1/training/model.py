"""DeepSeek-V3's architecture in PyTorch, at pocket size.

Multi-head latent attention (queries and keys/values each pass through a low-rank bottleneck; one
rotary key is shared by all heads), a dense first layer, then routed experts beside a shared one.
The router picks by sigmoid score plus a bias that is nudged towards equal load instead of trained
by an auxiliary loss ("noaux_tc" of the DeepSeek-V3 report, section 2.1.2).

How queries meet keys is handed in as `Attend`, so that training (packed documents), evaluation
(a cache) and parity checks (plain causal) share every weight and line.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shape import Shape

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(layer, queries, keys, values), each [batch, heads, length, size] → mixed values."""

_INIT_STD = 0.02


def causal(layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Each position sees itself and all before."""
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def rotate(vectors: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on adjacent pairs (2i, 2i+1), as DeepSeek and llama.cpp's NORM type do."""
    even, odd = vectors.float().unflatten(-1, (-1, 2)).unbind(-1)
    turned = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    return turned.flatten(-2).to(vectors.dtype)


class RmsNorm(nn.Module):
    """Root-mean-square norm with a learnt scale."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """Normalises the last dimension in float32."""
        return F.rms_norm(x.float(), (x.shape[-1],), self.weight.float(), self.epsilon).to(x.dtype)


class Attention(nn.Module):
    """Multi-head latent attention."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.q_a = nn.Linear(shape.width, shape.q_lora, bias=False)
        self.q_a_norm = RmsNorm(shape.q_lora, shape.norm_epsilon)
        self.q_b = nn.Linear(shape.q_lora, shape.heads * shape.query, bias=False)
        self.kv_a = nn.Linear(shape.width, shape.kv_lora + shape.rope, bias=False)
        self.kv_a_norm = RmsNorm(shape.kv_lora, shape.norm_epsilon)
        self.kv_b = nn.Linear(shape.kv_lora, shape.heads * (shape.nope + shape.value), bias=False)
        self.out = nn.Linear(shape.heads * shape.value, shape.width, bias=False)

    def forward(self, x: Tensor, layer: int, cos: Tensor, sin: Tensor, attend: Attend) -> Tensor:
        """x [batch, length, width]; cos and sin broadcast over [batch, heads, length, rope/2]."""
        shape = self.shape
        query = self.q_b(self.q_a_norm(self.q_a(x))).unflatten(-1, (shape.heads, shape.query))
        query = query.transpose(1, 2)
        query = torch.cat(
            (query[..., : shape.nope], rotate(query[..., shape.nope :], cos, sin)), dim=-1
        )
        latent, key_rope = self.kv_a(x).split((shape.kv_lora, shape.rope), dim=-1)
        both = self.kv_b(self.kv_a_norm(latent)).unflatten(-1, (shape.heads, -1)).transpose(1, 2)
        key_nope, value = both.split((shape.nope, shape.value), dim=-1)
        key_rope = rotate(key_rope.unsqueeze(1), cos, sin).expand(-1, shape.heads, -1, -1)
        key = torch.cat((key_nope, key_rope), dim=-1)
        mixed = attend(layer, query, key, value.contiguous())
        return self.out(mixed.transpose(1, 2).flatten(-2))


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [..., width] → [..., width]."""
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Experts(nn.Module):
    """Routed experts and a shared one.

    Every expert is computed for every token and weighted by zero where it was not chosen: four
    times the arithmetic of a sparse kernel, but at this size large plain products win.
    """

    balance: Tensor
    load: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.router = nn.Parameter(torch.empty(shape.experts, shape.width))
        self.experts_gate = nn.Parameter(torch.empty(shape.experts, shape.expert_ff, shape.width))
        self.experts_up = nn.Parameter(torch.empty(shape.experts, shape.expert_ff, shape.width))
        self.experts_down = nn.Parameter(torch.empty(shape.experts, shape.width, shape.expert_ff))
        self.shared = FeedForward(shape.width, shape.shared_ff)
        self.register_buffer('balance', torch.zeros(shape.experts))
        self.register_buffer('load', torch.zeros(shape.experts), persistent=False)

    def weights(self, x: Tensor) -> Tensor:
        """Each expert's weight for each token, in float32; zero where it was not chosen."""
        with torch.autocast(x.device.type, enabled=False):
            scores = F.linear(x.float(), self.router.float()).sigmoid()
        chosen = (scores + self.balance).topk(self.shape.experts_per_token, dim=-1).indices
        mask = torch.zeros_like(scores).scatter(-1, chosen, 1.0)
        if self.training:
            with torch.no_grad():
                self.load.copy_(mask.flatten(0, -2).mean(dim=0))
        kept = scores * mask
        return kept / (kept.sum(dim=-1, keepdim=True) + 1e-20) * self.shape.routed_scale

    def forward(self, x: Tensor) -> Tensor:
        """x [..., width] → [..., width]."""
        weights = self.weights(x)
        gate = F.linear(x, self.experts_gate.flatten(0, 1))
        up = F.linear(x, self.experts_up.flatten(0, 1))
        hidden = (F.silu(gate) * up).unflatten(-1, (self.shape.experts, -1))
        hidden = (hidden * weights.unsqueeze(-1).to(hidden.dtype)).flatten(-2)
        down = self.experts_down.transpose(0, 1).flatten(1)
        return F.linear(hidden, down) + self.shared(x)

    @torch.no_grad()
    def rebalance(self, rate: float) -> None:
        """Moves the bias of crowded experts down and of idle ones up, by `rate`."""
        self.balance += rate * (self.load.mean() - self.load).sign()


class Layer(nn.Module):
    """Attention, then a feed-forward part, each around the residual stream."""

    def __init__(self, shape: Shape, index: int) -> None:
        super().__init__()
        self.index = index
        self.attention_norm = RmsNorm(shape.width, shape.norm_epsilon)
        self.attention = Attention(shape)
        self.feed_forward_norm = RmsNorm(shape.width, shape.norm_epsilon)
        dense = index == 0
        self.feed_forward = FeedForward(shape.width, shape.dense_ff) if dense else Experts(shape)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, attend: Attend) -> Tensor:
        """x [batch, length, width] → the same."""
        x = x + self.attention(self.attention_norm(x), self.index, cos, sin, attend)
        return x + self.feed_forward(self.feed_forward_norm(x))


class PocketModel(nn.Module):
    """The whole model."""

    frequencies: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape, index) for index in range(shape.layers))
        self.norm = RmsNorm(shape.width, shape.norm_epsilon)
        self.head = nn.Linear(shape.width, shape.vocabulary, bias=False)
        steps = torch.arange(0, shape.rope, 2, dtype=torch.float32) / shape.rope
        self.register_buffer('frequencies', shape.rope_base**-steps, persistent=False)
        self.reset()

    @torch.no_grad()
    def reset(self) -> None:
        """Draws the initial weights; projections into the residual stream start smaller."""
        residual_std = _INIT_STD / (2 * self.shape.layers) ** 0.5
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                into_residual = name.endswith(('out.weight', 'down.weight', 'experts_down'))
                nn.init.normal_(parameter, std=residual_std if into_residual else _INIT_STD)

    def experts(self) -> list[Experts]:
        """All layers' experts."""
        return [m.feed_forward for m in self.layers if isinstance(m.feed_forward, Experts)]

    def forward(self, tokens: Tensor, attend: Attend = causal, start: Tensor | int = 0) -> Tensor:
        """Logits [batch, length, vocabulary] of `tokens`, the first of which is at `start`."""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        if isinstance(start, Tensor):
            positions = (start[:, None] + positions)[:, None]
        angles = (positions + (0 if isinstance(start, Tensor) else start)).float()
        angles = angles.unsqueeze(-1) * self.frequencies
        cos, sin = angles.cos(), angles.sin()
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, cos, sin, attend)
        return self.head(self.norm(x))
