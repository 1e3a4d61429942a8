"""Short lists of numbers or words: sorting, reversing, picking, counting."""

from __future__ import annotations

from ..invent import invented
from ..sample import Draft, Draw, key
from ..wording import wordings

_KINDS = ('ascending',) * 3 + ('descending', 'descending', 'alphabetical', 'reverse', 'reverse',
                               'pick', 'count')


def _make(draw: Draw, kind: str) -> tuple[int | str, ...]:
    if kind == 'alphabetical' or (kind in {'reverse', 'pick', 'count'} and draw.chance(0.5)):
        words = draw.words(wordings('lists', 'en')['words'], draw.between(3, 7))
        if draw.english and draw.chance(0.4):
            words = list(dict.fromkeys(invented(draw) for _ in words))
        return tuple(words)
    top = draw.pick((20, 99, 99, 999, 5000))
    return tuple(draw.rng.sample(range(top + 1), draw.between(3, 8)))


def selection_steps(items: list, reverse: bool) -> list[str]:
    """Takes the next item in order and writes what is left, until nothing is."""
    rest, lines = list(items), []
    for item in sorted(items, reverse=reverse):
        rest.remove(item)
        lines.append(f'{item}; {" ".join(map(str, rest))}' if rest else str(item))
    return lines


def lists(draw: Draw) -> Draft:
    """One task on a list of three to eight items."""
    kind = draw.pick(_KINDS)
    items = draw.operands(f'lists.{kind}', lambda: _make(draw, kind))
    numeric = isinstance(items[0], int)
    gap = draw.pick((', ', ', ', ' ', ',') if draw.english else ('、', '，', ', ', ' '))
    shown = gap.join(map(str, items))
    if draw.chance(0.15):
        shown = f'[{", ".join(map(str, items))}]'
    index = draw.between(1, len(items))
    prompt = draw.phrase(wordings('lists', draw.language)[kind]).format(l=shown, i=index)
    operands = key(f'lists.{kind}', items)
    if kind == 'count':
        lines = [f'{item} {place}' for place, item in enumerate(items, 1)]
        answer = f'The list has {len(items)} items.' if draw.english else f'一共有{len(items)}项。'
        return Draft(prompt, '\n'.join(lines), answer, {'kind': 'number', 'value': len(items)},
                     operands, noise='soft')
    if kind == 'pick':
        lines = [f'{place} {item}' for place, item in enumerate(items[:index], 1)]
        item = items[index - 1]
        check = {'kind': 'number', 'value': item} if numeric else {'kind': 'text', 'value': item}
        return Draft(prompt, '\n'.join(lines), str(item), check, operands, noise='soft')
    if kind == 'reverse':
        result = list(items[::-1])
        lines = [f'{place} {item}' for place, item in zip(range(len(items), 0, -1), result)]
    else:
        result = sorted(items, reverse=kind == 'descending')
        lines = selection_steps(list(items), kind == 'descending')
    answer = ', '.join(map(str, result))
    check = {'kind': 'numbers', 'values': result} if numeric else {'kind': 'text', 'value': answer}
    return Draft(prompt, '\n'.join(lines), answer, check, operands, noise='soft')
