"""Small disturbances of prompts, as people type: case, spaces, typos, width, missing marks."""

from __future__ import annotations

from .sample import Draw

_WIDE = str.maketrans('0123456789+-=?(),.:', '０１２３４５６７８９＋－＝？（），．：')
_NARROW = str.maketrans('，。？：；！', ',.?:;!')
_TYPO_MINIMUM = 5
_MARKS = '.?!。？！'


def disturb(draw: Draw, prompt: str, soft: bool) -> str:
    """One disturbance; with `soft` only those that touch neither letters nor digits."""
    if soft:
        return draw.pick((_without_mark, _with_spaces))(draw, prompt)
    kinds = _ENGLISH if draw.english else _CHINESE
    return draw.pick(kinds)(draw, prompt)


def _without_mark(draw: Draw, prompt: str) -> str:
    return prompt[:-1] if prompt[-1:] in _MARKS else prompt + draw.pick(('', ' ', '\n'))


def _with_spaces(draw: Draw, prompt: str) -> str:
    return draw.pick((f' {prompt}', f'{prompt} ', f'{prompt}\n', f'\n{prompt}'))


def _lower(_: Draw, prompt: str) -> str:
    return prompt.lower()


def _upper(_: Draw, prompt: str) -> str:
    return prompt.upper()


def _double_space(draw: Draw, prompt: str) -> str:
    words = prompt.split(' ')
    at = draw.between(1, len(words))
    return ' '.join(words[:at]) + '  ' + ' '.join(words[at:]) if at < len(words) else prompt


def _typo(draw: Draw, prompt: str) -> str:
    """Swaps, drops or doubles one inner letter of one longer word."""
    words = prompt.split(' ')
    at = draw.between(0, len(words) - 1)
    word = words[at]
    if len(word) < _TYPO_MINIMUM or not word.isalpha():
        return prompt
    i = draw.between(1, len(word) - 3)
    middle = draw.pick((word[i + 1] + word[i], word[i + 1], word[i] + word[i] + word[i + 1]))
    words[at] = word[:i] + middle + word[i + 2 :]
    return ' '.join(words)


def _wide(_: Draw, prompt: str) -> str:
    return prompt.translate(_WIDE)


def _narrow(_: Draw, prompt: str) -> str:
    return prompt.translate(_NARROW)


def _spaced_chinese(draw: Draw, prompt: str) -> str:
    at = draw.between(0, len(prompt))
    while 0 < at < len(prompt) and prompt[at - 1].isdigit() and prompt[at].isdigit():
        at += 1
    return f'{prompt[:at]} {prompt[at:]}'


_ENGLISH = (_without_mark, _with_spaces, _lower, _lower, _upper, _double_space, _typo, _typo)
_CHINESE = (_without_mark, _with_spaces, _wide, _wide, _narrow, _spaced_chinese)
