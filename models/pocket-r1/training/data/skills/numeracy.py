"""Percent, averages, linear equations, digit sums, primes, factors, parity, sequences."""

from __future__ import annotations

from typing import Any, Callable

from ..sample import Draft, Draw, key
from ..steps import sum_steps
from ..wording import wordings

Solved = tuple[dict[str, Any], list[str], str, dict[str, Any]]


def _number(value: int) -> dict[str, Any]:
    return {'kind': 'number', 'value': value}


def _yes(draw: Draw, right: bool, rest: str) -> tuple[str, dict[str, Any]]:
    """`Yes, …` or `No, …`, and its check."""
    word = (('No', 'Yes') if draw.english else ('不是', '是'))[right]
    return f'{word}{": " if draw.english else "："}{rest}', {'kind': 'start', 'value': word}


def _percent(draw: Draw, amount: int, percent: int) -> Solved:
    product = amount * percent
    lines = [*sum_steps(amount, '×', percent, draw.language), f'{product}÷100={product // 100}']
    return {'a': amount, 'b': percent}, lines, str(product // 100), _number(product // 100)


def _make_percent(draw: Draw) -> tuple[int, int]:
    while True:
        amount, percent = draw.between(1, 100) * 10, draw.between(1, 20) * 5
        if amount * percent % 100 == 0:
            return amount, percent


def _average(draw: Draw, *numbers: int) -> Solved:
    lines, total = [], numbers[0]
    for number in numbers[1:]:
        lines.append(f'{total}+{number}={total + number}')
        total += number
    mean = total // len(numbers)
    lines.append(f'{total}÷{len(numbers)}={mean}')
    shown = (', ' if draw.english else '、').join(map(str, numbers))
    return {'l': shown}, lines, str(mean), _number(mean)


def _make_average(draw: Draw) -> tuple[int, ...]:
    count = draw.between(2, 5)
    first = [draw.between(1, 60) for _ in range(count - 1)]
    last = draw.between(1, 60)
    return (*first, last + -(sum(first) + last) % count)


def _linear(_: Draw, x: int, factor: int, shift: int) -> Solved:
    side, sign, undo = factor * x + shift, '+' if shift > 0 else '-', '-' if shift > 0 else '+'
    left = 'x' if factor == 1 else f'{factor}x'
    lines = [f'{side}{undo}{abs(shift)}={factor * x}']
    if factor > 1:
        lines += [f'{left}={factor * x}', f'{factor * x}÷{factor}={x}']
    lines.append(f'x={x}')
    return {'e': f'{left} {sign} {abs(shift)} = {side}'}, lines, f'x = {x}', _number(x)


def _make_linear(draw: Draw) -> tuple[int, int, int]:
    x, factor = draw.between(1, 30), draw.between(1, 12)
    shift = draw.between(1, 50)
    return x, factor, -shift if draw.chance(0.4) and factor * x > shift else shift


def _digit_sum(_: Draw, number: int) -> Solved:
    digits = [int(digit) for digit in str(number)]
    lines, total = [], digits[0]
    for digit in digits[1:]:
        lines.append(f'{total}+{digit}={total + digit}')
        total += digit
    return {'a': number}, lines, str(total), _number(total)


def _divisors_tried(number: int) -> tuple[list[str], int | None]:
    """Divides by 2, 3, 5, 7, 11, 13 up to the root; the first that goes in, if any."""
    lines = []
    for prime in (2, 3, 5, 7, 11, 13, 17, 19):
        if prime * prime > number:
            lines.append(f'{prime}×{prime}={prime * prime}>{number}')
            break
        lines.append(f'{number}={number // prime}×{prime}+{number % prime}')
        if number % prime == 0:
            return lines, prime
    return lines, None


def _prime(draw: Draw, number: int) -> Solved:
    lines, divisor = _divisors_tried(number)
    if divisor:
        answer, check = _yes(draw, False, f'{number} = {divisor} × {number // divisor}')
    else:
        fact = f'{number} is a prime number.' if draw.english else f'{number}是质数。'
        answer, check = _yes(draw, True, fact)
    return {'a': number}, lines, answer, check


def _factor(_: Draw, number: int) -> Solved:
    lines, factors, rest = [], [], number
    for prime in (2, 3, 5, 7, 11, 13, 17, 19):
        while rest % prime == 0 and rest > prime:
            lines.append(f'{rest}÷{prime}={rest // prime}')
            factors.append(prime)
            rest //= prime
    factors.append(rest)
    lines.append('×'.join(map(str, factors)))
    return ({'a': number}, lines, f'{number} = {" × ".join(map(str, factors))}',
            {'kind': 'numbers', 'values': factors})


def _make_factor(draw: Draw) -> tuple[int]:
    number = 1
    while True:
        factor = draw.pick((2, 2, 2, 3, 3, 5, 7, 11, 13))
        if number * factor > 400:
            return (number,)
        number *= factor
        if number > 11 and draw.chance(0.25):
            return (number,)


def _even(draw: Draw, number: int) -> Solved:
    last, even = number % 10, number % 2 == 0
    if draw.english:
        kind, line = ('even' if even else 'odd'), 'last digit'
        answer = f'{number} is {kind}.'
    else:
        kind, line = ('偶数' if even else '奇数'), '末位'
        answer = f'{number}是{kind}。'
    return {'a': number}, [f'{line} {last}', kind], answer, {'kind': 'text', 'value': kind}


def _divisible(draw: Draw, number: int, divisor: int) -> Solved:
    quotient, rest = divmod(number, divisor)
    line = f'{number}={quotient}×{divisor}+{rest}'
    rest_text = f' + {rest}' if rest else ''
    answer, check = _yes(draw, rest == 0, f'{number} = {quotient} × {divisor}{rest_text}')
    return {'a': number, 'b': divisor}, [line], answer, check


def _make_divisible(draw: Draw) -> tuple[int, int]:
    divisor = draw.between(2, 12)
    return divisor * draw.between(2, 40) + (draw.between(1, divisor - 1) if draw.chance(0.5)
                                            else 0), divisor


_KINDS: dict[str, tuple[Callable[[Draw], tuple[int, ...]], Callable[..., Solved]]] = {
    'percent': (_make_percent, _percent),
    'average': (_make_average, _average),
    'linear': (_make_linear, _linear),
    'digit_sum': (lambda d: (d.between(10, 10 ** d.between(2, 8) - 1),), _digit_sum),
    'prime': (lambda d: (d.between(4, 360),), _prime),
    'factor': (_make_factor, _factor),
    'even': (lambda d: (d.between(0, 10 ** d.between(1, 5)),), _even),
    'divisible': (_make_divisible, _divisible),
}


def numeracy(draw: Draw) -> Draft:
    """One small task on numbers other than the four operations."""
    kind = draw.pick(tuple(_KINDS))
    make, solve = _KINDS[kind]
    values = draw.operands(f'numeracy.{kind}', lambda: make(draw))
    slots, lines, answer, check = solve(draw, *values)
    prompt = draw.phrase(wordings('numeracy', draw.language)[kind]).format_map(slots)
    return Draft(prompt, '\n'.join(lines), answer, check, key(f'numeracy.{kind}', values), 'soft')
