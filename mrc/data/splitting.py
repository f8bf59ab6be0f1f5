"""Splitting: a validation part that shares no context with the training part."""

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mrc.data.examples import ExampleList
from mrc.errors import InputError
from mrc.wording import counted

# How far the share that is set aside may be from the one that is wanted, as a part of that, before
# articles are divided.
TOLERANCE = 0.25


def split_examples(
    examples: ExampleList, fraction: float, seed: int
) -> tuple[ExampleList, ExampleList]:
    """Divide examples in two, so that no context is in both parts, and no title if that can be.

    Where articles are few, whole ones may come nowhere near the share: then whole contexts are
    set aside, and `ExampleList.report` of the second part says so.

    Args:
        examples: what to divide. Both parts keep its order.
        fraction: about which share of the questions is in the second part.
        seed: decides which these are.

    Raises:
        InputError: if all questions are on one context.
    """
    wanted = fraction * len(examples)
    by_article = _choose(_connected(examples), wanted, seed)
    is_aside = by_article
    if _miss(by_article, wanted) > TOLERANCE:
        by_context = _choose(_numbers([example.context for example in examples]), wanted, seed)
        is_better = _miss(by_context, wanted) < _miss(by_article, wanted)
        if is_better or not by_article.any():
            is_aside = by_context
    if not is_aside.any():
        raise InputError(
            f"{examples.source}: all its questions are on one context, so no part of them can be "
            "set aside; give a --validation-file."
        )
    train = examples.kept(e for e, aside in zip(examples, is_aside, strict=True) if not aside)
    validation = examples.kept(e for e, aside in zip(examples, is_aside, strict=True) if aside)
    if is_aside is not by_article or _miss(is_aside, wanted) > TOLERANCE:
        validation.findings = replace(examples.findings, split=_split_note(train, validation))
    return train, validation


def _miss(is_aside: npt.NDArray[np.bool_], wanted: float) -> float:
    """How far the number set aside is from the number that is wanted, as a part of that."""
    return abs(float(is_aside.sum()) - wanted) / wanted


def _choose(groups: npt.NDArray[np.int64], wanted: float, seed: int) -> npt.NDArray[np.bool_]:
    """Choose groups that hold about `wanted` examples.

    Args:
        groups: (examples,) the number of each example's group, from 0 on.
        wanted: how many examples to choose.
        seed: decides which groups.

    Returns:
        (examples,) whether each is chosen; none if there is but one group.
    """
    # sizes: (groups,) examples of each
    sizes = np.bincount(groups)
    if len(sizes) < 2:
        return np.zeros(len(groups), dtype=bool)
    order = np.random.default_rng(seed).permutation(len(sizes))
    # As many of the shuffled groups as come closest to the number, at least one on each side.
    excess = np.cumsum(sizes[order]) - wanted
    count = min(1 + int(np.abs(excess).argmin()), len(sizes) - 1)
    return np.isin(groups, order[:count])


def _split_note(train: ExampleList, validation: ExampleList) -> str:
    """A sentence on how much was set aside, and on the articles that are on both sides."""
    aside = f"{len(validation)} of {counted(len(train) + len(validation), 'question')}"
    titles = {example.title for example in train} & {example.title for example in validation}
    titles.discard("")
    if not titles:
        return f"{train.source}: {aside} set aside: the contexts are too few to come nearer."
    return (
        f"{train.source}: {aside} set aside by whole contexts, since whole articles come nowhere "
        f"near that; {counted(len(titles), 'article')} on both sides, but no context."
    )


def _connected(examples: ExampleList) -> npt.NDArray[np.int64]:
    """Number the groups of examples that are connected by a context or a title.

    Returns:
        (examples,) the number of each example's group, from 0 on. An empty title joins nothing.
    """
    # A union-find over contexts and titles.
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(key: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(key, key)
        while parent[key] != key:
            # Shorten the path for later calls.
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for example in examples:
        context = root(("context", example.context))
        if example.title:
            parent[context] = root(("title", example.title))
    roots = [root(("context", example.context)) for example in examples]
    return _numbers(roots)


def _numbers(keys: Sequence[Hashable]) -> npt.NDArray[np.int64]:
    """Number the distinct keys in their order: (keys,) the number of each."""
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


def leak_warning(train: ExampleList, validation: ExampleList) -> str:
    """A sentence on the contexts that are both trained on and scored, or "" if there is none."""
    trained = {example.context for example in train}
    scored = {example.context for example in validation}
    leaked = len(scored & trained)
    if not leaked:
        return ""
    return (
        f"warning: {leaked} of the {counted(len(scored), 'context')} that are scored are also "
        "trained on; the scores will be too high."
    )
