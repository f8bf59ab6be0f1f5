"""The settings of every command that asks a reader: ask, predict, serve."""

from dataclasses import dataclass

from mrc.config import shared
from mrc.config.flags import Config, flag
from mrc.errors import InputError


@dataclass
class ReaderConfig(Config):
    """Which reader to ask, and how."""

    checkpoint: str = shared.checkpoint_flag("reader")
    model_class: str | None = shared.model_class_flag("reader")
    trust_remote_code: bool = shared.trust_remote_code_flag("reader")
    allow_pickle: bool = shared.allow_pickle_flag("reader")
    device: str = shared.device_flag("reader")
    precision: str = shared.precision_flag(
        "reader",
        "fp32",
        "precision of weights and arithmetic; auto is bf16 on a GPU that supports it, else fp32. "
        "bf16 is several times as fast where the hardware has it, and changes scores in the "
        "second or third digit",
    )
    batch_size: int | None = flag(
        None,
        "windows per forward pass (default: chosen by their lengths)",
        group="reader",
        at_least=1,
        rare=True,
    )
    max_length: int | None = shared.max_length_flag("reader")
    stride: int | None = shared.stride_flag("reader")
    max_question_length: int | None = shared.max_question_length_flag("reader")

    max_answer_length: int = flag(15, "longest answer in tokens", group="answers", at_least=1)
    handle_impossible_answer: str = flag(
        "auto",
        "whether a question may have no answer; auto is yes for a reader trained on such questions",
        group="answers",
        choices=("auto", "yes", "no"),
    )
    align_to_words: bool = flag(True, "extend answers to whole words", group="answers", rare=True)
    scoring: str = flag(
        "pipeline",
        "pipeline: an answer's score is the probability of its start times that of its end; "
        "n_best: the answers and probabilities of mrc evaluate, not extended to words",
        group="answers",
        choices=("pipeline", "n_best"),
        rare=True,
    )

    def check_given(self) -> None:
        """Raise InputError for a setting that has no effect with this scoring."""
        super().check_given()
        if self.scoring == "n_best" and "align_to_words" in self.given:
            raise InputError("--align-to-words needs --scoring pipeline.")
