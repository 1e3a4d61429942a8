"""Comparing numbers, decimals above all (9.11 and 9.9), and the largest or smallest of a list."""

from __future__ import annotations

from ..sample import Draft, Draw, key
from ..wording import wordings

_WORDS = {
    'en': {'larger': '{0} is larger.', 'smaller': '{0} is smaller.', 'equal': 'They are equal.',
           'yes': 'Yes: {0} {2} {1}.', 'no': 'No: {0} {2} {1}.', 'and': '{0} and {1}',
           'digits': '{0} digits and {1} digits', 'start': 'start {0}',
           'best': 'The answer is {0}.'},
    'zh': {'larger': '{0}更大。', 'smaller': '{0}更小。', 'equal': '两个数相等。',
           'yes': '是：{0} {2} {1}。', 'no': '不是：{0} {2} {1}。', 'and': '{0}和{1}',
           'digits': '{0}位和{1}位', 'start': '先看{0}', 'best': '答案是{0}。'},
}


def _sign(a: int, b: int) -> str:
    return '=' if a == b else '>' if a > b else '<'


def compare_steps(a: str, b: str, language: str) -> tuple[str, list[str]]:
    """Compares two numerals >= 0: whole parts first, then decimals padded to equal length."""
    lines = []
    whole_a, _, part_a = a.partition('.')
    whole_b, _, part_b = b.partition('.')
    width = max(len(part_a), len(part_b))
    if len(part_a) != len(part_b):
        pads = [f'{w}.{p.ljust(width, "0")}' for w, p in ((whole_a, part_a), (whole_b, part_b))]
        lines.append(_WORDS[language]['and'].format(*pads))
    if len(whole_a) != len(whole_b):
        lines.append(_WORDS[language]['digits'].format(len(whole_a), len(whole_b)))
        sign = _sign(len(whole_a), len(whole_b))
        return sign, [*lines, f'{a}{sign}{b}']
    pairs = [(whole_a, whole_b)] if width else list(zip(whole_a, whole_b))
    pairs += zip(part_a.ljust(width, '0'), part_b.ljust(width, '0'))
    sign = '='
    for x, y in pairs:
        sign = _sign(int(x), int(y))
        lines.append(f'{x}{sign}{y}')
        if sign != '=':
            break
    return sign, [*lines, f'{a}{sign}{b}']


def _pair(draw: Draw) -> tuple[str, str]:
    if draw.chance(0.65):
        whole = draw.between(0, 20) if draw.chance(0.8) else draw.between(0, 999)
        other = whole if draw.chance(0.75) else draw.between(0, 20)
        digits = [draw.between(1, 3), draw.between(1, 3)]
        a, b = (
            f'{w}.{draw.between(0, 10**d - 1):0{d}d}' for w, d in zip((whole, other), digits)
        )
        return (a, b)
    size = draw.between(1, 6)
    a = draw.between(0, 10**size - 1)
    b = draw.between(0, 10**size - 1) if draw.chance(0.6) else a + draw.between(-9, 9)
    return str(a), str(max(b, 0))


def compare(draw: Draw) -> Draft:
    """Which of two numbers is larger or smaller, whether it is, or which sign belongs between."""
    texts, words = wordings('compare', draw.language), _WORDS[draw.language]
    kind = draw.pick(('larger', 'larger', 'larger', 'smaller', 'is_larger', 'is_smaller', 'sign'))

    def make() -> tuple[str, str]:
        a, b = sorted(_pair(draw))
        return a, b

    pair = draw.operands('compare', make)
    a, b = pair if draw.chance(0.5) else pair[::-1]
    sign, lines = compare_steps(a, b, draw.language)
    prompt = draw.phrase(texts[kind]).format(a=a, b=b)
    if kind == 'sign':
        answer, check = f'{a} {sign} {b}', {'kind': 'text', 'value': f'{a} {sign} {b}'}
    elif kind.startswith('is_'):
        right = sign == ('>' if kind == 'is_larger' else '<')
        answer = words['yes' if right else 'no'].format(a, b, sign)
        start = {'en': ('No', 'Yes'), 'zh': ('不是', '是')}[draw.language][right]
        check = {'kind': 'start', 'value': start}
    elif sign == '=':
        answer = words['equal']
        check = {'kind': 'text', 'value': answer.rstrip('.。')}
    else:
        found = a if (sign == '>') == (kind == 'larger') else b
        answer, check = words[kind].format(found), {'kind': 'number', 'value': float(found)}
    return Draft(prompt, '\n'.join(lines), answer, check, key('compare', pair), noise='soft')


def extreme(draw: Draw) -> Draft:
    """The largest or smallest of three to eight numbers, kept while walking the list."""
    kind = draw.pick(('max', 'min'))

    def make() -> tuple[int, ...]:
        top = draw.pick((20, 99, 99, 999, 9999))
        return tuple(draw.rng.sample(range(top + 1), draw.between(3, 8)))

    numbers = draw.operands('extreme', make)
    words, best = _WORDS[draw.language], numbers[0]
    lines = [words['start'].format(best)]
    for number in numbers[1:]:
        line = f'{number}{_sign(number, best)}{best}'
        best = max(best, number) if kind == 'max' else min(best, number)
        lines.append(f'{line}: {best}')
    shown = draw.pick((', ', ', ', ' ', ',') if draw.english else ('、', '，', ', ', ' '))
    prompt = draw.phrase(wordings('compare', draw.language)[kind]).format(
        l=shown.join(map(str, numbers))
    )
    return Draft(
        prompt, '\n'.join(lines), words['best'].format(best),
        {'kind': 'number', 'value': best}, key('extreme', numbers), noise='soft',
    )
