"""The settings of an evaluation."""

from dataclasses import dataclass

from mrc.config.choices import SCORERS
from mrc.config.flags import Config, flag
from mrc.errors import InputError


@dataclass
class EvalConfig(Config):
    """Score a trained reader, or let it answer a file of questions that has no answers yet.

    With --predictions in place of --checkpoint, score answers that any program has written; with --compare, test
    whether the second of two such files is better than the first. Settings left out are those of the training run.
    """

    checkpoint: str | None = flag(
        None,
        "a run's folder (its best checkpoint is meant), a checkpoint's folder, or a Hugging Face "
        "question-answering model",
        group="what is scored",
    )
    predictions: str | None = flag(None, "JSON file: question id -> answer", group="what is scored")
    compare: str | None = flag(None, "two such files", group="what is scored", nargs=2)

    data: str | None = flag(
        None,
        "questions, in any form that train.py reads (files, folders, globs, -, hub data sets), or sample; "
        "default: what the run was validated on",
        group="data",
    )
    split: str | None = flag(
        None,
        "split of a hub data set or save_to_disk folder, or a slice of it such as validation[:20%]; "
        "default: validation",
        group="data",
    )
    max_eval_examples: int | None = flag(
        None, "take the first N questions only", group="data", at_least=1
    )

    max_length: int | None = flag(
        None, "longest window, in tokens; default: as trained, else 384", group="model", at_least=8
    )
    stride: int | None = flag(
        None,
        "overlap of a context's windows, in tokens; default: as trained, else 128",
        group="model",
        at_least=0,
    )
    max_question_length: int | None = flag(
        None,
        "longer questions are cut to this many tokens; default: as trained, else 64",
        group="model",
        at_least=1,
    )
    feature_cache: str | None = flag(
        None, "folder that keeps the tokenised texts from one start to the next", group="model"
    )
    precision: str | None = flag(
        None,
        "arithmetic of the forward pass; default: as trained, else auto",
        group="model",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    batch_size: int | None = flag(
        None, "windows per forward pass; default: as trained, else 64", group="model", at_least=1
    )
    model_class: str | None = flag(
        None,
        "package.module:Class, where the checkpoint is of an nn.Module of your own",
        group="model",
    )
    trust_remote_code: bool = flag(
        False,
        "run the code that the model's repository brings; only for those that you trust",
        group="model",
    )
    allow_pickle: bool = flag(
        False, "read weights that are not safetensors; pickled files can run code", group="model"
    )
    device: str = flag(
        "auto", "cpu, cuda, cuda:1, mps; auto takes a GPU where there is one", group="model"
    )

    search: str | None = flag(
        None,
        "where answers are looked for: pruned pairs the --n-best starts with the --n-best ends, exact takes "
        "every span and says how many answers that changed; default: as trained, else pruned",
        group="answers",
        choices=("pruned", "exact"),
    )
    n_best: int | None = flag(
        None, "answers kept per question; default: as trained, else 20", group="answers", at_least=1
    )
    max_answer_length: int | None = flag(
        None, "longest answer, in tokens; default: as trained, else 30", group="answers", at_least=1
    )
    strip_answer: bool = flag(
        False,
        "drop white space and unpaired quotation marks from both ends of an answer",
        group="answers",
    )
    strip_particles: bool = flag(
        False,
        "also drop a Korean particle from an answer's end; the scores without that are shown beside",
        group="answers",
    )

    scorer: str | None = flag(
        None,
        "official score to report; default: as trained, else auto",
        group="scores",
        choices=SCORERS,
    )
    null_threshold: float | None = flag(
        None,
        "answer nothing where the null score exceeds the best span's by more than this, for data "
        "with unanswerable questions; default: the best on the validation data, else 0",
        group="scores",
    )
    na_probs: str | None = flag(
        None,
        "with --predictions: JSON file, question id -> probability that it has no answer",
        group="scores",
    )

    output_dir: str | None = flag(
        None,
        "folder for predictions.json, nbest_predictions.json, null_odds.json and metrics.json "
        "(default: one beside the checkpoint; with --predictions and --compare, none)",
        group="output",
    )

    def __post_init__(self):
        super().__post_init__()
        if (
            sum(given is not None for given in (self.checkpoint, self.predictions, self.compare))
            != 1
        ):
            raise InputError("give one of --checkpoint, --predictions and --compare; see --help.")
        if self.split and self.data is None:
            raise InputError(f"--split {self.split} needs --data.")
        if self.checkpoint is None and self.data is None:
            raise InputError("--data is needed: the file that holds the right answers.")
        self._refuse(
            "--checkpoint",
            self.checkpoint,
            (
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
            ),
        )
        self._refuse("--predictions", self.predictions, ("na_probs",))
        self._refuse(
            "--checkpoint or --predictions",
            self.checkpoint or self.predictions,
            ("null_threshold", "strip_answer", "strip_particles"),
        )

    def _refuse(self, needed, given, names):
        """Raise InputError for settings that would be passed over without what they need."""
        for name in names:
            value = getattr(self, name)
            if given is None and value is not None and value is not False:
                raise InputError(f"--{name.replace('_', '-')} works with {needed} alone.")
