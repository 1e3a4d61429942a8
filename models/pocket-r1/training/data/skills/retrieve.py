"""Long context: a named line from a list of 8 to 250, or two of them to add.

Names and values are of many kinds, half of them invented, so that finding a line means comparing
it with the question and not recognising it.
"""

from __future__ import annotations

from functools import cache
from zlib import crc32

from ..invent import invented
from ..sample import Draft, Draw, Language, Split
from ..steps import add_steps
from ..wording import wordings

_KINDS = ('ask', 'ask', 'ask', 'reverse', 'add', 'where')
_NAMES = ('pair', 'pair', 'invented', 'invented', 'numbered', 'full', 'code')
_LONGEST = 11_000  # characters, so that the prompt stays below 4,096 tokens
_SIZES = (8, 12, 20, 20, 40, 40, 60, 100, 150, 250)
_LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZ'


@cache
def _pairs(split: Split, language: Language) -> list[str]:
    """All names of two known words of a split."""
    texts = wordings('retrieve', language)
    gap = ' ' if language == 'en' else ''
    return [
        f'{head.forms[0]}{gap}{tail.forms[0]}'
        for head in texts['head'].of(split)
        for tail in texts['tail'].of(split)
    ]


def _name(draw: Draw, kind: str) -> str:
    gap = ' ' if draw.english else ''
    if kind == 'pair':
        return draw.pick(_pairs(draw.split, draw.language))
    if kind == 'numbered':
        return f'{draw.pick(_pairs(draw.split, draw.language))}{gap}{draw.between(1, 99)}'
    if kind == 'code':
        return f'{draw.pick(_LETTERS)}{draw.pick(_LETTERS)}-{draw.between(10, 999)}'
    if kind == 'full' and draw.english:
        return f'{invented(draw).capitalize()} {invented(draw).capitalize()}'
    return invented(draw, 3 if kind == 'full' else 0)


def _names(draw: Draw, kind: str, count: int) -> list[str]:
    """Different names of one kind; `count` of them, or as many as were found in time."""
    found: dict[str, None] = {}
    for _ in range(3 * count):
        found[_name(draw, kind)] = None
        if len(found) == count:
            break
    return list(found)


def _values(draw: Draw, count: int) -> list[str]:
    if draw.chance(0.25):
        return [f'{draw.pick(_LETTERS)}{n}' for n in draw.rng.sample(range(10, 10000), count)]
    return [str(n) for n in draw.rng.sample(range(10, draw.pick((1000, 10000))), count)]


def retrieve(draw: Draw) -> Draft:
    """A list, a question before or after it, and the line or lines that answer it."""
    texts, kind = wordings('retrieve', draw.language), draw.pick(_KINDS)
    frame = draw.phrase(texts['fact' if kind == 'where' else 'entry'])
    names_kind = draw.pick(_NAMES if kind != 'where' else ('pair', 'pair', 'invented'))
    longest = _LONGEST // (len(frame) + (30 if draw.english else 16))
    count = min(draw.pick(_SIZES), longest)

    def make() -> tuple[tuple[str, ...], tuple[str, ...], int, int]:
        names = _names(draw, names_kind, count)
        if kind == 'where':
            values = [_place(draw) for _ in names]
        elif kind == 'add':
            values = [str(n) for n in draw.rng.sample(range(10, 10000), len(names))]
        else:
            values = _values(draw, len(names))
        i, j = draw.rng.sample(range(len(names)), 2)
        return tuple(names), tuple(values), i, j

    names, values, i, j = operands = draw.operands('retrieve', make)
    name, value, attribute = names[i], values[i], draw.word(texts['attribute'])
    lines = [frame.format(k=k, v=v, p=v, w=attribute) for k, v in zip(names, values)]
    lines = [line[:1].upper() + line[1:] if '{k}' != frame[:3] else line for line in lines]
    question = draw.phrase(texts[kind]).format(k=name, v=value, l=names[j], w=attribute)
    listing = '\n'.join([draw.phrase(texts['intro']), *lines])
    prompt = f'{question}\n\n{listing}' if draw.chance(0.2) else f'{listing}\n\n{question}'
    thought, answer, check = lines[i], value, {'kind': 'text', 'value': value}
    if value.isdigit():
        check = {'kind': 'number', 'value': int(value)}
    if kind == 'reverse':
        answer, check = name, {'kind': 'text', 'value': name}
    elif kind == 'add':
        a, b = int(value), int(values[j])
        thought = '\n'.join([thought, lines[j], *add_steps(a, b, draw.language)])
        answer, check = f'{a} + {b} = {a + b}', {'kind': 'number', 'value': a + b}
    digest = crc32(repr(operands).encode())
    return Draft(prompt, thought, answer, check, f'retrieve:{digest:08x}', 'none')


def _place(draw: Draw) -> str:
    """A place, mostly with a word before it."""
    texts = wordings('retrieve', draw.language)
    place, gap = draw.word(texts['places']), ' ' if draw.english else ''
    if draw.chance(0.3):
        return f'{invented(draw)}{gap}{place}'
    return f'{draw.word(texts["head"])}{gap}{place}' if draw.chance(0.7) else place
