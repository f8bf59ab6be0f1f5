"""The settings of a training run: its data, its model, its loop."""

from dataclasses import dataclass
from typing import Any

from mrc.config import shared
from mrc.config.choices import HEADS, PRECISIONS, SCORERS
from mrc.config.extras import check_settings
from mrc.config.flags import Config, flag
from mrc.config.hub import check_repo_name
from mrc.config.setting import option
from mrc.errors import InputError


@dataclass
class DataSettings(Config):
    """What a run is trained on and scored on."""

    data: str | None = flag(
        None,
        "train on the built-in corpus: sample, or sample:ko,en,vi,ru for some of its languages; "
        "add :unanswerable for questions without an answer (default: sample)",
        group="data",
        metavar="NAME",
    )
    train_file: Any = flag(
        None,
        "questions to train on: a file (SQuAD-style JSON, JSON Lines, CSV, TSV, Parquet; gzipped "
        "or not), a folder or a quoted glob of files, - for standard input, a folder written by "
        "datasets.save_to_disk, or a hub data set (squad_v2, klue:mrc)",
        group="data",
        kind=str,
        metavar="FILE",
    )
    train_split: str | None = flag(
        None,
        "split to train on, for a hub data set or a save_to_disk folder; a slice such as "
        "train[:20%] works too (default: train)",
        group="data",
        rare=True,
        metavar="NAME",
    )
    validation_file: Any = flag(
        None,
        "questions to score on, in the same forms as --train-file",
        group="data",
        kind=str,
        metavar="FILE",
    )
    validation_split: str | None = flag(
        None,
        "split to score on (default: validation); without --validation-file, a split of "
        "--train-file",
        group="data",
        rare=True,
        metavar="NAME",
    )
    validation_fraction: float | None = flag(
        None,
        "instead of --validation-file, hold out about this share of the training questions; "
        "whole contexts, and whole articles where they are many; chosen by --seed",
        group="data",
        above=0,
        below=1,
    )
    max_train_examples: int | None = flag(
        None, "train on the first N questions only", group="data", at_least=1
    )
    max_eval_examples: int | None = flag(
        None, "score the first N questions only", group="data", at_least=1
    )
    on_bad_answer: str = flag(
        "repair",
        "what to do with an answer that is not at its answer_start: repair moves it to its "
        "nearest occurrence, skip leaves it out of training, error stops the run",
        group="data",
        choices=("repair", "skip", "error"),
        rare=True,
    )


@dataclass
class ModelSettings(Config):
    """The model of a run, and the windows that it reads."""

    model: str = flag(
        "tiny",
        "encoder: a Hugging Face hub id, a local folder, or tiny (3 layers of width 128 with "
        "random weights, and a vocabulary learned from the training text)",
        group="model",
        metavar="NAME",
    )
    head: str | None = flag(
        None,
        "layers on top of the encoder; conditional scores each end given its start (default: the "
        "head that --model comes with, or linear)",
        group="model",
        choices=HEADS,
        rare=True,
    )
    model_class: Any = flag(
        None,
        "package.module:Class, an nn.Module of your own instead of encoder and head; see "
        "docs/custom_architecture.md",
        group="model",
        kind=str,
        rare=True,
        metavar="NAME",
    )
    lora_rank: int | None = flag(
        None,
        "train only low-rank adapters of the encoder, and the head; the adapters are merged when "
        "the model is saved",
        group="model",
        at_least=1,
        rare=True,
    )
    trust_remote_code: bool = shared.trust_remote_code_flag("model")
    allow_pickle: bool = shared.allow_pickle_flag("model")
    max_length: int = flag(
        384,
        "longest window in tokens, with the question and special tokens",
        group="model",
        tiny=128,
        at_least=8,
    )
    stride: int = flag(
        128,
        "tokens that consecutive windows of a context share",
        group="model",
        tiny=32,
        at_least=0,
    )
    max_question_length: int = flag(
        64, "cut longer questions to this many tokens", group="model", at_least=1, rare=True
    )
    feature_cache: str | None = shared.feature_cache_flag("model")
    dropout: float = flag(
        0.1,
        "dropout probability in the encoder's hidden states and before the head",
        group="model",
        tiny=0.0,
        at_least=0,
        below=1,
        rare=True,
    )
    attention_dropout: float = flag(
        0.0,
        "dropout probability on attention weights; above 0, a CPU loses its fused attention and "
        "takes several times the time and memory",
        group="model",
        at_least=0,
        below=1,
        rare=True,
    )
    mask_question: bool = flag(
        False,
        "leave the question's tokens out of the softmax, so that only the context and the null "
        "position compete",
        group="model",
        rare=True,
    )


@dataclass
class TrainingSettings(Config):
    """What the `Trainer` reads: the steps, the optimizer, the scoring, the saving, the log."""

    exclusive = (("max_tokens_per_batch", "batch_size"), ("warmup_steps", "warmup_ratio"))

    epochs: int = flag(2, "passes over the training data", group="training", tiny=3, at_least=1)
    max_steps: int | None = flag(
        None,
        "stop after this many optimizer steps, whatever --epochs says",
        group="training",
        at_least=1,
    )
    batch_size: int = flag(
        16, "features per forward pass (and process)", group="training", at_least=1
    )
    max_tokens_per_batch: int | None = flag(
        None,
        "instead of --batch-size, tokens per forward pass with padding: as many features as fit",
        group="training",
        at_least=1,
        rare=True,
    )
    gradient_accumulation_steps: int = flag(
        1, "forward passes per optimizer step (and process)", group="training", at_least=1
    )
    learning_rate: float = flag(
        5e-5, "peak learning rate of AdamW", group="training", tiny=1e-3, above=0
    )
    schedule: str = flag(
        "linear",
        "learning rate after the warm-up: linear or cosine decay to 0, or constant",
        group="training",
        choices=("linear", "cosine", "constant"),
        rare=True,
    )
    warmup_ratio: float = flag(
        0.1,
        "share of the steps over which the learning rate rises from 0",
        group="training",
        at_least=0,
        below=1,
        rare=True,
    )
    warmup_steps: int | None = flag(
        None,
        "number of warm-up steps, instead of --warmup-ratio",
        group="training",
        at_least=0,
        rare=True,
    )
    layer_decay: float = flag(
        1.0,
        "learning rate of each encoder layer as a share of the layer above it",
        group="training",
        above=0,
        rare=True,
    )
    freeze_layers: int | None = flag(
        None,
        "freeze the embeddings and the first N encoder layers; 0 freezes the embeddings only",
        group="training",
        at_least=0,
        rare=True,
    )
    weight_decay: float = flag(
        0.01,
        "weight decay of AdamW; biases and normalization weights are exempt",
        group="training",
        at_least=0,
        rare=True,
    )
    max_grad_norm: float = flag(
        1.0, "clip the gradient to this norm", group="training", above=0, rare=True
    )
    label_smoothing: float = flag(
        0.0,
        "share of the target that is spread evenly over the window's tokens",
        group="training",
        at_least=0,
        below=1,
        rare=True,
    )
    ema_decay: float | None = flag(
        None,
        "score and save an exponential moving average of the weights with this decay, such as "
        "0.999",
        group="training",
        above=0,
        below=1,
        rare=True,
    )
    max_bad_steps: int = flag(
        5,
        "stop after this many steps in a row whose loss or gradient is not finite; each of them "
        "is skipped",
        group="training",
        at_least=1,
        rare=True,
    )
    precision: str = flag(
        "auto",
        "precision of the forward pass; auto is bf16 on a GPU that supports it, else fp32. bf16 is "
        "about twice as fast on a CPU with AVX-512 BF16 or AMX",
        group="training",
        choices=PRECISIONS,
    )
    seed: int = flag(
        42, "seed of the weights, the batches and dropout", group="training", at_least=0
    )

    scorer: str = flag(
        "auto",
        "official score to report; auto goes by the data: korquad, klue or mlqa-LANGUAGE if the "
        "file says so, squad_v2 if questions may have no answer, else squad",
        group="evaluation",
        choices=SCORERS,
        metavar="NAME",
    )
    search: str = flag(
        "pruned",
        "spans to consider: pruned pairs the --n-best starts with the --n-best ends, as the "
        "reference recipe does; exact considers every span",
        group="evaluation",
        choices=("pruned", "exact"),
        rare=True,
    )
    eval_batch_size: int = flag(
        64, "features per forward pass when scoring", group="evaluation", at_least=1, rare=True
    )
    n_best: int = flag(
        20, "answers to keep per question", group="evaluation", at_least=1, rare=True
    )
    max_answer_length: int = flag(
        30, "longest answer in tokens", group="evaluation", at_least=1, rare=True
    )
    eval_every: int | None = flag(
        None,
        "score every N optimizer steps, and at the end (default: after each epoch)",
        group="evaluation",
        at_least=1,
    )
    metric_for_best: str | None = flag(
        None,
        "score that decides which checkpoint is the best: f1 or exact_match, for example "
        "(default: the scorer's partial-credit score, f1 or rouge_w)",
        group="evaluation",
        rare=True,
        metavar="NAME",
    )
    patience: int | None = flag(
        None,
        "stop after this many scorings in a row without a better one",
        group="evaluation",
        at_least=1,
    )

    save_every: int | None = flag(
        None,
        "save every N optimizer steps, besides after each scoring",
        group="checkpoints",
        at_least=1,
        rare=True,
    )
    save_every_minutes: float | None = flag(
        None, "save whenever this many minutes have passed", group="checkpoints", above=0, rare=True
    )
    keep: int = flag(
        1,
        "earlier checkpoints to keep besides the last and the best",
        group="checkpoints",
        at_least=0,
        rare=True,
    )

    compile: bool = flag(
        False,
        "compile the model (torch.compile); worth it on a GPU, for runs of more than some minutes",
        group="speed",
        rare=True,
    )
    fsdp: bool = flag(
        False,
        "under torchrun, shard weights, gradients and optimizer state over the processes "
        "(fully_shard), for an encoder that does not fit on one GPU",
        group="speed",
        rare=True,
    )

    log_every: int = flag(
        50, "optimizer steps between log lines", group="output", at_least=1, rare=True
    )
    tensorboard: bool = flag(
        False, "write the log for TensorBoard too, to the run's folder", group="output"
    )
    plot: bool = flag(False, "draw the losses and the scores to plot.png", group="output")

    def __post_init__(self) -> None:
        """Fill in the defaults, and raise InputError for settings that do not go together."""
        super().__post_init__()
        for name in ("compile", "ema_decay"):
            if self.fsdp and getattr(self, name):
                raise InputError(f"--fsdp and {option(name)}: give one of them.")

    def check_given(self) -> None:
        """Raise InputError for what excludes each other, or needs a package that is missing."""
        super().check_given()
        own = TrainingSettings.__dataclass_fields__
        check_settings({name: value for name, value in self.given.items() if name in own})


@dataclass
class TrainConfig(TrainingSettings, ModelSettings, DataSettings):
    """Train an extractive reader: an encoder with a span head, on questions answered by a span.

    Without any flag it trains the built-in `tiny` encoder from random weights on the built-in
    corpus, in a few minutes.
    """

    # From Python, train_file and validation_file may hold the data itself (a list of dicts, a
    # datasets.Dataset, a pandas DataFrame), and model_class a class or a module.

    deterministic: bool = flag(
        False,
        "use only operations that give the same bits each time, even where a GPU has faster ones",
        group="training",
        rare=True,
    )
    device: str = shared.device_flag("training")
    resume: str | None = flag(
        None,
        "resume a run exactly where it was saved: its folder, or one checkpoint in it; auto "
        "resumes the run in --output-dir (default: the latest run of this model and data) from "
        "its last undamaged checkpoint, or starts a new run. Settings are those of the run",
        group="checkpoints",
        metavar="FOLDER",
    )
    resume_unverified: bool = flag(
        False,
        "resume from a checkpoint that has lost its manifest.json, which would show whether it is "
        "complete",
        group="checkpoints",
        rare=True,
    )
    gradient_checkpointing: bool = flag(
        False,
        "recompute activations in the backward pass: a third more work, a fraction of the memory",
        group="speed",
    )
    attn_implementation: str | None = flag(
        None,
        "the encoder's attention (default: sdpa if the encoder has it)",
        group="speed",
        choices=("sdpa", "eager", "flash_attention_2"),
        rare=True,
    )
    tf32: bool = flag(
        False,
        "let a GPU multiply float32 matrices in TF32, with 10 bits of mantissa",
        group="speed",
        rare=True,
    )
    output_dir: str | None = flag(
        None,
        "the run's folder (default: checkpoints/MODEL-DATA, numbered if it exists)",
        group="output",
        metavar="FOLDER",
    )
    push_to_hub: str | None = flag(
        None,
        "at the end, upload the best checkpoint to this repository of the Hugging Face hub "
        "(USER/NAME); it is created, private, before training starts",
        group="output",
        metavar="USER/NAME",
    )

    def __post_init__(self) -> None:
        """Fill in the defaults, and raise InputError for settings that do not go together."""
        super().__post_init__()
        self._check_data()
        self._check_model()
        self._check_loop()
        if self.push_to_hub:
            check_repo_name(self.push_to_hub)
        # Last: nobody should install a package for settings that do not go together.
        check_settings(self.given)

    def _check_data(self) -> None:
        for name in ("train_file", "validation_file"):
            # Data in memory may be anything, and a DataFrame has no truth value.
            if isinstance(getattr(self, name), str) and not getattr(self, name):
                setattr(self, name, None)
        for name in ("validation_file", "train_split", "validation_split", "validation_fraction"):
            value = getattr(self, name)
            if value is not None and self.train_file is None:
                raise InputError(
                    f"{option(name)} {_shown(value)} needs a --train-file; to score a trained "
                    "reader, use evaluate.py."
                )
        if self.validation_split and self.validation_file is None:
            self.validation_file = self.train_file
        if self.validation_fraction and self.validation_file is not None:
            raise InputError(
                f"--validation-fraction {self.validation_fraction} and --validation-file "
                f"{_shown(self.validation_file)}: give one of them."
            )
        if self.data and self.train_file is not None:
            raise InputError(
                f"--data {self.data} and --train-file {_shown(self.train_file)}: give one of them."
            )
        if self.train_file is None:
            self.data = self.data or "sample"

    def _check_model(self) -> None:
        own = self.model_class is not None
        # A resumed run has the model that it began with, whatever --model says.
        is_tiny = self.model == "tiny" and not self.resume
        if own and (self.head or self.lora_rank):
            raise InputError(
                f"--model-class {_shown(self.model_class)}: a model of your own has its own head; "
                "remove --head and --lora-rank."
            )
        if own and is_tiny and (self.attention_dropout or self.attn_implementation):
            raise InputError(
                f"--model-class {_shown(self.model_class)}: --attention-dropout and "
                "--attn-implementation are for the encoder that --model names."
            )
        if self.head == "conditional" and self.search == "exact":
            raise InputError(
                "--head conditional searches a beam of its own; remove --search exact."
            )
        if self.head == "conditional" and self.mask_question:
            raise InputError(
                "--head conditional spreads its probabilities over the whole window; remove "
                "--mask-question."
            )
        if self.lora_rank and is_tiny:
            raise InputError(
                f"--lora-rank {self.lora_rank} adapts a pretrained encoder; name one with --model."
            )
        if self.freeze_layers is not None and is_tiny and not own:
            raise InputError(
                f"--freeze-layers {self.freeze_layers} keeps pretrained layers, and tiny has "
                "none; name a --model."
            )

    @property
    def has_validation_data(self) -> bool:
        """Whether there is something to score."""
        if self.data or self.validation_fraction is not None:
            return True
        return self.validation_file is not None

    def _check_loop(self) -> None:
        if not self.has_validation_data and (self.patience is not None or self.metric_for_best):
            raise InputError(
                "--patience and --metric-for-best need validation data: --validation-file or "
                "--validation-fraction."
            )
        if self.lora_rank and self.ema_decay:
            raise InputError("--lora-rank and --ema-decay: give one of them.")
        if self.fsdp and self.lora_rank:
            raise InputError("--fsdp and --lora-rank: give one of them.")
        if self.max_tokens_per_batch and self.max_tokens_per_batch < self.max_length:
            raise InputError(
                f"--max-tokens-per-batch {self.max_tokens_per_batch} is below --max-length "
                f"{self.max_length}: a batch must hold a window."
            )

    def trust_flags(self) -> str:
        """The flags that a command must repeat before it runs this run's code or loads its pickles.

        Mostly an empty string; else it begins with a space.
        """
        flags = [f"--model-class {self.model_class}"] if self.model_class else []
        for name in ("trust_remote_code", "allow_pickle"):
            if getattr(self, name):
                flags.append(option(name))
        return "".join(f" {flag}" for flag in flags)


def _shown(value: object) -> str:
    """A value as an error shows it: text as it is, data or a class by its type."""
    return value if isinstance(value, str) else f"({type(value).__name__})"
