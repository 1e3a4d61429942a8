"""Follow-ups that ask the same of something else: another word, another letter, the other order."""

from __future__ import annotations

from ..sample import Draft, Draw, Message, key
from ..wording import wordings
from .letters import count_steps, counted, draw_word


def _turns(question: str, answer: str) -> list[Message]:
    return [{'role': 'user', 'content': question}, {'role': 'assistant', 'content': answer}]


def _letters(draw: Draw) -> Draft:
    """After one count of letters: the same letter elsewhere, or another letter."""

    def make() -> tuple[str, str, str, str]:
        word, other = draw_word(draw), draw_word(draw)
        letters = sorted(set(word)) + ['x']
        return word, draw.pick(word), other, draw.pick(letters)

    operands = draw.operands('recast.letters', make)
    word, letter, other_word, other_letter = operands
    texts = wordings('letters', draw.language)
    question = draw.phrase(texts['count']).format(w=word, c=letter)
    history = _turns(question, counted(draw, letter, word.count(letter)))
    followups = wordings('followup', draw.language)
    if draw.chance(0.6):
        prompt = draw.phrase(followups['again_word']).format(w=other_word)
        word = other_word
    else:
        prompt = draw.phrase(followups['again_letter']).format(c=other_letter)
        letter = other_letter
    value = word.count(letter)
    return Draft(
        prompt, '\n'.join(count_steps(word, letter)), counted(draw, letter, value),
        {'kind': 'number', 'value': value}, key('recast.letters', operands), 'soft', history,
    )


def _numbers(draw: Draw) -> Draft:
    """After sorting a list: the other order; or after a maximum: the minimum."""
    numbers = draw.operands(
        'recast.numbers',
        lambda: tuple(draw.rng.sample(range(draw.pick((20, 99, 999))), draw.between(3, 7))),
    )
    followups = wordings('followup', draw.language)
    shown = (', ' if draw.english else '、').join(map(str, numbers))
    if draw.chance(0.6):
        falling = draw.chance(0.5)
        section = 'descending' if falling else 'ascending'
        result = sorted(numbers, reverse=falling)
        question = draw.phrase(wordings('lists', draw.language)[section]).format(l=shown)
        history = _turns(question, ', '.join(map(str, result)))
        turned = result[::-1]
        lines = [f'{place} {n}' for place, n in zip(range(len(turned), 0, -1), turned)]
        answer, check = ', '.join(map(str, turned)), {'kind': 'numbers', 'values': turned}
        prompt = draw.phrase(followups['again_order'])
    else:
        sentence = 'The answer is {}.' if draw.english else '答案是{}。'
        question = draw.phrase(wordings('compare', draw.language)['max']).format(l=shown)
        history = _turns(question, sentence.format(max(numbers)))
        prompt = draw.phrase(followups['again_least'])
        best = numbers[0]
        lines = [f'start {best}' if draw.english else f'先看{best}']
        for n in numbers[1:]:
            sign = '<' if n < best else '>'
            line, best = f'{n}{sign}{best}', min(n, best)
            lines.append(f'{line}: {best}')
        answer, check = sentence.format(best), {'kind': 'number', 'value': best}
    return Draft(prompt, '\n'.join(lines), answer, check, key('recast.numbers', numbers), 'soft',
                 history)


def recast(draw: Draw) -> Draft:
    """A follow-up on letters or on a list."""
    return draw.pick((_letters, _numbers))(draw)
