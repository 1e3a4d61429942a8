"""JSON extraction: a short text, and a schema in one of several styles; the answer is compact.

A text is one frame that names all, or sentences and labels put together field by field, in any
order. Many names and places are invented: what is extracted must be copied.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from ..invent import invented
from ..sample import Draft, Draw, Message, key
from ..wording import wordings


class Field(NamedTuple):
    """A field's JSON type, and the keys by which a schema may ask for it."""

    type: str
    keys: tuple[str, ...]
    chinese: str


_FIELDS = {
    'name': Field('string', ('name', 'name', 'full_name', 'person', 'customer'), '姓名'),
    'age': Field('integer', ('age', 'age', 'years'), '年龄'),
    'city': Field('string', ('city', 'city', 'place', 'location', 'town'), '城市'),
    'job': Field('string', ('job', 'job', 'profession', 'occupation', 'work'), '职业'),
    'email': Field('string', ('email', 'mail', 'contact'), '邮箱'),
    'phone': Field('string', ('phone', 'telephone', 'tel'), '电话'),
    'count': Field('integer', ('quantity', 'count', 'pieces'), '数量'),
    'item': Field('string', ('item', 'product', 'article'), '商品'),
    'price': Field('number', ('price', 'total', 'amount', 'cost'), '价格'),
    'id': Field('string', ('id', 'order_id', 'reference'), '编号'),
    'title': Field('string', ('title', 'title', 'name'), '标题'),
    'date': Field('string', ('date', 'day'), '日期'),
    'time': Field('string', ('time', 'start'), '时间'),
    'thing': Field('string', ('product', 'object', 'item'), '物品'),
    'colour': Field('string', ('color', 'colour'), '颜色'),
    'weight': Field('number', ('weight', 'weight_kg', 'kg'), '重量'),
    'author': Field('string', ('author', 'writer'), '作者'),
    'year': Field('integer', ('year', 'published'), '年份'),
    'pages': Field('integer', ('pages', 'page_count'), '页数'),
    'origin': Field('string', ('from', 'origin', 'departure'), '出发地'),
    'goal': Field('string', ('to', 'destination', 'arrival'), '目的地'),
}
_KINDS = {
    'person': ('name', 'age', 'city', 'job', 'email', 'phone'),
    'order': ('name', 'count', 'item', 'price', 'id', 'date'),
    'event': ('title', 'city', 'date', 'time', 'price'),
    'product': ('thing', 'colour', 'price', 'weight', 'count', 'id'),
    'book': ('title', 'author', 'year', 'pages', 'price'),
    'trip': ('name', 'origin', 'goal', 'date', 'time', 'price'),
}
_FRAMED = ('person', 'order', 'event', 'product')
_LETTERS = 'ABCDEFGHJKLMNPRSTUVWXYZ'
_TYPESCRIPT = {'string': 'string', 'integer': 'number', 'number': 'number'}
_EMPTY = {'string': '', 'integer': 0, 'number': 0}


def _proper(draw: Draw, words: int = 1) -> str:
    """An invented proper name."""
    if not draw.english:
        return invented(draw)
    return ' '.join(invented(draw).capitalize() for _ in range(words))


def _values(draw: Draw) -> dict[str, Any]:
    texts = wordings('extract', draw.language)
    values: dict[str, Any] = {
        part: draw.word(texts[part]) for part in ('city', 'job', 'item', 'title', 'colour', 'thing')
    }
    name = draw.word(wordings('names', draw.language)['person']).split(':')[0]
    plain = ' ' not in name and draw.chance(0.4)
    month, day = draw.between(1, 12), draw.between(1, 28)
    if draw.chance(0.5):
        values |= {'city': _proper(draw), 'title': _proper(draw, 2)}
    if draw.chance(0.3):
        values |= {part: invented(draw) for part in ('job', 'item', 'thing')}
    return values | {
        'name': name if plain else _proper(draw, draw.between(1, 2)),
        'author': _proper(draw, 2),
        'origin': _proper(draw), 'goal': _proper(draw),
        'age': draw.between(18, 89),
        'count': draw.between(2, 60),
        'year': draw.between(1850, 2025), 'pages': draw.between(40, 900),
        'price': draw.between(3, 900) if draw.chance(0.7) else draw.between(101, 9999) / 100,
        'weight': draw.between(1, 40) if draw.chance(0.5) else draw.between(11, 99) / 10,
        'id': f'{draw.pick(_LETTERS)}{draw.between(100, 9999)}',
        'date': f'2026-{month:02d}-{day:02d}' if draw.english or draw.chance(0.6) else
                f'{month}月{day}日',
        'time': f'{draw.between(8, 22)}:{draw.pick(("00", "15", "30", "45"))}',
        'email': f'{_email(draw)}@{_email(draw)}.{draw.pick(("com", "org", "net"))}',
        'phone': f'{draw.between(100, 999)}-{draw.between(1000, 9999)}',
    }


def _email(draw: Draw) -> str:
    if draw.english:
        return invented(draw)
    return f'{draw.pick(_LETTERS).lower()}{draw.between(1, 999)}'


def _composed(draw: Draw, fields: list[str], values: dict[str, Any]) -> str:
    """One sentence or label for each field, all sentences or all labels."""
    texts = wordings('extract', draw.language)
    own = draw.between(0, 2)
    parts = []
    for field in fields:
        specific = own and draw.chance(0.7)
        about = _FIELDS[field]
        label = about.keys[0].replace('_', ' ') if draw.english else about.chinese
        frame = draw.phrase(texts[f'say.{field}' if specific else 'say'])
        part = frame.format(v=values[field], label=label)
        opens = part[-1:] == '.' and not frame.startswith('{v}')
        parts.append(part[:1].upper() + part[1:] if opens else part)
    ends = all(part[-1:] in '.。' for part in parts)
    return (' ' if ends and draw.english else '' if ends else '\n').join(parts)


def _schema(fields: list[tuple[str, str]]) -> str:
    schema = {
        'type': 'object',
        'properties': {name: {'type': kind} for name, kind in fields},
        'required': [name for name, _ in fields],
    }
    return json.dumps(schema, ensure_ascii=False)


def extract(draw: Draw) -> Draft:
    """Some fields of a person, an order, an event, a product, a book or a trip."""
    texts = wordings('extract', draw.language)
    kind = draw.pick(tuple(_KINDS))
    operands = draw.operands('extract', lambda: tuple(_values(draw).items()))
    values = dict(operands)
    if kind in _FRAMED and draw.chance(0.4):
        frame = draw.phrase(texts[kind])
        known = [field for field in _KINDS[kind] if f'{{{field}}}' in frame]
        text = frame.format_map(values)
    else:
        known = draw.rng.sample(_KINDS[kind], draw.between(3, len(_KINDS[kind])))
        text = _composed(draw, known, values)
    fields, result = [], {}
    chinese = not draw.english and draw.chance(0.4)
    for field in draw.rng.sample(known, draw.between(1, len(known))):
        name = _FIELDS[field].chinese if chinese else draw.pick(_FIELDS[field].keys)
        if name not in result:
            fields.append((name, _FIELDS[field].type))
            result[name] = values[field]
    ask = _ask(draw, fields)
    history: list[Message] | None = None
    if draw.chance(0.12):
        history, prompt = [{'role': 'system', 'content': ask}], text
    else:
        layout = draw.phrase(texts['layout']).replace('\\n', '\n')
        prompt = layout.format(ask=ask, text=text)
    lines = [f'{name}: {value}' for name, value in result.items()]
    return Draft(
        prompt, '\n'.join(lines), json.dumps(result, ensure_ascii=False, separators=(',', ':')),
        {'kind': 'json', 'value': result}, key('extract', operands), 'none', history,
    )


def _ask(draw: Draw, fields: list[tuple[str, str]]) -> str:
    """The request, with the schema in the style that the frame wants."""
    names = [name for name, _ in fields]
    if not draw.english:
        listed = '、'.join(names)
    else:
        listed = f'{", ".join(names[:-1])} and {names[-1]}' if len(names) > 1 else names[0]
    members = '; '.join(f'{name}: {_TYPESCRIPT[value]}' for name, value in fields)
    frame = draw.phrase(wordings('extract', draw.language)['ask']).replace('\\n', '\n')
    return frame.format(
        f=listed,
        s=_schema(fields),
        k=', '.join(f'"{name}"' for name in names),
        t=json.dumps({name: _EMPTY[value] for name, value in fields}, ensure_ascii=False),
        y=f'{{ {members} }}',
    )
