"""Trains pocket-r1's tokenizer: a byte-level BPE of 2,048 tokens in DeepSeek-V3's manner.

The pre-tokenizer's three patterns are DeepSeek-V3's. Training adds a fourth that isolates every
digit, so that no merge ever joins digits and arithmetic sees one token per digit; the stored
tokenizer has only the three, which llama.cpp knows as `deepseek-v3`, and gives the same ids.
All 256 bytes are tokens: any Unicode string survives a round trip.

    python tokenizer.py --out tokenizer
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

from chat import TEMPLATE_PATH, chat_template
from data.generate import samples
from shape import POCKET
from vocabulary import BOS, CONTROL_TOKENS, EOS, FIRST_SPECIALS, LAST_SPECIALS, PAD

DIRECTORY = Path(__file__).with_name('tokenizer')
SEED = 20_480
TEXTS = 60_000

PATTERNS = [
    r'\p{N}{1,3}',
    '[一-龥぀-ゟ゠-ヿ]+',
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"
    r'|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+'
    r'| ?[\p{P}\p{S}]+[\r\n]*'
    r'|\s*[\r\n]+|\s+(?!\S)|\s+',
]
SINGLE_DIGIT = r'\p{N}'


def pre_tokenizer(patterns: list[str]) -> pre_tokenizers.PreTokenizer:
    """Splits by each pattern in turn, then maps bytes to printable characters."""
    steps = [pre_tokenizers.Split(Regex(pattern), 'isolated') for pattern in patterns]
    return pre_tokenizers.Sequence(
        [*steps, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


def texts(seed: int, count: int) -> Iterator[str]:
    """Everything the model will read or write in `count` training samples."""
    for sample in islice(samples(seed, 'train'), count):
        for message in sample.messages:
            yield message['content']
        yield sample.thought
        yield sample.answer


def train(corpus: Iterator[str], vocabulary: int = POCKET.vocabulary) -> Tokenizer:
    """Learns the merges and assembles the tokenizer; the last ids are R1's role tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer([SINGLE_DIGIT, *PATTERNS])
    trainer = BpeTrainer(
        vocab_size=vocabulary - len(LAST_SPECIALS),
        special_tokens=FIRST_SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.pre_tokenizer = pre_tokenizer(PATTERNS)
    tokenizer.decoder = decoders.ByteLevel()
    for text in [*FIRST_SPECIALS, *LAST_SPECIALS]:
        token = AddedToken(text, special=text in CONTROL_TOKENS, normalized=False)
        add = tokenizer.add_special_tokens if token.special else tokenizer.add_tokens
        add([token])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f'{BOS} $A', pair=f'{BOS} $A $B', special_tokens=[(BOS, tokenizer.token_to_id(BOS))]
    )
    if tokenizer.get_vocab_size() != vocabulary:
        raise ValueError(
            f'vocabulary: {tokenizer.get_vocab_size()} tokens learnt, {vocabulary} wanted'
        )
    return tokenizer


def write_files(tokenizer: Tokenizer, directory: Path) -> None:
    """Writes the files that `transformers` loads."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / 'tokenizer.json'))
    config = {
        'add_bos_token': True,
        'add_eos_token': False,
        'bos_token': BOS,
        'eos_token': EOS,
        'pad_token': PAD,
        'clean_up_tokenization_spaces': False,
        'model_max_length': POCKET.context,
        'tokenizer_class': 'PreTrainedTokenizerFast',
        'chat_template': chat_template(),
    }
    (directory / 'tokenizer_config.json').write_text(
        json.dumps(config, ensure_ascii=False, indent=2) + '\n', encoding='utf-8'
    )


def main() -> None:
    """Trains on generated samples and writes the tokenizer's files."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument('--out', type=Path, default=DIRECTORY)
    parser.add_argument('--texts', type=int, default=TEXTS)
    options = parser.parse_args()
    write_files(train(texts(SEED, options.texts)), options.out)
    print(f'{options.out}: {POCKET.vocabulary} tokens, template {TEMPLATE_PATH.name}')


if __name__ == '__main__':
    main()
