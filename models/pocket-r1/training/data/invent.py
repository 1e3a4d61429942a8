"""Words that do not exist, so that a model must copy names instead of knowing them."""

from __future__ import annotations

from .sample import Draw

_HEADS = (
    'b br c ch d dr f fl g gr h j k kl l m n p pr qu r s sh sk st t th tr v w y z'
).split() + ['', '']
_VOWELS = 'a e i o u a e i o ai ea ee oo ou ia'.split()
_TAILS = 'n r l s t m nd ng ck rt x sh p d'.split() + [''] * 8
_CHARACTERS = (
    '安白北本冰波才采长成川春达大丹东丰冬方飞凡芳风甘高格古广国海汉禾和河红宏虎华怀江杰金京静君凯康可兰乐雷'
    '礼立林灵龙鲁玛曼梅美米明木南宁诺平奇千青秋荣如瑞桑森山尚圣石思松苏泰桃天田万威维文西霞夏祥小晓新星修雪'
    '雅亚岩燕阳叶怡银英永友宇玉源月云泽珍真正志中竹子紫'
)


def invented(draw: Draw, syllables: int = 0) -> str:
    """A lower-case English-looking word, or two to three Chinese characters."""
    count = syllables or draw.pick((1, 2, 2, 2, 3))
    if not draw.english:
        return ''.join(draw.pick(_CHARACTERS) for _ in range(max(count, 2)))
    word = ''.join(draw.pick(_HEADS) + draw.pick(_VOWELS) for _ in range(count))
    word += draw.pick(_TAILS)
    return word if len(word) > 2 else word + 'na'
