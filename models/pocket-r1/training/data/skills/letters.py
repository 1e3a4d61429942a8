"""Letters: counting one (strawberry), counting all, spelling, reversing, the n-th."""

from __future__ import annotations

from ..sample import Draft, Draw, key
from ..wording import wordings

_LETTERS = 'abcdefghijklmnopqrstuvwxyz'
_NONSENSE_SHARE = 0.4
_KINDS = ('count',) * 5 + ('length', 'length', 'spell', 'reverse', 'reverse', 'nth')


def draw_word(draw: Draw) -> str:
    """A word of this split's list, or one made of random letters with many repeats."""
    if draw.chance(1 - _NONSENSE_SHARE):
        return draw.word(wordings('letters', 'en')['words'])
    few = draw.rng.sample(_LETTERS, draw.between(2, 6))
    return ''.join(draw.pick(few) for _ in range(draw.between(3, 12)))


def count_steps(text: str, wanted: str) -> list[str]:
    """Walks the text, a letter a line, with the running count."""
    lines, count = [], 0
    for letter in text:
        count += letter.casefold() == wanted.casefold()
        lines.append(f'{letter} {count}')
    return lines


def counted(draw: Draw, letter: str, count: int) -> str:
    """The answer to how often a letter occurs."""
    if draw.english:
        return f'The letter {letter} appears {count} time{"" if count == 1 else "s"}.'
    return f'字母{letter}出现了{count}次。'


def letters(draw: Draw) -> Draft:
    """One question about the letters of a word; in Chinese now and then about characters."""
    if not draw.english and draw.chance(0.4):
        return _characters(draw)
    kind = draw.pick(_KINDS)

    def make() -> tuple[str, str, int]:
        word = draw_word(draw)
        inside = draw.chance(0.85)
        return word, draw.pick(word if inside else _LETTERS), draw.between(1, len(word))

    operands = draw.operands(f'letters.{kind}', make)
    word, letter, index = operands
    shown = draw.pick((word, word, word, word.capitalize(), word.upper()))
    frame = draw.phrase(wordings('letters', draw.language)[kind])
    asked = letter.upper() if draw.chance(0.1) else letter
    prompt = frame.format(w=shown, c=asked, i=index)
    thought, answer, check = _solve(draw, kind, shown, asked, index)
    return Draft(prompt, thought, answer, check, key(f'letters.{kind}', operands), noise='soft')


def _solve(draw: Draw, kind: str, word: str, letter: str, index: int) -> tuple[str, str, dict]:
    spelled = '-'.join(word)
    if kind == 'count':
        count = sum(each.casefold() == letter.casefold() for each in word)
        thought = '\n'.join(count_steps(word, letter))
        return thought, counted(draw, letter, count), {'kind': 'number', 'value': count}
    if kind == 'length':
        thought = '\n'.join(f'{each} {place}' for place, each in enumerate(word, 1))
        answer = f'{word} has {len(word)} letters.' if draw.english else f'{word}有{len(word)}个字母。'
        return thought, answer, {'kind': 'number', 'value': len(word)}
    if kind == 'spell':
        return spelled, spelled, {'kind': 'text', 'value': spelled}
    if kind == 'reverse':
        turned = word[::-1]
        return f'{spelled}\n{"-".join(turned)}', turned, {'kind': 'text', 'value': turned}
    lines = [f'{each} {place}' for place, each in enumerate(word[:index], 1)]
    answer = f'Letter {index} is {word[index - 1]}.' if draw.english else (
        f'第{index}个字母是{word[index - 1]}。'
    )
    return '\n'.join(lines), answer, {'kind': 'text', 'value': answer.rstrip('.。')}


def _characters(draw: Draw) -> Draft:
    """Counting characters in a short row of Chinese characters."""
    texts = wordings('letters', 'zh')

    def make() -> tuple[str, str]:
        few = draw.words(texts['characters'], draw.between(2, 6))
        row = ''.join(draw.pick(few) for _ in range(draw.between(3, 12)))
        return row, draw.pick(row)

    operands = draw.operands('characters', make)
    row, wanted = operands
    if draw.chance(0.6):
        prompt = draw.phrase(texts['count_zh']).format(w=row, c=wanted)
        value, lines = row.count(wanted), count_steps(row, wanted)
        answer = f'“{wanted}”字出现了{value}次。'
    else:
        prompt = draw.phrase(texts['length_zh']).format(w=row)
        value = len(row)
        lines = [f'{each} {place}' for place, each in enumerate(row, 1)]
        answer = f'一共{value}个字。'
    return Draft(
        prompt, '\n'.join(lines), answer, {'kind': 'number', 'value': value},
        key('characters', operands), noise='soft',
    )
