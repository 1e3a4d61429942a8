"""The vocabulary as llama.cpp stores it: tokens, their types and merges, in id order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4

BOS = '<｜begin▁of▁sentence｜>'
EOS = '<｜end▁of▁sentence｜>'
PAD = '<｜▁pad▁｜>'
USER = '<｜User｜>'
ASSISTANT = '<｜Assistant｜>'
THINK = '<think>'
END_THINK = '</think>'
TOOLS = [
    f'<｜tool▁{part}｜>'
    for part in (
        'calls▁begin',
        'calls▁end',
        'call▁begin',
        'call▁end',
        'outputs▁begin',
        'outputs▁end',
        'output▁begin',
        'output▁end',
        'sep',
    )
]

FIRST_SPECIALS = [BOS, EOS, PAD]
LAST_SPECIALS = [USER, ASSISTANT, THINK, END_THINK, *TOOLS]
CONTROL_TOKENS = frozenset([BOS, EOS, PAD, USER, ASSISTANT])


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id, with llama.cpp's type of each, and the merges in order of rank."""

    tokens: list[str]
    types: list[int]
    merges: list[str]
    bos: int
    eos: int
    pad: int


def read_vocabulary(tokenizer_json: Path) -> Vocabulary:
    """Reads what GGUF needs from a `tokenizer.json` of a byte-level BPE."""
    data = json.loads(tokenizer_json.read_text(encoding='utf-8'))
    ids: dict[str, int] = dict(data['model']['vocab'])
    added = {entry['content']: int(entry['id']) for entry in data['added_tokens']}
    ids.update(added)
    tokens = [token for token, _ in sorted(ids.items(), key=lambda item: item[1])]
    if sorted(ids.values()) != list(range(len(ids))):
        raise ValueError(f'{tokenizer_json}: token ids have gaps')
    types = [
        NORMAL if token not in added else CONTROL if token in CONTROL_TOKENS else USER_DEFINED
        for token in tokens
    ]
    merges = [m if isinstance(m, str) else ' '.join(m) for m in data['model']['merges']]
    return Vocabulary(tokens, types, merges, ids[BOS], ids[EOS], ids[PAD])
