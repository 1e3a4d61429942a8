"""Addition, subtraction, multiplication, division and expressions, written out step by step."""

from __future__ import annotations

from ..sample import Draft, Draw, key
from ..steps import add_steps, divide_steps, multiply_steps, subtract_steps
from ..wording import wordings

_SIGNS = {
    'add': ('+',) * 8 + ('plus',),
    'subtract': ('-',) * 7 + ('−', 'minus'),
    'multiply': ('×', '×', '*', '*', 'x', 'times'),
    'divide': ('÷', '÷', '/', '/', 'divided by'),
}
_SIGNS_ZH = {
    'add': ('+',) * 8 + ('加',),
    'subtract': ('-',) * 7 + ('−', '减'),
    'multiply': ('×', '×', '×', '*', 'x', '乘以'),
    'divide': ('÷', '÷', '÷', '/', '除以'),
}
_WIDTHS = (1, 2, 2, 3, 3, 4, 4, 4, 5, 6)


def _number(draw: Draw, digits: int) -> int:
    return draw.between(10 ** (digits - 1) if digits > 1 else 0, 10**digits - 1)


def _pair(draw: Draw) -> tuple[int, int]:
    width = draw.pick(_WIDTHS)
    a = _number(draw, width)
    b = _number(draw, width if draw.chance(0.5) else draw.between(1, width))
    return (a, b) if a >= b else (b, a)


def _either_order(draw: Draw, pair: tuple[int, int]) -> tuple[int, int]:
    """Both orders of a commutative pair belong to one split, so the order is drawn last."""
    return pair if draw.chance(0.6) else (pair[1], pair[0])


def finish(draw: Draw, prompt: str, equation: str, value: int | float | str) -> tuple[str, str]:
    """Now and then asks for the bare number; otherwise the answer is the equation."""
    if not draw.chance(0.08):
        return prompt, f'{equation} = {value}'
    only = draw.phrase(wordings('arithmetic', draw.language)['only'])
    gap = ' ' if draw.english else ''
    return f'{prompt}{gap}{only}', str(value)


def _ask(
    draw: Draw, section: str, operation: str, a: int | str, b: int | str
) -> str:
    frame = draw.phrase(wordings('arithmetic', draw.language)[section])
    sign = draw.pick((_SIGNS if draw.english else _SIGNS_ZH)[operation])
    if draw.english and len(sign) > 1 and '{a}{s}' in frame:
        sign = sign if sign == '+' else f' {sign} '
    text_a, text_b = str(a), str(b)
    if draw.english and isinstance(a, int) and isinstance(b, int) and draw.chance(0.04):
        text_a, text_b = f'{a:,}', f'{b:,}'
    return frame.format(a=text_a, b=text_b, s=sign)


def add(draw: Draw) -> Draft:
    """Sums of numbers of up to six digits."""
    pair = draw.operands('add', lambda: _pair(draw))
    a, b = _either_order(draw, pair)
    prompt, answer = finish(draw, _ask(draw, 'add', 'add', a, b), f'{a} + {b}', a + b)
    return Draft(
        prompt, '\n'.join(add_steps(a, b, draw.language)), answer,
        {'kind': 'number', 'value': a + b}, key('add', pair),
    )


def subtract(draw: Draw) -> Draft:
    """Differences of numbers of up to six digits, some of them negative."""

    def make() -> tuple[int, int]:
        a, b = _pair(draw)
        return (b, a) if draw.chance(0.1) else (a, b)

    a, b = draw.operands('subtract', make)
    prompt, answer = finish(draw, _ask(draw, 'subtract', 'subtract', a, b), f'{a} - {b}', a - b)
    return Draft(
        prompt, '\n'.join(subtract_steps(a, b, draw.language)), answer,
        {'kind': 'number', 'value': a - b}, key('subtract', (a, b)),
    )


def _point(value: int, places: int) -> str:
    """A whole number with a decimal point before its last digits."""
    whole, part = divmod(value, 10**places)
    return f'{whole}.{part:0{places}d}'


def decimal(draw: Draw) -> Draft:
    """Sums and differences of decimals (9.9 - 9.11): padded, then as whole numbers."""

    def make() -> tuple[str, str, str]:
        a, b = (
            f'{draw.between(0, 99)}.{draw.between(1, 10**places - 1):0{places}d}'
            for places in (draw.between(1, 2), draw.between(1, 2))
        )
        sign = draw.pick('+-')
        return (b, sign, a) if sign == '-' and float(a) < float(b) else (a, sign, b)

    operands = draw.operands('decimal', make)
    a, sign, b = operands
    parts = [number.partition('.')[2] for number in (a, b)]
    places = max(map(len, parts))
    x, y = (int(n.partition('.')[0] + p.ljust(places, '0')) for n, p in zip((a, b), parts))
    total = x + y if sign == '+' else x - y
    result = _point(total, places)
    section, steps = ('add', add_steps) if sign == '+' else ('subtract', subtract_steps)
    lines = [f'{n}={_point(v, places)}' for n, p, v in zip((a, b), parts, (x, y))
             if len(p) < places]
    lines += [*steps(x, y, draw.language), result]
    prompt, answer = finish(draw, _ask(draw, section, section, a, b), f'{a} {sign} {b}', result)
    return Draft(prompt, '\n'.join(lines), answer, {'kind': 'number', 'value': float(result)},
                 key('decimal', operands), 'soft')


_MULTIPLY_WIDTHS = ((1, 1), (2, 1), (2, 1), (2, 2), (2, 2), (2, 2), (2, 2), (3, 1), (4, 1), (3, 2))


def multiply(draw: Draw) -> Draft:
    """Products: up to four digits times one, three times two; two times two most often."""

    def make() -> tuple[int, int]:
        wide, narrow = draw.pick(_MULTIPLY_WIDTHS)
        a, b = _number(draw, wide), _number(draw, narrow)
        return (a, b) if a >= b else (b, a)

    pair = draw.operands('multiply', make)
    a, b = _either_order(draw, pair)
    prompt, answer = finish(draw, _ask(draw, 'multiply', 'multiply', a, b), f'{a} × {b}', a * b)
    rows = multiply_steps(a, b, draw.language) if a >= b else [
        *multiply_steps(b, a, draw.language), f'{a}×{b}={a * b}',
    ]
    return Draft(
        prompt, '\n'.join(rows), answer,
        {'kind': 'number', 'value': a * b}, key('multiply', pair),
    )


def divide(draw: Draw) -> Draft:
    """Divisions by one or two digits: exact, or with a remainder when that is asked for."""
    exact = draw.chance(0.6)

    def make() -> tuple[int, int]:
        b = draw.between(2, 9) if draw.chance(0.6) else draw.between(10, 99)
        quotient = _number(draw, draw.between(1, 4 if b < 10 else 3))
        return b * quotient + (0 if exact else draw.between(1, b - 1)), b

    a, b = draw.operands('divide', make)
    thought = '\n'.join(divide_steps(a, b, draw.language))
    operands = key('divide', (a, b))
    if exact:
        prompt = _ask(draw, 'divide_exact', 'divide', a, b)
        prompt, answer = finish(draw, prompt, f'{a} ÷ {b}', a // b)
        return Draft(prompt, thought, answer, {'kind': 'number', 'value': a // b}, operands)
    word = ' remainder ' if draw.english else ' 余 '
    return Draft(
        _ask(draw, 'divide_remainder', 'divide', a, b), thought,
        f'{a} ÷ {b} = {a // b}{word}{a % b}',
        {'kind': 'numbers', 'values': [a // b, a % b]}, operands,
    )


_Tree = int | tuple[str, '_Tree', '_Tree']
_RANK = {'+': 1, '-': 1, '×': 2, '÷': 2}


def _value(tree: _Tree) -> int:
    if isinstance(tree, int):
        return tree
    sign, left, right = tree
    x, y = _value(left), _value(right)
    if sign == '+':
        return x + y
    if sign == '-':
        return x - y
    return x * y if sign == '×' else x // y


def _show(tree: _Tree, rank: int = 0, right_side: bool = False) -> str:
    if isinstance(tree, int):
        return f'({tree})' if tree < 0 and rank else str(tree)
    sign, left, right = tree
    own = _RANK[sign]
    text = f'{_show(left, own)}{sign}{_show(right, own, True)}'
    return f'({text})' if own < rank or (own == rank and right_side) else text


def _grow(draw: Draw, leaves: int) -> _Tree:
    """A random tree whose divisions come out even and whose results stay below 1000."""
    if leaves == 1:
        return draw.between(1, 20) if draw.chance(0.7) else draw.between(2, 99)
    split = draw.between(1, leaves - 1)
    left, right = _grow(draw, split), _grow(draw, leaves - split)
    x, y = _value(left), _value(right)
    sign = draw.pick('++--××÷')
    if sign == '÷' and (y <= 0 or x % y or x < 0):
        sign = '+'
    if sign == '-' and x < y:
        left, right = right, left
    if sign == '×' and (abs(x * y) > 400 or x < 0 or y < 0):
        sign = '+'
    return (sign, left, right)


def _reduce(tree: _Tree) -> tuple[_Tree, str] | int:
    """Carries out the first operation that is ready; returns the new tree and the equation."""
    if isinstance(tree, int):
        return tree
    sign, left, right = tree
    for position, child in enumerate((left, right)):
        step = _reduce(child)
        if isinstance(step, tuple):
            changed = (sign, step[0], right) if position == 0 else (sign, left, step[0])
            return changed, step[1]
    return _value(tree), f'{left}{sign}{right}={_value(tree)}'


def expression(draw: Draw) -> Draft:
    """Expressions of three to five numbers with precedence and brackets."""

    def make() -> tuple[str, _Tree]:
        tree = _grow(draw, draw.pick((3, 3, 3, 4, 4, 5)))
        return _show(tree), tree

    operands = draw.operands('expression', make)
    text, tree = operands
    value = _value(tree)
    lines = []
    while not isinstance(tree, int):
        step = _reduce(tree)
        assert isinstance(step, tuple)
        tree = step[0]
        lines.append(step[1] if isinstance(tree, int) else f'{step[1]}; {_show(tree)}')
    shown = text
    if draw.chance(0.4):
        shown = shown.replace('×', draw.pick('**x')).replace('÷', '/')
    if draw.chance(0.5):
        for sign in '+-×÷*x/':
            shown = shown.replace(sign, f' {sign} ')
    frame = draw.phrase(wordings('arithmetic', draw.language)['expression'])
    prompt, answer = finish(draw, frame.format(e=shown), text, value)
    return Draft(
        prompt, '\n'.join(lines), answer, {'kind': 'number', 'value': value},
        key('expression', operands),
    )
