"""Splitting: a validation part that shares no context and no article with the training part."""

import numpy as np
import numpy.typing as npt

from mrc.data.examples import ExampleList
from mrc.errors import InputError


def split_examples(
    examples: ExampleList, fraction: float, seed: int
) -> tuple[ExampleList, ExampleList]:
    """Divide examples in two, so that no context and no title is in both parts.

    Args:
        examples: what to divide. Both parts keep its order.
        fraction: about which share of the questions is in the second part.
        seed: decides which these are.

    Raises:
        InputError: if all questions are on one context or under one title.
    """
    groups = _connected(examples)
    # sizes: (groups,) questions of each
    sizes = np.bincount(groups)
    if len(sizes) < 2:
        raise InputError(
            f"{examples.source}: all its questions are on one context or under one title, so no "
            "part of them can be set aside; give a --validation-file."
        )
    order = np.random.default_rng(seed).permutation(len(sizes))
    # As many of the shuffled groups as come closest to the share, at least one on each side.
    excess = np.cumsum(sizes[order]) - fraction * len(examples)
    count = min(1 + int(np.abs(excess).argmin()), len(sizes) - 1)
    is_aside = np.isin(groups, order[:count])
    train = [example for example, aside in zip(examples, is_aside, strict=True) if not aside]
    validation = [example for example, aside in zip(examples, is_aside, strict=True) if aside]
    return examples.kept(train), examples.kept(validation)


def _connected(examples: ExampleList) -> npt.NDArray[np.int64]:
    """Number the groups of examples that hang together by a context or a title.

    Returns:
        (examples,) the number of each example's group, from 0 on. An empty title joins nothing.
    """
    # A union-find over contexts and titles.
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(key: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(key, key)
        while parent[key] != key:
            # Shorten the way for the next one who goes it.
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for example in examples:
        context = root(("context", example.context))
        if example.title:
            parent[context] = root(("title", example.title))
    roots = [root(("context", example.context)) for example in examples]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(roots))}
    return np.array([numbers[key] for key in roots], dtype=np.int64)


def leak_warning(train: ExampleList, validation: ExampleList) -> str:
    """A sentence on the contexts that are both trained on and scored, or "" if there is none."""
    trained = {example.context for example in train}
    scored = {example.context for example in validation}
    leaked = len(scored & trained)
    if not leaked:
        return ""
    return (
        f"warning: {leaked} of the {len(scored)} contexts that are scored are also trained on; "
        "the scores will be too high."
    )
