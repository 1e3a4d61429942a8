"""A conversation as R1's chat template renders it, and as token ids with a training mask.

The template (`chat_template.jinja`, DeepSeek-R1's own) drops earlier thoughts and ends a prompt
with `<think>` and a line break. `render_prompt` is the same function for conversations without
tools, fast enough for making training data; the tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from vocabulary import ASSISTANT, BOS, END_THINK, EOS, THINK, USER

TEMPLATE_PATH = Path(__file__).with_name('chat_template.jinja')

Message = dict[str, str]


class Encoder(Protocol):
    """The part of `tokenizers.Tokenizer` that is used here."""

    def encode(self, sequence: str, *, add_special_tokens: bool = True) -> object:
        """Tokenizes a text."""
        ...


def chat_template() -> str:
    """The template's source, as embedded in every export."""
    return TEMPLATE_PATH.read_text(encoding='utf-8').rstrip('\n')


def render_prompt(messages: Sequence[Message], prefill: bool = True) -> str:
    """The prompt for the next answer; `prefill` adds the opening of the thought."""
    system = ''
    parts = []
    for message in messages:
        role, content = message['role'], message['content']
        if role == 'system':
            system = content
        elif role == 'user':
            parts.append(USER + content)
        elif role == 'assistant':
            parts.append(ASSISTANT + content.split(END_THINK)[-1] + EOS)
        else:
            raise ValueError(f'role: {role!r}; system, user and assistant are known')
    return BOS + system + ''.join(parts) + ASSISTANT + (f'{THINK}\n' if prefill else '')


def render_completion(thought: str, answer: str, prefill: bool = True) -> str:
    """What the model writes after that prompt, without the end of the text."""
    opening = '' if prefill else f'{THINK}\n'
    return f'{opening}{thought}\n{END_THINK}\n\n{answer}'


def encode_ids(tokenizer: Encoder, text: str) -> list[int]:
    """Token ids of a rendered text; its special tokens are in the text already."""
    return tokenizer.encode(text, add_special_tokens=False).ids  # type: ignore[attr-defined]


def encode_example(
    tokenizer: Encoder,
    messages: Sequence[Message],
    thought: str,
    answer: str,
    prefill: bool,
    eos: int,
) -> tuple[list[int], int]:
    """Token ids of prompt and completion, and how many of them are prompt.

    The two are tokenized apart, as in use: a merge never crosses the end of the prompt.
    """
    prompt = encode_ids(tokenizer, render_prompt(messages, prefill))
    completion = encode_ids(tokenizer, render_completion(thought, answer, prefill))
    return [*prompt, *completion, eos], len(prompt)
