"""Models of your own, and Hugging Face question-answering models with a head of their own."""

import importlib
import inspect
import json
import os
import sys
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig

from mrc.errors import InputError
from mrc.files import read_json, write_json
from mrc.model.pretrained import encoder_of, load_module_state, positions, save_module_state
from mrc.model.span_model import SpanModel

GIVEN = (
    "vocab_size",
    "pad_token_id",
    "max_length",
    "dropout",
    "encoder",
)  # what a custom class may ask for by parameter name


class CustomModel(SpanModel):
    """A class of the user's own in the place of BaselineModel.

    model_class: "package.module:Class", an nn.Module whose `forward(input_ids, attention_mask, token_type_ids=None)` returns
    start and end logits, each (batch, length). Its constructor gets those of GIVEN that it has parameters for: vocab_size,
    pad_token_id, max_length (tokens), dropout (a probability), encoder (a Hugging Face model, of which it gets token states).
    arguments: dict of these. Raises InputError if the class cannot be found, made, or called.
    """

    def __init__(self, model_class, arguments):
        super().__init__()
        self.model_class = model_class
        made = import_class(model_class)
        parameters = inspect.signature(made).parameters
        lacking = [
            name
            for name, p in parameters.items()
            if p.default is p.empty and name not in GIVEN and p.kind is p.POSITIONAL_OR_KEYWORD
        ]
        if lacking:
            raise InputError(
                f"--model-class {model_class}: its constructor needs '{lacking[0]}'; it can ask for {', '.join(GIVEN)}, and "
                "other parameters need a default."
            )
        self.arguments = {name: value for name, value in arguments.items() if name in parameters}
        self.module = made(**self.arguments)
        if not isinstance(self.module, nn.Module):
            raise InputError(f"--model-class {model_class}: is no torch.nn.Module.")
        taken = inspect.signature(self.module.forward)
        self.takes_token_types = "token_type_ids" in taken.parameters
        try:
            taken.bind(
                "input_ids",
                "attention_mask",
                **({"token_type_ids": None} if self.takes_token_types else {}),
            )
        except TypeError as error:
            raise InputError(
                f"--model-class {model_class}: its forward{taken} cannot be called with input_ids and attention_mask "
                f"({error})."
            ) from None
        self.vocab_size, self.max_length = (
            arguments["vocab_size"],
            getattr(self.module, "max_length", None),
        )

    def forward(self, input_ids, attention_mask=None, token_type_ids=None):
        """input_ids, attention_mask, token_type_ids: (batch, length) -> start_logits, end_logits: (batch, length)."""
        attention_mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        logits = self.module(
            input_ids,
            attention_mask,
            **({"token_type_ids": token_type_ids} if self.takes_token_types else {}),
        )
        if (
            not isinstance(logits, tuple)
            or [getattr(part, "shape", None) for part in logits] != [input_ids.shape] * 2
        ):
            shapes = [
                tuple(getattr(part, "shape", ()))
                for part in (logits if isinstance(logits, (tuple, list)) else [logits])
            ]
            raise InputError(
                f"--model-class {self.model_class}: forward returned a {type(logits).__name__} of shapes {shapes}; it must return "
                f"a tuple of start and end logits, each {tuple(input_ids.shape)}."
            )
        return logits

    @classmethod
    def make(cls, model_class, tokenizer, max_length, dropout, encoder=None):
        """A new one for a tokenizer. encoder: a function that loads one, called only if the class asks for it."""
        arguments = {
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "max_length": max_length,
            "dropout": dropout,
        }
        if "encoder" in inspect.signature(import_class(model_class)).parameters:
            if encoder is None:
                raise InputError(
                    f"--model-class {model_class}: asks for an encoder; name one with --model."
                )
            arguments["encoder"] = encoder()
        return cls(model_class, arguments)

    @classmethod
    def load(cls, folder, model_class, attention=None):
        """One that `save_pretrained` wrote. model_class: the class that the user trusts to be run; it must be the one saved.

        attention: its encoder's, as for `BaselineModel.from_pretrained`.
        """
        config = read_json(Path(folder) / "config.json")
        saved = config["model_class"]
        if model_class != saved:
            raise InputError(
                f"{folder}: was made by the class {saved}, which is code of your own; add --model-class {saved} to run it."
            )
        arguments = dict(config["arguments"])
        if config["encoder"] is not None:
            encoder_config = dict(config["encoder"])
            arguments["encoder"] = encoder_of(
                AutoConfig.for_model(encoder_config.pop("model_type"), **encoder_config), attention
            )
        model = cls(model_class, arguments)
        load_module_state(model, folder)
        return model

    def save_pretrained(self, folder):
        """Write config.json (the class, its arguments, its encoder's configuration) and model.safetensors to an existing folder."""
        encoder = self.arguments.get("encoder")
        plain = {name: value for name, value in self.arguments.items() if name != "encoder"}
        config = {
            "architectures": [type(self).__name__],
            "model_class": self.model_class,
            "arguments": {**plain, "vocab_size": self.vocab_size},
            "encoder": encoder and json.loads(encoder.config.to_json_string(False)),
        }
        write_json(Path(folder) / "config.json", config, indent=2)
        save_module_state(self.state_dict(), folder)


class QuestionAnsweringModel(SpanModel):
    """A Hugging Face question-answering model as it is, head included (ModernBERT, BigBird, BART, T5).

    model: its output has start_logits and end_logits, each (batch, length).
    """

    head_is_new = False

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.inputs = {"input_ids", "attention_mask", "token_type_ids"} & set(
            inspect.signature(model.forward).parameters
        )
        if getattr(model.config, "type_vocab_size", 2) < 2:
            self.inputs -= {"token_type_ids"}
        self.takes_token_types = "token_type_ids" in self.inputs
        self.max_length, self.pad_token_id = positions(model)
        self.vocab_size = model.get_input_embeddings().num_embeddings

    @property
    def transformers_class(self):
        """The Hugging Face class that loads what `save_pretrained` writes."""
        return type(self.model)

    @property
    def encoder(self):
        """The model, of which most is an encoder, for what asks about its layers and its configuration."""
        return self.model

    def forward(self, input_ids, attention_mask=None, token_type_ids=None):
        """input_ids, attention_mask, token_type_ids: (batch, length) -> start_logits, end_logits: (batch, length)."""
        inputs = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
        }
        output = self.model(
            **{name: inputs[name] for name in self.inputs if inputs[name] is not None}
        )
        return output.start_logits, output.end_logits

    def save_pretrained(self, folder):
        """Write the folder as Hugging Face does."""
        self.model.config.architectures = [type(self.model).__name__]
        self.model.save_pretrained(folder)


def import_class(model_class):
    """The class of "package.module:Class", looked for in the working directory too. Raises InputError."""
    module_name, _, class_name = model_class.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except Exception as error:  # importing runs code that may raise anything
        raise InputError(
            f"--model-class {model_class}: no class can be had by this name ({type(error).__name__}: {error}); "
            "it is package.module:Class, found from the working directory or as installed."
        ) from error
