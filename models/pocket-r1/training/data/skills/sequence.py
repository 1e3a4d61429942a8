"""The next number of a sequence, by tests in a fixed order: differences, ratios, squares, sums.

A small model guesses when it may; the thought therefore writes every test that fails before the
one that holds.
"""

from __future__ import annotations

from ..sample import Draft, Draw, key
from ..wording import wordings

_WORDS = {
    'en': {'differences': 'differences', 'ratios': 'ratios', 'squares': 'squares',
           'sums': 'sums', 'same': 'same', 'not': 'not the same'},
    'zh': {'differences': '差', 'ratios': '比', 'squares': '平方', 'sums': '和', 'same': '相同',
           'not': '不同'},
}
_KINDS = ('arithmetic', 'arithmetic', 'geometric', 'square', 'fibonacci')


def _make(draw: Draw) -> tuple[int | str, ...]:
    kind = draw.pick(_KINDS)
    length = draw.between(4, 6)
    if kind == 'arithmetic':
        step = draw.between(1, 25)
        first = draw.between(0, 99)
        terms = [first + step * i for i in range(length)]
        return (kind, *(reversed(terms) if draw.chance(0.3) else terms))
    if kind == 'geometric':
        ratio, first = draw.between(2, 6), draw.between(1, 12)
        falling = draw.chance(0.25)
        terms = [first * ratio ** (i + falling) for i in range(draw.between(3, 5))]
        return (kind, *(reversed(terms) if falling else terms))
    if kind == 'square':
        root = draw.between(1, 25)
        return (kind, *((root + i) ** 2 for i in range(length)))
    a, b = draw.between(1, 15), draw.between(1, 20)
    terms = [a, b]
    while len(terms) < max(length, 5):
        terms.append(terms[-2] + terms[-1])
    return (kind, *terms)


def next_term(terms: list[int], language: str) -> tuple[int, list[str]]:
    """The next term and the tests that lead to it."""
    words, last, lines = _WORDS[language], terms[-1], []
    steps = [b - a for a, b in zip(terms, terms[1:])]
    lines.append(f'{words["differences"]} {" ".join(map(str, steps))}')
    if len(set(steps)) == 1:
        value = last + steps[0]
        sign = f'+{steps[0]}' if steps[0] >= 0 else str(steps[0])
        return value, [f'{lines[0]}: {words["same"]}', f'{last}{sign}={value}']
    lines[0] += f': {words["not"]}'
    first, second = terms[0], terms[1]
    growing = second > first
    big, small = (second, first) if growing else (first, second)
    ratio = big // small if small and big % small == 0 else 0
    if ratio > 1 and all(
        b == a * ratio if growing else b * ratio == a for a, b in zip(terms, terms[1:])
    ):
        value = last * ratio if growing else last // ratio
        sign = '×' if growing else '÷'
        lines.append(f'{words["ratios"]} {" ".join([str(ratio)] * len(steps))}: {words["same"]}')
        return value, [*lines, f'{last}{sign}{ratio}={value}']
    lines.append(f'{words["ratios"]}: {words["not"]}')
    if all(c == a + b for a, b, c in zip(terms, terms[1:], terms[2:])):
        value = terms[-2] + last
        lines.append(f'{words["sums"]} {terms[0]}+{terms[1]}={terms[2]}')
        return value, [*lines, f'{terms[-2]}+{last}={value}']
    root = round(last**0.5) + 1
    roots = ' '.join(f'{root - 1 - i}×{root - 1 - i}' for i in reversed(range(len(terms))))
    lines.append(f'{words["squares"]} {roots}')
    return root * root, [*lines, f'{root}×{root}={root * root}']


def sequence(draw: Draw) -> Draft:
    """Arithmetic, geometric, square and Fibonacci-like sequences."""
    operands = draw.operands('sequence', lambda: _make(draw))
    terms = [int(term) for term in operands[1:]]
    value, lines = next_term(terms, draw.language)
    shown = (', ' if draw.english or draw.chance(0.3) else '，').join(map(str, terms))
    prompt = draw.phrase(wordings('numeracy', draw.language)['sequence']).format(l=shown)
    return Draft(
        prompt, '\n'.join(lines), str(value), {'kind': 'number', 'value': value},
        key('sequence', operands), 'soft',
    )
