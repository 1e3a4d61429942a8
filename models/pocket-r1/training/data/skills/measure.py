"""Units and money: conversions, totals, change, discounts, prices with cents."""

from __future__ import annotations

from ..sample import Draft, Draw, key
from ..steps import add_steps, sum_steps
from ..wording import wordings
from .story import capital, cast_of

# (bigger, smaller, factor), with the names in English and Chinese.
_UNITS = (
    (('kilometers', '千米'), ('meters', '米'), 1000), (('km', '公里'), ('m', '米'), 1000),
    (('meters', '米'), ('centimeters', '厘米'), 100), (('m', '米'), ('cm', '厘米'), 100),
    (('centimeters', '厘米'), ('millimeters', '毫米'), 10), (('cm', '米'), ('mm', '分米'), 10),
    (('kilograms', '千克'), ('grams', '克'), 1000), (('kg', '公斤'), ('g', '克'), 1000),
    (('tons', '吨'), ('kilograms', '千克'), 1000), (('liters', '升'), ('milliliters', '毫升'), 1000),
    (('hours', '小时'), ('minutes', '分钟'), 60), (('minutes', '分钟'), ('seconds', '秒'), 60),
    (('days', '天'), ('hours', '小时'), 24), (('weeks', '周'), ('days', '天'), 7),
    (('years', '年'), ('months', '个月'), 12), (('dollars', '元'), ('cents', '分'), 100),
    (('feet', '英尺'), ('inches', '英寸'), 12), (('dozens', '打'), ('pieces', '个'), 12),
    (('kilobytes', 'KB'), ('bytes', '字节'), 1024),
)
_SINGULAR = {'feet': 'foot'}


def convert(draw: Draw) -> Draft:
    """Between two units, either way, or two units together into the smaller one."""

    def make() -> tuple[str, int, int, int]:
        kind = draw.pick(('down', 'down', 'up', 'compound'))
        unit = draw.between(0, len(_UNITS) - 1)
        factor = _UNITS[unit][2]
        top = 200 if factor in {10, 100, 1000} else 40 if factor < 100 else 12
        return kind, unit, draw.between(1, top), draw.between(1, factor - 1)

    operands = draw.operands('convert', make)
    kind, unit, amount, rest = operands
    big, small, factor = _UNITS[unit]
    side = 0 if draw.english else 1
    product = amount * factor
    first = f'1{big[1]}={factor}{small[1]}'
    if draw.english:
        first = f'1 {_SINGULAR.get(big[0], big[0].removesuffix("s"))}={factor} {small[0]}'
    names = {'u': big[side], 'v': small[side]}
    if kind == 'up':
        names, shown, value = {'u': small[side], 'v': big[side]}, product, amount
        lines = [first, *sum_steps(product, '÷', factor, draw.language)]
    elif kind == 'down':
        shown, value = amount, product
        lines = [first, *sum_steps(amount, '×', factor, draw.language)]
    else:
        shown, value = amount, product + rest
        lines = [first, *sum_steps(amount, '×', factor, draw.language)]
        lines += sum_steps(product, '+', rest, draw.language)
    frame = draw.phrase(wordings('measure', draw.language)['compound' if kind == 'compound' else
                                                            'convert'])
    gap = ' ' if draw.english else ''
    return Draft(
        frame.format(n=shown, m=rest, **names), '\n'.join(lines), f'{value}{gap}{names["v"]}',
        {'kind': 'number', 'value': value}, key('convert', operands), 'soft',
    )


def _make_money(draw: Draw, kind: str) -> tuple[int, ...]:
    if kind == 'discount':
        percent = draw.pick((5, 10, 15, 20, 25, 30, 40, 50, 60, 75))
        price = draw.between(1, 60) * 20
        return price, percent
    if kind == 'cents':
        return draw.between(50, 3000), draw.between(50, 3000)
    a, b = draw.between(2, 12), draw.between(2, 15)
    if kind == 'change':
        return a, b, min(n for n in (20, 50, 100, 200) if n >= a * b)
    return a, b, draw.between(2, 12), draw.between(2, 15)


def _cents(value: int) -> str:
    return f'{value // 100}.{value % 100:02d}'


def money(draw: Draw) -> Draft:
    """Totals, change, discounts and sums with cents."""
    kind = draw.pick(('total', 'change', 'discount', 'cents'))
    values = draw.operands(f'money.{kind}', lambda: _make_money(draw, kind))
    frame = draw.phrase(wordings('measure', draw.language)[kind])
    slots = cast_of(draw, third=True).slots
    shown: dict[str, object] = dict(zip('abcd', values))
    a, b, *more = values
    if kind == 'total':
        c, d = more
        value: float = a * b + c * d
        lines = [line for x, y in ((a, b), (c, d)) for line in sum_steps(x, '×', y, draw.language)]
        lines += sum_steps(a * b, '+', c * d, draw.language)
    elif kind == 'change':
        value = more[0] - a * b
        lines = [*sum_steps(a, '×', b, draw.language),
                 *sum_steps(more[0], '-', a * b, draw.language)]
    elif kind == 'discount':
        off = a * b // 100
        value = a - off
        lines = [*sum_steps(a, '×', b, draw.language), f'{a * b}÷100={off}',
                 *sum_steps(a, '-', off, draw.language)]
    else:
        shown = {'a': _cents(a), 'b': _cents(b)}
        value = (a + b) / 100
        lines = [*add_steps(a, b, draw.language), _cents(a + b)]
    text = _cents(a + b) if kind == 'cents' else value
    return Draft(
        capital(frame.format_map(slots | shown)), '\n'.join(lines),
        f'${text}' if draw.english else f'{text}元', {'kind': 'number', 'value': value},
        key(f'money.{kind}', values), 'soft',
    )
