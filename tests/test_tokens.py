"""Tokens on disk: found again by what they are made of, shared, and never trusted when damaged."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.features.tokens import MANIFEST, Tokens


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def tokenize(bert, texts, cache):
    return lambda: Tokens.of(texts, bert, cache)


def entries(cache):
    return sorted(path for path in cache.iterdir())


def assert_equal(a, b):
    for name in ("ids", "offsets", "starts", "lengths"):
        assert (
            np.array_equal(getattr(a, name), getattr(b, name))
            and getattr(a, name).dtype == getattr(b, name).dtype
        )


def test_the_second_start_maps_what_the_first_wrote(tokenize, bert, texts, cache, monkeypatch):
    first = tokenize()
    assert_equal(first, Tokens.of(texts, bert))
    monkeypatch.setattr(Tokens, "_tokenize", None)  # must not be needed again
    second = tokenize()
    assert_equal(second, first)
    assert (
        isinstance(second.ids, np.memmap)
        and isinstance(second.offsets, np.memmap)
        and not second.mended
    )
    assert len(entries(cache)) == 1 and not any(
        path.name.startswith(".") for path in cache.iterdir()
    )


def test_other_texts_and_other_tokenizers_have_other_entries(tokenizers, texts, cache):
    for tokenizer in (tokenizers["bert-cased"], tokenizers["bert-uncased"]):
        for some in (texts, texts[1:], texts[::-1], [texts[0] + texts[1], *texts[2:]]):
            assert_equal(Tokens.of(some, tokenizer, cache), Tokens.of(some, tokenizer))
    assert len(entries(cache)) == 8


def test_settings_of_windows_share_an_entry(examples, bert, cache):
    """Truncation and padding that a tokenizer was once asked for, and the windows' lengths, leave its tokens as they are."""
    whole = FeatureDataset(
        examples,
        bert,
        WindowSettings(max_length=384, stride=128, cache=cache),
    )
    bert(examples[0].question, truncation=True, max_length=4, padding="max_length")
    short = FeatureDataset(
        examples,
        bert,
        WindowSettings(max_length=96, stride=20, cache=cache),
    )
    assert len(entries(cache)) == 2  # contexts, questions
    for dataset, plain in (
        (
            whole,
            FeatureDataset(
                examples,
                bert,
                WindowSettings(max_length=384, stride=128),
            ),
        ),
        (
            short,
            FeatureDataset(examples, bert, WindowSettings(max_length=96, stride=20)),
        ),
    ):
        ours, theirs = dataset.batch(range(len(dataset))), plain.batch(range(len(plain)))
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def damage_content(folder):
    with open(folder / "ids.npy", "r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"\xff\xff\xff\x7f")


def cut_short(folder):
    os.truncate(folder / "offsets.npy", 200)


def foreign_array(folder):
    np.save(folder / "lengths.npy", np.array([1, 2, 3]))


def pickled_array(folder):
    np.save(folder / "lengths.npy", np.array([{}], dtype=object), allow_pickle=True)


DAMAGES = [
    damage_content,
    cut_short,
    foreign_array,
    pickled_array,
    lambda folder: (folder / "ids.npy").unlink(),
    lambda folder: (folder / MANIFEST).write_text("{"),
    lambda folder: (folder / MANIFEST).write_text("[]"),
    lambda folder: (folder / MANIFEST).unlink(),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_made_anew(tokenize, bert, texts, cache, damage):
    tokenize()
    damage(entries(cache)[0])
    mended = tokenize()
    assert mended.mended
    assert_equal(mended, Tokens.of(texts, bert))
    assert not tokenize().mended and len(entries(cache)) == 1
    assert sorted(path.name for path in entries(cache)[0].iterdir()) == [
        "ids.npy",
        "lengths.npy",
        MANIFEST,
        "offsets.npy",
    ]


def test_a_mended_cache_is_reported(examples, bert, cache):
    FeatureDataset(examples, bert, WindowSettings(cache=cache))
    damage_content(entries(cache)[0])
    assert "rebuilt" in FeatureDataset(examples, bert, WindowSettings(cache=cache)).report()
    assert FeatureDataset(examples, bert, WindowSettings(cache=cache)).report() == ""


def test_many_at_once_write_one_entry(tokenize, cache):
    with ThreadPoolExecutor(4) as pool:
        results = [future.result() for future in [pool.submit(tokenize) for _ in range(8)]]
    for result in results:
        assert_equal(result, results[0])
    assert len(entries(cache)) == 1


def test_two_processes_share_the_file(tokenize, cache):
    """The pages are mapped from the file and not copied: a process that only reads adds nothing to what is private."""
    tokens = tokenize()
    maps = open("/proc/self/maps").read() if sys.platform == "linux" else pytest.skip("reads /proc")
    assert str(entries(cache)[0] / "ids.npy") in maps and not tokens.ids.flags.writeable


def test_a_cache_that_cannot_be_written(bert, texts, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--feature-cache .*file.*: cannot be written"):
        Tokens.of(texts, bert, tmp_path / "file")


def test_no_text_and_no_token(bert, cache):
    assert len(Tokens.of([], bert, cache).ids) == 0
    for _ in range(2):
        assert Tokens.of(["", " "], bert, cache).lengths.tolist() == [0, 0]


def test_a_slow_tokenizer_is_refused(examples, tmp_path):
    slow = type("SlowTokenizer", (), {"is_fast": False, "model_input_names": ["input_ids"]})()
    with pytest.raises(
        InputError,
        match="SlowTokenizer is a slow .Python. tokenizer, which gives no character offsets",
    ):
        FeatureDataset(examples, slow)
