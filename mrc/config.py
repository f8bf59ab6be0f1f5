"""Every setting of a run, declared once: the dataclasses below are the Python interface and the command line alike."""

import argparse
import math
import operator
import os
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from inspect import cleandoc
from typing import get_args, get_type_hints


def in_short(text):
    """A text, or what an error says, as one line that fits into a sentence."""
    return " ".join(str(text).split())[:200]


class InputError(ValueError):
    """What a user gave cannot be used. The message says what is wrong, where, and what to do about it."""


class Stopped(Exception):
    """A run was asked to stop, and has saved what it had. The message says where, and how to go on."""

    def __init__(self, signal, message):
        super().__init__(message)
        self.signal = signal


@contextmanager
def command_line(program):
    """Turn what ends a run within the block into one line on standard error.

    Exit status 2 for input that cannot be used and for logits that are not numbers, 1 for a device without enough memory,
    130 for an interruption from the keyboard, 143 for SIGTERM.
    """
    try:
        yield
    except (InputError, FloatingPointError) as error:
        message, status = f"error: {error}", 2
    except Stopped as stop:
        message, status = str(stop), 128 + stop.signal
    except KeyboardInterrupt:
        message, status = "interrupted", 130
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # PyTorch's, which is not imported for a command line that fails early
            raise
        message, status = "error: the device has too little memory; use a smaller batch size or --max-length.", 1
    except BrokenPipeError:  # the reader of a pipe, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    else:
        return
    print(f"{program}: {message}", file=sys.stderr)
    sys.exit(status)


MLQA_LANGUAGES = ("en", "es", "hi", "vi", "de", "ar", "zh")
HEADS = ("linear", "mlp", "lstm", "conv", "conditional")
SCORERS = ("auto", "squad", "squad_v2", "korquad", "klue", "xquad", *(f"mlqa-{language}" for language in MLQA_LANGUAGES))


def flag(default, help, *, group, tiny=None, choices=None, nargs=None, positional=False, at_least=None, above=None, below=None):
    """Declare a setting. `tiny` is its default with `--model tiny`; the bounds are checked when a config is made.

    A positional setting is given without its name, and must be.
    """
    metadata = {"default": default, "help": help, "group": group, "tiny": tiny, "choices": choices, "nargs": nargs,
                "positional": positional,
                "bounds": (("at least", at_least, operator.ge), ("above", above, operator.gt), ("below", below, operator.lt))}
    # With two defaults, a setting is None until `__post_init__` knows the model.
    return field(default=default if tiny is None else None, metadata=metadata)


class Config:
    """What the two configs share: defaults that depend on the model, and bounds."""

    given = {}  # what the command line gave, where there was one

    def __post_init__(self):
        for setting in fields(self):
            meta = setting.metadata
            if getattr(self, setting.name) is None:
                is_tiny = meta["tiny"] is not None and self.model == "tiny"
                setattr(self, setting.name, meta["tiny"] if is_tiny else meta["default"])
            if getattr(self, setting.name) is not None:
                _check(setting.name, getattr(self, setting.name), meta)

    def check_given(self):
        """Raise InputError for flags that the command line gave and that do not go together; for subclasses."""

    def to_dict(self):
        return asdict(self)


def _check(name, value, meta):
    option = name.upper() if meta["positional"] else "--" + name.replace("_", "-")
    if meta["choices"] and value not in meta["choices"]:
        raise InputError(f"{option} {value}: choose one of {', '.join(meta['choices'])}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{option} {value}: must be a finite number.")
    for words, bound, holds in meta["bounds"]:
        if bound is not None and not holds(value, bound):
            raise InputError(f"{option} {value}: must be {words} {bound}.")


@dataclass
class TrainConfig(Config):
    """Train an extractive reader: an encoder with a span head, on questions answered by a span of their context.

    Without any flag it trains the built-in `tiny` encoder from random weights on the built-in corpus, in a few minutes.
    """

    data: str | None = flag(None, "in place of files, the built-in corpus: sample, or some of its languages (sample:ko,en,vi,ru); "
                            "':unanswerable' after it adds questions without an answer (default: sample)", group="data")
    train_file: str | None = flag(None, "questions to train on: a file (JSON as SQuAD nests it or as a list of records, JSON Lines, "
                                  "CSV, TSV, Parquet; gzipped or not), a folder or a quoted glob of them, - for standard input, a folder "
                                  "of datasets.save_to_disk, or a hub data set (squad_v2, klue:mrc)", group="data")
    train_split: str | None = flag(None, "split of a hub data set or save_to_disk folder to train on, or a slice of it such as "
                                   "train[:20%]; default: train", group="data")
    validation_file: str | None = flag(None, "questions to score each epoch on, in the same forms", group="data")
    validation_split: str | None = flag(None, "split to score on; default: validation. Without --validation-file, of --train-file",
                                        group="data")
    validation_fraction: float | None = flag(None, "in place of --validation-file: set aside about this share of the training "
                                             "questions, whole contexts and whole articles, chosen by --seed", group="data", above=0, below=1)
    max_train_examples: int | None = flag(None, "train on the first N questions only", group="data", at_least=1)
    max_eval_examples: int | None = flag(None, "score the first N questions only", group="data", at_least=1)
    on_bad_answer: str = flag("repair", "an answer that does not stand at its answer_start: 'repair' moves it to its nearest "
                              "occurrence, 'skip' leaves it out of training, 'error' stops the run", group="data",
                              choices=("repair", "skip", "error"))

    model: str = flag("tiny", "encoder: a Hugging Face hub id, a local folder, or tiny (3 layers of width 128, from random "
                      "weights, with a vocabulary learned from the training text)", group="model")
    head: str | None = flag(None, "what scores the tokens on top of the encoder; conditional scores ends given their start. Default: the "
                            "head that --model brings, or linear", group="model", choices=HEADS)
    model_class: str | None = flag(None, "package.module:Class, an nn.Module of your own in place of encoder and head; "
                                   "see docs/custom_architecture.md", group="model")
    lora_rank: int | None = flag(None, "train low-rank adapters of the encoder and the head alone; they are merged when saved", group="model",
                                 at_least=1)
    trust_remote_code: bool = flag(False, "run the code that the model's repository brings; only for those that you trust", group="model")
    allow_pickle: bool = flag(False, "read weights that are not safetensors; pickled files can run code", group="model")
    max_length: int = flag(384, "longest window, in tokens, question and special tokens included", group="model", tiny=128, at_least=8)
    stride: int = flag(128, "overlap of a context's consecutive windows, in tokens", group="model", tiny=32, at_least=0)
    max_question_length: int = flag(64, "longer questions are cut to this many tokens", group="model", at_least=1)
    feature_cache: str | None = flag(None, "folder that keeps the tokenised texts, so that the next start on the same data and "
                                     "tokenizer finds them", group="model")
    dropout: float = flag(0.1, "dropout probability in the encoder's hidden states and before the head", group="model",
                          tiny=0.0, at_least=0, below=1)
    attention_dropout: float = flag(0.0, "dropout probability on attention weights; anything but 0 forgoes fused attention on "
                                    "CPU, at several times the time and memory", group="model", at_least=0, below=1)

    epochs: int = flag(2, "passes over the training data", group="training", tiny=3, at_least=1)
    max_steps: int | None = flag(None, "stop after this many optimiser steps, whatever --epochs says", group="training", at_least=1)
    batch_size: int = flag(16, "windows per forward pass (and process)", group="training", at_least=1)
    max_tokens_per_batch: int | None = flag(None, "in place of --batch-size, tokens per forward pass, padding included: as many windows "
                                            "as fit, so that batches are of about equal work", group="training", at_least=1)
    gradient_accumulation_steps: int = flag(1, "forward passes per optimiser step (and process)", group="training", at_least=1)
    learning_rate: float = flag(5e-5, "peak learning rate of AdamW", group="training", tiny=1e-3, above=0)
    schedule: str = flag("linear", "how the learning rate goes after the warm-up: linear or cosine, down to 0, or constant",
                         group="training", choices=("linear", "cosine", "constant"))
    warmup_ratio: float = flag(0.1, "share of the steps over which the learning rate rises from 0", group="training", at_least=0, below=1)
    warmup_steps: int | None = flag(None, "in place of --warmup-ratio, the number of these steps", group="training", at_least=0)
    layer_decay: float = flag(1.0, "learning rate of each layer of the encoder as a share of that of the layer above it; 1 for all "
                              "alike", group="training", above=0)
    freeze_layers: int | None = flag(None, "leave the embeddings and the first N layers of the encoder as they are; 0 for the embeddings "
                                     "alone", group="training", at_least=0)
    weight_decay: float = flag(0.01, "AdamW weight decay; biases and normalisation weights are exempt", group="training", at_least=0)
    max_grad_norm: float = flag(1.0, "clip the gradient to this norm", group="training", above=0)
    mask_question: bool = flag(False, "let the loss see the logits of the context and the null position alone, and no question's",
                               group="training")
    label_smoothing: float = flag(0.0, "share of the target that is spread evenly over a window's tokens", group="training",
                                  at_least=0, below=1)
    ema_decay: float | None = flag(None, "score and save a moving average of the weights, which keeps this share of itself at each step, "
                                   "such as 0.999", group="training", above=0, below=1)
    max_bad_steps: int = flag(5, "stop after this many steps in a row whose loss or gradient is not finite; each is left out",
                              group="training", at_least=1)
    precision: str = flag("auto", "arithmetic of the forward pass; auto is bf16 on a GPU that has it, else fp32; on a CPU with bf16 "
                          "instructions (AVX-512 BF16, AMX) bf16 is about twice as fast", group="training",
                          choices=("auto", "fp32", "bf16", "fp16"))
    seed: int = flag(42, "seed of weights, batches and dropout", group="training", at_least=0)
    deterministic: bool = flag(False, "take only operations that give the same bits each time, where a GPU has faster ones",
                               group="training")
    device: str = flag("auto", "cpu, cuda, cuda:1, mps; auto takes a GPU where there is one", group="training")

    scorer: str = flag("auto", "official score to report; auto goes by what the file says of itself: korquad, klue, mlqa-LANGUAGE, "
                       "squad_v2 where questions may have no answer, else squad", group="evaluation",
                       choices=SCORERS)
    search: str = flag("pruned", "where answers are looked for: pruned pairs the --n-best starts with the --n-best ends, as the "
                       "reference recipe does; exact takes every span", group="evaluation", choices=("pruned", "exact"))
    eval_batch_size: int = flag(64, "windows per forward pass when scoring", group="evaluation", at_least=1)
    n_best: int = flag(20, "answers kept per question", group="evaluation", at_least=1)
    max_answer_length: int = flag(30, "longest answer, in tokens", group="evaluation", at_least=1)

    eval_every: int | None = flag(None, "score every N optimiser steps, and at the end (default: after each epoch)", group="evaluation",
                                  at_least=1)
    metric_for_best: str | None = flag(None, "the score that decides which checkpoint is the best, such as f1 or exact_match "
                                       "(default: the scorer's graded one, f1 or rouge_w)", group="evaluation")
    patience: int | None = flag(None, "stop after this many scorings in a row without a better one", group="evaluation", at_least=1)

    resume: str | None = flag(None, "go on with a run exactly where it was saved: its folder, or one checkpoint in it; auto goes on with "
                              "the run in --output-dir (default: the latest on this model and data), falls back on an earlier checkpoint "
                              "where one is damaged, and begins a new run where there is none. Settings are those of the run",
                              group="checkpoints")
    save_every: int | None = flag(None, "save every N optimiser steps as well as after each scoring", group="checkpoints", at_least=1)
    save_every_minutes: float | None = flag(None, "save whenever this many minutes have passed", group="checkpoints", above=0)
    keep: int = flag(1, "earlier checkpoints that are kept beside the last and the best", group="checkpoints", at_least=0)

    compile: bool = flag(False, "compile the model (torch.compile); pays on a GPU, in runs of more than some minutes", group="speed")
    fsdp: bool = flag(False, "under torchrun, share the weights, gradients and optimiser state out among the processes (PyTorch's "
                      "fully_shard), for an encoder that does not fit on one GPU", group="speed")
    gradient_checkpointing: bool = flag(False, "compute activations anew in the backward pass: a third more work, a fraction of the memory",
                                        group="speed")
    attn_implementation: str | None = flag(None, "the encoder's attention (default: sdpa where it has it)", group="speed",
                                           choices=("sdpa", "eager", "flash_attention_2"))
    tf32: bool = flag(False, "let a GPU multiply float32 matrices in TF32, which keeps 10 bits of the mantissa", group="speed")

    output_dir: str | None = flag(None, "the run's folder (default: checkpoints/MODEL-DATA, numbered where taken)", group="output")
    log_every: int = flag(50, "optimiser steps between log lines", group="output", at_least=1)
    tensorboard: bool = flag(False, "write the log for TensorBoard, too, to the run's folder", group="output")
    plot: bool = flag(False, "draw the loss and the scores to plot.png at the end", group="output")
    push_to_hub: str | None = flag(None, "at the end, upload the best checkpoint to this model repository of the Hugging Face hub "
                                   "(USER/NAME); it is made, private, before training starts", group="output")

    def __post_init__(self):
        super().__post_init__()
        for name in ("validation_file", "train_split", "validation_split", "validation_fraction"):
            if getattr(self, name) and not self.train_file:
                raise InputError(f"--{name.replace('_', '-')} {getattr(self, name)} needs a --train-file; to score a trained reader, "
                                 "use evaluate.py.")
        if self.validation_split and not self.validation_file:
            self.validation_file = self.train_file
        if self.validation_fraction and self.validation_file:
            raise InputError(f"--validation-fraction {self.validation_fraction} and --validation-file {self.validation_file}: give one "
                             "of them.")
        if self.data and self.train_file:
            raise InputError(f"--data {self.data} and --train-file {self.train_file}: give one of them.")
        if not self.train_file:
            self.data = self.data or "sample"
        if self.model_class and (self.head or self.lora_rank):
            raise InputError(f"--model-class {self.model_class}: a model of your own has its own head; leave out --head and --lora-rank.")
        # With --resume, the model is that of the run.
        if self.model_class and self.model == "tiny" and not self.resume and (self.attention_dropout or self.attn_implementation):
            raise InputError(f"--model-class {self.model_class}: --attention-dropout and --attn-implementation are for the encoder that "
                             "--model names.")
        if self.head == "conditional" and self.search == "exact":
            raise InputError("--head conditional looks for answers in a beam of its own; leave out --search exact.")
        if self.head == "conditional" and self.mask_question:
            raise InputError("--head conditional makes probabilities over the whole window; leave out --mask-question.")
        is_scored = self.data or self.validation_file or self.validation_fraction
        if not is_scored and (self.patience is not None or self.metric_for_best):
            raise InputError("--patience and --metric-for-best need validation data: --validation-file or --validation-fraction.")
        if self.lora_rank and self.model == "tiny" and not self.resume:
            raise InputError(f"--lora-rank {self.lora_rank} adapts a pretrained encoder; name one with --model.")
        if self.freeze_layers is not None and self.model == "tiny" and not self.resume and not self.model_class:
            raise InputError(f"--freeze-layers {self.freeze_layers} keeps pretrained layers as they are, and tiny has none; name a --model.")
        if self.lora_rank and self.ema_decay:
            raise InputError("--lora-rank and --ema-decay: give one of them.")
        for name in ("compile", "lora_rank", "ema_decay"):
            if self.fsdp and getattr(self, name):
                raise InputError(f"--fsdp and --{name.replace('_', '-')}: give one of them.")
        if self.max_tokens_per_batch and self.max_tokens_per_batch < self.max_length:
            raise InputError(f"--max-tokens-per-batch {self.max_tokens_per_batch} is below --max-length {self.max_length}: "
                             "a batch must hold a window.")

    def check_given(self):
        for names in (("max_tokens_per_batch", "batch_size"), ("warmup_steps", "warmup_ratio")):
            if all(name in self.given for name in names):
                raise InputError(f"{' and '.join('--' + name.replace('_', '-') for name in names)}: give one of them.")

    def flags_of_trust(self):
        """What a command that loads this run's model must be given again, as code or pickles are read by it; mostly ""."""
        named = [f"--model-class {self.model_class}"] if self.model_class else []
        named += [f"--{name.replace('_', '-')}" for name in ("trust_remote_code", "allow_pickle") if getattr(self, name)]
        return "".join(f" {flag}" for flag in named)


@dataclass
class EvalConfig(Config):
    """Score a trained reader, or let it answer a file of questions that has no answers yet.

    With --predictions in place of --checkpoint, score answers that any program has written; with --compare, test
    whether the second of two such files is better than the first. Settings left out are those of the training run.
    """

    checkpoint: str | None = flag(None, "a run's folder (its best checkpoint is meant), a checkpoint's folder, or a Hugging Face "
                                  "question-answering model", group="what is scored")
    predictions: str | None = flag(None, "JSON file: question id -> answer", group="what is scored")
    compare: str | None = flag(None, "two such files", group="what is scored", nargs=2)

    data: str | None = flag(None, "questions, in any form that train.py reads (files, folders, globs, -, hub data sets), or sample; "
                            "default: what the run was validated on", group="data")
    split: str | None = flag(None, "split of a hub data set or save_to_disk folder, or a slice of it such as validation[:20%]; "
                             "default: validation", group="data")
    max_eval_examples: int | None = flag(None, "take the first N questions only", group="data", at_least=1)

    max_length: int | None = flag(None, "longest window, in tokens; default: as trained, else 384", group="model", at_least=8)
    stride: int | None = flag(None, "overlap of a context's windows, in tokens; default: as trained, else 128", group="model", at_least=0)
    max_question_length: int | None = flag(None, "longer questions are cut to this many tokens; default: as trained, else 64",
                                           group="model", at_least=1)
    feature_cache: str | None = flag(None, "folder that keeps the tokenised texts from one start to the next", group="model")
    precision: str | None = flag(None, "arithmetic of the forward pass; default: as trained, else auto", group="model",
                                 choices=("auto", "fp32", "bf16", "fp16"))
    batch_size: int | None = flag(None, "windows per forward pass; default: as trained, else 64", group="model", at_least=1)
    model_class: str | None = flag(None, "package.module:Class, where the checkpoint is of an nn.Module of your own", group="model")
    trust_remote_code: bool = flag(False, "run the code that the model's repository brings; only for those that you trust", group="model")
    allow_pickle: bool = flag(False, "read weights that are not safetensors; pickled files can run code", group="model")
    device: str = flag("auto", "cpu, cuda, cuda:1, mps; auto takes a GPU where there is one", group="model")

    search: str | None = flag(None, "where answers are looked for: pruned pairs the --n-best starts with the --n-best ends, exact takes "
                              "every span and says how many answers that changed; default: as trained, else pruned", group="answers",
                              choices=("pruned", "exact"))
    n_best: int | None = flag(None, "answers kept per question; default: as trained, else 20", group="answers", at_least=1)
    max_answer_length: int | None = flag(None, "longest answer, in tokens; default: as trained, else 30", group="answers", at_least=1)
    strip_answer: bool = flag(False, "drop white space and unpaired quotation marks from both ends of an answer", group="answers")
    strip_particles: bool = flag(False, "also drop a Korean particle from an answer's end; the scores without that are shown beside",
                                 group="answers")

    scorer: str | None = flag(None, "official score to report; default: as trained, else auto", group="scores", choices=SCORERS)
    null_threshold: float | None = flag(None, "answer nothing where the null score exceeds the best span's by more than this, for data "
                                        "with unanswerable questions; default: the best on the validation data, else 0", group="scores")
    na_probs: str | None = flag(None, "with --predictions: JSON file, question id -> probability that it has no answer", group="scores")

    output_dir: str | None = flag(None, "folder for predictions.json, nbest_predictions.json, null_odds.json and metrics.json "
                                  "(default: one beside the checkpoint; with --predictions and --compare, none)", group="output")

    def __post_init__(self):
        super().__post_init__()
        if sum(given is not None for given in (self.checkpoint, self.predictions, self.compare)) != 1:
            raise InputError("give one of --checkpoint, --predictions and --compare; see --help.")
        if self.split and self.data is None:
            raise InputError(f"--split {self.split} needs --data.")
        if self.checkpoint is None and self.data is None:
            raise InputError("--data is needed: the file that holds the right answers.")
        self._refuse("--checkpoint", self.checkpoint, ("max_length", "stride", "max_question_length", "feature_cache", "precision",
                                                       "batch_size", "search", "n_best", "max_answer_length",
                                                       "model_class", "trust_remote_code", "allow_pickle"))
        self._refuse("--predictions", self.predictions, ("na_probs",))
        self._refuse("--checkpoint or --predictions", self.checkpoint or self.predictions, ("null_threshold", "strip_answer",
                                                                                           "strip_particles"))

    def _refuse(self, needed, given, names):
        """Raise InputError for settings that would be passed over without what they need."""
        for name in names:
            value = getattr(self, name)
            if given is None and value is not None and value is not False:
                raise InputError(f"--{name.replace('_', '-')} works with {needed} alone.")


@dataclass
class ReaderConfig(Config):
    """What every command that asks a reader can be told."""

    checkpoint: str = flag("", "a run's folder (its best checkpoint is meant), a checkpoint's folder, or a Hugging Face question-answering "
                           "model", group="reader", positional=True)
    model_class: str | None = flag(None, "package.module:Class, where the checkpoint is of an nn.Module of your own", group="reader")
    trust_remote_code: bool = flag(False, "run the code that the model's repository brings; only for those that you trust", group="reader")
    allow_pickle: bool = flag(False, "read weights that are not safetensors; pickled files can run code", group="reader")
    device: str = flag("auto", "cpu, cuda, cuda:1, mps; auto takes a GPU where there is one", group="reader")
    dtype: str = flag("float32", "type of weights and arithmetic; bfloat16 is several times as fast on hardware that has it, and moves "
                      "scores in the second or third digit", group="reader", choices=("float32", "bfloat16", "float16"))
    batch_size: int | None = flag(None, "windows per forward pass; default: chosen by their lengths", group="reader", at_least=1)
    max_seq_len: int | None = flag(None, "longest window, in tokens; default: as trained, else 384", group="reader", at_least=8)
    doc_stride: int | None = flag(None, "overlap of a context's windows, in tokens; default: as trained, else 128", group="reader",
                                  at_least=0)
    max_question_len: int | None = flag(None, "longer questions are cut to this many tokens; default: as trained, else 64", group="reader",
                                        at_least=1)
    max_answer_len: int = flag(15, "longest answer, in tokens", group="answers", at_least=1)
    handle_impossible_answer: str = flag("auto", "whether a question may have no answer; auto is yes for a reader that was trained with "
                                         "such questions", group="answers", choices=("auto", "yes", "no"))
    within_words: bool = flag(False, "let an answer begin or end within a word", group="answers")
    scoring: str = flag("pipeline", "pipeline: probability of the start times that of the end; n_best: the probabilities and the answers "
                        "of evaluate.py, for which words are not aligned", group="answers", choices=("pipeline", "n_best"))


@dataclass
class AskConfig(ReaderConfig):
    """Ask a reader about a text: at a prompt, or once with --question and --context."""

    question: str | None = flag(None, "ask this, print the answers, and end", group="question")
    context: str | None = flag(None, "the text to read, or @FILE (@- for standard input)", group="question")
    top_k: int = flag(3, "answers to show", group="question", at_least=1)
    json: bool = flag(False, "print the answers as JSON", group="question")

    def __post_init__(self):
        super().__post_init__()
        if self.question is not None and self.context is None:
            raise InputError("--question needs a --context: the text itself, or @FILE.")
        if self.json and self.question is None:
            raise InputError("--json works with --question alone.")


@dataclass
class PredictConfig(ReaderConfig):
    """Let a reader answer a whole file of questions.

    The answers are written in parts, so that a run that was cut off goes on where it stopped when it is started again. Under
    torchrun the processes share the parts: torchrun --nproc-per-node 4 -m mrc predict ...
    """

    data: str = flag(None, "the questions, in any form that train.py reads (files, folders, globs, -, hub data sets), or sample",
                     group="files")
    split: str | None = flag(None, "split of a hub data set or save_to_disk folder, or a slice of it; default: validation", group="files")
    output: str = flag(None, "file to write: .json (id -> answer, what evaluate.py --predictions reads), .jsonl (one object a question) or "
                       ".csv (one line an answer)", group="files")
    max_examples: int | None = flag(None, "take the first N questions only", group="files", at_least=1)
    part_size: int = flag(1000, "questions per part", group="files", at_least=1)
    top_k: int = flag(1, "answers to write per question, to .jsonl and .csv", group="answers", at_least=1)

    def __post_init__(self):
        super().__post_init__()
        for name in ("data", "output"):
            if not getattr(self, name):
                raise InputError(f"--{name} is needed; see --help.")
        if not self.output.endswith((".json", ".jsonl", ".csv")):
            raise InputError(f"--output {self.output}: end the name in .json, .jsonl or .csv.")
        if self.top_k > 1 and self.output.endswith(".json"):
            raise InputError(f"--top-k {self.top_k} and --output {self.output}: .json holds one answer per question; write .jsonl or .csv.")


@dataclass
class ServeConfig(ReaderConfig):
    """Serve a reader over HTTP: a page to ask in at /, a JSON API at /answer, described at /docs.

    There is no password and no encryption: whoever reaches the port can ask. So the server listens on this machine alone
    unless told otherwise; put a reverse proxy with both in front of it before letting others in.
    """

    host: str = flag("127.0.0.1", "address to listen on; 0.0.0.0 is every network that this machine is on, open to anyone there",
                     group="server")
    port: int = flag(8000, "port to listen on; 0 takes a free one", group="server", at_least=0, below=65536)
    allowed_hosts: str | None = flag(None, "names, divided by commas, under which the server may be called (* for any); others are "
                                     "refused, so that no web page can reach it by a name of its own; default: this machine's own names "
                                     "and --host", group="server")
    max_body_kb: int = flag(1024, "largest request, in KiB; beyond it: status 413", group="limits", at_least=1)
    max_context_chars: int = flag(100_000, "longest context, in characters; beyond it: status 413", group="limits", at_least=1)
    max_queue: int = flag(256, "requests that may wait for an answer; beyond them: status 429", group="limits", at_least=1)
    max_connections: int = flag(1024, "open connections; beyond them: status 503", group="limits", at_least=1)
    timeout: float = flag(30.0, "seconds until a request that is not answered gets status 503", group="limits", above=0)
    body_timeout: float = flag(10.0, "seconds that a client may take to send its request; then: status 408", group="limits", above=0)
    batch_requests: int = flag(32, "requests that are read together at most", group="limits", at_least=1)


def parse_args(config_class, argv=None, program=None):
    """Make a config from a command line (`sys.argv` by default); `program` is how --help calls it.

    Raises InputError for a value out of bounds.
    """
    # transformers.HfArgumentParser makes a parser too, but prints each flag twice and knows no groups and no bounds.
    parser = argparse.ArgumentParser(program, description=cleandoc(config_class.__doc__), formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False)
    groups, types = {}, get_type_hints(config_class)
    for setting in fields(config_class):
        meta = setting.metadata
        if meta["group"] not in groups:
            groups[meta["group"]] = parser.add_argument_group(meta["group"])
        kind = (get_args(types[setting.name]) or [types[setting.name]])[0]  # `int | None` is read as int
        option, help = "--" + setting.name.replace("_", "-"), _help(meta)
        if meta["positional"]:
            groups[meta["group"]].add_argument(setting.name, type=kind, metavar=setting.name.upper(), help=help)
        elif kind is bool:
            groups[meta["group"]].add_argument(option, action="store_true", help=help)
        else:
            metavar = None if meta["choices"] else {int: "N", float: "X", str: "NAME"}[kind]
            groups[meta["group"]].add_argument(option, type=kind, nargs=meta["nargs"], metavar=metavar, choices=meta["choices"], help=help)
    settings = vars(parser.parse_args(argv))
    config = config_class(**settings)
    config.given = {name: value for name, value in settings.items() if value is not None and value is not False}
    config.check_given()
    return config


def _help(meta):
    text = meta["help"].replace("%", "%%")
    if meta["default"] in (None, False):
        return text
    tiny = f"; {meta['tiny']} with --model tiny" if meta["tiny"] is not None else ""
    return f"{text} (default: {meta['default']}{tiny})"
