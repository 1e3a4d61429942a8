"""Honest refusals: whatever is outside the skills gets one, and near misses above all."""

from __future__ import annotations

from string import Formatter

from ..sample import Draft, Draw, key
from ..wording import wordings

_THOUGHTS = {
    'en': 'This is outside my few skills. I say so instead of guessing.',
    'zh': '这超出了我的几项本领。我如实说明，不乱猜。',
}
_ANSWERS = {
    'en': (
        'I am a ten-million-parameter demonstration model, and this is beyond me. For a real '
        'answer load a bigger model: `unbusy serve --model FILE.gguf`, or connect one with '
        '`--upstream`.',
        'Sorry: I am a ten-million-parameter demonstration model, so I cannot help with that. '
        'Load a bigger one with `unbusy serve --model FILE.gguf`, or point `--upstream` to one.',
    ),
    'zh': (
        '我是一个一千万参数的演示模型，回答不了这个问题。请加载更大的模型：'
        '`unbusy serve --model FILE.gguf`，或用 `--upstream` 连接一个。',
        '抱歉，我是一个一千万参数的演示模型，这超出了我的能力。要得到真正的回答，请用 '
        '`unbusy serve --model FILE.gguf` 加载更大的模型，或设置 `--upstream`。',
    ),
}
_OPEN_SHARE = 0.35


def refusal_draft(draw: Draw, prompt: str, operands: str) -> Draft:
    """The refusal of `prompt`, in the language of the draw."""
    return Draft(
        prompt, _THOUGHTS[draw.language], draw.pick(_ANSWERS[draw.language]),
        {'kind': 'refusal'}, operands, noise='any',
    )


def refuse(draw: Draw) -> Draft:
    """A hand-written open question, or one built from a frame and its lists."""
    if draw.chance(_OPEN_SHARE):
        prompt = draw.phrase(wordings('open', draw.language)['question'])
        return refusal_draft(draw, prompt, key('refusal', (prompt,)))
    lists = wordings('refusal', draw.language)
    prompt = draw.phrase(lists['frame'])
    for _ in range(2):
        prompt = _fill(draw, prompt)
    return refusal_draft(draw, prompt, key('refusal', (prompt,)))


def _fill(draw: Draw, frame: str) -> str:
    """Fills every slot; a slot's list is its name less a final 2 or 3, unless that is a list."""
    lists = wordings('refusal', draw.language)
    values: dict[str, str] = {}
    for _, slot, _, _ in Formatter().parse(frame):
        if slot is None or slot in values:
            continue
        if slot in {'n', 'm', 'k'}:
            values[slot] = str(draw.between(2, 9) if slot == 'k' else draw.between(3, 60))
        elif slot.startswith('big'):
            values[slot] = str(draw.between(10**7, 10**12))
        else:
            name = slot if slot in lists else slot[:-1]
            value = draw.word(lists[name])
            while value in values.values():
                value = draw.word(lists[name])
            values[slot] = value
    return frame.format_map(values)
