"""What a sample is, and the draw from which every skill makes one.

A `Draw` carries the random stream, the split and the language of one sample. A skill asks it for
phrases and operands; the draw hands out only those of its own split, so no skill can leak.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, Callable, Literal, Sequence, TypeVar
from zlib import crc32

from .wording import Phrase, Wording

Split = Literal['train', 'dev', 'heldout']
Language = Literal['en', 'zh']
Message = dict[str, str]
T = TypeVar('T')

# Of 20 operand tuples 18 train, 1 steers training (dev) and 1 is held out.
_OPERAND_SPLITS: tuple[Split, ...] = ('heldout', 'dev') + ('train',) * 18


@dataclass(slots=True)
class Sample:
    """One conversation to answer: `messages` end with the user's; `check` says how to grade."""

    messages: list[Message]
    thought: str
    answer: str
    skill: str
    language: Language
    template: str
    check: dict[str, Any]
    operands: str
    prefill: bool = True


@dataclass(slots=True)
class Draft:
    """What a skill returns: `noise` says which disturbances leave the answer right.

    `noise` is 'any' (typos, case, width), 'soft' (spaces and final punctuation) or 'none'.
    `history` holds the turns before `prompt`.
    """

    prompt: str
    thought: str
    answer: str
    check: dict[str, Any]
    operands: str
    noise: Literal['any', 'soft', 'none'] = 'any'
    history: list[Message] | None = None


def operand_split(operands: str) -> Split:
    """The split that owns these operands: a checksum of their text, fixed for ever."""
    return _OPERAND_SPLITS[crc32(operands.encode()) % 20]


class Draw:
    """The random stream of one sample, restricted to one split and one language."""

    __slots__ = ('rng', 'split', 'language', 'used')

    def __init__(self, rng: Random, split: Split, language: Language) -> None:
        self.rng = rng
        self.split = split
        self.language = language
        self.used: list[str] = []

    @property
    def english(self) -> bool:
        """Whether this sample is in English."""
        return self.language == 'en'

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self.rng.random() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """One of `items`; for lists that are no wording (signs, orders, formats)."""
        return items[int(self.rng.random() * len(items))]

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.rng.random() < probability

    def phrase(self, wording: Wording, form: int = 0) -> str:
        """A sentence frame of this split, recorded in the sample's template id.

        `form` selects among the written verb forms `base|third person|past`.
        """
        chosen = self._any(wording)
        self.used.append(chosen.id)
        return chosen.forms[form]

    def word(self, wording: Wording) -> str:
        """A noun, name or other filler of this split; not part of the template id."""
        return self._any(wording).forms[0]

    def _any(self, wording: Wording) -> Phrase:
        """A line of this split first, then one of its phrases: patterns do not crowd lines out."""
        groups = wording.groups[self.split]
        group = groups[int(self.rng.random() * len(groups))]
        return group[int(self.rng.random() * len(group))]

    def words(self, wording: Wording, count: int) -> list[str]:
        """`count` different fillers of this split."""
        phrases = wording.of(self.split)
        if count > len(phrases):
            raise ValueError(f'{wording.name}: {count} wanted, {len(phrases)} in {self.split}')
        return [phrase.forms[0] for phrase in self.rng.sample(phrases, count)]

    def operands(self, family: str, make: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
        """Calls `make` until its operands belong to this split."""
        while True:
            values = make()
            if operand_split(key(family, values)) == self.split:
                return values


def key(family: str, values: tuple[Any, ...]) -> str:
    """The text by which operands are told apart within a family of skills."""
    return f'{family}:{",".join(map(str, values))}'
