"""The settings that every command that asks a reader has."""

from dataclasses import dataclass

from mrc.config.flags import Config, flag


@dataclass
class ReaderConfig(Config):
    """What every command that asks a reader can be told."""

    checkpoint: str = flag(
        "",
        "a run's folder (its best checkpoint is meant), a checkpoint's folder, or a Hugging Face question-answering "
        "model",
        group="reader",
        positional=True,
    )
    model_class: str | None = flag(
        None,
        "package.module:Class, where the checkpoint is of an nn.Module of your own",
        group="reader",
    )
    trust_remote_code: bool = flag(
        False,
        "run the code that the model's repository brings; only for those that you trust",
        group="reader",
    )
    allow_pickle: bool = flag(
        False, "read weights that are not safetensors; pickled files can run code", group="reader"
    )
    device: str = flag(
        "auto", "cpu, cuda, cuda:1, mps; auto takes a GPU where there is one", group="reader"
    )
    dtype: str = flag(
        "float32",
        "type of weights and arithmetic; bfloat16 is several times as fast on hardware that has it, and moves "
        "scores in the second or third digit",
        group="reader",
        choices=("float32", "bfloat16", "float16"),
    )
    batch_size: int | None = flag(
        None,
        "windows per forward pass; default: chosen by their lengths",
        group="reader",
        at_least=1,
    )
    max_seq_len: int | None = flag(
        None, "longest window, in tokens; default: as trained, else 384", group="reader", at_least=8
    )
    doc_stride: int | None = flag(
        None,
        "overlap of a context's windows, in tokens; default: as trained, else 128",
        group="reader",
        at_least=0,
    )
    max_question_len: int | None = flag(
        None,
        "longer questions are cut to this many tokens; default: as trained, else 64",
        group="reader",
        at_least=1,
    )
    max_answer_len: int = flag(15, "longest answer, in tokens", group="answers", at_least=1)
    handle_impossible_answer: str = flag(
        "auto",
        "whether a question may have no answer; auto is yes for a reader that was trained with "
        "such questions",
        group="answers",
        choices=("auto", "yes", "no"),
    )
    within_words: bool = flag(False, "let an answer begin or end within a word", group="answers")
    scoring: str = flag(
        "pipeline",
        "pipeline: probability of the start times that of the end; n_best: the probabilities and the answers "
        "of evaluate.py, for which words are not aligned",
        group="answers",
        choices=("pipeline", "n_best"),
    )
