"""TrainedReader: a checkpoint that answers as it is scored, for `evaluate` and `predict`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mrc.checkpoint.loading import as_trained, find_checkpoint, load_checkpoint
from mrc.config.evaluate import EvalConfig
from mrc.data.examples import Example
from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.metrics import evaluation
from mrc.metrics.answers import strip_answer
from mrc.metrics.metrics import Metrics
from mrc.model.loss import loss_of
from mrc.runtime.device import choose_device, choose_precision
from mrc.runtime.processes import ALONE, World, local_device

# Settings that default to those of the training run, with their names there.
FROM_RUN = {
    "max_length": "max_length",
    "stride": "stride",
    "max_question_length": "max_question_length",
    "precision": "precision",
    "scorer": "scorer",
    "batch_size": "eval_batch_size",
    "search": "search",
    "n_best": "n_best",
    "max_answer_length": "max_answer_length",
}


class TrainedReader:
    """A reader with the settings that it was trained with, but for those that `config` gives.

    Two commands that ask it the same questions get the same answers, whatever they do with them.

    Attributes:
        checkpoint: the folder that `config.checkpoint` means, or a hub id.
        model, tokenizer: the checkpoint's.
        settings: what its mrc.json holds.
        knows_no_answer: whether it has learned to give no answer.
        has_threshold: whether `config` gives a null threshold.
        trained: the config of its run.
        config: the settings of the evaluation, filled in from the run.
        device: where it computes.

    Raises:
        InputError: the checkpoint cannot be used, or not with these settings.
    """

    def __init__(self, config: EvalConfig) -> None:
        self.device = choose_device(local_device(config.device))
        self.checkpoint = find_checkpoint(config.checkpoint or "")
        self.model, self.tokenizer, self.settings = load_checkpoint(
            self.checkpoint,
            model_class=config.model_class,
            trust_remote_code=config.trust_remote_code,
            allow_pickle=config.allow_pickle,
        )
        self.knows_no_answer = bool(self.settings.get("allows_no_answer"))
        self.has_threshold = config.null_threshold is not None
        self.trained = as_trained(self.settings, self.model, self.tokenizer)
        # Any, since no setting of a reader is None from here on.
        self.config: Any = self._filled_in(config)
        self.model.to(self.device)
        self.model.check_fits(self.tokenizer, self.config.max_length)

    def dataset(self, examples: Sequence[Example]) -> FeatureDataset:
        """The windows on the contexts of some questions."""
        windows = WindowSettings.from_config(self.config, self.model)
        windows = replace(windows, mask_question=self.trained.mask_question)
        return FeatureDataset(examples, self.tokenizer, windows)

    def metrics(self, dataset: FeatureDataset, **changed: Any) -> Metrics:
        """What collects the answers to the questions of a dataset.

        Args:
            dataset: their windows.
            changed: arguments of Metrics that are to differ from the settings.
        """
        answering: dict[str, Any] = {
            "scorer": self.config.scorer,
            "n_best": self.config.n_best,
            "max_answer_length": self.config.max_answer_length,
            "search": self.config.search,
            # A reader that has learned to give no answer may do so; else the scorer decides.
            "allows_no_answer": self.knows_no_answer or None,
            "null_threshold": self.config.null_threshold,
            "clean": strip_answer if self.config.strip_answer else None,
        }
        return Metrics(dataset, **{**answering, **changed})

    def check_threshold(self, allows_no_answer: bool) -> None:
        """Raise InputError if a null threshold was given, but every question gets an answer."""
        if self.has_threshold and not allows_no_answer:
            raise InputError(
                f"--null-threshold {self.config.null_threshold}: neither the reader nor the data "
                "knows questions without an answer."
            )

    def answer(
        self, metrics: Metrics, *, also: Sequence[Metrics] = (), world: World = ALONE
    ) -> dict[str, float] | None:
        """Let the model read the windows of `metrics`; the rest is as for `metrics.evaluate`."""
        return evaluation.evaluate(
            self.model,
            metrics,
            batch_size=self.config.batch_size,
            precision=choose_precision(self.config.precision, self.device),
            world=world,
            loss=loss_of(self.model),
            also=also,
        )

    def _filled_in(self, config: EvalConfig) -> Any:
        """The config, with settings that were not given filled in from the training run."""
        defaults = {
            name: getattr(self.trained, name_there)
            for name, name_there in FROM_RUN.items()
            if getattr(config, name) is None
        }
        if config.null_threshold is None:
            defaults["null_threshold"] = self.settings.get("null_threshold", 0.0)
        if config.data is None and config.max_eval_examples is None:
            # The questions are the run's own, and so is their number.
            defaults["max_eval_examples"] = self.trained.max_eval_examples
        return config.changed(**defaults)
