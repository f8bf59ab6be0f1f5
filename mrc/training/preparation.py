"""What a run needs before it has a folder: its data, its model, and the features between them."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from mrc.config.hub import is_repo_name
from mrc.config.train import TrainConfig
from mrc.data.examples import ExampleList
from mrc.data.loading import load_run_data
from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.model.loading import make_model
from mrc.model.span_model import SpanModel
from mrc.model.tokenizer import is_path, load_tokenizer, train_tokenizer
from mrc.runtime.device import choose_device, configure_backends
from mrc.runtime.processes import local_device
from mrc.runtime.terminal import phase
from mrc.training.run_folder import check_not_a_run


class Prepared(NamedTuple):
    """What a run needs before it has a folder.

    Attributes:
        device: where it is computed.
        tokenizer: the Hugging Face fast tokenizer of the features.
        model: on the CPU; the Trainer moves it.
        train_set: the features to train on.
        eval_set: the features to score, or None.
        left_out: a sentence on the questions that cannot be trained on, or "".
    """

    device: torch.device
    tokenizer: Any
    model: SpanModel
    train_set: FeatureDataset
    eval_set: FeatureDataset | None
    left_out: str


def prepare(config: TrainConfig, checkpoint: Path | None = None) -> Prepared:
    """Read the data, load or make the model, and cut the features; nothing is written.

    checkpoint: of a resumed run. Raises InputError for what cannot be used.
    """
    if not checkpoint:
        check_model_name(config.model)
    device = choose_device(local_device(config.device))
    configure_backends(deterministic=config.deterministic, tf32=config.tf32)
    torch.manual_seed(config.seed)

    # Questions to train on, and questions to score on.
    with phase("reading the data"):
        train_examples, eval_examples, left_out = load_run_data(config)

    # A tokenizer, and an encoder with a head.
    with phase(f"loading {config.model}"):
        tokenizer = make_tokenizer(config, train_examples, checkpoint)
        model = make_model(config, tokenizer, checkpoint)
    model.check_fits(tokenizer, config.max_length)
    # Activation checkpointing, unrelated to the checkpoints of a run.
    if config.gradient_checkpointing:
        model.recompute_activations()

    # Features. A context may be too long for the model, so it is cut into windows that overlap; a
    # feature is one window of a context, with the question before it.
    windows = WindowSettings.from_config(config, model)
    with phase("tokenizing"):
        train_set = FeatureDataset(train_examples, tokenizer, windows)
        eval_set = FeatureDataset(eval_examples, tokenizer, windows) if eval_examples else None
    return Prepared(device, tokenizer, model, train_set, eval_set, left_out)


def check_model_name(model: str) -> None:
    """Raise InputError for a --model that cannot be one, before the data are read for it."""
    check_not_a_run(model)
    if model == "tiny" or Path(model).exists():
        return
    if is_path(model) or not is_repo_name(model):
        raise InputError(
            f"--model {model}: no such folder, and not a name that the Hugging Face hub could have."
        )


def make_tokenizer(config: TrainConfig, examples: ExampleList, checkpoint: Path | None) -> Any:
    """Load the model's tokenizer; that of `tiny` is trained on the questions and contexts."""
    if config.model == "tiny" and not checkpoint:
        texts = (text for example in examples for text in (example.question, example.context))
        return train_tokenizer(texts)
    return load_tokenizer(checkpoint or config.model, config.trust_remote_code)
