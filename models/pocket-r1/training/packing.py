"""Training rows made on the fly: samples become token ids and are packed into rows of one length.

Worker processes (forked before the GPU is touched) each draw from a generator with a seed of
their own and fill a bounded queue; the reader takes from the queues in turn, so the order of rows
depends on seeds only. A row holds whole documents; attention never crosses from one to another.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkProcess
from multiprocessing.queues import Queue
from pathlib import Path
from random import Random

import numpy as np

from chat import encode_example
from data.generate import samples
from invention import vary
from vocabulary import EOS

_POOL = 96
_QUEUED_BLOCKS = 6


@dataclass(frozen=True)
class RowPlan:
    """How rows are made.

    `join` is the chance that a sample follows up to `turns` unrelated ones in one conversation,
    which is how long chats are learnt; `skills` limits a worker to some skills; `varied` puts
    invented words into samples (see invention.py).
    """

    length: int
    rows: int
    join: float = 0.05
    turns: int = 3
    skills: tuple[str, ...] | None = None
    varied: bool = True


@dataclass(frozen=True)
class Block:
    """Rows of token ids, the number of each token's document (0: padding), and what is trained."""

    tokens: np.ndarray
    documents: np.ndarray
    trained: np.ndarray


Example = tuple[list[int], int]


def examples(tokenizer: object, seed: int, split: str, plan: RowPlan) -> Iterator[Example]:
    """Encoded samples; some follow earlier samples' turns within one conversation."""
    random = Random(seed)
    stream = samples(seed, split, plan.skills)
    eos = tokenizer.token_to_id(EOS)  # type: ignore[attr-defined]
    earlier: list[dict[str, str]] = []
    wanted = 0
    for sample in stream:
        if plan.varied:
            sample = vary(random, sample)
        messages = sample.messages
        if wanted > 0 and messages[0]['role'] != 'system':
            wanted -= 1
            earlier += [*messages, {'role': 'assistant', 'content': sample.answer}]
            continue
        if earlier and messages[0]['role'] != 'system':
            messages = [*earlier, *messages]
        earlier = []
        if random.random() < plan.join:
            wanted = random.randint(1, plan.turns)
        ids, prompt = encode_example(
            tokenizer, messages, sample.thought, sample.answer, sample.prefill, eos
        )
        if len(ids) <= plan.length:
            yield ids, prompt


def _take_fitting(pool: list[Example], room: int) -> Example | None:
    """Removes and returns the longest example that fits."""
    best = max(
        (i for i, (ids, _) in enumerate(pool) if len(ids) <= room),
        key=lambda i: len(pool[i][0]),
        default=None,
    )
    return None if best is None else pool.pop(best)


def pack(stream: Iterator[Example], plan: RowPlan) -> Iterator[Block]:
    """Fills rows: the oldest waiting example first, then the longest that still fits."""
    pool: list[Example] = []
    while True:
        tokens = np.zeros((plan.rows, plan.length), dtype=np.uint16)
        documents = np.zeros((plan.rows, plan.length), dtype=np.int16)
        trained = np.zeros((plan.rows, plan.length), dtype=np.bool_)
        for row in range(plan.rows):
            used = count = 0
            while True:
                pool += [example for _, example in zip(range(_POOL - len(pool)), stream)]
                room = plan.length - used
                oldest = room > plan.length // 4 and len(pool[0][0]) <= room
                chosen = pool.pop(0) if oldest else _take_fitting(pool, room)
                if chosen is None:
                    break
                ids, prompt = chosen
                end, count = used + len(ids), count + 1
                tokens[row, used:end] = ids
                documents[row, used:end] = count
                trained[row, used + prompt : end] = True
                used = end
        yield Block(tokens, documents, trained)


def _work(queue: Queue[Block], tokenizer_path: Path, seed: int, split: str, plan: RowPlan) -> None:
    os.environ['TOKENIZERS_PARALLELISM'] = 'false'
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    for block in pack(examples(tokenizer, seed, split, plan), plan):
        queue.put(block)


class Rows:
    """Blocks from `workers` processes, in an order that the seeds fix."""

    def __init__(self, tokenizer_path: Path, seed: int, plan: RowPlan, workers: int) -> None:
        context = multiprocessing.get_context('fork')
        self._queues: list[Queue[Block]] = [context.Queue(_QUEUED_BLOCKS) for _ in range(workers)]
        self._processes: list[ForkProcess] = [
            context.Process(
                target=_work,
                args=(queue, tokenizer_path, seed + index, 'train', plan),
                daemon=True,
            )
            for index, queue in enumerate(self._queues)
        ]
        for process in self._processes:
            process.start()

    def __iter__(self) -> Iterator[Block]:
        while True:
            for queue in self._queues:
                yield queue.get()

    def close(self) -> None:
        """Ends the workers."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
