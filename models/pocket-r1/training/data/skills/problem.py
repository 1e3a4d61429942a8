"""Word problems whose whole statement is one frame: 29 kinds, each with its own sums.

A kind is a table row: ranges of its numbers, and steps that each combine two of them. `_` is the
result of the step before, a digit is itself, any other name a number of the statement.
"""

from __future__ import annotations

from typing import NamedTuple

from ..sample import Draft, Draw, key
from ..steps import sum_steps
from ..wording import wordings
from .story import capital, cast_of, numeral

Range = tuple[int, int]


class Kind(NamedTuple):
    """The numbers of a statement, by name, and how they combine."""

    ranges: dict[str, Range]
    steps: tuple[str, ...]


_WIDE, _SMALL, _TINY = (2, 150), (2, 40), (2, 12)
_PAIR = {'a': _WIDE, 'b': _WIDE}
KINDS: dict[str, Kind] = {
    'part': Kind(_PAIR, ('a - b',)),
    'start_lost': Kind(_PAIR, ('a + b',)),
    'start_gain': Kind(_PAIR, ('a - b',)),
    'needed': Kind(_PAIR, ('a - b',)),
    'lost': Kind(_PAIR, ('a - b',)),
    'grown': Kind(_PAIR, ('a - b',)),
    'difference': Kind(_PAIR, ('a - b',)),
    'together': Kind(_PAIR, ('a + b',)),
    'three': Kind({'a': _SMALL, 'b': _SMALL, 'd': _SMALL}, ('a + b', '_ + d')),
    'rate': Kind({'a': _SMALL, 'b': _TINY}, ('a × b',)),
    'rate_plus': Kind({'a': _SMALL, 'b': _TINY, 'd': _SMALL}, ('a × b', '_ + d')),
    'rate_minus': Kind({'a': _SMALL, 'b': _TINY, 'd': _WIDE}, ('a × b', '_ - d')),
    'share': Kind({'a': (4, 200), 'b': _TINY}, ('a ÷ b',)),
    'times_needed': Kind({'a': (4, 200), 'b': _TINY}, ('a ÷ b',)),
    'left_over': Kind({'a': (7, 120), 'b': (3, 12)}, ('a % b',)),
    'half_rest': Kind({'a': _WIDE, 'b': _SMALL}, ('a ÷ 2', '_ - b')),
    'third': Kind({'a': (3, 150)}, ('a ÷ 3',)),
    'quarter_left': Kind({'a': (4, 160)}, ('a ÷ 4', 'a - _')),
    'dozen': Kind({'a': (2, 40)}, ('a × 12',)),
    'future': Kind({'a': (1, 70), 'b': _SMALL}, ('a + b',)),
    'past': Kind({'a': (5, 90), 'b': _SMALL}, ('a - b',)),
    'equalize': Kind(_PAIR, ('a - b', '_ ÷ 2')),
    'bus': Kind({'a': _WIDE, 'b': _SMALL, 'd': _SMALL}, ('a - b', '_ + d')),
    'temperature': Kind({'a': (2, 40), 'b': (2, 15), 'd': (2, 20)}, ('a + b', '_ - d')),
    'perimeter': Kind({'a': _SMALL, 'b': _SMALL}, ('a + b', '_ × 2')),
    'area': Kind({'a': (2, 30), 'b': _TINY}, ('a × b',)),
    'legs': Kind({'a': (2, 20), 'b': (2, 20)}, ('a × 4', 'b × 2', '_1 + _')),
    'wages': Kind({'a': (2, 30), 'b': (2, 30), 'd': (2, 9)}, ('a + b', '_ × d')),
    'gap': Kind({'a': (3, 40), 'b': (2, 30), 'd': (2, 9)}, ('a - b', '_ × d')),
}


def _operand(name: str, numbers: dict[str, int], results: list[int]) -> int:
    if name == '_':
        return results[-1]
    if name == '_1':
        return results[0]
    return int(name) if name.isdigit() else numbers[name]


def resolve(kind: Kind, numbers: dict[str, int]) -> list[tuple[int, str, int, int]] | None:
    """The steps as (left, sign, right, result), or None where one is negative or not even."""
    results: list[int] = []
    steps = []
    for step in kind.steps:
        left, sign, right = step.split()
        a, b = (_operand(name, numbers, results) for name in (left, right))
        if (sign == '-' and a <= b) or (sign == '÷' and a % b) or (sign == '%' and a < b):
            return None
        result = {'+': a + b, '-': a - b, '×': a * b, '÷': a // b, '%': a % b}[sign]
        results.append(result)
        steps.append((a, sign, b, result))
    return steps


def problem(draw: Draw) -> Draft:
    """One statement of any kind, its numbers in digits or words."""
    name = draw.pick(tuple(KINDS))
    kind = KINDS[name]

    def make() -> tuple[int, ...]:
        while True:
            values = tuple(draw.between(*limits) for limits in kind.ranges.values())
            if resolve(kind, dict(zip(kind.ranges, values))) is not None:
                return values

    values = draw.operands(f'problem.{name}', make)
    numbers = dict(zip(kind.ranges, values))
    frame = draw.phrase(wordings('problem', draw.language)[name])
    words = draw.chance(0.2) and '${' not in frame and '{a}x' not in frame
    shown = {slot: numeral(draw, value, words) for slot, value in numbers.items()}
    prompt = capital(frame.format_map(cast_of(draw, third=True).slots | shown))
    lines: list[str] = []
    result = 0
    for a, sign, b, result in resolve(kind, numbers) or ():
        lines += sum_steps(a, sign, b, draw.language)
    answer = f'The answer is {result}.' if draw.english else f'答案是{result}。'
    return Draft(prompt, '\n'.join(lines), answer, {'kind': 'number', 'value': result},
                 key(f'problem.{name}', values))
