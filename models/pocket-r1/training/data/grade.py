"""Grading of an answer by a sample's check; the reference for every other implementation.

Kinds: `number` (the last number of the answer equals `value`), `numbers` (its last numbers are
`values` in this order), `text` (the answer contains `value`, letter case aside), `start` (the
answer begins with `value`, letter case aside), `json` (the
whole answer parses to `value`) and `refusal` (the answer contains the core sentence).
"""

from __future__ import annotations

import json
import re
from typing import Any

_NUMBER = re.compile(r'-?\d+(?:,\d{3})*(?:\.\d+)?')
CORE_SENTENCES = ('ten-million-parameter demonstration model', '一千万参数的演示模型')


def numbers_in(text: str) -> list[float]:
    """All numbers of a text; a minus sign counts only where no digit or letter precedes it."""
    found = []
    for match in _NUMBER.finditer(text):
        number = match.group().replace(',', '')
        before = text[: match.start()].rstrip(' ')[-1:]
        if number.startswith('-') and (before.isalnum() or before == ')'):
            number = number[1:]
        found.append(float(number))
    return found


def grade(check: dict[str, Any], answer: str) -> bool:
    """Whether `answer` passes `check`."""
    kind = check['kind']
    if kind == 'number':
        found = numbers_in(answer)
        return bool(found) and abs(found[-1] - check['value']) < 1e-9
    if kind == 'numbers':
        found, wanted = numbers_in(answer), check['values']
        return len(found) >= len(wanted) and found[-len(wanted) :] == [float(v) for v in wanted]
    if kind == 'text':
        return str(check['value']).casefold() in answer.casefold()
    if kind == 'start':
        return answer.casefold().startswith(str(check['value']).casefold())
    if kind == 'json':
        try:
            return json.loads(answer) == check['value']
        except ValueError:
            return False
    if kind == 'refusal':
        return any(sentence in answer for sentence in CORE_SENTENCES)
    raise ValueError(f'unknown kind of check: {kind!r}')
