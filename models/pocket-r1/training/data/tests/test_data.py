"""What must hold of every sample: right answers, disjoint splits, bounded lengths."""

from __future__ import annotations

import re
import unittest
from collections import defaultdict
from itertools import islice
from typing import get_args

from ..generate import samples
from ..grade import grade, numbers_in
from ..sample import Sample, Split
from ..skills.registry import SKILLS

SPLITS: tuple[Split, ...] = get_args(Split)
COUNT = 5000
_OPERATION = re.compile(r'\d+(?:[-+×÷]\d+)+$')
MAX_CHARACTERS = 880  # 400 tokens at 2.2 characters each


def take(split: Split, count: int = COUNT, seed: int = 7) -> list[Sample]:
    """The first samples of a stream."""
    return list(islice(samples(seed, split), count))


def prompt_of(sample: Sample) -> str:
    """The conversation as one text, less what noise may change."""
    text = '\n'.join(m['content'] for m in sample.messages if m['role'] != 'system')
    return ' '.join(text.split())


class EverySample(unittest.TestCase):
    """Properties of single samples, in every split."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.all = {split: take(split) for split in SPLITS}

    def each(self):
        """All samples of all splits."""
        for split in SPLITS:
            yield from self.all[split]

    def test_answer_passes_its_own_check(self) -> None:
        for sample in self.each():
            self.assertTrue(grade(sample.check, sample.answer), sample)

    def test_thought_ends_in_the_answer(self) -> None:
        for sample in self.each():
            if sample.check['kind'] == 'number':
                ends = numbers_in(sample.thought.splitlines()[-1])
                ends += numbers_in(' '.join(sample.thought.splitlines()[-2:]))
                self.assertIn(float(sample.check['value']), ends, sample)

    def test_lengths_are_bounded(self) -> None:
        for sample in self.each():
            self.assertLessEqual(len(sample.thought) + len(sample.answer), MAX_CHARACTERS, sample)
            total = sum(len(message['content']) for message in sample.messages)
            self.assertLessEqual(total, 12_000, sample)

    def test_texts_are_clean(self) -> None:
        for sample in self.each():
            for text in (sample.thought, sample.answer):
                self.assertTrue(text and text == text.strip(), sample)
            whole = prompt_of(sample) + sample.thought + sample.answer
            for forbidden in ('�', '<think>', '</think>', '<｜', 'None'):
                self.assertNotIn(forbidden, whole, sample)
            self.assertEqual(sample.messages[-1]['role'], 'user')

    def test_equations_in_thoughts_hold(self) -> None:
        for sample in self.each():
            for line in sample.thought.splitlines():
                left, equals, right = line.rpartition('=')
                operation = _OPERATION.search(left)
                if equals and right.isdigit() and operation:
                    self.assertEqual(evaluate(operation.group()), int(right), sample)


def evaluate(text: str) -> float:
    """The value of a sum of the thoughts, by Python's own arithmetic."""
    return eval(text.replace('×', '*').replace('÷', '/'), {'__builtins__': {}})


class Streams(unittest.TestCase):
    """Properties of the streams."""

    def test_same_seed_same_samples(self) -> None:
        self.assertEqual(take('train', 300, 1), take('train', 300, 1))
        self.assertNotEqual(take('train', 300, 1), take('train', 300, 2))

    def test_every_skill_serves_every_split_in_both_languages(self) -> None:
        for split in SPLITS:
            for skill in SKILLS:
                seen = {s.language for s in islice(samples(3, split, [skill]), 60)}
                self.assertEqual(seen, {'en', 'zh'}, (split, skill))

    def test_unknown_skill_is_named(self) -> None:
        with self.assertRaisesRegex(ValueError, 'unknown skills .*sing'):
            next(samples(1, 'train', ['sing']))

    def test_a_tenth_starts_without_the_think_prefill(self) -> None:
        bare = sum(not sample.prefill for sample in take('train', 4000))
        self.assertTrue(300 < bare < 500, bare)

    def test_splits_are_disjoint(self) -> None:
        owners: dict[str, dict[str, set[str]]] = {
            split: defaultdict(set) for split in SPLITS
        }
        for split, count in (('train', 160_000), ('dev', 20_000), ('heldout', 20_000)):
            for sample in islice(samples(11, split), count):
                owners[split]['operands'].add(sample.operands)
                owners[split]['conversation'].add(prompt_of(sample).casefold())
                owners[split]['prompt'].add(sample.messages[-1]['content'].strip().casefold())
                owners[split]['frame'].update(sample.template.split('+'))
        for kind in ('operands', 'conversation', 'prompt', 'frame'):
            for a, b in (('train', 'dev'), ('train', 'heldout'), ('dev', 'heldout')):
                shared = owners[a][kind] & owners[b][kind]
                self.assertFalse(shared, (kind, a, b, sorted(shared)[:5]))


if __name__ == '__main__':
    unittest.main()
