"""The settings of an evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mrc.config import shared
from mrc.config.choices import SCORERS
from mrc.config.flags import Config, flag
from mrc.config.setting import option
from mrc.errors import InputError

# Settings that have no effect without a reader.
READER_ONLY = (
    "max_length",
    "stride",
    "max_question_length",
    "feature_cache",
    "precision",
    "batch_size",
    "search",
    "n_best",
    "max_answer_length",
    "model_class",
    "trust_remote_code",
    "allow_pickle",
)


@dataclass
class EvalConfig(Config):
    """Score a trained reader, or let it answer questions whose answers are not known.

    With --predictions instead of --checkpoint, score answers that any program has written; with
    --compare, test whether the second of two sets of such answers is better than the first.
    Settings that are not given are those of the training run.
    """

    checkpoint: str | None = flag(None, shared.CHECKPOINT, group="what to score", metavar="FOLDER")
    predictions: str | None = flag(
        None,
        "answers that mrc predict or another program has written, as JSON, JSON Lines or CSV, or "
        "the folder of an evaluation or a run; docs/scores.md lists the forms",
        group="what to score",
        metavar="FILE",
    )
    compare: list[str] | None = flag(
        None,
        "two such files or folders, with --data",
        group="what to score",
        nargs=2,
        kind=str,
        metavar="FILE",
    )

    # From Python, this may also be the data itself: a list of dicts, a datasets.Dataset, a pandas
    # DataFrame.
    data: Any = flag(
        None,
        f"{shared.QUESTIONS} (default: what the run was validated on)",
        group="data",
        kind=str,
        metavar="FILE",
    )
    split: str | None = shared.split_flag("data")
    max_eval_examples: int | None = shared.max_eval_examples_flag("data")

    max_length: int | None = shared.max_length_flag("model")
    stride: int | None = shared.stride_flag("model")
    max_question_length: int | None = shared.max_question_length_flag("model")
    feature_cache: str | None = shared.feature_cache_flag("model")
    precision: str | None = shared.precision_flag(
        "model", None, "precision of the forward pass (default: as trained, else auto)"
    )
    batch_size: int | None = flag(
        None, "windows per forward pass (default: as trained, else 64)", group="model", at_least=1
    )
    model_class: Any = shared.model_class_flag("model")
    trust_remote_code: bool = shared.trust_remote_code_flag("model")
    allow_pickle: bool = shared.allow_pickle_flag("model")
    device: str = shared.device_flag("model")

    search: str | None = flag(
        None,
        "spans to consider: pruned pairs the --n-best starts with the --n-best ends; exact "
        "considers every span, and counts the answers that this changes (default: as trained, "
        "else pruned)",
        group="answers",
        choices=("pruned", "exact"),
        rare=True,
    )
    n_best: int | None = flag(
        None,
        "answers to keep per question (default: as trained, else 20)",
        group="answers",
        at_least=1,
        rare=True,
    )
    max_answer_length: int | None = flag(
        None, "longest answer in tokens (default: as trained, else 30)", group="answers", at_least=1
    )
    strip_answer: bool = flag(
        False,
        "remove white space and unpaired quotation marks from both ends of an answer",
        group="answers",
        rare=True,
    )
    strip_particles: bool = flag(
        False,
        "also remove a Korean particle from the end of an answer, and show the scores both ways",
        group="answers",
        rare=True,
    )

    scorer: str | None = flag(
        None,
        "official score to report (default: the run's --scorer, mostly auto, which goes by the "
        "data, so that it may be another one than the run's)",
        group="scores",
        choices=SCORERS,
        metavar="NAME",
    )
    null_threshold: float | None = flag(
        None,
        "for data with unanswerable questions: give no answer if the null score exceeds the best "
        "span's by more than this (default: the best on the validation data, else 0)",
        group="scores",
    )
    na_probs: str | None = flag(
        None,
        "with --predictions: JSON file with the probability, for each question id, that the "
        "question has no answer",
        group="scores",
        rare=True,
        metavar="FILE",
    )

    output_dir: str | None = flag(
        None,
        "folder for predictions.json, nbest_predictions.json, null_odds.json and metrics.json "
        "(default: a new one beside the checkpoint; with --predictions or --compare, none)",
        group="output",
        metavar="FOLDER",
    )

    def __post_init__(self) -> None:
        """Check the values. Raises InputError for settings that do not go together."""
        super().__post_init__()
        kinds = (self.checkpoint, self.predictions, self.compare)
        if sum(kind is not None for kind in kinds) != 1:
            raise InputError("give one of --checkpoint, --predictions and --compare; see --help.")
        if self.split and self.data is None:
            raise InputError(f"--split {self.split} needs --data.")
        if self.checkpoint is None and self.data is None:
            kind = "--compare" if self.compare else "--predictions"
            raise InputError(f"{kind} needs --data FILE: the file with the right answers.")
        if self.checkpoint is None:
            self._refuse(READER_ONLY, "--checkpoint")
        if self.predictions is None:
            self._refuse(("na_probs",), "--predictions")
        if self.compare:
            needed = "--checkpoint or --predictions"
            self._refuse(("null_threshold", "strip_answer", "strip_particles"), needed)

    def _refuse(self, names: Sequence[str], needed: str) -> None:
        """Raise InputError for settings that have no effect without what they need."""
        for name in names:
            value = getattr(self, name)
            if value is not None and value is not False:
                raise InputError(f"{option(name)} needs {needed}.")
