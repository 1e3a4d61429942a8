"""Follow-ups in a conversation: earlier results are taken up, corrected, recalled or added.

Earlier answers stand in the history without their thoughts, as R1's template strips them.
"""

from __future__ import annotations

from ..sample import Draft, Draw, Message, key
from ..steps import add_steps, divide_steps, multiply_steps, subtract_steps
from ..wording import wordings

_STEPS = {'+': add_steps, '-': subtract_steps, '×': multiply_steps, '÷': divide_steps}
_SECTIONS = {'+': 'add', '-': 'subtract', '×': 'multiply'}
_CHANGES = ('double', 'half', 'triple', 'plus', 'plus', 'minus', 'minus', 'times')
_LAST = (*_CHANGES, *_CHANGES, 'correct_b', 'correct_b', 'same', 'recall', 'sum_all')
_FACTORS = {'double': 2, 'half': 2, 'triple': 3}
Sum = tuple[int, str, int]


def value_of(a: int, sign: str, b: int) -> int:
    """The result of one operation on whole numbers."""
    if sign == '+':
        return a + b
    if sign == '-':
        return a - b
    return a * b if sign == '×' else a // b


def _first(draw: Draw) -> Sum:
    sign = draw.pick('++-×')
    if sign == '×':
        return draw.between(2, 40), sign, draw.between(2, 12)
    a, b = draw.between(1, 500), draw.between(1, 500)
    return (a, sign, b) if sign == '+' or a >= b else (b, sign, a)


def _change(draw: Draw, kind: str, value: int) -> Sum:
    """The sum behind a change of the last result."""
    if kind == 'half':
        return (value, '÷', 2)
    if kind in {'double', 'triple'}:
        return (value, '×', _FACTORS[kind])
    if kind == 'times':
        return (value, '×', draw.between(2, 9))
    if kind == 'plus' or value < 1:
        return (value, '+', draw.between(1, 100))
    return (value, '-', draw.between(1, min(value, 100)))


def _pick_change(draw: Draw, kinds: tuple[str, ...], value: int) -> str:
    kind = draw.pick(kinds)
    if (kind == 'half' and value % 2) or (kind == 'minus' and value < 1) or value > 20000:
        return 'plus'
    return kind


def _make(draw: Draw) -> tuple[tuple[str, Sum], ...]:
    turns = [('first', _first(draw))]
    for _ in range(draw.pick((0, 0, 1, 1, 2))):
        value = value_of(*turns[-1][1])
        kind = _pick_change(draw, _CHANGES, value)
        turns.append((kind, _change(draw, kind, value)))
    value = value_of(*turns[-1][1])
    kind = _pick_change(draw, _LAST, value)
    a, sign, b = turns[-1][1]
    if kind == 'correct_b' and len(turns) == 1:
        last = (a, sign, draw.between(2, 12) if sign == '×' else draw.between(1, min(a, 400)))
    elif kind == 'same':
        last = _first(draw)
    elif kind == 'recall' and len(turns) > 1:
        last = turns[0][1]
    elif kind == 'sum_all' and len(turns) > 1:
        last = (value_of(*turns[0][1]), '+', value)
    else:
        kind = kind if kind in _CHANGES else 'plus'
        last = _change(draw, kind, value)
    return (*turns, (kind, last))


def _ask(draw: Draw, kind: str, operation: Sum, before: Sum | None) -> str:
    a, sign, b = operation
    if kind == 'first':
        frame = draw.phrase(wordings('arithmetic', draw.language)[_SECTIONS[sign]])
        return frame.format(a=a, s=sign, b=b)
    frame = draw.phrase(wordings('followup', draw.language)[kind])
    return frame.format(a=a, s=sign, n=b, b=before[2] if kind == 'correct_b' and before else b)


def _shown(operation: Sum) -> str:
    a, sign, b = operation
    return f'{a} {sign} {b} = {value_of(*operation)}'


def followup(draw: Draw) -> Draft:
    """Two to four turns of sums; the last one is to be answered."""
    turns = draw.operands('followup', lambda: _make(draw))
    history: list[Message] = []
    for place, (kind, operation) in enumerate(turns[:-1]):
        before = turns[place - 1][1] if place else None
        history.append({'role': 'user', 'content': _ask(draw, kind, operation, before)})
        history.append({'role': 'assistant', 'content': _shown(operation)})
    kind, last = turns[-1]
    prompt = _ask(draw, kind, last, turns[-2][1])
    value = value_of(*last)
    a, sign, b = last
    lines = _STEPS[sign](a, b, draw.language)
    if kind == 'recall':
        lines = [f'{a}{sign}{b}={value}']
    elif kind in _CHANGES:
        lines = [f'{"last" if draw.english else "上次"}: {a}', *lines]
    return Draft(
        prompt, '\n'.join(lines), _shown(last), {'kind': 'number', 'value': value},
        key('followup', turns), 'soft', history,
    )
