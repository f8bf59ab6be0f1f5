"""From the name of a model, or the folder of a checkpoint, to the model."""

from pathlib import Path

from transformers import AutoModelForQuestionAnswering

from mrc.files import read_json
from mrc.model.baseline import BaselineModel
from mrc.model.custom import CustomModel, QuestionAnsweringModel
from mrc.model.pretrained import linear_qa_class, load_config, load_weights


def make_model(config, tokenizer, checkpoint=None):
    """The model that a run begins with, or, with the folder of a checkpoint of it, goes on with. config: TrainConfig."""
    architecture = (config.dropout, config.attention_dropout, config.attn_implementation)
    trust = {"trust_remote_code": config.trust_remote_code, "allow_pickle": config.allow_pickle}
    if (
        config.lora_rank
    ):  # a checkpoint has the adapters merged; they are restored with the rest of the run's state
        model = BaselineModel.from_pretrained(config.model, *architecture, config.head, **trust)
        model.add_adapters(config.lora_rank, config.dropout)
        return model
    if checkpoint:
        return load_model(checkpoint, *architecture, model_class=config.model_class, **trust)
    if config.model_class:
        load_encoder = (
            None
            if config.model == "tiny"
            else lambda: BaselineModel.from_pretrained(config.model, *architecture, **trust).encoder
        )
        return CustomModel.make(
            config.model_class, tokenizer, config.max_length, config.dropout, load_encoder
        )
    if config.model == "tiny":
        return BaselineModel.tiny(len(tokenizer), *architecture, config.head or "linear")
    return load_model(config.model, *architecture, config.head, **trust)


def load_model(
    name_or_path,
    dropout=0.1,
    attention_dropout=0.0,
    attention=None,
    head=None,
    model_class=None,
    **trust,
):
    """Load whatever a folder or a hub id holds: an encoder, a question-answering model of any kind, or a custom model of ours.

    attention, trust: as for `BaselineModel.from_pretrained`. head: a name in HEADS to put on the encoder; None keeps the one that
    is there, or puts a linear one where there is none. model_class: what a custom model's folder must have been made by.
    Raises InputError.
    """
    path = Path(name_or_path) / "config.json"
    if path.is_file() and read_json(path).get("architectures") == [CustomModel.__name__]:
        return CustomModel.load(name_or_path, model_class, attention)
    config, options = load_config(name_or_path, dropout, attention_dropout, attention, **trust)
    architecture = (config.architectures or [""])[0]
    if head is None and "QuestionAnswering" in architecture and linear_qa_class(config) is None:
        return QuestionAnsweringModel(
            load_weights(AutoModelForQuestionAnswering, name_or_path, config, options)[0]
        )
    return BaselineModel.of_config(name_or_path, config, options, dropout, head)
