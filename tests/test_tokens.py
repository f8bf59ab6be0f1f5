"""Tokens on disk: found again by what they are made of, shared, and never trusted when damaged."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mrc.errors import InputError
from mrc.features import FeatureDataset, WindowSettings
from mrc.features.tokens import MANIFEST, Tokens


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def tokenize(bert, texts, cache):
    return lambda: Tokens.of(texts, bert, cache)


def entries(cache):
    return sorted(path for path in cache.iterdir())


def assert_equal(some, others):
    for name in ("ids", "offsets", "starts", "lengths"):
        mine = getattr(some, name)
        theirs = getattr(others, name)
        assert np.array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype


class NeverTokenizes:
    """A tokenizer that can be asked what it is, but not to tokenize."""

    is_fast = True

    def __init__(self, tokenizer):
        core = tokenizer.backend_tokenizer
        self.backend_tokenizer = SimpleNamespace(to_str=core.to_str, padding=None, truncation=None)


def test_the_second_start_maps_what_the_first_wrote(tokenize, bert, texts, cache):
    first = tokenize()
    assert_equal(first, Tokens.of(texts, bert))
    second = Tokens.of(texts, NeverTokenizes(bert), cache)
    assert_equal(second, first)
    assert isinstance(second.ids, np.memmap)
    assert isinstance(second.offsets, np.memmap)
    assert not second.mended
    assert len(entries(cache)) == 1
    assert not any(path.name.startswith(".") for path in cache.iterdir())


def test_other_texts_and_other_tokenizers_have_other_entries(tokenizers, texts, cache):
    for tokenizer in (tokenizers["bert-cased"], tokenizers["bert-uncased"]):
        for some in (texts, texts[1:], texts[::-1], [texts[0] + texts[1], *texts[2:]]):
            assert_equal(Tokens.of(some, tokenizer, cache), Tokens.of(some, tokenizer))
    assert len(entries(cache)) == 8


def test_settings_of_windows_share_an_entry(examples, bert, cache):
    """Truncation and padding that a tokenizer was once asked for leave its tokens as they are."""
    long_windows = {"max_length": 384, "stride": 128}
    short_windows = {"max_length": 96, "stride": 20}
    whole = FeatureDataset(examples, bert, WindowSettings(**long_windows, cache=cache))
    bert(examples[0].question, truncation=True, max_length=4, padding="max_length")
    short = FeatureDataset(examples, bert, WindowSettings(**short_windows, cache=cache))
    # The contexts and the questions.
    assert len(entries(cache)) == 2
    for cached, windows in ((whole, long_windows), (short, short_windows)):
        plain = FeatureDataset(examples, bert, WindowSettings(**windows))
        ours = cached.batch(range(len(cached)))
        theirs = plain.batch(range(len(plain)))
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
    assert not tokenize().mended
    assert len(entries(cache)) == 1
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
    """The pages are mapped from the file, so a process that only reads adds nothing private."""
    tokens = tokenize()
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    maps = Path("/proc/self/maps").read_text()
    assert str(entries(cache)[0] / "ids.npy") in maps
    assert not tokens.ids.flags.writeable


def test_a_cache_that_cannot_be_written(bert, texts, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"--feature-cache .*file.*: cannot be written"):
        Tokens.of(texts, bert, tmp_path / "file")


def test_no_text_and_no_token(bert, cache):
    assert len(Tokens.of([], bert, cache).ids) == 0
    for _ in range(2):
        assert Tokens.of(["", " "], bert, cache).lengths.tolist() == [0, 0]


def test_a_slow_tokenizer_is_refused(examples, tmp_path):
    slow = type("SlowTokenizer", (), {"is_fast": False, "model_input_names": ["input_ids"]})()
    with pytest.raises(
        InputError,
        match=r"SlowTokenizer is a slow .Python. tokenizer, which gives no character offsets",
    ):
        FeatureDataset(examples, slow)
