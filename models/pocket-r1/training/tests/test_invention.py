"""Invented words leave every sample's answer right."""

from __future__ import annotations

import json
import re
import unittest
from itertools import islice
from random import Random

from data.generate import samples
from invention import blur, fillers, invent, reframe, vary


class Invention(unittest.TestCase):
    """What stays the same when words change."""

    def test_numbers_of_thought_and_answer_never_change(self) -> None:
        random = Random(1)
        for sample in islice(samples(1, 'train'), 1_500):
            varied = vary(random, sample)
            for before, after in ((sample.thought, varied.thought), (sample.answer, varied.answer)):
                self.assertEqual(re.findall(r'\d+', before), re.findall(r'\d+', after))

    def test_the_looked_up_line_stays_in_the_prompt(self) -> None:
        random = Random(2)
        found = 0
        for sample in islice(samples(2, 'train', ['retrieve']), 200):
            prompt = '\n'.join(message['content'] for message in sample.messages)
            if sample.thought not in prompt:
                continue
            varied = reframe(random, invent(random, sample))
            prompt = '\n'.join(message['content'] for message in varied.messages)
            self.assertIn(varied.thought, prompt)
            self.assertIn(varied.answer.rstrip('.。'), varied.thought)
            found += varied.thought != sample.thought
        self.assertGreater(found, 50)

    def test_extracted_values_stay_in_the_text(self) -> None:
        random = Random(3)
        for sample in islice(samples(3, 'train', ['extract']), 300):
            varied = blur(random, invent(random, sample))
            values = json.loads(varied.answer)
            self.assertEqual(list(values), list(json.loads(sample.answer)))
            original = sample.messages[-1]['content']
            for value, before in zip(values.values(), json.loads(sample.answer).values()):
                if isinstance(value, str) and before in original:
                    self.assertIn(value, varied.messages[-1]['content'])

    def test_both_languages_have_fillers(self) -> None:
        self.assertGreater(len(fillers('en')), 200)
        self.assertGreater(len(fillers('zh')), 100)

    def test_a_seed_always_varies_alike(self) -> None:
        sample = next(samples(4, 'train', ['story']))
        self.assertEqual(vary(Random(5), sample), vary(Random(5), sample))


if __name__ == '__main__':
    unittest.main()
