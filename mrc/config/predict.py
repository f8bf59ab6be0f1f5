"""The settings of `mrc predict`."""

from dataclasses import dataclass, fields

from mrc.config import shared
from mrc.config.evaluate import EvalConfig
from mrc.config.flags import Config, flag
from mrc.config.reader import ReaderConfig
from mrc.config.setting import option
from mrc.errors import InputError
from mrc.wording import did_you_mean

# What is known of each answer, in the order in which it is written.
CSV_COLUMNS = ("id", "question", "rank", "answer", "score", "start", "end")
JSONL_KEYS = ("id", "question", "answer", "score", "start", "end", "answers")

# Settings that have no effect with another --scoring.
N_BEST_ONLY = ("n_best", "null_threshold")
PIPELINE_ONLY = ("align_to_words",)


@dataclass
class PredictConfig(Config):
    """Let a reader answer a whole file of questions.

    The answers are those that mrc evaluate scores, with the settings of the training run. Those of
    mrc ask and mrc serve, which are made for people, come with --scoring pipeline.

    They are written in parts: a run that was interrupted continues where it stopped when the
    command is repeated. Under torchrun the processes share the parts:
    torchrun --nproc-per-node 4 -m mrc predict ...
    """

    checkpoint: str = shared.checkpoint_flag("reader")
    model_class: str | None = shared.model_class_flag("reader")
    trust_remote_code: bool = shared.trust_remote_code_flag("reader")
    allow_pickle: bool = shared.allow_pickle_flag("reader")
    device: str = shared.device_flag("reader")
    precision: str | None = shared.precision_flag(
        "reader",
        None,
        "precision of the forward pass (default: as trained, else auto; with --scoring pipeline, "
        "fp32)",
    )
    batch_size: int | None = flag(
        None,
        "windows per forward pass (default: as trained, else 64; with --scoring pipeline, chosen "
        "by their lengths)",
        group="reader",
        at_least=1,
        rare=True,
    )
    max_length: int | None = shared.max_length_flag("reader")
    stride: int | None = shared.stride_flag("reader")
    max_question_length: int | None = shared.max_question_length_flag("reader")

    data: str = flag("", shared.QUESTIONS, group="files", metavar="FILE")
    split: str | None = shared.split_flag("files")
    output: str = flag(
        "",
        "file to write: .json (id -> answer), .jsonl (an object per question) or .csv (a line per "
        "answer); mrc evaluate --predictions reads each",
        group="files",
        metavar="FILE",
    )
    columns: str | None = flag(
        None,
        "what to write to .csv or .jsonl and under which names, such as Id=id,Predicted=answer "
        f"(default: {', '.join(CSV_COLUMNS)})",
        group="files",
        kind=str,
        metavar="NAMES",
    )
    max_eval_examples: int | None = shared.max_eval_examples_flag("files")
    part_size: int = flag(1000, "questions per part", group="files", at_least=1, rare=True)

    top_k: int = flag(
        1, "answers to write per question, to .jsonl and .csv", group="answers", at_least=1
    )
    scoring: str = flag(
        "n_best",
        "n_best: the answers and probabilities of mrc evaluate; pipeline: those of mrc ask, where "
        "a score is the probability of an answer's start times that of its end",
        group="answers",
        choices=("n_best", "pipeline"),
    )
    max_answer_length: int | None = flag(
        None,
        "longest answer in tokens (default: as trained, else 30; with --scoring pipeline, 15)",
        group="answers",
        at_least=1,
        rare=True,
    )
    handle_impossible_answer: str = flag(
        "auto",
        "whether a question may have no answer; auto is yes for a reader trained on such "
        "questions, and for data that has some",
        group="answers",
        choices=("auto", "yes", "no"),
    )
    n_best: int | None = flag(
        None,
        "answers to weigh per question (default: as trained, else 20)",
        group="answers",
        at_least=1,
        rare=True,
    )
    null_threshold: float | None = flag(
        None,
        "give no answer if the null score exceeds the best span's by more than this (default: the "
        "best on the validation data, else 0)",
        group="answers",
        rare=True,
    )
    align_to_words: bool = flag(
        True, "with --scoring pipeline: extend answers to whole words", group="answers", rare=True
    )

    def __post_init__(self) -> None:
        """Check the values. Raises InputError for what is missing or does not go together."""
        super().__post_init__()
        for name in ("data", "output"):
            if not getattr(self, name):
                raise InputError(f"--{name} is needed; see --help.")
        if not self.output.endswith((".json", ".jsonl", ".csv")):
            raise InputError(f"--output {self.output}: end the name in .json, .jsonl or .csv.")
        if self.top_k > 1 and self.output.endswith(".json"):
            raise InputError(
                f"--top-k {self.top_k} and --output {self.output}: .json holds one answer per "
                "question; write .jsonl or .csv."
            )
        self.column_sources()

    def check_given(self) -> None:
        """Raise InputError for settings that have no effect with this scoring."""
        needed = "n_best" if self.scoring == "pipeline" else "pipeline"
        for name in N_BEST_ONLY if self.scoring == "pipeline" else PIPELINE_ONLY:
            if name in self.given:
                raise InputError(f"{option(name)} needs --scoring {needed}.")

    def column_sources(self) -> dict[str, str] | None:
        """What stands under each name that --columns gives; None without the flag.

        Raises:
            InputError: a name is given twice, or there is no such source.
        """
        if self.columns is None:
            return None
        if self.output.endswith(".json"):
            raise InputError(f"--columns and --output {self.output}: write .csv or .jsonl.")
        known = CSV_COLUMNS if self.output.endswith(".csv") else JSONL_KEYS
        sources: dict[str, str] = {}
        for part in self.columns.split(","):
            name, _, source = (piece.strip() for piece in part.partition("="))
            source = source or name
            if source not in known:
                hint = did_you_mean(source, known) or "."
                raise InputError(
                    f"--columns {self.columns}: there is no '{source}' to write{hint} There is "
                    f"{', '.join(known)}."
                )
            if name in sources:
                raise InputError(f"--columns {self.columns}: '{name}' is there twice.")
            sources[name] = source
        return sources

    def as_evaluated(self) -> EvalConfig:
        """The evaluation that scores the answers of scoring n_best."""
        return EvalConfig(**self._shared_with(EvalConfig))

    def as_asked(self) -> ReaderConfig:
        """How mrc ask asks with the same settings, for scoring pipeline."""
        return ReaderConfig(**self._shared_with(ReaderConfig))

    def _shared_with(self, config_class: type[EvalConfig] | type[ReaderConfig]) -> dict:
        """The settings that another command has too."""
        own = self.to_dict()
        return {f.name: own[f.name] for f in fields(config_class) if f.name in own}
