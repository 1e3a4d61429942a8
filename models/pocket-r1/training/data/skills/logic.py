"""Small logic: transitive orders, membership, if-then, truth values."""

from __future__ import annotations

from ..invent import invented
from ..sample import Draft, Draw, key
from ..wording import wordings
from .story import inner

_YES = {'en': ('No', 'Yes', 'That cannot be known'), 'zh': ('不是', '是', '无法知道')}


def _verdict(draw: Draw, index: int) -> tuple[str, dict]:
    """0 no, 1 yes, 2 unknown."""
    word = _YES[draw.language][index]
    return f'{word}{"." if draw.english else "。"}', {'kind': 'start', 'value': word}


def order(draw: Draw) -> Draft:
    """Three or four people in a chain told out of order, partly by the opposite word."""
    texts = wordings('logic', draw.language)
    count = draw.pick((3, 3, 3, 4))
    people = draw.operands(
        'order',
        lambda: tuple(
            entry.split(':')[0]
            for entry in draw.words(wordings('names', draw.language)['person'], count)
        ),
    )
    shown = [inner(name) for name in people]
    relation = draw.word(texts['order']).split(':')
    more, most, less, least = relation if draw.english else (*relation[:1] * 2, *relation[1:] * 2)
    facts, lines = [], []
    for a, b in zip(shown, shown[1:]):
        turned = draw.chance(0.35)
        frame = draw.phrase(texts['fact'])
        fact = frame.format(a=b, b=a, r=less) if turned else frame.format(a=a, b=b, r=more)
        facts.append(fact[:1].upper() + fact[1:])
    pairs = list(zip(shown, shown[1:]))
    mixed = draw.rng.sample(range(count - 1), count - 1)
    lines = [f'{pairs[i][0]} > {pairs[i][1]}' for i in mixed] + [' > '.join(shown)]
    story = (' ' if draw.english else '').join(facts[i] for i in mixed)
    gap = ' ' if draw.english else ''
    if draw.chance(0.65):
        first = draw.chance(0.5)
        question = draw.phrase(texts['who']).format(s=most if first else least,
                                                    r=more if first else less)
        answer = shown[0] if first else shown[-1]
        lines.append(answer)
        check = {'kind': 'text', 'value': answer}
        answer += '.' if draw.english else '。'
    else:
        i, j = draw.rng.sample(range(count), 2)
        turned = draw.chance(0.4)
        question = draw.phrase(texts['whether']).format(
            a=shown[i], b=shown[j], r=less if turned else more
        )
        holds = (i < j) != turned
        lines.append(f'{shown[min(i, j)]} > {shown[max(i, j)]}')
        answer, check = _verdict(draw, int(holds))
    return Draft(f'{story}{gap}{question}', '\n'.join(lines), answer, check,
                 key('order', people), 'soft')


def _kind(draw: Draw, entry: str) -> list[str]:
    """A kind of being, singular and plural in English; every other one is invented."""
    if draw.chance(0.5):
        return entry.split(':')
    word = invented(draw)
    return [word, f'{word}s'] if draw.english else [word]


def kind(draw: Draw) -> Draft:
    """All x are y; somebody is an x, or something else."""
    texts = wordings('logic', draw.language)
    first, other = (_kind(draw, entry) for entry in draw.words(texts['kinds'], 2))
    holds = draw.chance(0.65)
    group = draw.word(texts['groups'])
    person = draw.word(wordings('names', draw.language)['person']).split(':')[0]
    person = person if ' ' not in person else 'Rex'
    what = first if holds else other
    values = (first[0], group, person, what[0])
    frame = draw.phrase(texts['kind'])
    prompt = frame.format(x=first[-1], z2=first[0], y=group, a=person, z=what[0])
    if draw.english:
        lines = [f'{first[0]} -> {group}', f'{person} -> {what[0]}']
        lines.append(f'{person} -> {group}' if holds else f'{what[0]}: nothing said')
    else:
        lines = [f'{first[0]}→{group}', f'{person}→{what[0]}']
        lines.append(f'{person}→{group}' if holds else f'{what[0]}：没有说')
    answer, check = _verdict(draw, 1 if holds else 2)
    return Draft(prompt, '\n'.join(lines), answer, check, key('kind', values), 'soft')


_FACTS = {
    # which part is stated, whether denied, the question's part, verdict
    'ponens': ('p', False, 'q', 1), 'tollens': ('q', True, 'p', 0),
    'converse': ('q', False, 'p', 2), 'inverse': ('p', True, 'q', 2),
}


def rule(draw: Draw) -> Draft:
    """If p then q, with p or q stated or denied; two of four questions have no sure answer."""
    texts = wordings('logic', draw.language)
    p, q = draw.word(texts['rules']).split(':')
    figure = draw.pick(('ponens', 'ponens', 'tollens', 'converse', 'inverse'))
    stated, denied, asked, verdict = _FACTS[figure]
    parts = {'p': p, 'q': q}
    if draw.english:
        fact = f'It is not so that {parts[stated]}.' if denied else f'Now {parts[stated]}.'
        question = f'Is it sure that {parts[asked]}?'
        lines = [f'rule: {p} -> {q}', f'given: {"not " if denied else ""}{parts[stated]}']
        result = {0: f'not {p}', 1: q, 2: 'says nothing'}[verdict]
    else:
        fact = f'现在没有{parts[stated]}。' if denied else f'现在{parts[stated]}了。'
        question = f'一定{parts[asked]}吗？'
        lines = [f'规则：{p}→{q}', f'已知：{"没有" if denied else ""}{parts[stated]}']
        result = {0: f'没有{p}', 1: q, 2: '推不出'}[verdict]
    prompt = draw.phrase(texts['rule']).format(p=p, q=q, f=fact + (' ' if draw.english else ''),
                                               question=question)
    answer, check = _verdict(draw, verdict)
    return Draft(prompt.replace('  ', ' '), '\n'.join([*lines, result]), answer, check,
                 key('rule', (p, q, figure)), 'soft')


def truth(draw: Draw) -> Draft:
    """Truth values joined by and, or, not."""

    def make() -> tuple[int, ...]:
        return (draw.between(0, 1), draw.between(0, 1), draw.between(0, 1), draw.between(0, 1),
                draw.between(0, 1), draw.between(0, 1), draw.between(2, 3))

    values = draw.operands('truth', make)
    names = ('false', 'true') if draw.english else ('假', '真')
    conjunctions = (' and ', ' or ') if draw.english else ('且', '或')
    negation = 'not ' if draw.english else '非'
    parts, lines, result = [], [], 0
    for place in range(values[6]):
        value, negated = values[place], values[3 + place] if place < 2 else 0
        part = f'{negation if negated else ""}{names[value]}'
        actual = value ^ negated
        if negated:
            lines.append(f'{part} = {names[actual]}')
        if place == 0:
            parts, result = [part], actual
            continue
        joint = values[5]
        parts += [conjunctions[joint], part]
        line = f'{names[result]}{conjunctions[joint]}{names[actual]}'
        result = (result | actual) if joint else (result & actual)
        lines.append(f'{line} = {names[result]}')
    prompt = draw.phrase(wordings('logic', draw.language)['bool']).format(e=''.join(parts))
    return Draft(prompt, '\n'.join(lines), names[result],
                 {'kind': 'text', 'value': names[result]}, key('truth', values), 'soft')


def logic(draw: Draw) -> Draft:
    """One small piece of logic."""
    return draw.pick((order, order, order, kind, rule, truth))(draw)
