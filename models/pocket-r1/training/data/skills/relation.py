"""More than, fewer than, times as many, older, younger: one or two relations between people.

The thought quotes each relation, names which way it goes, then computes. A relation may be told
from the other side ("Ann has 5 more than Ben", and Ann's number is the known one).
"""

from __future__ import annotations

from ..numbers import worded
from ..sample import Draft, Draw, key
from ..steps import sum_steps
from ..wording import wordings
from .story import capital, cast_of, inner

_SUBJECTS = ('count', 'count', 'count', 'age', 'age', 'height', 'score', 'money')
_KINDS = ('more', 'more', 'less', 'less', 'times')
_INVERSE = {'more': 'less', 'less': 'more'}
_SIGNS = {'more': '+', 'less': '-', 'times': '×'}
Link = tuple[str, int, bool]


def _start(draw: Draw, subject: str) -> int:
    if subject == 'height':
        return draw.between(100, 185)
    return draw.between(3, 70 if subject == 'age' else 99)


def _make(draw: Draw) -> tuple[str, int, tuple[Link, ...], bool]:
    subject = draw.pick(_SUBJECTS)
    start = value = _start(draw, subject)
    links: list[Link] = []
    for _ in range(draw.pick((1, 1, 1, 2))):
        kind = draw.pick(_KINDS[:4] if subject == 'height' else _KINDS)
        if kind == 'less' and value < 3 or kind == 'times' and value > 40:
            kind = 'more'
        if kind == 'times':
            number = draw.between(2, 5)
            value *= number
        else:
            number = draw.between(1, min(40, value - 1) if kind == 'less' else 40)
            value += number if kind == 'more' else -number
        links.append((kind, number, kind != 'times' and draw.chance(0.25)))
    return subject, start, tuple(links), subject != 'height' and draw.chance(0.4)


def relation(draw: Draw) -> Draft:
    """A known number, one or two relations, and a question for the last person or the sum."""
    subject, start, links, both = operands = draw.operands('relation', lambda: _make(draw))
    texts = wordings('relation', draw.language)
    slots = cast_of(draw, third=True).slots
    entries = draw.words(wordings('names', draw.language)['person'], len(links) + 1)
    names = [inner(entry.split(':')[0]) for entry in entries]
    words = draw.chance(0.2)
    colon, stop = (': ', '. ') if draw.english else ('：', '。')

    def shown(number: int) -> str:
        return worded(number, draw.language) if words and subject != 'money' else str(number)

    def say(section: str, **own: str) -> str:
        return draw.phrase(texts[f'{subject}.{section}']).format_map(slots | own)

    sentences = [capital(say('given', A=names[0], n=shown(start)))]
    lines, values = [f'{names[0]}{colon}{start}'], [start]
    for (kind, number, turned), known, new in zip(links, names, names[1:]):
        told = _INVERSE[kind] if turned else kind
        first, second = (new, known) if turned else (known, new)
        own = {'A': first, 'B': second}
        frame = draw.phrase(texts[f'{subject}.{told}'])
        sentences.append(capital(frame.format_map(slots | own | {'m': shown(number),
                                                                 't': shown(number)})))
        lines.append(frame.format_map(slots | own | {'m': str(number), 't': str(number)}))
        steps = sum_steps(values[-1], _SIGNS[kind], number, draw.language)
        lines += [f'{new}{colon}{steps[0]}', *steps[1:]]
        result = {'more': values[-1] + number, 'less': values[-1] - number}
        values.append(result.get(kind, values[-1] * number))
    result = values[-1]
    if both:
        question = say('both')
        result = values[0]
        for value in values[1:]:
            lines += sum_steps(result, '+', value, draw.language)
            result += value
    else:
        question = say('ask', B=names[-1])
    text = stop.join([*sentences, question]).replace('。', '，', draw.between(0, 1))
    if draw.english and draw.chance(0.6):
        text = text.replace('2 times', 'twice').replace('two times', 'twice')
    answer = f'The answer is {result}.' if draw.english else f'答案是{result}。'
    return Draft(text, '\n'.join(lines), answer, {'kind': 'number', 'value': result},
                 key('relation', operands))
