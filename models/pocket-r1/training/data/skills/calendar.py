"""Weekdays, dates, months, leap years and clock times, always by counting with a remainder."""

from __future__ import annotations

from typing import Any, Callable

from ..sample import Draft, Draw, key
from ..wording import wordings

_DAYS = {
    'en': 'Monday Tuesday Wednesday Thursday Friday Saturday Sunday'.split(),
    'zh': '星期一 星期二 星期三 星期四 星期五 星期六 星期日'.split(),
}
_MONTHS = (
    'January February March April May June July August September October November December'
).split()
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
Solved = tuple[dict[str, Any], list[str], str, dict[str, Any]]


def _text(value: str) -> dict[str, Any]:
    return {'kind': 'text', 'value': value}


def _weekday_after(draw: Draw, start: int, days: int, sign: int = 1) -> Solved:
    names, steps, lines = _DAYS[draw.language], days % 7, []
    if days >= 7:
        lines.append(f'{days}={days // 7}×7+{steps}')
    lines.append(names[start])
    lines += [f'{step} {names[(start + sign * step) % 7]}' for step in range(1, steps + 1)]
    day = names[(start + sign * steps) % 7]
    return {'d': names[start], 'n': days}, lines, day, _text(day)


def _weekday_before(draw: Draw, start: int, days: int) -> Solved:
    return _weekday_after(draw, start, days, -1)


def _date(draw: Draw, month: int, day: int) -> str:
    return f'{_MONTHS[month]} {day}' if draw.english else f'{month + 1}月{day}日'


def _month_name(draw: Draw, month: int) -> str:
    return _MONTHS[month] if draw.english else str(month + 1)


def _date_after(draw: Draw, month: int, day: int, days: int) -> Solved:
    lines = [f'{day}+{days}={day + days}']
    total, place = day + days, month
    while total > _LENGTHS[place]:
        length = _LENGTHS[place]
        lines.append(f'{_date(draw, place, length)}: {total}-{length}={total - length}')
        total -= length
        place = (place + 1) % 12
    answer = _date(draw, place, total)
    lines.append(answer)
    return {'m': _month_name(draw, month), 'x': day, 'n': days}, lines, answer, _text(answer)


def _clock(minutes: int) -> str:
    return f'{minutes // 60}:{minutes % 60:02d}'


def _time_after(draw: Draw, start: int, minutes: int) -> Solved:
    hour, minute = divmod(start, 60)
    total = minute + minutes
    lines = [f'{minute}+{minutes}={total}']
    while total >= 60:
        lines.append(f'{total}-60={total - 60}, {hour}+1={hour + 1}')
        total, hour = total - 60, hour + 1
    if hour >= 24:
        lines.append(f'{hour}-24={hour - 24}')
        hour -= 24
    answer = _clock(hour * 60 + total)
    return {'t': _clock(start), 'n': minutes}, [*lines, answer], answer, _text(answer)


def _time_between(draw: Draw, start: int, minutes: int) -> Solved:
    end = start + minutes
    (h1, m1), (h2, m2) = divmod(start, 60), divmod(end, 60)
    hours = (h2 - h1) * 60
    lines = [f'{h2}-{h1}={h2 - h1}', f'{h2 - h1}×60={hours}']
    if m2 >= m1:
        lines += [f'{m2}-{m1}={m2 - m1}', f'{hours}+{m2 - m1}={minutes}']
    else:
        lines += [f'{m1}-{m2}={m1 - m2}', f'{hours}-{m1 - m2}={minutes}']
    answer = f'{minutes} minutes' if draw.english else f'{minutes}分钟'
    return {'t': _clock(start), 'v': _clock(end)}, lines, answer, {'kind': 'number',
                                                                   'value': minutes}


def _days_between(draw: Draw, month: int, day: int, days: int) -> Solved:
    slots = {'m': _month_name(draw, month), 'x': day, 'y': day + days}
    answer = f'{days} days' if draw.english else f'{days}天'
    return slots, [f'{day + days}-{day}={days}'], answer, {'kind': 'number', 'value': days}


def _leap(draw: Draw, year: int) -> Solved:
    century, rest = divmod(year, 100)
    number = rest or century
    lines = [f'{century} {rest:02d}', f'{number}={number // 4}×4+{number % 4}']
    leap = number % 4 == 0
    if draw.english:
        answer = f'Yes, {year} is a leap year.' if leap else f'No, {year} is no leap year.'
        return {'n': year}, lines, answer, {'kind': 'start', 'value': 'Yes' if leap else 'No'}
    answer = f'是，{year}年是闰年。' if leap else f'不是，{year}年不是闰年。'
    return {'n': year}, lines, answer, {'kind': 'start', 'value': '是' if leap else '不是'}


def _month(draw: Draw, month: int, count: int) -> Solved:
    total = month + 1 + count
    lines = [f'{month + 1}+{count}={total}']
    while total > 12:
        lines.append(f'{total}-12={total - 12}')
        total -= 12
    answer = _MONTHS[total - 1] if draw.english else f'{total}月'
    lines.append(answer)
    return {'m': _month_name(draw, month), 'n': count}, lines, answer, _text(answer)


def _make_date(draw: Draw) -> tuple[int, int, int]:
    month = draw.between(0, 11)
    return month, draw.between(1, _LENGTHS[month]), draw.between(1, 45)


def _make_span(draw: Draw) -> tuple[int, int, int]:
    month = draw.between(0, 11)
    day = draw.between(1, _LENGTHS[month] - 1)
    return month, day, draw.between(1, _LENGTHS[month] - day)


def _make_between(draw: Draw) -> tuple[int, int]:
    start = draw.between(0, 1380)
    return start, draw.between(1, min(1439 - start, 400))


_KINDS: dict[str, tuple[Callable[[Draw], tuple[int, ...]], Callable[..., Solved]]] = {
    'weekday_after': (lambda d: (d.between(0, 6), d.between(1, 99)), _weekday_after),
    'weekday_before': (lambda d: (d.between(0, 6), d.between(1, 60)), _weekday_before),
    'date_after': (_make_date, _date_after),
    'time_after': (lambda d: (d.between(0, 1439), d.between(1, 150)), _time_after),
    'time_between': (_make_between, _time_between),
    'days_between': (_make_span, _days_between),
    'leap': (lambda d: (d.pick((d.between(1800, 2100), d.between(16, 24) * 100)),), _leap),
    'month': (lambda d: (d.between(0, 11), d.between(1, 30)), _month),
}


def calendar(draw: Draw) -> Draft:
    """One question about the calendar or the clock."""
    kind = draw.pick(tuple(_KINDS))
    make, solve = _KINDS[kind]
    values = draw.operands(f'calendar.{kind}', lambda: make(draw))
    slots, lines, answer, check = solve(draw, *values)
    prompt = draw.phrase(wordings('calendar', draw.language)[kind]).format_map(slots)
    return Draft(prompt, '\n'.join(lines), answer, check, key(f'calendar.{kind}', values), 'soft')
