"""All skills with their share of the data; a skill's module says what it covers."""

from __future__ import annotations

from typing import Callable, NamedTuple

from ..sample import Draft, Draw
from .arithmetic import add, divide, expression, multiply, subtract
from .refusal import refuse
from .story import story


class Skill(NamedTuple):
    """How one sample is made, and its weight in the mixture."""

    make: Callable[[Draw], Draft]
    weight: float


SKILLS: dict[str, Skill] = {
    'add': Skill(add, 3),
    'subtract': Skill(subtract, 3),
    'multiply': Skill(multiply, 4),
    'divide': Skill(divide, 4),
    'expression': Skill(expression, 4),
    'story': Skill(story, 16),
    'refusal': Skill(refuse, 16),
}
