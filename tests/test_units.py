"""Sizes and times as people read them."""

import pytest

from mrc.runtime.units import size_text, time_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1023, "1.0 KB"),
        (1.5 * 2**20, "1.5 MB"),
        (1022 * 2**20, "1.0 GB"),
        (250 * 2**30, "250 GB"),
        (5000 * 2**40, "5000 TB"),
    ],
)
def test_sizes(count, text):
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (59, "59 s"),
        (59.7, "1 min 0 s"),
        (99, "1 min 39 s"),
        (3599, "60 min"),
        (5900, "98 min"),
        (7799, "2 h 10 min"),
    ],
)
def test_times(seconds, text):
    assert time_text(seconds) == text
