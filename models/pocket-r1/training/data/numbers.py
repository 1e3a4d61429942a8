"""Whole numbers as people write them: digits, English words, Chinese characters."""

from __future__ import annotations

_ONES = (
    'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen '
    'fifteen sixteen seventeen eighteen nineteen'
).split()
_TENS = 'twenty thirty forty fifty sixty seventy eighty ninety'.split()
_DIGITS = '零一二三四五六七八九'


def english(number: int) -> str:
    """0..999 in English words."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f'-{_ONES[ones]}' if ones else '')
    hundreds, rest = divmod(number, 100)
    return f'{_ONES[hundreds]} hundred' + (f' and {english(rest)}' if rest else '')


def chinese(number: int) -> str:
    """0..999 in Chinese numerals, as they stand before a measure word (2 is 两)."""
    return '两' if number == 2 else _chinese(number)


def _chinese(number: int) -> str:
    if number < 10:
        return _DIGITS[number]
    if number < 20:
        return '十' + (_DIGITS[number - 10] if number > 10 else '')
    if number < 100:
        tens, ones = divmod(number, 10)
        return _DIGITS[tens] + '十' + (_DIGITS[ones] if ones else '')
    hundreds, rest = divmod(number, 100)
    text = _DIGITS[hundreds] + '百'
    if not rest:
        return text
    if rest < 10:
        return text + '零' + _DIGITS[rest]
    return text + ('一' if rest < 20 else '') + _chinese(rest)


def worded(number: int, language: str) -> str:
    """The number in words of this language."""
    return english(number) if language == 'en' else chinese(number)
