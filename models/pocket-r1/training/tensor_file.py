"""Safetensors files read and written with numpy alone, bfloat16 included.

numpy has no bfloat16: such tensors are widened to float32 on reading, and rounded to nearest even
on writing. Format: https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

Weights = dict[str, np.ndarray]

_DTYPES = {'F32': np.dtype('<f4'), 'F16': np.dtype('<f2'), 'BF16': np.dtype('<u2')}


def to_bfloat16(array: np.ndarray) -> np.ndarray:
    """The upper 16 bits of each float32, rounded to nearest even."""
    bits = np.ascontiguousarray(array, dtype='<f4').view('<u4').astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype('<u2')


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """The float32 values of bfloat16 bit patterns."""
    return (bits.astype('<u4') << 16).view('<f4')


def kept_in_float32(name: str, array: np.ndarray) -> bool:
    """Vectors (norms, the balance bias) and the router are small and sensitive."""
    return array.ndim == 1 or name.endswith(('router', 'mlp.gate.weight'))


def write_tensors(path: Path, weights: Weights) -> None:
    """Writes one file: matrices as bfloat16, what `kept_in_float32` names as float32."""
    header: dict[str, object] = {'__metadata__': {'format': 'pt'}}
    parts: list[bytes] = []
    offset = 0
    for name, array in weights.items():
        wide = kept_in_float32(name, array)
        data = (array.astype('<f4') if wide else to_bfloat16(array)).tobytes()
        header[name] = {
            'dtype': 'F32' if wide else 'BF16',
            'shape': list(array.shape),
            'data_offsets': [offset, offset + len(data)],
        }
        parts.append(data)
        offset += len(data)
    head = json.dumps(header, separators=(',', ':')).encode()
    head += b' ' * (-len(head) % 8)
    path.write_bytes(struct.pack('<Q', len(head)) + head + b''.join(parts))


def read_tensors(path: Path) -> Weights:
    """All tensors of one file, as float32."""
    data = path.read_bytes()
    (length,) = struct.unpack_from('<Q', data)
    header = json.loads(data[8 : 8 + length])
    header.pop('__metadata__', None)
    weights: Weights = {}
    for name, entry in header.items():
        start, end = entry['data_offsets']
        raw = np.frombuffer(data[8 + length + start : 8 + length + end], _DTYPES[entry['dtype']])
        wide = from_bfloat16(raw) if entry['dtype'] == 'BF16' else raw.astype('<f4')
        weights[name] = wide.reshape(entry['shape'])
    return weights


def shards(weights: Weights, most_bytes: int) -> Iterator[Weights]:
    """Divides tensors, in order, into groups of at most `most_bytes` as written."""
    group: Weights = {}
    used = 0
    for name, array in weights.items():
        size = array.size * (4 if kept_in_float32(name, array) else 2)
        if group and used + size > most_bytes:
            yield group
            group, used = {}, 0
        group[name] = array
        used += size
    yield group
