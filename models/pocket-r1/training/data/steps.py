"""Written arithmetic, one small step a line, digits from right to left.

Thoughts carry no spaces around digits and signs: the tokenizer makes every digit one token, so a
space would be one more token to write for each.
"""

from __future__ import annotations

_WORDS = {
    'en': (', write ', ' carry ', ', borrow 1'),
    'zh': ('，写', '进', '，借1'),
}


def add_steps(a: int, b: int, language: str) -> list[str]:
    """Column addition of two whole numbers >= 0; the last line is `a+b=sum`."""
    write, carried, _ = _WORDS[language]
    lines = []
    x, y, carry = a, b, 0
    while x or y:
        x, p = divmod(x, 10)
        y, q = divmod(y, 10)
        total = p + q + carry
        text = f'{p}+{q}+1={total}' if carry else f'{p}+{q}={total}'
        carry = total // 10
        if carry and (x or y):
            text += f'{write}{total - 10}{carried}1'
        lines.append(text)
    lines.append(f'{a}+{b}={a + b}')
    return lines


def subtract_steps(a: int, b: int, language: str) -> list[str]:
    """Column subtraction of whole numbers >= 0; a smaller `a` is turned round first."""
    if a < b:
        return [f'{a}<{b}', *subtract_steps(b, a, language), f'{a}-{b}={a - b}']
    borrowed = _WORDS[language][2]
    lines = []
    x, y, borrow = a, b, 0
    while x or y:
        x, p = divmod(x, 10)
        y, q = divmod(y, 10)
        less = '-1' if borrow else ''
        value = p - q - borrow
        if value < 0:
            lines.append(f'{p}-{q}{less}: {p + 10}-{q}{less}={value + 10}{borrowed}')
            borrow = 1
        else:
            lines.append(f'{p}-{q}{less}={value}')
            borrow = 0
    lines.append(f'{a}-{b}={a - b}')
    return lines


def multiply_steps(a: int, b: int, language: str) -> list[str]:
    """Long multiplication: one digit of `b` at a time, then the sum of the rows."""
    if a < 10 and b < 10:
        return [f'{a}×{b}={a * b}']
    if a < 10:
        return [*multiply_steps(b, a, language), f'{a}×{b}={a * b}']
    lines: list[str] = []
    total, zeros, rest = 0, '', b
    while rest:
        rest, digit = divmod(rest, 10)
        if digit:
            if digit > 1:
                lines += _multiply_digit(a, digit, language)
            row = int(f'{a * digit}{zeros}')
            if zeros or digit == 1:
                lines.append(f'{a}×{digit}{zeros}={row}')
            if total:
                lines += add_steps(total, row, language)
            total += row
        zeros += '0'
    result = f'{a}×{b}={a * b}'
    return lines if lines[-1:] == [result] else [*lines, result]


def _multiply_digit(a: int, digit: int, language: str) -> list[str]:
    write, carried, _ = _WORDS[language]
    lines = []
    rest, carry = a, 0
    while rest:
        rest, p = divmod(rest, 10)
        product = p * digit
        total = product + carry
        text = f'{p}×{digit}={product}'
        if carry:
            text += f', {product}+{carry}={total}'
        carry = total // 10
        if carry and rest:
            text += f'{write}{total % 10}{carried}{carry}'
        lines.append(text)
    lines.append(f'{a}×{digit}={a * digit}')
    return lines


def divide_steps(a: int, b: int, language: str) -> list[str]:
    """Long division from the left; the last line names quotient and remainder."""
    lines = []
    current, started = 0, False
    for digit in str(a):
        current = current * 10 + int(digit)
        quotient, rest = divmod(current, b)
        if quotient or started:
            product = quotient * b
            lines.append(f'{current}: {quotient}×{b}={product}, {current}-{product}={rest}')
            started = True
        current = rest
    if not started:
        lines.append(f'{a}<{b}')
    quotient, rest = divmod(a, b)
    if rest:
        word = ' remainder ' if language == 'en' else '余'
        lines.append(f'{a}÷{b}={quotient}{word}{rest}')
    else:
        lines.append(f'{a}÷{b}={quotient}')
    return lines


def sum_steps(a: int, sign: str, b: int, language: str) -> list[str]:
    """One operation inside a longer thought: in one line where it is easy, else written out."""
    if sign == '%':
        return [f'{a}={a // b}×{b}+{a % b}', str(a % b)]
    if sign in '+-':
        if min(a, b) < 100 and max(a, b) < 1000:
            return [f'{a}{sign}{b}={a + b if sign == "+" else a - b}']
        return add_steps(a, b, language) if sign == '+' else subtract_steps(a, b, language)
    if sign == '×':
        small, big = sorted((a, b))
        easy = (small < 10 and big < 100) or big <= 12
        if easy or _is_power_of_ten(small, big):
            return [f'{a}×{b}={a * b}']
        lines = multiply_steps(big, small, language)
        return lines if lines[-1] == f'{a}×{b}={a * b}' else [*lines, f'{a}×{b}={a * b}']
    if a // b <= 12 or (b < 10 and a < 200) or (a % b == 0 and _is_power_of_ten(b)):
        return [f'{a}÷{b}={a // b}']
    return divide_steps(a, b, language)


def _is_power_of_ten(*numbers: int) -> bool:
    """Whether one of the numbers is 10, 100, 1000, …"""
    return any(number >= 10 and str(number).strip('0') == '1' for number in numbers)
