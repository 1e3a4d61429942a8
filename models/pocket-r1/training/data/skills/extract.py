"""JSON extraction: a short text, and a schema in one of several styles; the answer is compact."""

from __future__ import annotations

import json
from typing import Any

from ..sample import Draft, Draw, Message, key
from ..wording import wordings

# Per kind of text: field, type, keys by which a schema may ask for it (English, then Chinese).
_FIELDS: dict[str, tuple[tuple[str, str, tuple[str, ...], str], ...]] = {
    'person': (
        ('name', 'string', ('name', 'name', 'full_name', 'person'), '姓名'),
        ('age', 'integer', ('age', 'age', 'years'), '年龄'),
        ('city', 'string', ('city', 'city', 'place', 'location'), '城市'),
        ('job', 'string', ('job', 'job', 'profession', 'occupation'), '职业'),
    ),
    'order': (
        ('name', 'string', ('customer', 'name', 'buyer'), '客户'),
        ('count', 'integer', ('quantity', 'count', 'pieces'), '数量'),
        ('item', 'string', ('item', 'product', 'article'), '商品'),
        ('price', 'number', ('price', 'total', 'amount'), '价格'),
        ('id', 'string', ('id', 'order_id', 'reference'), '编号'),
    ),
    'event': (
        ('title', 'string', ('title', 'event', 'name'), '活动'),
        ('city', 'string', ('city', 'place', 'location'), '城市'),
        ('date', 'string', ('date', 'day'), '日期'),
        ('time', 'string', ('time', 'start'), '时间'),
    ),
    'product': (
        ('thing', 'string', ('product', 'name', 'item'), '商品'),
        ('colour', 'string', ('color', 'colour'), '颜色'),
        ('price', 'number', ('price', 'cost'), '价格'),
        ('weight', 'number', ('weight', 'weight_kg', 'kg'), '重量'),
    ),
}
_LETTERS = 'ABCDEFGHJKLMNPRSTUVWXYZ'
_TYPESCRIPT = {'string': 'string', 'integer': 'number', 'number': 'number'}
_EMPTY = {'string': '', 'integer': 0, 'number': 0}


def _values(draw: Draw) -> dict[str, Any]:
    texts = wordings('extract', draw.language)
    names = wordings('names', draw.language)['person']
    name = draw.word(names).split(':')[0]
    while ' ' in name and not name.startswith('M'):
        name = draw.word(names).split(':')[0]
    values: dict[str, Any] = {
        part: draw.word(texts[part]) for part in ('city', 'job', 'item', 'title', 'colour', 'thing')
    }
    month, day = draw.between(1, 12), draw.between(1, 28)
    return values | {
        'name': name,
        'age': draw.between(18, 89),
        'count': draw.between(2, 60),
        'price': draw.between(3, 900) if draw.chance(0.7) else draw.between(101, 9999) / 100,
        'weight': draw.between(1, 40) if draw.chance(0.5) else draw.between(11, 99) / 10,
        'id': f'{draw.pick(_LETTERS)}{draw.between(100, 9999)}',
        'date': f'2026-{month:02d}-{day:02d}' if draw.chance(0.6) or draw.english else
                f'{month}月{day}日',
        'time': f'{draw.between(8, 22)}:{draw.pick(("00", "15", "30", "45"))}',
    }


def _schema(fields: list[tuple[str, str]]) -> str:
    schema = {
        'type': 'object',
        'properties': {name: {'type': kind} for name, kind in fields},
        'required': [name for name, _ in fields],
    }
    return json.dumps(schema, ensure_ascii=False)


def extract(draw: Draw) -> Draft:
    """One to all fields of a person, an order, an event or a product."""
    texts = wordings('extract', draw.language)
    kind = draw.pick(tuple(_FIELDS))
    operands = draw.operands('extract', lambda: tuple(_values(draw).items()))
    values = dict(operands)
    frame = draw.phrase(texts[kind])
    known = [field for field in _FIELDS[kind] if f'{{{field[0]}}}' in frame]
    wanted = draw.rng.sample(known, draw.between(min(2, len(known)), len(known)))
    chinese_keys = not draw.english and draw.chance(0.4)
    fields, result = [], {}
    for field, type_name, names, chinese in wanted:
        name = chinese if chinese_keys else draw.pick(names)
        name = names[0] if name in result and not chinese_keys else name
        fields.append((name, type_name))
        result[name] = values[field]
    listed = [name for name, _ in fields]
    ask = draw.phrase(texts['ask']).replace('\\n', '\n').format(
        f=_join(draw, listed),
        s=_schema(fields),
        k=', '.join(f'"{name}"' for name in listed),
        t=json.dumps({name: _EMPTY[type_name] for name, type_name in fields}, ensure_ascii=False),
        y=f'{{ {"; ".join(f"{name}: {_TYPESCRIPT[value]}" for name, value in fields)} }}',
    )
    text = frame.format_map(values)
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


def _join(draw: Draw, names: list[str]) -> str:
    if not draw.english:
        return '、'.join(names)
    return f'{", ".join(names[:-1])} and {names[-1]}' if len(names) > 1 else names[0]
