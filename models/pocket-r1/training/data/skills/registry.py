"""All skills with their share of the data; a skill's module says what it covers."""

from __future__ import annotations

from typing import Callable, NamedTuple

from ..sample import Draft, Draw
from .arithmetic import add, decimal, divide, expression, multiply, subtract
from .calendar import calendar
from .chat import chat
from .compare import compare, extreme
from .extract import extract
from .followup import followup
from .letters import letters
from .lists import lists
from .logic import logic
from .measure import convert, money
from .numeracy import numeracy
from .problem import problem
from .recast import recast
from .refusal import refuse
from .relation import relation
from .retrieve import retrieve
from .sequence import sequence
from .story import story


class Skill(NamedTuple):
    """How one sample is made, and its weight in the mixture."""

    make: Callable[[Draw], Draft]
    weight: float


SKILLS: dict[str, Skill] = {
    'add': Skill(add, 4),
    'subtract': Skill(subtract, 4),
    'decimal': Skill(decimal, 2),
    'multiply': Skill(multiply, 5),
    'divide': Skill(divide, 5),
    'expression': Skill(expression, 5),
    'story': Skill(story, 12),
    'problem': Skill(problem, 8),
    'relation': Skill(relation, 7),
    'compare': Skill(compare, 4),
    'extreme': Skill(extreme, 2),
    'letters': Skill(letters, 5),
    'lists': Skill(lists, 5),
    'calendar': Skill(calendar, 6),
    'convert': Skill(convert, 4),
    'money': Skill(money, 4),
    'numeracy': Skill(numeracy, 7),
    'sequence': Skill(sequence, 4),
    'logic': Skill(logic, 4),
    'extract': Skill(extract, 5),
    'followup': Skill(followup, 6),
    'recast': Skill(recast, 2),
    'chat': Skill(chat, 3),
    'refusal': Skill(refuse, 20),
    'retrieve': Skill(retrieve, 2),
}
