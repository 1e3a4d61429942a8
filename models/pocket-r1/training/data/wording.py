"""Wording lists from `wording/*.txt`, divided among the splits before any training.

A file holds sections `[name]` with one phrase a line; `#` starts a comment line. Every section is
ranked by the checksum of its phrases: the first eighth is held out, the next eighth is for dev, the
rest trains. In a section `[name*]` every word is a phrase. A phrase after `!` always trains (what
a visitor will certainly type). In a phrase, `give|gives|gave` stands for the verb forms base,
third person and past.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

_FOLDER = Path(__file__).parent / 'wording'
_FORMS = 3


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase with its verb forms (three times the same text where it has none)."""

    id: str
    forms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wording:
    """One section: the phrases of each split; no phrase is in two."""

    name: str
    train: tuple[Phrase, ...]
    dev: tuple[Phrase, ...]
    heldout: tuple[Phrase, ...]

    def of(self, split: str) -> tuple[Phrase, ...]:
        """The phrases of one split."""
        return getattr(self, split)


@cache
def wordings(topic: str, language: str) -> dict[str, Wording]:
    """All sections of `wording/<topic>.<language>.txt`."""
    sections: dict[str, list[str]] = {}
    path = _FOLDER / f'{topic}.{language}.txt'
    for line in path.read_text(encoding='utf-8').splitlines():
        line = line.rstrip()
        if line.startswith('[') and line.endswith(']'):
            spread = line.endswith('*]')
            lines = sections.setdefault(line[1:-1].rstrip('*'), [])
        elif line and not line.startswith('#'):
            lines += line.split() if spread else [line]
    return {
        name: divide(f'{topic}.{name}.{language}', lines) for name, lines in sections.items()
    }


def divide(name: str, lines: list[str]) -> Wording:
    """Divides phrases among the splits; at least one for each."""
    pinned = [line[1:] for line in lines if line.startswith('!')]
    free = [line for line in lines if not line.startswith('!')]
    repeated = {line for line in free + pinned if (free + pinned).count(line) > 1}
    if repeated or len(free) < 3 - bool(pinned):
        raise ValueError(f'{name}: too few phrases or repeated ones {sorted(repeated)}')
    free.sort(key=lambda line: (crc32(f'{name} {line}'.encode()), line))
    share = max(1, round(len(free) / 8))
    heldout, dev, train = free[:share], free[share : 2 * share], free[2 * share :] + pinned
    return Wording(
        name,
        *(tuple(_phrase(name, line) for line in part) for part in (train, dev, heldout)),
    )


def _phrase(name: str, line: str) -> Phrase:
    forms = []
    for form in range(_FORMS):
        words = []
        for word in line.split(' '):
            options = word.split('|')
            words.append(options[form] if len(options) == _FORMS else word)
        forms.append(' '.join(words))
    return Phrase(f'{name}.{crc32(line.encode()):08x}', tuple(forms))
