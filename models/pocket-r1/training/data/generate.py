"""The data of pocket-r1: `samples(seed, split, skills)` and a command that writes JSONL.

    python3 -m data.generate --split heldout --count 3000 --out heldout.jsonl
    python3 -m data.generate --split train --count 20000 --stats

The stream of a seed is endless and always the same. Splits share neither operands nor wording.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import asdict
from itertools import accumulate, islice
from pathlib import Path
from random import Random
from typing import Iterator, get_args

from .noise import disturb
from .sample import Draft, Draw, Message, Sample, Split
from .skills.registry import SKILLS
from .wording import wordings

_CHINESE_SHARE = 0.4
_NOISE_SHARE = 0.1
_SYSTEM_SHARE = 0.1
_BARE_SHARE = 0.1
_WRAP_SHARE = 0.12
_UNWRAPPED = {'chat', 'extract', 'retrieve'}
_EARLIER_SHARE = 0.08
_EARLIER_SKILLS = ('add', 'multiply', 'compare', 'lists', 'calendar', 'problem', 'refusal')


def samples(seed: int, split: Split, skills: list[str] | None = None) -> Iterator[Sample]:
    """Endless samples of a split; `skills` restricts them (all by default)."""
    names = list(SKILLS) if skills is None else skills
    unknown = [name for name in names if name not in SKILLS]
    if unknown or not names:
        raise ValueError(f'unknown skills {unknown}; there are: {", ".join(SKILLS)}')
    rng = Random(f'pocket-r1/{split}/{seed}')
    weights = list(accumulate(SKILLS[name].weight for name in names))
    while True:
        [name] = rng.choices(names, cum_weights=weights)
        draw = Draw(rng, split, 'zh' if rng.random() < _CHINESE_SHARE else 'en')
        yield _sample(draw, name, SKILLS[name].make(draw))


def _sample(draw: Draw, skill: str, draft: Draft) -> Sample:
    prompt, history = draft.prompt, draft.history
    if history is None and skill not in _UNWRAPPED and draw.chance(_WRAP_SHARE):
        frame = draw.phrase(wordings('setting', draw.language)['wrap'])
        prompt = frame.replace('\\n', '\n').replace('{x}', prompt)
    if draft.noise != 'none' and draw.chance(_NOISE_SHARE):
        prompt = disturb(draw, prompt, draft.noise == 'soft')
    if history is None and draw.chance(_EARLIER_SHARE):
        history = _earlier(draw)
    messages = [*(history or ()), {'role': 'user', 'content': prompt}]
    if messages[0]['role'] != 'system' and draw.chance(_SYSTEM_SHARE):
        system = draw.word(wordings('setting', draw.language)['system'])
        messages.insert(0, {'role': 'system', 'content': system})
    return Sample(
        messages, draft.thought, draft.answer, skill, draw.language, '+'.join(draw.used),
        draft.check, draft.operands, not draw.chance(_BARE_SHARE),
    )


def _earlier(draw: Draw) -> list[Message]:
    """A question and answer about something else, as chats have them."""
    before = SKILLS[draw.pick(_EARLIER_SKILLS)].make(draw)
    return [
        {'role': 'user', 'content': before.prompt},
        {'role': 'assistant', 'content': before.answer},
    ]


def statistics(stream: list[Sample]) -> str:
    """Counts per skill and language, number of sentence frames, mean lengths in characters."""
    rows = ['skill            en     zh  frames  prompt  thought  answer']
    for skill in SKILLS:
        mine = [sample for sample in stream if sample.skill == skill]
        if not mine:
            continue
        languages = Counter(sample.language for sample in mine)
        frames = {frame for sample in mine for frame in sample.template.split('+')}
        means = [
            sum(lengths) / len(mine)
            for lengths in (
                [len(sample.messages[-1]['content']) for sample in mine],
                [len(sample.thought) for sample in mine],
                [len(sample.answer) for sample in mine],
            )
        ]
        rows.append(
            f'{skill:<14}{languages["en"]:>6} {languages["zh"]:>6}  {len(frames):>6}'
            f'  {means[0]:>6.0f}  {means[1]:>7.0f}  {means[2]:>6.0f}'
        )
    return '\n'.join(rows)


def main(arguments: list[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog='data.generate', description=__doc__.splitlines()[0])
    parser.add_argument('--split', choices=get_args(Split), required=True)
    parser.add_argument('--count', type=int, default=1000)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--skills', nargs='*', help='default: all')
    parser.add_argument('--out', type=Path, help='JSONL file to write')
    parser.add_argument('--stats', action='store_true', help='print counts and mean lengths')
    options = parser.parse_args(arguments)
    stream = list(islice(samples(options.seed, options.split, options.skills), options.count))
    if options.out:
        with options.out.open('w', encoding='utf-8') as file:
            for sample in stream:
                file.write(json.dumps(asdict(sample), ensure_ascii=False) + '\n')
    if options.stats or not options.out:
        print(statistics(stream))


if __name__ == '__main__':
    main(sys.argv[1:])
