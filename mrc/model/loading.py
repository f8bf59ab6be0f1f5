"""From the name of a model, or the folder of a checkpoint, to the model."""

from functools import partial
from pathlib import Path
from typing import Any

from transformers import AutoModelForQuestionAnswering, PreTrainedModel, PreTrainedTokenizerBase

from mrc.files import read_json_object
from mrc.model.baseline import BaselineModel
from mrc.model.custom import CustomModel, ModelClass
from mrc.model.pretrained import linear_qa_class, load_config, load_weights
from mrc.model.question_answering import QuestionAnsweringModel
from mrc.model.span_model import SpanModel


def make_model(
    config: Any, tokenizer: PreTrainedTokenizerBase, checkpoint: str | Path | None = None
) -> SpanModel:
    """Return the model that a training run begins with, or continues with.

    Args:
        config: a TrainConfig.
        tokenizer: the run's tokenizer.
        checkpoint: the folder to continue from; None to begin.

    Raises:
        InputError: the model cannot be loaded or made.
    """
    architecture = {
        "dropout": config.dropout,
        "attention_dropout": config.attention_dropout,
        "attention": config.attn_implementation,
    }
    trust = {
        "trust_remote_code": config.trust_remote_code,
        "allow_pickle": config.allow_pickle,
    }
    if config.lora_rank:
        # A checkpoint holds merged weights. The run's state has the adapters, which `resume` loads.
        model = BaselineModel.from_pretrained(
            config.model, head=config.head, **architecture, **trust
        )
        model.add_adapters(config.lora_rank, config.dropout)
        return model
    if checkpoint:
        return load_model(checkpoint, model_class=config.model_class, **architecture, **trust)
    is_tiny = config.model == "tiny"
    if config.model_class:
        load_encoder = partial(_load_encoder, config.model, **architecture, **trust)
        return CustomModel.make(
            config.model_class,
            tokenizer,
            max_length=config.max_length,
            dropout=config.dropout,
            load_encoder=None if is_tiny else load_encoder,
        )
    if is_tiny:
        return BaselineModel.tiny(len(tokenizer), head=config.head or "linear", **architecture)
    return load_model(config.model, head=config.head, **architecture, **trust)


def _load_encoder(name_or_path: str | Path, **settings: Any) -> PreTrainedModel:
    """Load a pretrained encoder without a head."""
    return BaselineModel.from_pretrained(name_or_path, **settings).encoder


def load_model(
    name_or_path: str | Path,
    *,
    dropout: float = 0.1,
    attention_dropout: float = 0.0,
    attention: str | None = None,
    head: str | None = None,
    model_class: ModelClass | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> SpanModel:
    """Load an encoder, a question-answering model of any kind, or a model of your own.

    Args:
        name_or_path: a hub id or a folder.
        dropout: the probability of dropout in the encoder's layers and in the head.
        attention_dropout: the probability of dropout of attention weights.
        attention: as for `BaselineModel.from_pretrained`.
        head: a name in HEADS, to replace the model's head; None keeps the head that is there, or
            adds a linear one.
        model_class: for the folder of a model of your own: see `CustomModel.load`.
        trust_remote_code: run the code that the checkpoint brings, if any.
        allow_pickle: read weights that are not in safetensors, which can run code.

    Raises:
        InputError: the model cannot be loaded.
    """
    path = Path(name_or_path) / "config.json"
    if path.is_file() and read_json_object(path).get("architectures") == [CustomModel.__name__]:
        return CustomModel.load(name_or_path, model_class, attention)
    config, options = load_config(
        name_or_path,
        dropout=dropout,
        attention_dropout=attention_dropout,
        attention=attention,
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
    )
    architecture = (config.architectures or [""])[0]
    is_question_answering = "QuestionAnswering" in architecture
    if head is None and is_question_answering and linear_qa_class(config) is None:
        model, _ = load_weights(AutoModelForQuestionAnswering, name_or_path, config, options)
        return QuestionAnsweringModel(model)
    return BaselineModel.of_config(name_or_path, config, options, dropout=dropout, head=head)
