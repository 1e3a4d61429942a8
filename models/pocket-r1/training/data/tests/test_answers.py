"""Answers recomputed from the operands by other means than the generator's."""

from __future__ import annotations

import ast
import calendar
import datetime
import math
import statistics
import unittest
from itertools import islice
from types import SimpleNamespace
from typing import Any, Callable

from ..generate import samples
from ..grade import numbers_in
from ..sample import Sample

COUNT = 150
BASE = datetime.datetime(2023, 1, 1)  # a Sunday, in no leap year
WEEKDAYS = ('星期一', '星期二', '星期三', '星期四', '星期五', '星期六', '星期日')
SIGNS: dict[str, Callable[[int, int], int]] = {
    '+': lambda a, b: a + b, '-': lambda a, b: a - b,
    '×': lambda a, b: a * b, '÷': lambda a, b: a // b,
}


def operands_of(sample: Sample) -> tuple[str, list[str]]:
    """The family of a sample and its operands as texts."""
    family, _, values = sample.operands.partition(':')
    return family, values.split(',')


def is_prime(number: int) -> bool:
    """Primality by trying every smaller number."""
    return number > 1 and all(number % divisor for divisor in range(2, number))


class Answers(unittest.TestCase):
    """One test for each skill whose operands determine the answer."""

    def each(self, skill: str) -> Any:
        """Samples of a skill from two splits."""
        for split in ('train', 'heldout'):
            yield from islice(samples(23, split, [skill]), COUNT)

    def test_four_operations(self) -> None:
        for skill, sign in (('add', '+'), ('multiply', '×'), ('subtract', '-')):
            for sample in self.each(skill):
                a, b = map(int, operands_of(sample)[1])
                self.assertEqual(sample.check['value'], SIGNS[sign](a, b), sample)
        for sample in self.each('divide'):
            a, b = map(int, operands_of(sample)[1])
            value = sample.check.get('values') or [sample.check['value']]
            self.assertEqual([*value, 0][:2], list(divmod(a, b)), sample)

    def test_expressions(self) -> None:
        for sample in self.each('expression'):
            text = operands_of(sample)[1][0].replace('×', '*').replace('÷', '//')
            self.assertEqual(eval(text, {'__builtins__': {}}), sample.check['value'], sample)

    def test_stories(self) -> None:
        for sample in self.each('story'):
            plan = eval(sample.operands.removeprefix('story:'), {'_Plan': SimpleNamespace})
            total = math.prod(plan.numbers) if plan.opening == 'groups' else sum(plan.numbers)
            for kind, number in plan.events:
                total = {'+': total + number, '-': total - number, 'half': total / 2,
                         'double': total * 2}[kind]
                self.assertGreaterEqual(total, 0, sample)
            if plan.closing == 'price':
                total *= plan.last
            elif plan.closing != 'ask':
                total /= plan.last
            self.assertEqual(total, sample.check['value'], sample)

    def test_followups(self) -> None:
        for sample in self.each('followup'):
            turns = ast.literal_eval(f'[{sample.operands.removeprefix("followup:")}]')
            results = [SIGNS[sign](a, b) for _, (a, sign, b) in turns]
            self.assertEqual(results[-1], sample.check['value'], sample)
            for kind, (a, _, _), before in zip(
                (turn[0] for turn in turns[1:]), (turn[1] for turn in turns[1:]), results
            ):
                if kind in {'double', 'half', 'triple', 'plus', 'minus', 'times'}:
                    self.assertEqual(a, before, sample)

    def test_lists(self) -> None:
        for sample in self.each('lists'):
            family, items = operands_of(sample)
            kind = family.removeprefix('lists.')
            if kind in {'ascending', 'descending'}:
                wanted = sorted(map(int, items), reverse=kind == 'descending')
                self.assertEqual(numbers_in(sample.answer), wanted, sample)
            elif kind in {'alphabetical', 'reverse'}:
                wanted = sorted(items) if kind == 'alphabetical' else items[::-1]
                self.assertEqual(sample.answer.split(', '), wanted, sample)
            elif kind == 'count':
                self.assertEqual(sample.check['value'], len(items), sample)

    def test_extremes(self) -> None:
        for sample in self.each('extreme'):
            numbers = list(map(int, operands_of(sample)[1]))
            kind = sample.template.split('.')[1]
            self.assertEqual(sample.check['value'], {'max': max, 'min': min}[kind](numbers))

    def test_comparisons(self) -> None:
        for sample in self.each('compare'):
            a, b = map(float, operands_of(sample)[1])
            kind = sample.template.split('.')[1]
            if sample.check['kind'] == 'number':
                wanted = max(a, b) if kind == 'larger' else min(a, b)
                self.assertEqual(sample.check['value'], wanted, sample)

    def test_letters(self) -> None:
        for sample in self.each('letters'):
            family, values = operands_of(sample)
            if family == 'letters.count':
                self.assertEqual(sample.check['value'], values[0].count(values[1]), sample)
            elif family == 'letters.reverse':
                self.assertEqual(sample.answer.lower(), ''.join(reversed(values[0])), sample)

    def test_calendar(self) -> None:
        for sample in self.each('calendar'):
            family, texts = operands_of(sample)
            kind, values = family.removeprefix('calendar.'), list(map(int, texts))
            if kind.startswith('weekday'):
                day = values[0] + (values[1] if kind.endswith('after') else -values[1])
                names = WEEKDAYS if sample.language == 'zh' else tuple(calendar.day_name)
                self.assertEqual(sample.answer, names[day % 7], sample)
            elif kind == 'date_after':
                date = datetime.date(2023, values[0] + 1, values[1])
                date += datetime.timedelta(days=values[2])
                wanted = f'{date:%B} {date.day}' if sample.language == 'en' else (
                    f'{date.month}月{date.day}日'
                )
                self.assertEqual(sample.answer, wanted, sample)
            elif kind == 'time_after':
                time = BASE + datetime.timedelta(minutes=sum(values))
                self.assertEqual(sample.answer, f'{time.hour}:{time:%M}', sample)
            elif kind == 'leap':
                self.assertEqual(sample.check['value'] in {'Yes', '是'},
                                 calendar.isleap(values[0]), sample)

    def test_numeracy(self) -> None:
        for sample in self.each('numeracy'):
            family, texts = operands_of(sample)
            kind, values = family.removeprefix('numeracy.'), list(map(int, texts))
            yes = sample.check.get('value') in {'Yes', '是'}
            if kind == 'percent':
                self.assertEqual(sample.check['value'] * 100, values[0] * values[1], sample)
            elif kind == 'average':
                self.assertEqual(sample.check['value'], statistics.mean(values), sample)
            elif kind == 'digit_sum':
                self.assertEqual(sample.check['value'], sum(map(int, texts[0])), sample)
            elif kind == 'prime':
                self.assertEqual(yes, is_prime(values[0]), sample)
            elif kind == 'factor':
                factors = sample.check['values']
                self.assertEqual(math.prod(factors), values[0], sample)
                self.assertTrue(all(map(is_prime, factors)), sample)
            elif kind == 'divisible':
                self.assertEqual(yes, values[0] % values[1] == 0, sample)

    def test_sequences(self) -> None:
        for sample in self.each('sequence'):
            kind, *texts = operands_of(sample)[1]
            *_, b, c = terms = list(map(int, texts))
            value, steps = sample.check['value'], set(map(int.__sub__, terms[1:], terms))
            if len(steps) == 1:
                kind = 'arithmetic'
            holds = {
                'arithmetic': value - c == c - b,
                'geometric': value * b == c * c,
                'square': value == (math.isqrt(abs(c)) + 1) ** 2,
                'fibonacci': value == b + c,
            }
            self.assertTrue(holds[kind], sample)

    def test_extraction_copies_from_the_text(self) -> None:
        for sample in self.each('extract'):
            text = '\n'.join(message['content'] for message in sample.messages)
            for name, value in sample.check['value'].items():
                self.assertIn(str(value), text, sample)
                self.assertIn(name, text, sample)

    def test_retrieval_finds_its_line_once(self) -> None:
        for sample in islice(samples(5, 'train', ['retrieve']), COUNT):
            lines = sample.messages[-1]['content'].splitlines()
            self.assertEqual(lines.count(sample.thought.splitlines()[0]), 1, sample)


if __name__ == '__main__':
    unittest.main()
