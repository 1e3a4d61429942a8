"""The numpy-only side: tensor files, GGUF's quantisation and layout, the chat format."""

from __future__ import annotations

import json
import random
import tempfile
import unittest
from pathlib import Path

import numpy as np
from jinja2 import Environment
from tokenizers import Tokenizer

from chat import chat_template, encode_ids, render_prompt
from gguf_model import split_kv_b
from gguf_writer import quantize_q8_0
from shape import MICRO, POCKET, Shape
from tensor_file import from_bfloat16, read_tensors, shards, to_bfloat16, write_tensors
from vocabulary import BOS, CONTROL, USER_DEFINED, read_vocabulary

TOKENIZER = Path(__file__).parents[1] / 'tokenizer' / 'tokenizer.json'


class TensorFiles(unittest.TestCase):
    """Weights survive the trip through files."""

    def test_bfloat16_rounds_to_nearest_even(self) -> None:
        values = np.array([1.0, 1.00390625, 1.01171875, -3.0e-5], dtype=np.float32)
        got = from_bfloat16(to_bfloat16(values))
        np.testing.assert_allclose(got, [1.0, 1.0, 1.015625, -3.0e-5], rtol=4e-3)
        self.assertEqual(got[1], 1.0)
        self.assertEqual(got[2], 1.015625)

    def test_a_file_gives_back_names_shapes_and_rounded_values(self) -> None:
        generator = np.random.default_rng(1)
        weights = {
            'norm.weight': generator.normal(size=7).astype(np.float32),
            'a.weight': generator.normal(size=(3, 5)).astype(np.float32),
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'x.safetensors'
            write_tensors(path, weights)
            read = read_tensors(path)
        np.testing.assert_array_equal(read['norm.weight'], weights['norm.weight'])
        expected = from_bfloat16(to_bfloat16(weights['a.weight']))
        np.testing.assert_array_equal(read['a.weight'], expected)

    def test_shards_keep_order_and_bound(self) -> None:
        weights = {str(i): np.zeros((10, 10), np.float32) for i in range(5)}
        groups = list(shards(weights, 450))
        self.assertEqual([list(group) for group in groups], [['0', '1'], ['2', '3'], ['4']])


class Gguf(unittest.TestCase):
    """What llama.cpp reads."""

    def test_q8_0_is_within_half_a_step(self) -> None:
        weights = np.random.default_rng(2).normal(size=(4, 64)).astype(np.float32)
        blocks = np.frombuffer(quantize_q8_0(weights), np.uint8).reshape(-1, 34)
        scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
        back = scale * blocks[:, 2:].copy().view(np.int8)
        error = np.abs(back - weights.reshape(-1, 32))
        self.assertTrue((error <= scale * 0.57).all())

    def test_zero_blocks_stay_zero(self) -> None:
        self.assertEqual(quantize_q8_0(np.zeros(32, np.float32)), bytes(34))

    def test_kv_b_is_split_by_head_and_keys_are_transposed(self) -> None:
        shape = Shape(heads=2, nope=2, value=1, kv_lora=3, rope=2)
        weight = np.arange(18, dtype=np.float32).reshape(6, 3)
        keys, values = split_kv_b(weight, shape)
        self.assertEqual(keys.shape, (2, 3, 2))
        self.assertEqual(keys[1, 2, 0], weight[3, 2])
        np.testing.assert_array_equal(values[1, 0], weight[5])

    def test_depths_that_llama_cpp_mistakes_are_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, 'layers: 27'):
            Shape(layers=27)

    def test_the_model_fits_in_fourteen_megabytes(self) -> None:
        self.assertLess(POCKET.parameters()[0] * 34 / 32 + 400_000, 14_000_000)
        self.assertGreater(MICRO.parameters()[0], 0)


class Text(unittest.TestCase):
    """Tokenizer and template."""

    def setUp(self) -> None:
        self.tokenizer = Tokenizer.from_file(str(TOKENIZER))

    def test_any_unicode_string_survives_a_round_trip(self) -> None:
        generator = random.Random(3)
        planes = [(0, 0x7F), (0x80, 0x7FF), (0x3000, 0x9FFF), (0x10000, 0x10FFFF)]
        for _ in range(2_000):
            characters = []
            for _ in range(generator.randint(0, 30)):
                point = generator.randint(*generator.choice(planes))
                characters.append(chr(point))
            text = ''.join(characters)
            ids = encode_ids(self.tokenizer, text)
            self.assertEqual(self.tokenizer.decode(ids, skip_special_tokens=False), text)

    def test_digits_are_never_joined(self) -> None:
        ids = encode_ids(self.tokenizer, '1234567890 and 98')
        pieces = [self.tokenizer.id_to_token(i) for i in ids]
        self.assertTrue(all(sum(c.isdigit() for c in piece) <= 1 for piece in pieces))

    def test_special_tokens_have_the_types_that_llama_cpp_needs(self) -> None:
        vocabulary = read_vocabulary(TOKENIZER)
        types = dict(zip(vocabulary.tokens, vocabulary.types))
        self.assertEqual(vocabulary.tokens[vocabulary.bos], BOS)
        self.assertEqual(types['<｜User｜>'], CONTROL)
        self.assertEqual(types['<think>'], USER_DEFINED)
        self.assertEqual(len(vocabulary.tokens), POCKET.vocabulary)
        data = json.loads(TOKENIZER.read_text(encoding='utf-8'))
        self.assertEqual(len(data['model']['merges']), len(vocabulary.merges))

    def test_the_fast_renderer_equals_the_template(self) -> None:
        template = Environment().from_string(chat_template())
        conversations = [
            [{'role': 'user', 'content': '1+1?'}],
            [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': '你好'}],
            [
                {'role': 'user', 'content': 'a'},
                {'role': 'assistant', 'content': '<think>\nx\n</think>\n\ny'},
                {'role': 'user', 'content': 'b'},
            ],
        ]
        for messages in conversations:
            wanted = template.render(messages=messages, bos_token=BOS, add_generation_prompt=True)
            self.assertEqual(render_prompt(messages), wanted)


if __name__ == '__main__':
    unittest.main()
