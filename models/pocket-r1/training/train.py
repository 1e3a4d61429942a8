"""Trains pocket-r1: one slice of the run, from a checkpoint or from nothing, to a checkpoint.

Only what the model itself writes is trained (thought, answer, end of text). The learning rate
rises, stays, then falls linearly to zero at step `--steps`; a slice ends at `--to-step` or when its
seconds are spent, whichever comes first.

    python train.py --out run/1 --steps 18000 --to-step 9000
    python train.py --out run/2 --resume run/1 --steps 18000 --join 0.08 --turns 6
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

import checkpoint
from checkpoint import Progress
from decode import dev_report, dev_samples
from model import Attend, PocketModel
from packing import Block, RowPlan, Rows, examples, pack
from shape import SHAPES

SEED = 1_901
DEV_SEED = 3_100
WARM_UP_STEPS = 300
REWARM_STEPS = 100
BETAS = (0.9, 0.97)
WEIGHT_DECAY = 0.1
CLIP = 1.0
BALANCE_RATE = 0.002
REPORT_STEPS = 200


@dataclass(frozen=True)
class Recipe:
    """The learning-rate schedule, in steps of the whole run."""

    steps: int
    peak: float
    decay_from: float

    def rate(self, step: int, since_start: int) -> float:
        """Learning rate of `step`; `since_start` counts the steps of this slice."""
        warm = WARM_UP_STEPS if step == since_start else REWARM_STEPS
        rise = min(1.0, (since_start + 1) / warm)
        fall_start = self.decay_from * self.steps
        fall = min(1.0, max(0.0, (self.steps - step) / (self.steps - fall_start)))
        return self.peak * rise * fall


def document_mask(documents: Tensor, compiled: bool) -> BlockMask:
    """Causal within a document, nothing across."""

    def visible(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        same = documents[batch, query] == documents[batch, key]
        return (query >= key) & same

    rows, length = documents.shape
    make = _compiled_mask if compiled else create_block_mask
    return make(visible, rows, None, length, length, device=documents.device)


_compiled_mask = torch.compile(create_block_mask, dynamic=False)


def attend_within(documents: Tensor, mask: BlockMask | None) -> Attend:
    """Attention inside documents: flex attention with `mask`, or a dense mask without."""
    if mask is not None:
        return lambda layer, query, key, value: flex_attention(query, key, value, block_mask=mask)
    same = (documents[:, :, None] == documents[:, None, :]).tril()[:, None]
    return lambda layer, query, key, value: F.scaled_dot_product_attention(
        query, key, value, attn_mask=same
    )


def next_token_loss(
    model: PocketModel, tokens: Tensor, documents: Tensor, trained: Tensor, mask: BlockMask | None
) -> Tensor:
    """Mean cross-entropy over the trained tokens."""
    logits = model(tokens, attend_within(documents, mask))
    losses = F.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction='none'
    )
    weights = trained[:, 1:].flatten().float()
    return (losses * weights).sum() / weights.sum().clamp(min=1)


def make_optimizer(model: PocketModel, device: str) -> torch.optim.AdamW:
    """AdamW; matrices decay, vectors and the embedding do not."""
    decayed, free = [], []
    for name, parameter in model.named_parameters():
        (decayed if parameter.ndim > 1 and 'embedding' not in name else free).append(parameter)
    groups = [
        {'params': decayed, 'weight_decay': WEIGHT_DECAY},
        {'params': free, 'weight_decay': 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=BETAS, eps=1e-8, fused=device == 'cuda')


def to_device(block: Block, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, documents and trained marks of a block."""
    arrays = (block.tokens.astype('int64'), block.documents.astype('int32'), block.trained)
    tensors = [torch.from_numpy(array) for array in arrays]
    if device == 'cuda':
        tensors = [tensor.pin_memory().to(device, non_blocking=True) for tensor in tensors]
    return tensors[0], tensors[1], tensors[2]


Loss = Callable[..., Tensor]


def loss_of(loss: Loss, model: PocketModel, block: Block, device: str) -> Tensor:
    """Loss of one block under this device's arithmetic."""
    tokens, documents, trained = to_device(block, device)
    cuda = device == 'cuda'
    mask = document_mask(documents, compiled=True) if cuda else None
    with torch.autocast('cuda', torch.bfloat16, enabled=cuda):
        return loss(model, tokens, documents, trained, mask)


def run_slice(options: argparse.Namespace) -> tuple[PocketModel, Progress]:
    """Trains until the slice's end; returns the model and how far it came."""
    device = options.device
    torch.manual_seed(SEED)
    torch.set_float32_matmul_precision('high')
    plan = RowPlan(options.length, options.rows, options.join, options.turns)
    progress = Progress()
    if options.resume:
        model, progress = checkpoint.load(options.resume)
    else:
        model = PocketModel(SHAPES[options.shape])
    rows = Rows(options.tokenizer, SEED + 1_000 * progress.step, plan, options.workers)
    model = model.to(device).train()
    optimizer = make_optimizer(model, device)
    recipe = Recipe(options.steps, options.rate, options.decay_from)
    loss = torch.compile(next_token_loss, dynamic=False) if device == 'cuda' else next_token_loss
    try:
        return model, _steps(options, model, optimizer, recipe, rows, loss, progress)
    finally:
        rows.close()


def _steps(
    options: argparse.Namespace,
    model: PocketModel,
    optimizer: torch.optim.AdamW,
    recipe: Recipe,
    rows: Rows,
    loss: Loss,
    before: Progress,
) -> Progress:
    started = begin = last = time.monotonic()
    waited, step = 0.0, before.step
    stream = iter(rows)
    block_tokens = options.rows * options.length
    while step < options.to_step and time.monotonic() - begin < options.seconds:
        asked = time.monotonic()
        block = next(stream)
        waited += time.monotonic() - asked
        for group in optimizer.param_groups:
            group['lr'] = recipe.rate(step, step - before.step)
        value = loss_of(loss, model, block, options.device)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        for experts in model.experts():
            experts.rebalance(BALANCE_RATE)
        step += 1
        if step == before.step + 1:
            value.item()
            begin = last = time.monotonic()
            waited = 0.0
            print(f'first step after {begin - started:.0f} s of compilation', flush=True)
        elif step % options.report == 0:
            shown, now = value.item(), time.monotonic()
            speed = min(options.report, step - before.step - 1) * block_tokens / (now - last)
            print(
                f'step {step} loss {shown:.5f} rate {optimizer.param_groups[0]["lr"]:.2e} '
                f'{speed / 1e6:.3f} Mtok/s waited {waited:.1f} s of {now - begin:.0f}',
                flush=True,
            )
            last = now
    seconds = time.monotonic() - begin
    tokens = (step - before.step) * block_tokens
    return Progress(step, before.tokens + tokens, before.seconds + seconds)


@torch.no_grad()
def dev_loss(model: PocketModel, tokenizer: Tokenizer, options: argparse.Namespace) -> float:
    """Loss on rows of the development split."""
    plan = RowPlan(options.length, options.rows, options.join, options.turns, varied=False)
    block = next(pack(examples(tokenizer, DEV_SEED, 'dev', plan), plan))
    model.eval()
    tokens, documents, trained = to_device(block, options.device)
    cuda = options.device == 'cuda'
    total = weight = 0.0
    for row in range(len(tokens)):
        part = slice(row, row + 1)
        with torch.autocast('cuda', torch.bfloat16, enabled=cuda):
            loss = next_token_loss(model, tokens[part], documents[part], trained[part], None)
        count = float(trained[part].sum())
        total, weight = total + float(loss) * count, weight + count
    model.train()
    return total / weight


def report_dev(model: PocketModel, options: argparse.Namespace) -> None:
    """Prints the development set's loss and accuracy by skill."""
    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    print(f'dev loss {dev_loss(model, tokenizer, options):.5f}', flush=True)
    scores, endless, wrong = dev_report(model, tokenizer, dev_samples(options.dev))
    for name, (right, asked) in scores.items():
        print(f'dev {name} {right}/{asked}')
    right, asked = (sum(pair[i] for pair in scores.values()) for i in (0, 1))
    print(f'dev all {right}/{asked} endless {endless}', flush=True)
    with (options.out / 'dev-wrong.txt').open('w', encoding='utf-8') as file:
        for sample, text in wrong:
            question = sample.messages[-1]['content']
            file.write(f'[{sample.skill} {sample.template}] {question}\n')
            file.write(f'WANTED {sample.thought} => {sample.answer}\nGOT {text}\n\n')


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    here = Path(__file__).parent
    parser.add_argument('--shape', choices=sorted(SHAPES), default='pocket')
    parser.add_argument('--tokenizer', type=Path, default=here / 'tokenizer' / 'tokenizer.json')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--resume', type=Path)
    parser.add_argument('--steps', type=int, default=18_000, help='of the whole run')
    parser.add_argument('--to-step', type=int, default=10**9, help='where this slice ends')
    parser.add_argument('--seconds', type=float, default=440.0, help='at most, in this slice')
    parser.add_argument('--rate', type=float, default=2e-3)
    parser.add_argument('--decay-from', type=float, default=0.4, help='share of the steps')
    parser.add_argument('--length', type=int, default=4096)
    parser.add_argument('--rows', type=int, default=16)
    parser.add_argument('--join', type=float, default=0.05)
    parser.add_argument('--turns', type=int, default=3)
    parser.add_argument('--workers', type=int, default=14)
    parser.add_argument('--dev', type=int, default=600, help='development samples to answer')
    parser.add_argument('--report', type=int, default=REPORT_STEPS)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    options = parser.parse_args()
    options.to_step = min(options.to_step, options.steps)
    return options


def main() -> None:
    """Trains one slice, writes its checkpoint, then reports on the development set."""
    options = parse_options()
    model, progress = run_slice(options)
    checkpoint.save(options.out, model, progress)
    total, active = model.shape.parameters()
    print(f'{progress} parameters {total} active {active}', flush=True)
    written, _ = checkpoint.load(options.out)
    report_dev(written.to(options.device), options)


if __name__ == '__main__':
    main()
