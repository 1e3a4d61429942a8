"""Greedy decoding of many prompts at once, and the development set's report made with it.

Prompts are padded on the right; every row writes its keys and values at its own position and sees
only what lies before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor

from chat import encode_ids, render_prompt
from data.generate import samples
from data.grade import grade
from data.sample import Sample
from model import PocketModel
from vocabulary import END_THINK, EOS

DEV_SEED = 7_777
_CHUNK_TOKENS = 1_200_000


class _Cache:
    """Keys and values of one chunk of rows."""

    def __init__(self, model: PocketModel, rows: int, length: int) -> None:
        shape, weight = model.shape, model.head.weight
        dtype = torch.bfloat16 if weight.is_cuda else weight.dtype
        size = (shape.layers, rows, shape.heads, length)
        self.keys = torch.zeros(*size, shape.query, device=weight.device, dtype=dtype)
        self.values = torch.zeros(*size, shape.value, device=weight.device, dtype=dtype)
        self.positions = torch.arange(length, device=weight.device)
        self.start = torch.zeros(rows, dtype=torch.long, device=weight.device)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Stores this step's keys and values at `start`, then attends over all stored."""
        keys, values, count = self.keys[layer], self.values[layer], query.shape[2]
        places = self.start[:, None] + self.positions[:count]
        rows = torch.arange(len(self.start), device=query.device)[:, None]
        keys[rows, :, places] = key.transpose(1, 2).to(keys.dtype)
        values[rows, :, places] = value.transpose(1, 2).to(values.dtype)
        mask = self.positions <= places[:, None, :, None]
        return F.scaled_dot_product_attention(query.to(keys.dtype), keys, values, attn_mask=mask)


@torch.no_grad()
def _decode_chunk(
    model: PocketModel, prompts: Sequence[list[int]], limit: int, eos: int
) -> list[list[int]]:
    device = model.head.weight.device
    lengths = torch.tensor([len(p) for p in prompts], device=device)
    longest = max(map(len, prompts))
    tokens = torch.zeros(len(prompts), longest, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        tokens[row, : len(prompt)] = torch.tensor(prompt)
    cache = _Cache(model, len(prompts), longest + limit)
    logits = model(tokens.to(device), cache.attend, cache.start)
    last = logits[torch.arange(len(prompts), device=device), lengths - 1].argmax(-1)
    written = [last]
    done = last == eos
    cache.start = lengths
    for step in range(1, limit):
        if step % 16 == 0 and bool(done.all()):
            break
        last = model(last[:, None], cache.attend, cache.start)[:, 0].argmax(-1)
        done = done | (last == eos)
        cache.start = cache.start + 1
        written.append(last)
    rows = torch.stack(written, dim=1).tolist()
    return [row[: row.index(eos) + 1] if eos in row else row for row in rows]


def greedy(
    model: PocketModel, prompts: Sequence[list[int]], limit: int, eos: int
) -> list[list[int]]:
    """Continues each prompt by at most `limit` tokens; a finished text ends with `eos`."""
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    answers: list[list[int]] = [[] for _ in prompts]
    while order:
        longest = len(prompts[order[-1]]) + limit
        count = max(1, _CHUNK_TOKENS // longest)
        chunk, order = order[-count:], order[:-count]
        cuda = model.head.weight.is_cuda
        with torch.autocast('cuda', torch.bfloat16, enabled=cuda):
            written = _decode_chunk(model, [prompts[index] for index in chunk], limit, eos)
        for index, row in zip(chunk, written):
            answers[index] = row
    return answers


def dev_samples(count: int, seed: int = DEV_SEED) -> list[Sample]:
    """The first `count` samples of the development split."""
    return list(islice(samples(seed, 'dev'), count))


def dev_report(
    model: PocketModel, tokenizer: object, questions: Sequence[Sample], limit: int = 512
) -> tuple[dict[str, tuple[int, int]], int, list[tuple[Sample, str]]]:
    """(right, asked) by skill and language; texts that did not end; wrong answers in full."""
    eos = tokenizer.token_to_id(EOS)  # type: ignore[attr-defined]
    prompts = [encode_ids(tokenizer, render_prompt(q.messages, q.prefill)) for q in questions]
    model.eval()
    answers = greedy(model, prompts, limit, eos)
    model.train()
    scores: dict[str, list[bool]] = defaultdict(list)
    wrong: list[tuple[Sample, str]] = []
    for question, ids in zip(questions, answers):
        text = tokenizer.decode(ids, skip_special_tokens=True)  # type: ignore[attr-defined]
        right = grade(question.check, text.split(END_THINK)[-1].strip())
        scores[f'{question.skill}/{question.language}'].append(right)
        if not right:
            wrong.append((question, text))
    endless = sum(eos not in ids for ids in answers)
    return {key: (sum(s), len(s)) for key, s in sorted(scores.items())}, endless, wrong
