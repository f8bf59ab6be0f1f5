"""Tokenizers: the built-in one's pieces, and what cannot be loaded."""

import random

import pytest
from transformers import PreTrainedTokenizer

from mrc.errors import InputError
from mrc.model import tokenizer as tokenization
from mrc.model.tokenizer import SPECIAL_TOKENS, load_tokenizer, train_tokenizer


def test_pieces_of_the_built_in_tokenizer(texts):
    tokenizer = train_tokenizer(texts, min_frequency=1)
    text = "한빛은 1968년에 Điện thoại, Ель"
    spans = [
        text[a:b]
        for a, b in tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)[
            "offset_mapping"
        ]
    ]
    # An answer can end before a particle, and at each digit.
    assert spans[:8] == [
        "한",
        "빛",
        "은",
        "1",
        "9",
        "6",
        "8",
        "년",
    ]
    assert "".join(spans) == text.replace(" ", "")
    assert tokenizer("a", "b")["token_type_ids"] == [0, 0, 0, 1, 1]
    assert tokenizer.tokenize("Điện") != tokenizer.tokenize("Diện")


def test_the_same_texts_give_the_same_vocabulary(texts):
    vocabularies = []
    for seed in range(4):
        shuffled = random.Random(seed).sample(texts, k=len(texts))
        vocabularies.append(train_tokenizer(shuffled, vocab_size=2000, min_frequency=3).get_vocab())
    assert all(vocabulary == vocabularies[0] for vocabulary in vocabularies)
    assert len(vocabularies[0]) > 1000


def test_pieces_are_no_special_tokens(texts):
    tokenizer = train_tokenizer(texts)
    assert "##a" in tokenizer.get_vocab()
    assert "##a" not in tokenizer.tokenize("##a")
    assert set(tokenizer.all_special_tokens) == set(SPECIAL_TOKENS.values())


def test_rare_pieces_are_not_learned(texts):
    sizes = [len(train_tokenizer(texts, min_frequency=n)) for n in (1, 50)]
    assert sizes[0] > sizes[1]
    assert len(train_tokenizer(texts, vocab_size=300, min_frequency=1)) <= 600


def test_a_slow_tokenizer_is_refused(monkeypatch):
    class Slow(PreTrainedTokenizer):
        vocab_size = 1

        def get_vocab(self):
            return {"a": 0}

    monkeypatch.setattr(
        tokenization.AutoTokenizer, "from_pretrained", lambda name, **options: Slow()
    )
    with pytest.raises(InputError, match=r"slow \(Python\) one"):
        load_tokenizer("x")


def test_a_missing_tokenizer_says_what_to_do(tmp_path):
    with pytest.raises(
        InputError, match=r"model is neither a local folder nor could its tokenizer be fetched"
    ):
        load_tokenizer("no-such-user/no-such-model")
    with pytest.raises(InputError, match="this folder holds no tokenizer"):
        load_tokenizer(tmp_path)
