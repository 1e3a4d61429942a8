"""Long context: a named fact from a list of 20 to 250 lines, or two of them to add."""

from __future__ import annotations

from functools import cache
from zlib import crc32

from ..sample import Draft, Draw, Language, Split
from ..steps import add_steps
from ..wording import wordings

_KINDS = ('ask', 'ask', 'ask', 'reverse', 'add', 'where')
_LONGEST = 11_000  # characters, so that the prompt stays below 4,096 tokens
_SIZES = (8, 20, 20, 40, 40, 60, 100, 150, 250)


@cache
def _names(split: Split, language: Language, numbered: bool) -> list[str]:
    """All names of a split: two words each, with a number behind where more are wanted."""
    texts = wordings('retrieve', language)
    gap = ' ' if language == 'en' else ''
    names = [
        f'{head.forms[0]}{gap}{tail.forms[0]}'
        for head in texts['head'].of(split)
        for tail in texts['tail'].of(split)
    ]
    if numbered:
        return [f'{name}{gap}{number}' for name in names for number in range(1, 40)]
    return names


def retrieve(draw: Draw) -> Draft:
    """A list, a question before or after it, and the line or lines that answer it."""
    texts, kind = wordings('retrieve', draw.language), draw.pick(_KINDS)
    frame = draw.phrase(texts['fact' if kind == 'where' else 'entry'])
    longest = _LONGEST // (len(frame) + (26 if draw.english else 14))
    count = min(draw.pick(_SIZES), longest)
    numbered = draw.chance(0.2) or count > len(_names(draw.split, draw.language, False))

    def make() -> tuple[tuple[str, ...], tuple[str | int, ...], int, int]:
        names = draw.rng.sample(_names(draw.split, draw.language, numbered), count)
        if kind == 'where':
            values = [draw.word(texts['places']) for _ in names]
        else:
            values = draw.rng.sample(range(10, 10000), count)
        i, j = draw.rng.sample(range(count), 2)
        return tuple(names), tuple(values), i, j

    names, values, i, j = operands = draw.operands('retrieve', make)
    name, value = names[i], values[i]
    lines = [frame.format(k=k, v=v) for k, v in zip(names, values)]
    question = draw.phrase(texts[kind]).format(k=name, v=value, l=names[j])
    listing = '\n'.join([draw.phrase(texts['intro']), *lines])
    prompt = f'{question}\n\n{listing}' if draw.chance(0.2) else f'{listing}\n\n{question}'
    thought, answer, check = lines[i], str(value), {'kind': 'number', 'value': value}
    if kind == 'where':
        check = {'kind': 'text', 'value': value}
    elif kind == 'reverse':
        answer, check = name, {'kind': 'text', 'value': name}
    elif kind == 'add':
        a, b = int(value), int(values[j])
        thought = '\n'.join([thought, lines[j], *add_steps(a, b, draw.language)])
        answer, check = f'{a} + {b} = {a + b}', {'kind': 'number', 'value': a + b}
    digest = crc32(repr(operands).encode())
    return Draft(prompt, thought, answer, check, f'retrieve:{digest:08x}', 'none')
