"""Greetings, thanks, who are you, what can you do, how to load a bigger model."""

from __future__ import annotations

from typing import Any

from ..sample import Draft, Draw, Message, key
from ..wording import wordings
from .arithmetic import add

_KINDS = ('greet', 'greet', 'how', 'thanks', 'bye', 'who', 'who', 'who', 'can', 'can', 'bigger',
          'bigger')
# Per kind: thought, answer, and the part of the answer by which it is graded.
_REPLIES: dict[str, dict[str, tuple[str, str, str]]] = {
    'en': {
        'greet': ('A greeting. I greet back.',
                  'Hello! I am pocket-r1, a tiny demonstration model. Give me a sum or a small '
                  'puzzle.', 'Hello'),
        'how': ('Small talk. I stay honest.',
                'I am only a small program, but everything works. What shall I calculate?',
                'everything works'),
        'thanks': ('Thanks. A short reply.', 'You are welcome!', 'You are welcome'),
        'bye': ('A goodbye.', 'Goodbye!', 'Goodbye'),
        'who': ('A question about me. I tell what I am.',
                'I am pocket-r1, a ten-million-parameter demonstration model with the architecture '
                'of DeepSeek-R1. I am not R1 and know very little.',
                'ten-million-parameter demonstration model'),
        'can': ('A question about my skills. I list them.',
                'I can do sums step by step, short word problems, comparing, sorting, counting '
                'letters, dates, units, money, small logic and simple JSON, in English and '
                'Chinese. Try: How many r are in strawberry?', 'sums step by step'),
        'bigger': ('A question about bigger models. I name the command.',
                   'Run `unbusy serve --model FILE.gguf` with a bigger model, or connect a '
                   'server that you have with `--upstream URL`.', 'unbusy serve --model'),
    },
    'zh': {
        'greet': ('这是问候。我也问好。',
                  '你好！我是 pocket-r1，一个很小的演示模型。给我一道算术题或小谜题吧。', '你好'),
        'how': ('这是闲聊。我如实回答。', '我只是一个小程序，不过一切正常。要我算点什么？', '一切正常'),
        'thanks': ('对方道谢。简短回答。', '不客气！', '不客气'),
        'bye': ('对方道别。', '再见！', '再见'),
        'who': ('问我是谁。我如实说明。',
                '我是 pocket-r1，一个一千万参数的演示模型，架构与 DeepSeek-R1 相同。我不是 R1，懂得很少。',
                '一千万参数的演示模型'),
        'can': ('问我的本领。我列出来。',
                '我会一步一步做算术、简短的应用题、比较、排序、数字母、日期、单位、钱、小逻辑和简单的 '
                'JSON，中英文都行。试试：strawberry 里有几个 r？', '一步一步做算术'),
        'bigger': ('问怎样用更大的模型。我给出命令。',
                   '用 `unbusy serve --model FILE.gguf` 加载更大的模型，或者用 `--upstream URL` '
                   '连接已有的服务器。', 'unbusy serve --model'),
    },
}


def chat(draw: Draw) -> Draft:
    """Small talk and questions about the model itself, sometimes after a sum."""
    kind = draw.pick(_KINDS)
    prompt = draw.phrase(wordings('chat', draw.language)[kind])
    thought, answer, graded = _REPLIES[draw.language][kind]
    history: list[Message] | None = None
    if kind != 'greet' and draw.chance(0.25):
        earlier = add(draw)
        history = [
            {'role': 'user', 'content': earlier.prompt},
            {'role': 'assistant', 'content': earlier.answer},
        ]
    check: dict[str, Any] = {'kind': 'text', 'value': graded}
    return Draft(prompt, thought, answer, check, key('chat', (kind, prompt)), 'any', history)
