"""Flags that several commands have: each is described here, once."""

from typing import Any

from mrc.config.choices import PRECISIONS
from mrc.config.flags import flag

CHECKPOINT = (
    "a run's folder (meaning its best checkpoint), a checkpoint's folder, or a Hugging Face "
    "question-answering model"
)
QUESTIONS = (
    "file of questions, or a folder, a quoted glob, a hub data set, - for standard input, or "
    "sample; docs/data.md lists the formats"
)


def checkpoint_flag(group: str) -> Any:
    """A reader to load, given by position."""
    return flag("", CHECKPOINT, group=group, positional=True)


def model_class_flag(group: str) -> Any:
    """The class of a model of the user's own."""
    return flag(
        None,
        "package.module:Class, if the checkpoint is that of an nn.Module of your own",
        group=group,
        kind=str,
        rare=True,
        metavar="NAME",
    )


def trust_remote_code_flag(group: str) -> Any:
    """Whether code from a model's repository may run."""
    return flag(
        False,
        "run the code in the model's repository; only if you trust it",
        group=group,
        rare=True,
    )


def allow_pickle_flag(group: str) -> Any:
    """Whether weights may be a pickle."""
    return flag(
        False,
        "load weights that are not safetensors; a pickle can run code when it is loaded",
        group=group,
        rare=True,
    )


def device_flag(group: str) -> Any:
    """Where to compute."""
    return flag(
        "auto",
        "cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one",
        group=group,
        metavar="NAME",
    )


def precision_flag(group: str, default: str | None, help: str) -> Any:
    """What to compute in."""
    return flag(default, help, group=group, choices=PRECISIONS)


def max_length_flag(group: str) -> Any:
    """The longest window, by default that of the run."""
    return flag(
        None,
        "longest window in tokens, with the question and special tokens "
        "(default: as trained, else 384)",
        group=group,
        at_least=8,
    )


def stride_flag(group: str) -> Any:
    """The overlap of windows, by default that of the run."""
    return flag(
        None,
        "tokens that consecutive windows of a context share (default: as trained, else 128)",
        group=group,
        at_least=0,
        rare=True,
    )


def max_question_length_flag(group: str) -> Any:
    """Where questions are cut, by default as in the run."""
    return flag(
        None,
        "cut longer questions to this many tokens (default: as trained, else 64)",
        group=group,
        at_least=1,
        rare=True,
    )


def feature_cache_flag(group: str) -> Any:
    """Where tokenized texts are kept."""
    return flag(
        None,
        "folder in which to keep the tokenized texts for the next run",
        group=group,
        rare=True,
        metavar="FOLDER",
    )


def split_flag(group: str, default: str = "validation") -> Any:
    """Which part of a data set that has several."""
    return flag(
        None,
        "split of a hub data set or a save_to_disk folder; a slice such as "
        f"{default}[:20%] works too (default: {default})",
        group=group,
        metavar="NAME",
    )


def max_eval_examples_flag(group: str) -> Any:
    """How many questions."""
    return flag(None, "take only the first N questions", group=group, at_least=1)
