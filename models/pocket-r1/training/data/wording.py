"""Wording lists from `wording/*.txt`, divided among the splits before any training.

A file holds sections `[name]` with one phrase a line; `#` starts a comment line. In a phrase,
`give|gives|gave` stands for the verb forms base, third person and past, and `(find/give me)` for
alternatives: such a line is a pattern, which unfolds into many phrases.

Plain lines of a section are ranked by checksum: the first eighth is held out, the next eighth is
for dev, the rest trains. The phrases that a pattern unfolds into are divided the same way among
themselves, so that each split asks it in its own words. A line after `!` always trains (what a
visitor will certainly type). In a section `[name*]` every word is a line; a section `[name!]` is
common knowledge of all splits (a small model cannot guess that louder is the opposite of quieter).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import chain, product
from pathlib import Path
from zlib import crc32

_FOLDER = Path(__file__).parent / 'wording'
_FORMS = 3
_SHARE = 8
_SPLITS = ('heldout', 'dev', 'train')
_ALTERNATIVES = re.compile(r'\(([^()]*/[^()]*)\)')
_MOST_UNFOLDED = 2000
_PUNCTUATION = str.maketrans('', '', ' \n.,:;!?"。，：；！？“”')


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase with its verb forms (three times the same text where it has none)."""

    id: str
    forms: tuple[str, ...]


Groups = tuple[tuple[Phrase, ...], ...]


@dataclass(frozen=True, slots=True)
class Wording:
    """One section: for each split its phrases, grouped by the line they come from."""

    name: str
    groups: dict[str, Groups]
    flat: dict[str, tuple[Phrase, ...]]

    def of(self, split: str) -> tuple[Phrase, ...]:
        """All phrases of one split."""
        return self.flat[split]

    @property
    def train(self) -> tuple[Phrase, ...]:
        """The phrases that train."""
        return self.of('train')


@cache
def wordings(topic: str, language: str) -> dict[str, Wording]:
    """All sections of `wording/<topic>.<language>.txt`."""
    sections: dict[str, list[str]] = {}
    shared: set[str] = set()
    path = _FOLDER / f'{topic}.{language}.txt'
    for line in path.read_text(encoding='utf-8').splitlines():
        line = line.rstrip()
        if line.startswith('[') and line.endswith(']') and line[1:2].islower():
            name = line[1:-1].rstrip('*!')
            spread = line.endswith('*]')
            lines = sections.setdefault(name, [])
            if line.endswith('!]'):
                shared.add(name)
        elif line and not line.startswith('#'):
            lines += line.split() if spread else [line]
    return {
        name: divide(f'{topic}.{name}.{language}', lines, name in shared)
        for name, lines in sections.items()
    }


def divide(name: str, lines: list[str], shared: bool = False) -> Wording:
    """Divides lines among the splits, and a pattern's phrases among all three."""
    repeated = {line for line in lines if lines.count(line) > 1}
    if repeated:
        raise ValueError(f'{name}: repeated {sorted(repeated)}')
    if shared:
        everything = tuple(_phrases(name, line) for line in lines)
        return _wording(name, dict.fromkeys(_SPLITS, everything))
    groups: dict[str, list[tuple[Phrase, ...]]] = {split: [] for split in _SPLITS}
    plain = [line for line in lines if not line.startswith('!') and not _is_pattern(line)]
    plain.sort(key=lambda line: (crc32(f'{name} {line}'.encode()), line))
    share = max(1, round(len(plain) / _SHARE)) if plain else 0
    for place, line in enumerate(plain):
        split = _SPLITS[min(place // share, 2)]
        groups[split].append(_phrases(name, line))
    pinned = [line[1:] for line in lines if line.startswith('!')]
    known = {_bare(phrase) for line in plain + pinned for phrase in _phrases(name, line)}
    for line in lines:
        if line.startswith('!'):
            groups['train'].append(_phrases(name, line[1:]))
        elif _is_pattern(line):
            fresh = [phrase for phrase in _phrases(name, line) if _bare(phrase) not in known]
            known.update(map(_bare, fresh))
            for split, part in _divide_pattern(fresh).items():
                groups[split].append(part)
    if not all(groups.values()):
        raise ValueError(f'{name}: too few phrases')
    return _wording(name, {split: tuple(parts) for split, parts in groups.items()})


def _wording(name: str, groups: dict[str, Groups]) -> Wording:
    flat = {split: tuple(chain.from_iterable(parts)) for split, parts in groups.items()}
    return Wording(name, groups, flat)


def _is_pattern(line: str) -> bool:
    return _ALTERNATIVES.search(line) is not None


def _divide_pattern(phrases: list[Phrase]) -> dict[str, tuple[Phrase, ...]]:
    """An eighth, but at least one phrase, for held-out and for dev; the rest trains.

    Phrases that differ in case or punctuation only stay together.
    """
    alike: dict[str, list[Phrase]] = {}
    for phrase in phrases:
        alike.setdefault(_bare(phrase), []).append(phrase)
    ranked = sorted(alike, key=lambda text: (crc32(text.encode()), text))
    share = max(1, round(len(ranked) / _SHARE))
    parts = ranked[:share], ranked[share : 2 * share], ranked[2 * share :]
    return {
        split: tuple(phrase for text in part for phrase in alike[text])
        for split, part in zip(_SPLITS, parts)
        if part
    }


def _bare(phrase: Phrase) -> str:
    """A phrase without case, spaces and punctuation."""
    return phrase.forms[0].casefold().translate(_PUNCTUATION)


def _phrases(name: str, line: str) -> tuple[Phrase, ...]:
    """The phrases of a line: one, or all that its alternatives allow."""
    pieces = _ALTERNATIVES.split(line)
    if len(pieces) == 1:
        return (_phrase(f'{name}.', line),)
    choices = [piece.split('/') if odd % 2 else [piece] for odd, piece in enumerate(pieces)]
    texts = sorted({''.join(chosen).strip() for chosen in product(*choices)})
    if len(texts) > _MOST_UNFOLDED:
        raise ValueError(f'{name}: {line!r} unfolds into {len(texts)} phrases')
    return tuple(_phrase(f'{name}.~', text) for text in texts)


def _phrase(prefix: str, line: str) -> Phrase:
    forms = []
    for form in range(_FORMS):
        words = []
        for word in line.split(' '):
            options = word.split('|')
            words.append(options[form] if len(options) == _FORMS else word)
        forms.append(' '.join(words))
    return Phrase(f'{prefix}{crc32(line.encode()):08x}', tuple(forms))
