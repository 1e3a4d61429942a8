"""Word problems told as a story: an opening, some events, a question.

The thought quotes every event with its number before it decides between plus and minus: the quote
makes a small model read the verb instead of matching a template.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Literal

from ..invent import invented
from ..numbers import worded
from ..sample import Draft, Draw, key
from ..steps import sum_steps
from ..wording import wordings

# What the next clause may leave out: the actor, nothing, or not even the name of the thing.
Tie = Literal['actor', 'none', 'thing']
_PRONOUN_CHANCE = 0.65
# Events by a verb that does not exist: the words around it tell whether it takes or gives.
_NONCE_CHANCE = 0.12
# Two people of different pronouns, so that `she` is clear; a small list may not have them.
_PRONOUN_TRIES = 8
_OPENINGS = ('has', 'has', 'has', 'groups', 'two')
_CLOSINGS = ('ask', 'ask', 'ask', 'ask', 'share', 'pack', 'price')
_LABELS = {
    'en': {'start': 'start: {0}', 'each': '{0} with {1} each: ', 'and': '{0} and {1}: ',
           'share': 'shared by {0}: ', 'pack': 'groups of {0}: ', 'price': '{0} at {1} each: ',
           'not': '{0} {1}: not asked', 'half': 'half: ', 'double': 'twice: '},
    'zh': {'start': '开始：{0}', 'each': '{0}份，每份{1}：', 'and': '{0}和{1}：',
           'share': '分给{0}个：', 'pack': '每{0}一份：', 'price': '{0}，每份{1}元：',
           'not': '{0}{1}：不问', 'half': '一半：', 'double': '两倍：'},
}


@dataclass(slots=True)
class Cast:
    """Who and what the story is about, as the slots of the frames want it."""

    slots: dict[str, str]
    form: int
    food: bool


def cast_of(draw: Draw, third: bool = False) -> Cast:
    """Draws people and things; in English also the tense.

    Now and then the first person tells the story, unless `third` forbids it.
    """
    names = wordings('names', draw.language)
    for _ in range(_PRONOUN_TRIES):
        first, second = (entry.split(':') for entry in draw.words(names['person'], 2))
        if first[1] != second[1]:
            break
    food = draw.chance(0.3)
    item = draw.word(names['food' if food else 'item']).split(':')
    other = draw.word(names['item']).split(':')
    while other[0] == item[0]:
        other = draw.word(names['item']).split(':')
    x, y = draw.words(names['colour'], 2) if draw.split == 'train' else ('', '')
    if not x:
        x, y = (('new', 'old') if draw.english else ('新', '旧'))
    slots = {'B': inner(second[0]), 'f': draw.word(names['friends']), 'x': x, 'y': y}
    container = draw.word(names['container']).split(':')
    if not draw.english:
        me = not third and draw.chance(0.1)
        slots |= {
            'A': '我' if me else first[0], 's': '我' if me else first[1],
            'him': '我' if me else first[1], 'o': item[0], 'u': item[1], 'p': other[0],
            'v': other[1], 'c': container[0],
        }
        if not me and not draw.chance(_PRONOUN_CHANCE):
            slots['s'] = first[0]
        return Cast(slots, 0, food)
    past = draw.chance(0.5)
    slots |= {'o': item[1], 'o1': item[0], 'p': other[1], 'c': container[1]}
    if not third and draw.chance(0.12):
        slots |= {'A': 'I', 's': 'I', 'him': 'me', 'his': 'my'}
        return Cast(slots, 2 if past else 0, food)
    slots |= {'A': inner(first[0]), 's': first[1], 'him': first[2], 'his': first[3]}
    if not draw.chance(_PRONOUN_CHANCE):
        slots['s'] = inner(first[0])
    return Cast(slots, 2 if past else 1, food)


def inner(name: str) -> str:
    """A name inside a sentence: `The farmer` becomes `the farmer`."""
    head, _, rest = name.partition(' ')
    return f'{head.lower()} {rest}' if rest and head in {'The', 'A', 'My'} else name


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def numeral(draw: Draw, number: int, words: bool) -> str:
    """The number in digits, or in words where `words` is set and it is small enough."""
    return worded(number, draw.language) if words and number < 100 else str(number)


@dataclass(slots=True)
class _Plan:
    opening: str
    numbers: tuple[int, ...]
    events: tuple[tuple[str, int], ...]
    closing: str
    last: int
    distractor: int


def _make_plan(draw: Draw) -> tuple[_Plan]:
    opening = draw.pick(_OPENINGS)
    wide = draw.chance(0.25)
    top = 90 if wide else 25
    if opening == 'groups':
        numbers = (draw.between(2, 12), draw.between(2, 20 if wide else 12))
        total = numbers[0] * numbers[1]
    elif opening == 'two':
        numbers = (draw.between(2, top), draw.between(2, top))
        total = sum(numbers)
    else:
        numbers = (draw.between(2, top * 2 if wide else top),)
        total = numbers[0]
    events = []
    least = 1 if opening == 'has' else 0
    for _ in range(draw.pick((1, 1, 1, 2, 2, 3)) if least else draw.pick((0, 1, 1, 2))):
        kind = draw.pick(('+', '+', '+', '+', '-', '-', '-', '-', '-', 'half', 'double'))
        if kind == 'half' and (total % 2 or total < 2) or kind == '-' and total < 1:
            kind = '+'
        if kind == 'double' and total > 100:
            kind = '+'
        if kind == '-':
            number = draw.between(1, total)
            total -= number
        elif kind == '+':
            number = draw.between(1, top)
            total += number
        else:
            number = 2
            total = total // 2 if kind == 'half' else total * 2
        events.append((kind, number))
    distractor = draw.between(2, 60) if draw.chance(0.25) else 0
    closing, last = 'ask' if distractor else draw.pick(_CLOSINGS), 0
    if closing in {'share', 'pack'}:
        divisors = [d for d in range(2, 13) if total and total % d == 0 and total > d]
        closing, last = (closing, draw.pick(divisors)) if divisors else ('ask', 0)
    elif closing == 'price':
        last = draw.between(2, 12)
        if not 0 < total <= 99:
            closing, last = 'ask', 0
    return (_Plan(opening, numbers, tuple(events), closing, last, distractor),)


def story(draw: Draw) -> Draft:
    """One to five sums told as a story, in either language."""
    (plan,) = operands = draw.operands('story', lambda: _make_plan(draw))
    texts = wordings('story', draw.language)
    labels = _LABELS[draw.language]
    cast = cast_of(draw)
    worded_numbers = draw.chance(0.2)
    slots, form = cast.slots, cast.form

    def number(value: int) -> str:
        return numeral(draw, value, worded_numbers)

    text, total, lines, tie = _opening(draw, plan, cast, number)
    if plan.distractor:
        text, line = _distract(draw, text, plan.distractor, cast)
        tie = 'thing'
        lines.append(line)
    for kind, value in plan.events:
        text, quote, tie = _event(draw, text, kind, value, cast, number, tie)
        if kind in '+-':
            after = total + value if kind == '+' else total - value
            lines.append(f'{quote}{": " if draw.english else "："}{total}{kind}{value}={after}')
        else:
            after = total // 2 if kind == 'half' else total * 2
            lines.append(f'{labels[kind]}{total}{"÷" if kind == "half" else "×"}2={after}')
        total = after
    slots = slots | {'k': str(plan.last) if plan.closing == 'price' else number(plan.last)}
    stop = '. ' if draw.english else '。'
    if plan.closing == 'ask':
        question = _question(draw, plan, form).format_map(slots)
        text += ('，' if not draw.english and draw.chance(0.5) else stop) + capital(question)
    else:
        frame = draw.phrase(texts[f'close.{plan.closing}'], form).format_map(slots)
        text += _sentences(frame)
        if plan.closing == 'price':
            label = labels['price'].format(total, plan.last)
            lines += _labelled(label, sum_steps(total, '×', plan.last, draw.language))
            total *= plan.last
        else:
            label = labels[plan.closing].format(plan.last)
            lines += _labelled(label, sum_steps(total, '÷', plan.last, draw.language))
            total //= plan.last
    return Draft(
        text, '\n'.join(lines), _answer(draw, total, plan.closing, cast),
        {'kind': 'number', 'value': total}, key('story', operands),
    )


def _opening(
    draw: Draw, plan: _Plan, cast: Cast, number: Callable[[int], str]
) -> tuple[str, int, list[str], Tie]:
    """The first sentence, what there is after it, its thought, and whether `A` acted in it."""
    labels = _LABELS[draw.language]
    first, second = (*plan.numbers, 0)[:2]
    if plan.opening == 'groups':
        own = {'k': number(first), 'n': number(second)}
        steps = sum_steps(first, '×', second, draw.language)
        total, lines = first * second, _labelled(labels['each'].format(first, second), steps)
    elif plan.opening == 'two':
        own = {'n': number(first), 'm': number(second)}
        total = first + second
        lines = [f'{labels["and"].format(first, second)}{first}+{second}={total}']
    else:
        own, total, lines = {'n': number(first)}, first, [labels['start'].format(first)]
    frame = draw.phrase(wordings('story', draw.language)[f'open.{plan.opening}'], cast.form)
    text = capital(frame.format_map(cast.slots | own))
    acts = frame.startswith('{A}') and '. ' not in frame
    return text, total, lines, 'actor' if acts else 'none'


def _labelled(label: str, steps: list[str]) -> list[str]:
    return [f'{label}{steps[0]}', *steps[1:]]


def _question(draw: Draw, plan: _Plan, form: int) -> str:
    """The final question, as people put it: what is left after losses, the total after gains.

    Where there are other things, it names the one it means.
    """
    kinds = {kind for kind, _ in plan.events}
    section = 'ask.now'
    if kinds and draw.chance(0.75):
        section = 'ask.left' if kinds <= {'-', 'half'} else section
        section = 'ask.all' if kinds <= {'+', 'double'} else section
    wording = wordings('story', draw.language)[section]
    question = draw.phrase(wording, form)
    while plan.distractor and '{o}' not in question:
        draw.used.pop()
        question = draw.phrase(wording, form)
    return question


def _sentences(text: str) -> str:
    """Capitals after full stops: `. she shares` becomes `. She shares`."""
    return '. '.join(capital(part) for part in text.split('. '))


def _distract(draw: Draw, text: str, value: int, cast: Cast) -> tuple[str, str]:
    frame = draw.phrase(wordings('story', draw.language)['distractor'], cast.form)
    slots = cast.slots | {'m': str(value)}
    sentence = frame.format_map(slots)
    thing = slots['p'] if '{p}' in frame else 'years' if 'years' in frame else 'minutes'
    if not draw.english:
        thing = slots['v'] + slots['p'] if '{p}' in frame else '岁' if '岁' in frame else '分钟'
        return f'{text}，{sentence}', _LABELS['zh']['not'].format(value, thing)
    return f'{text}. {capital(sentence)}', _LABELS['en']['not'].format(value, thing)


def _event(
    draw: Draw, text: str, kind: str, value: int, cast: Cast, number: Callable[[int], str],
    tie: Tie,
) -> tuple[str, str, Tie]:
    """The story with one more event, the event's quote for the thought, and who acted last.

    Only where the actor stays the same may the next clause leave the subject out; only where no
    other thing came in between may it leave the thing out.
    """
    texts = wordings('story', draw.language)
    if kind in {'half', 'double'}:
        own, frame = True, draw.phrase(texts[kind], cast.form)
    else:
        own = draw.chance(0.8) or (draw.english and value == 1)
        direction = 'gain' if kind == '+' else 'lose'
        section = f'{direction}.{"self" if own else "other"}'
        if kind == '-' and own and cast.food and draw.chance(0.5):
            section = 'eat'
        nonce = own and draw.split == 'train' and draw.chance(_NONCE_CHANCE)
        section = f'nonce.{direction}' if nonce else section
        form = cast.form if own else max(cast.form, 1)
        frame = draw.phrase(texts[section], form).replace('{w}', invented(draw))
    quantity = _quantity(draw, kind, value, cast, number, tie == 'thing')
    slots = cast.slots | {'q': quantity, 'n': str(value)}
    clause = frame.format_map(slots)
    quote = frame.format_map(slots | {'q': str(value)})
    if own and tie == 'actor' and draw.chance(0.6):
        return text + draw.phrase(texts['join.verb']).format(x=clause), quote, 'actor'
    if own:
        clause = f'{slots["s"]}{" " if draw.english else ""}{clause}'
    joined = draw.phrase(texts['join.clause'])
    if joined.startswith('. {x}'):
        clause = capital(clause)
    return text + joined.format(x=clause), quote, 'actor' if own else 'none'


def _quantity(
    draw: Draw, kind: str, value: int, cast: Cast, number: Callable[[int], str], named: bool
) -> str:
    text, slots = number(value), cast.slots
    if named:
        return f'{text} {slots["o1" if value == 1 else "o"]}' if draw.english else (
            text + slots['u'] + slots['o']
        )
    if not draw.english:
        unit = text + slots['u']
        return draw.pick((unit, unit, unit + slots['o'], ('其中' if kind == '-' else '另外') + unit))
    if value == 1:
        return draw.pick(('one', '1', 'one of them' if kind == '-' else 'one more'))
    if kind == '-':
        suffixes = ('', f' {slots["o"]}', ' of them', f' of the {slots["o"]}')
        return text + draw.pick(suffixes)
    thing = slots['o']
    return draw.pick((text, f'{text} {thing}', f'{text} more', f'{text} more {thing}',
                      f'another {text}'))


def _answer(draw: Draw, total: int, closing: str, cast: Cast) -> str:
    if draw.english:
        thing = cast.slots['o1' if total == 1 else 'o']
        unit = {'price': ' dollars', 'pack': ''}.get(closing, f' {thing}')
        return f'The answer is {total}{unit}.'
    unit = {'price': '元', 'pack': ''}.get(closing, cast.slots['u'])
    return f'答案是{total}{unit}。'
