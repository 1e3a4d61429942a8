"""A checkpoint: the shape, where training stood, and the weights as bfloat16 shards.

Shards stay under 16 MiB so that they pass through anything. The optimizer's moments are not kept
(they would triple the size): a resumed run warms up again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from model import PocketModel
from shape import Shape
from tensor_file import Weights, read_tensors, shards, write_tensors

SHARD_BYTES = 15 * 1024 * 1024


@dataclass(frozen=True)
class Progress:
    """Steps, tokens and seconds of training so far."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


def save(directory: Path, model: PocketModel, progress: Progress) -> None:
    """Writes `shape.json`, `progress.json` and `weights-N.safetensors`."""
    directory.mkdir(parents=True, exist_ok=True)
    weights = {name: t.detach().float().cpu().numpy() for name, t in model.state_dict().items()}
    for index, shard in enumerate(shards(weights, SHARD_BYTES)):
        write_tensors(directory / f'weights-{index}.safetensors', shard)
    model.shape.save(directory / 'shape.json')
    text = json.dumps(progress.__dict__, indent=2) + '\n'
    (directory / 'progress.json').write_text(text, encoding='utf-8')


def read_weights(directory: Path) -> tuple[Shape, Weights]:
    """Shape and weights as numpy arrays."""
    weights: Weights = {}
    for path in sorted(directory.glob('weights-*.safetensors')):
        weights.update(read_tensors(path))
    if not weights:
        raise FileNotFoundError(f'{directory}: no weights-*.safetensors')
    return Shape.load(directory / 'shape.json'), weights


def load(directory: Path) -> tuple[PocketModel, Progress]:
    """The model in float32 on the CPU, and its progress."""
    shape, weights = read_weights(directory)
    model = PocketModel(shape)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    progress = json.loads((directory / 'progress.json').read_text(encoding='utf-8'))
    return model, Progress(**progress)
