"""A GGUF file (version 3, little-endian), written with numpy alone.

Holds metadata and tensors in F32, F16 or Q8_0, each tensor aligned to 32 bytes. Format:
ggml/docs/gguf.md of llama.cpp; Q8_0 as `quantize_row_q8_0_ref` in ggml-quants.c.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

ALIGNMENT = 32
Q8_BLOCK = 32

_TENSOR_TYPES = {'F32': 0, 'F16': 1, 'Q8_0': 8}
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9

Value = bool | int | float | str | list[str] | list[int]


def quantize_q8_0(weights: np.ndarray) -> bytes:
    """Blocks of 32: a half-precision scale, then 32 signed bytes rounded half away from zero."""
    blocks = weights.astype(np.float32).reshape(-1, Q8_BLOCK)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale > 0)
    scaled = blocks * inverse
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype(np.int8)
    packed = np.empty((len(blocks), 2 + Q8_BLOCK), dtype=np.uint8)
    packed[:, :2] = scale.astype(np.float16).view(np.uint8).reshape(-1, 2)
    packed[:, 2:] = rounded.view(np.uint8)
    return packed.tobytes()


def _string(text: str) -> bytes:
    data = text.encode('utf-8')
    return struct.pack('<Q', len(data)) + data


def _value(value: Value) -> bytes:
    """Type and content of one metadata value; Python's int means uint32."""
    if isinstance(value, bool):
        return struct.pack('<I?', _BOOL, value)
    if isinstance(value, int):
        return struct.pack('<II', _UINT32, value)
    if isinstance(value, float):
        return struct.pack('<If', _FLOAT32, value)
    if isinstance(value, str):
        return struct.pack('<I', _STRING) + _string(value)
    if all(isinstance(item, str) for item in value):
        body = b''.join(_string(str(item)) for item in value)
        return struct.pack('<IIQ', _ARRAY, _STRING, len(value)) + body
    body = struct.pack(f'<{len(value)}i', *[int(item) for item in value])
    return struct.pack('<IIQ', _ARRAY, _INT32, len(value)) + body


def _encode(weights: np.ndarray, kind: str) -> bytes:
    if kind == 'Q8_0':
        return quantize_q8_0(weights)
    return weights.astype(np.float16 if kind == 'F16' else np.float32).tobytes()


def _pad(file: BinaryIO) -> None:
    file.write(b'\0' * (-file.tell() % ALIGNMENT))


def write_gguf(
    path: Path,
    metadata: dict[str, Value],
    tensors: list[tuple[str, np.ndarray, str]],
) -> None:
    """Writes `tensors` (name, weights in row-major order, type) after `metadata`.

    GGUF lists dimensions from the fastest-changing one, the reverse of numpy's order.
    """
    encoded = [(name, array.shape, kind, _encode(array, kind)) for name, array, kind in tensors]
    with path.open('wb') as file:
        file.write(b'GGUF' + struct.pack('<IQQ', 3, len(encoded), len(metadata)))
        for key, value in metadata.items():
            file.write(_string(key) + _value(value))
        offset = 0
        for name, shape, kind, data in encoded:
            dimensions = struct.pack(f'<I{len(shape)}Q', len(shape), *reversed(shape))
            place = struct.pack('<IQ', _TENSOR_TYPES[kind], offset)
            file.write(_string(name) + dimensions + place)
            offset += len(data) + (-len(data) % ALIGNMENT)
        for _, _, _, data in encoded:
            _pad(file)
            file.write(data)
        _pad(file)
