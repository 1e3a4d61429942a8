"""Makes the model read instead of recall: samples with invented words in place of known ones.

A model this small learns the few hundred names and things of the wording lists by heart, and then
writes a known word where it should copy an unknown one. `invent` replaces fillers (names, things,
colours ...) everywhere in a sample, prompt and answer alike; `blur` spoils or drops a word of the
question that carries little, so that no single word of a frame is relied on.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from random import Random

from data.sample import Sample
from data.wording import wordings

INVENT_SHARE = 0.5
REPLACE_SHARE = 0.85
REFRAME_SHARE = 0.6
BLUR_SHARE = 0.25

INVENTED_SKILLS = frozenset(
    ['story', 'problem', 'relation', 'extract', 'retrieve', 'lists', 'logic', 'money']
)
REFRAMED_SKILLS = frozenset(['retrieve'])
UNBLURRED_SKILLS = frozenset(['chat', 'letters', 'logic', 'recast'])
HEAVILY_BLURRED_SKILLS = frozenset(['extract', 'retrieve'])

_FILLER_SECTIONS = {
    'names': ('person', 'item', 'food', 'container', 'friends', 'colour'),
    'extract': ('city', 'job', 'item', 'title', 'colour', 'thing'),
    'logic': ('kinds', 'groups'),
    'lists': ('words',),
    'retrieve': ('head', 'tail', 'places'),
}
_POOL_FILES = ('open', 'refusal', 'story', 'problem', 'extract', 'names')
_DECISIVE = frozenset(
    """
    not no more less fewer than half double twice triple thrice third quarter smallest largest
    bigger smaller larger greater least most lowest highest maximum minimum max min biggest
    tallest shortest longest ascending descending rising falling before after ago later earlier
    plus minus times divided multiply multiplied add added subtract subtracted sum total
    difference product first last next backwards reverse reversed alphabetical count length long
    letter letters even odd prime average mean remainder left rest all both each every if or and
    only just years days weeks month hours minutes older younger taller shorter share split
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety
    hundred thousand dozen the my next number digits factor percent off change
    together than from to by into of away
    """.split()
)
_DECISIVE_ZH = frozenset(
    '零一二三四五六七八九十百千万两顺逆大小多少加减乘除倍半前后升降反倒序最不没比每平均质偶奇余数早晚高低长短快慢共剩只第几差和'
)
_HEADS = ('', 'b', 'br', 'c', 'ch', 'd', 'dr', 'f', 'fl', 'g', 'gr', 'h', 'j', 'k', 'kl', 'l', 'm')
_MORE_HEADS = (
    'n',
    'p',
    'pr',
    'qu',
    'r',
    's',
    'sh',
    'sk',
    'st',
    't',
    'th',
    'tr',
    'v',
    'w',
    'y',
    'z',
)
_VOWELS = ('a', 'e', 'i', 'o', 'u', 'ai', 'ea', 'ee', 'oo', 'ou', 'y')
_TAILS = ('', '', '', 'n', 'r', 'l', 's', 't', 'm', 'nd', 'ng', 'ck', 'rt', 'x', 'sh', 'p', 'd')


def _phrases(file: str, language: str, section: str) -> list[str]:
    sections = wordings(file, language)
    found = sections.get(section)
    return [] if found is None else [phrase.forms[0] for phrase in found.train]


@cache
def fillers(language: str) -> frozenset[str]:
    """Single words (or Chinese terms of two characters and more) that only name something."""
    words: set[str] = set()
    for file, sections in _FILLER_SECTIONS.items():
        for section in sections:
            for phrase in _phrases(file, language, section):
                forms = phrase.split(':')
                for form in forms[:1] if section == 'person' else forms:
                    words.update(re.findall(r'[A-Za-z]{3,}', form) if language == 'en' else [form])
    shortest = 3 if language == 'en' else 2
    return frozenset(word for word in words if len(word) >= shortest) - _DECISIVE


@cache
def pool(language: str) -> tuple[str, ...]:
    """Real words (Chinese: characters) from the training wording, as replacements."""
    words: set[str] = set()
    for file in _POOL_FILES:
        for section in wordings(file, language):
            for phrase in _phrases(file, language, section):
                if language == 'en':
                    words.update(word.lower() for word in re.findall(r'[A-Za-z]{3,}', phrase))
                else:
                    words.update(re.findall(r'[一-鿿]', phrase))
    return tuple(sorted(words - _DECISIVE - _DECISIVE_ZH))


def invented_word(random: Random, language: str) -> str:
    """A word that may or may not exist."""
    if language == 'zh':
        return ''.join(random.choice(pool('zh')) for _ in range(random.choice((2, 2, 3))))
    if random.random() < 0.4:
        return random.choice(pool('en'))
    syllables = random.choice((1, 2, 2, 3))
    heads = _HEADS if random.random() < 0.5 else _MORE_HEADS
    parts = [random.choice(heads) + random.choice(_VOWELS) for _ in range(syllables)]
    return ''.join(parts) + random.choice(_TAILS)


def _texts(sample: Sample) -> list[str]:
    return [message['content'] for message in sample.messages] + [sample.thought, sample.answer]


def _with_texts(sample: Sample, texts: list[str]) -> Sample:
    *contents, thought, answer = texts
    messages = [
        {**message, 'content': content} for message, content in zip(sample.messages, contents)
    ]
    return replace(sample, messages=messages, thought=thought, answer=answer)


def invent(random: Random, sample: Sample) -> Sample:
    """The sample with most of its fillers replaced, each by one word throughout."""
    if sample.skill not in INVENTED_SKILLS or 'alphabetical' in sample.template:
        return sample
    texts = _texts(sample)
    whole = '\n'.join(texts)
    known = fillers(sample.language)
    if sample.language == 'en':
        found = sorted(set(re.findall(r'[A-Za-z]+', whole)) & known)
    else:
        found = sorted((word for word in known if word in whole), key=lambda w: (-len(w), w))
    return _swapped(random, sample, found, REPLACE_SHARE)


def reframe(random: Random, sample: Sample) -> Sample:
    """The sample with the words (Chinese: characters) of its looked-up line replaced throughout."""
    if sample.skill not in REFRAMED_SKILLS:
        return sample
    words = r'[A-Za-z]{2,}' if sample.language == 'en' else r'[一-鿿]'
    found = sorted(set(re.findall(words, sample.thought)))
    return _swapped(random, sample, found, random.choice((0.4, 0.8, 1.0)))


def _swapped(random: Random, sample: Sample, found: list[str], share: float) -> Sample:
    """The sample with about `share` of the words `found` replaced, each by one word throughout."""
    texts = _texts(sample)
    whole = '\n'.join(texts)
    swaps: dict[str, str] = {}
    for word in found:
        if random.random() >= share:
            continue
        new = invented_word(random, sample.language)
        if len(word) == 1:
            new = new[0]
        if word.endswith('s') and word[:-1] in swaps:
            new = swaps[word[:-1]] + 's'
        if new not in whole and new not in swaps.values():
            swaps[word] = new.capitalize() if word[0].isupper() else new
    if not swaps:
        return sample
    inner = '|'.join(map(re.escape, swaps))
    pattern = re.compile(rf'\b(?:{inner})\b' if sample.language == 'en' else inner)
    return _with_texts(sample, [pattern.sub(lambda m: swaps[m.group()], text) for text in texts])


def blur(random: Random, sample: Sample) -> Sample:
    """The sample with a few weak words of its question replaced or dropped."""
    if sample.skill in UNBLURRED_SKILLS:
        return sample
    texts = _texts(sample)
    question, written = texts[-3], texts[-2] + texts[-1]
    english = sample.language == 'en'
    spans = [
        match.span()
        for match in re.finditer(r'[A-Za-z]{2,}' if english else r'[一-鿿]', question)
        if match.group().lower() not in _DECISIVE
        and match.group() not in _DECISIVE_ZH
        and match.group() not in written
    ]
    if len(spans) < 3:
        return sample
    most = 4 if sample.skill in HEAVILY_BLURRED_SKILLS else 2
    count = min(len(spans), random.randint(1, most))
    for start, end in sorted(random.sample(spans, count), reverse=True):
        new = invented_word(random, sample.language) if random.random() < 0.7 else ''
        question = question[:start] + (new if english else new[:1]) + question[end:]
    texts[-3] = question
    return _with_texts(sample, texts)


def vary(random: Random, sample: Sample) -> Sample:
    """`reframe`, `invent` and `blur`, each on its share of the samples."""
    if random.random() < REFRAME_SHARE:
        sample = reframe(random, sample)
    if random.random() < INVENT_SHARE:
        sample = invent(random, sample)
    if random.random() < BLUR_SHARE:
        sample = blur(random, sample)
    return sample
