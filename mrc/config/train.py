"""The settings of a training run."""

from dataclasses import dataclass

from mrc.config.choices import HEADS, SCORERS
from mrc.config.flags import Config, flag
from mrc.errors import InputError


@dataclass
class TrainConfig(Config):
    """Train an extractive reader: an encoder with a span head, on questions answered by a span of their context.

    Without any flag it trains the built-in `tiny` encoder from random weights on the built-in corpus, in a few minutes.
    """

    data: str | None = flag(
        None,
        "in place of files, the built-in corpus: sample, or some of its languages (sample:ko,en,vi,ru); "
        "':unanswerable' after it adds questions without an answer (default: sample)",
        group="data",
    )
    train_file: str | None = flag(
        None,
        "questions to train on: a file (JSON as SQuAD nests it or as a list of records, JSON Lines, "
        "CSV, TSV, Parquet; gzipped or not), a folder or a quoted glob of them, - for standard input, a folder "
        "of datasets.save_to_disk, or a hub data set (squad_v2, klue:mrc)",
        group="data",
    )
    train_split: str | None = flag(
        None,
        "split of a hub data set or save_to_disk folder to train on, or a slice of it such as "
        "train[:20%]; default: train",
        group="data",
    )
    validation_file: str | None = flag(
        None, "questions to score each epoch on, in the same forms", group="data"
    )
    validation_split: str | None = flag(
        None,
        "split to score on; default: validation. Without --validation-file, of --train-file",
        group="data",
    )
    validation_fraction: float | None = flag(
        None,
        "in place of --validation-file: set aside about this share of the training "
        "questions, whole contexts and whole articles, chosen by --seed",
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
        "an answer that does not stand at its answer_start: 'repair' moves it to its nearest "
        "occurrence, 'skip' leaves it out of training, 'error' stops the run",
        group="data",
        choices=("repair", "skip", "error"),
    )

    model: str = flag(
        "tiny",
        "encoder: a Hugging Face hub id, a local folder, or tiny (3 layers of width 128, from random "
        "weights, with a vocabulary learned from the training text)",
        group="model",
    )
    head: str | None = flag(
        None,
        "what scores the tokens on top of the encoder; conditional scores ends given their start. Default: the "
        "head that --model brings, or linear",
        group="model",
        choices=HEADS,
    )
    model_class: str | None = flag(
        None,
        "package.module:Class, an nn.Module of your own in place of encoder and head; "
        "see docs/custom_architecture.md",
        group="model",
    )
    lora_rank: int | None = flag(
        None,
        "train low-rank adapters of the encoder and the head alone; they are merged when saved",
        group="model",
        at_least=1,
    )
    trust_remote_code: bool = flag(
        False,
        "run the code that the model's repository brings; only for those that you trust",
        group="model",
    )
    allow_pickle: bool = flag(
        False, "read weights that are not safetensors; pickled files can run code", group="model"
    )
    max_length: int = flag(
        384,
        "longest window, in tokens, question and special tokens included",
        group="model",
        tiny=128,
        at_least=8,
    )
    stride: int = flag(
        128,
        "overlap of a context's consecutive windows, in tokens",
        group="model",
        tiny=32,
        at_least=0,
    )
    max_question_length: int = flag(
        64, "longer questions are cut to this many tokens", group="model", at_least=1
    )
    feature_cache: str | None = flag(
        None,
        "folder that keeps the tokenised texts, so that the next start on the same data and "
        "tokenizer finds them",
        group="model",
    )
    dropout: float = flag(
        0.1,
        "dropout probability in the encoder's hidden states and before the head",
        group="model",
        tiny=0.0,
        at_least=0,
        below=1,
    )
    attention_dropout: float = flag(
        0.0,
        "dropout probability on attention weights; anything but 0 forgoes fused attention on "
        "CPU, at several times the time and memory",
        group="model",
        at_least=0,
        below=1,
    )

    epochs: int = flag(2, "passes over the training data", group="training", tiny=3, at_least=1)
    max_steps: int | None = flag(
        None,
        "stop after this many optimiser steps, whatever --epochs says",
        group="training",
        at_least=1,
    )
    batch_size: int = flag(
        16, "windows per forward pass (and process)", group="training", at_least=1
    )
    max_tokens_per_batch: int | None = flag(
        None,
        "in place of --batch-size, tokens per forward pass, padding included: as many windows "
        "as fit, so that batches are of about equal work",
        group="training",
        at_least=1,
    )
    gradient_accumulation_steps: int = flag(
        1, "forward passes per optimiser step (and process)", group="training", at_least=1
    )
    learning_rate: float = flag(
        5e-5, "peak learning rate of AdamW", group="training", tiny=1e-3, above=0
    )
    schedule: str = flag(
        "linear",
        "how the learning rate goes after the warm-up: linear or cosine, down to 0, or constant",
        group="training",
        choices=("linear", "cosine", "constant"),
    )
    warmup_ratio: float = flag(
        0.1,
        "share of the steps over which the learning rate rises from 0",
        group="training",
        at_least=0,
        below=1,
    )
    warmup_steps: int | None = flag(
        None, "in place of --warmup-ratio, the number of these steps", group="training", at_least=0
    )
    layer_decay: float = flag(
        1.0,
        "learning rate of each layer of the encoder as a share of that of the layer above it; 1 for all "
        "alike",
        group="training",
        above=0,
    )
    freeze_layers: int | None = flag(
        None,
        "leave the embeddings and the first N layers of the encoder as they are; 0 for the embeddings "
        "alone",
        group="training",
        at_least=0,
    )
    weight_decay: float = flag(
        0.01,
        "AdamW weight decay; biases and normalisation weights are exempt",
        group="training",
        at_least=0,
    )
    max_grad_norm: float = flag(1.0, "clip the gradient to this norm", group="training", above=0)
    mask_question: bool = flag(
        False,
        "let the loss see the logits of the context and the null position alone, and no question's",
        group="training",
    )
    label_smoothing: float = flag(
        0.0,
        "share of the target that is spread evenly over a window's tokens",
        group="training",
        at_least=0,
        below=1,
    )
    ema_decay: float | None = flag(
        None,
        "score and save a moving average of the weights, which keeps this share of itself at each step, "
        "such as 0.999",
        group="training",
        above=0,
        below=1,
    )
    max_bad_steps: int = flag(
        5,
        "stop after this many steps in a row whose loss or gradient is not finite; each is left out",
        group="training",
        at_least=1,
    )
    precision: str = flag(
        "auto",
        "arithmetic of the forward pass; auto is bf16 on a GPU that has it, else fp32; on a CPU with bf16 "
        "instructions (AVX-512 BF16, AMX) bf16 is about twice as fast",
        group="training",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    seed: int = flag(42, "seed of weights, batches and dropout", group="training", at_least=0)
    deterministic: bool = flag(
        False,
        "take only operations that give the same bits each time, where a GPU has faster ones",
        group="training",
    )
    device: str = flag(
        "auto", "cpu, cuda, cuda:1, mps; auto takes a GPU where there is one", group="training"
    )

    scorer: str = flag(
        "auto",
        "official score to report; auto goes by what the file says of itself: korquad, klue, mlqa-LANGUAGE, "
        "squad_v2 where questions may have no answer, else squad",
        group="evaluation",
        choices=SCORERS,
    )
    search: str = flag(
        "pruned",
        "where answers are looked for: pruned pairs the --n-best starts with the --n-best ends, as the "
        "reference recipe does; exact takes every span",
        group="evaluation",
        choices=("pruned", "exact"),
    )
    eval_batch_size: int = flag(
        64, "windows per forward pass when scoring", group="evaluation", at_least=1
    )
    n_best: int = flag(20, "answers kept per question", group="evaluation", at_least=1)
    max_answer_length: int = flag(30, "longest answer, in tokens", group="evaluation", at_least=1)

    eval_every: int | None = flag(
        None,
        "score every N optimiser steps, and at the end (default: after each epoch)",
        group="evaluation",
        at_least=1,
    )
    metric_for_best: str | None = flag(
        None,
        "the score that decides which checkpoint is the best, such as f1 or exact_match "
        "(default: the scorer's graded one, f1 or rouge_w)",
        group="evaluation",
    )
    patience: int | None = flag(
        None,
        "stop after this many scorings in a row without a better one",
        group="evaluation",
        at_least=1,
    )

    resume: str | None = flag(
        None,
        "go on with a run exactly where it was saved: its folder, or one checkpoint in it; auto goes on with "
        "the run in --output-dir (default: the latest on this model and data), falls back on an earlier checkpoint "
        "where one is damaged, and begins a new run where there is none. Settings are those of the run",
        group="checkpoints",
    )
    save_every: int | None = flag(
        None,
        "save every N optimiser steps as well as after each scoring",
        group="checkpoints",
        at_least=1,
    )
    save_every_minutes: float | None = flag(
        None, "save whenever this many minutes have passed", group="checkpoints", above=0
    )
    keep: int = flag(
        1,
        "earlier checkpoints that are kept beside the last and the best",
        group="checkpoints",
        at_least=0,
    )

    compile: bool = flag(
        False,
        "compile the model (torch.compile); pays on a GPU, in runs of more than some minutes",
        group="speed",
    )
    fsdp: bool = flag(
        False,
        "under torchrun, share the weights, gradients and optimiser state out among the processes (PyTorch's "
        "fully_shard), for an encoder that does not fit on one GPU",
        group="speed",
    )
    gradient_checkpointing: bool = flag(
        False,
        "compute activations anew in the backward pass: a third more work, a fraction of the memory",
        group="speed",
    )
    attn_implementation: str | None = flag(
        None,
        "the encoder's attention (default: sdpa where it has it)",
        group="speed",
        choices=("sdpa", "eager", "flash_attention_2"),
    )
    tf32: bool = flag(
        False,
        "let a GPU multiply float32 matrices in TF32, which keeps 10 bits of the mantissa",
        group="speed",
    )

    output_dir: str | None = flag(
        None,
        "the run's folder (default: checkpoints/MODEL-DATA, numbered where taken)",
        group="output",
    )
    log_every: int = flag(50, "optimiser steps between log lines", group="output", at_least=1)
    tensorboard: bool = flag(
        False, "write the log for TensorBoard, too, to the run's folder", group="output"
    )
    plot: bool = flag(False, "draw the loss and the scores to plot.png at the end", group="output")
    push_to_hub: str | None = flag(
        None,
        "at the end, upload the best checkpoint to this model repository of the Hugging Face hub "
        "(USER/NAME); it is made, private, before training starts",
        group="output",
    )

    def __post_init__(self):
        super().__post_init__()
        for name in ("validation_file", "train_split", "validation_split", "validation_fraction"):
            if getattr(self, name) and not self.train_file:
                raise InputError(
                    f"--{name.replace('_', '-')} {getattr(self, name)} needs a --train-file; to score a trained reader, "
                    "use evaluate.py."
                )
        if self.validation_split and not self.validation_file:
            self.validation_file = self.train_file
        if self.validation_fraction and self.validation_file:
            raise InputError(
                f"--validation-fraction {self.validation_fraction} and --validation-file {self.validation_file}: give one "
                "of them."
            )
        if self.data and self.train_file:
            raise InputError(
                f"--data {self.data} and --train-file {self.train_file}: give one of them."
            )
        if not self.train_file:
            self.data = self.data or "sample"
        if self.model_class and (self.head or self.lora_rank):
            raise InputError(
                f"--model-class {self.model_class}: a model of your own has its own head; leave out --head and --lora-rank."
            )
        # With --resume, the model is that of the run.
        if (
            self.model_class
            and self.model == "tiny"
            and not self.resume
            and (self.attention_dropout or self.attn_implementation)
        ):
            raise InputError(
                f"--model-class {self.model_class}: --attention-dropout and --attn-implementation are for the encoder that "
                "--model names."
            )
        if self.head == "conditional" and self.search == "exact":
            raise InputError(
                "--head conditional looks for answers in a beam of its own; leave out --search exact."
            )
        if self.head == "conditional" and self.mask_question:
            raise InputError(
                "--head conditional makes probabilities over the whole window; leave out --mask-question."
            )
        is_scored = self.data or self.validation_file or self.validation_fraction
        if not is_scored and (self.patience is not None or self.metric_for_best):
            raise InputError(
                "--patience and --metric-for-best need validation data: --validation-file or --validation-fraction."
            )
        if self.lora_rank and self.model == "tiny" and not self.resume:
            raise InputError(
                f"--lora-rank {self.lora_rank} adapts a pretrained encoder; name one with --model."
            )
        if (
            self.freeze_layers is not None
            and self.model == "tiny"
            and not self.resume
            and not self.model_class
        ):
            raise InputError(
                f"--freeze-layers {self.freeze_layers} keeps pretrained layers as they are, and tiny has none; name a --model."
            )
        if self.lora_rank and self.ema_decay:
            raise InputError("--lora-rank and --ema-decay: give one of them.")
        for name in ("compile", "lora_rank", "ema_decay"):
            if self.fsdp and getattr(self, name):
                raise InputError(f"--fsdp and --{name.replace('_', '-')}: give one of them.")
        if self.max_tokens_per_batch and self.max_tokens_per_batch < self.max_length:
            raise InputError(
                f"--max-tokens-per-batch {self.max_tokens_per_batch} is below --max-length {self.max_length}: "
                "a batch must hold a window."
            )

    def check_given(self):
        for names in (("max_tokens_per_batch", "batch_size"), ("warmup_steps", "warmup_ratio")):
            if all(name in self.given for name in names):
                raise InputError(
                    f"{' and '.join('--' + name.replace('_', '-') for name in names)}: give one of them."
                )

    def flags_of_trust(self):
        """What a command that loads this run's model must be given again, as code or pickles are read by it; mostly ""."""
        named = [f"--model-class {self.model_class}"] if self.model_class else []
        named += [
            f"--{name.replace('_', '-')}"
            for name in ("trust_remote_code", "allow_pickle")
            if getattr(self, name)
        ]
        return "".join(f" {flag}" for flag in named)
