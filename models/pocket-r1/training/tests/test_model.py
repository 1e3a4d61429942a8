"""The PyTorch side, with the micro shape: the cache, the packing, the schedule, the exports."""

from __future__ import annotations

import tempfile
import unittest
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer

import checkpoint
from checkpoint import Progress
from decode import greedy
from export import export_huggingface, read_checkpoint
from model import Experts, PocketModel
from packing import RowPlan, examples, pack
from shape import MICRO
from train import Recipe, attend_within, next_token_loss

TOKENIZER = Path(__file__).parents[1] / 'tokenizer'


def micro() -> PocketModel:
    """A small model with weights large enough to make differences visible."""
    torch.manual_seed(5)
    model = PocketModel(MICRO)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5 if parameter.ndim > 1 else 1)
    return model.eval()


class Model(unittest.TestCase):
    """One function, however it is computed."""

    def test_decoding_with_a_cache_equals_decoding_without(self) -> None:
        model, prompts = micro(), [[0, 5, 9], [0, 7, 8, 11, 30, 4], [0]]
        got = greedy(model, prompts, 12, eos=1)
        for prompt, answer in zip(prompts, got):
            text = list(prompt)
            for token in answer:
                with torch.no_grad():
                    wanted = int(model(torch.tensor([text]))[0, -1].argmax())
                self.assertEqual(token, wanted)
                text.append(token)

    def test_packed_documents_do_not_see_each_other(self) -> None:
        model = micro()
        one, two = torch.tensor([[0, 5, 9, 4]]), torch.tensor([[0, 8, 2]])
        packed = torch.cat((one, two), dim=1)
        documents = torch.tensor([[1, 1, 1, 1, 2, 2, 2]])
        with torch.no_grad():
            together = model(packed, attend_within(documents, None))
            apart = torch.cat((model(one), model(two)), dim=1)
        torch.testing.assert_close(together, apart, atol=2e-4, rtol=1e-3)

    def test_only_trained_tokens_count_in_the_loss(self) -> None:
        model, tokens = micro(), torch.tensor([[0, 5, 9, 4]])
        documents = torch.ones_like(tokens)
        trained = torch.tensor([[False, False, False, True]])
        with torch.no_grad():
            loss = next_token_loss(model, tokens, documents, trained, None)
            chance = model(tokens)[0, 2].log_softmax(-1)[4]
        self.assertAlmostEqual(float(loss), -float(chance), places=4)

    def test_balance_moves_towards_idle_experts(self) -> None:
        experts = Experts(MICRO)
        experts.load.copy_(torch.tensor([1.0, 0.5, 0.5, 0.0]))
        experts.rebalance(0.01)
        torch.testing.assert_close(experts.balance, torch.tensor([-0.01, 0.0, 0.0, 0.01]))


class Training(unittest.TestCase):
    """Rows, schedule and files."""

    def test_rows_hold_whole_documents_and_train_the_completion_only(self) -> None:
        tokenizer = Tokenizer.from_file(str(TOKENIZER / 'tokenizer.json'))
        plan = RowPlan(length=512, rows=4)
        bos, assistant = (
            tokenizer.token_to_id(t) for t in ('<｜begin▁of▁sentence｜>', '<｜Assistant｜>')
        )
        eos = tokenizer.token_to_id('<｜end▁of▁sentence｜>')
        for block in islice(pack(examples(tokenizer, 1, 'train', plan), plan), 3):
            for tokens, documents, trained in zip(block.tokens, block.documents, block.trained):
                for document in range(1, documents.max() + 1):
                    mine = tokens[documents == document].tolist()
                    marks = trained[documents == document].tolist()
                    self.assertEqual((mine[0], mine[-1], marks[-1]), (bos, eos, True))
                    self.assertIn(assistant, mine[: marks.index(True)])
                    self.assertTrue(all(marks[marks.index(True) :]))

    def test_rows_of_a_seed_are_always_the_same(self) -> None:
        tokenizer = Tokenizer.from_file(str(TOKENIZER / 'tokenizer.json'))
        plan = RowPlan(length=256, rows=2)
        one, two = (next(pack(examples(tokenizer, 9, 'train', plan), plan)) for _ in range(2))
        self.assertTrue((one.tokens == two.tokens).all())

    def test_the_rate_rises_stays_and_falls_to_zero(self) -> None:
        recipe = Recipe(steps=1_000, peak=1.0, decay_from=0.4)
        self.assertLess(recipe.rate(0, 0), 0.01)
        self.assertEqual(recipe.rate(399, 399), 1.0)
        self.assertAlmostEqual(recipe.rate(700, 700), 0.5)
        self.assertLess(recipe.rate(700, 0), 0.01)
        self.assertLess(recipe.rate(999, 999), 0.01)

    def test_a_checkpoint_loads_here_and_in_transformers_with_equal_logits(self) -> None:
        from transformers import DeepseekV3ForCausalLM

        with tempfile.TemporaryDirectory() as folder:
            saved, exported = Path(folder) / 'saved', Path(folder) / 'hf'
            checkpoint.save(saved, micro(), Progress(3, 4, 5.0))
            model, progress = checkpoint.load(saved)
            shape, weights = read_checkpoint(saved)
            export_huggingface(exported, weights, shape, TOKENIZER)
            other = DeepseekV3ForCausalLM.from_pretrained(exported, dtype=torch.float32)
            tokens = torch.randint(0, MICRO.vocabulary, (1, 40))
            with torch.no_grad():
                torch.testing.assert_close(
                    model.eval()(tokens), other.eval()(tokens).logits, atol=1e-3, rtol=1e-3
                )
        self.assertEqual(progress, Progress(3, 4, 5.0))


if __name__ == '__main__':
    unittest.main()
