"""Models of your own in place of BaselineModel: a class, its name, or an instance."""

import importlib
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    MODEL_MAPPING,
    AutoConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from mrc.errors import InputError
from mrc.files import read_json, write_json
from mrc.model.pretrained import encoder_of, load_module_state, save_module_state
from mrc.model.question_answering import QuestionAnsweringModel
from mrc.model.span_model import SpanModel, span_logits

# "package.module:Class", the class itself (or a function that makes a module), or an instance.
ModelClass = str | Callable[..., nn.Module] | nn.Module

# What a constructor can ask for by the names of its parameters.
CONSTRUCTOR_ARGUMENTS = ("vocab_size", "pad_token_id", "max_length", "dropout", "encoder")

# What `forward` can ask for by the names of its parameters.
FORWARD_ARGUMENTS = ("input_ids", "attention_mask", "token_type_ids")


def as_span_model(module: nn.Module) -> SpanModel:
    """Return any reader as the SpanModel that the loop, metrics, and checkpoints work with.

    Args:
        module: a SpanModel, which is returned as it is; a Hugging Face question-answering model; or
            a module of your own, see CustomModel.

    Raises:
        InputError: the module is none of these, or its `forward` cannot be called.
    """
    if isinstance(module, SpanModel):
        return module
    if not isinstance(module, nn.Module):
        raise InputError(f"the model is a {_type_name(module)}; give an instance of nn.Module.")
    if isinstance(module, PreTrainedModel):
        if "start_positions" in inspect.signature(module.forward).parameters:
            return QuestionAnsweringModel(module)
        encoder_classes: Any = MODEL_MAPPING.get(type(module.config), ())
        if isinstance(module, encoder_classes):
            name = type(module).__name__
            raise InputError(
                f"{name} returns token states, not start and end logits; put a head on it: "
                f"BaselineModel(encoder)."
            )
    return CustomModel(module)


class CustomModel(SpanModel):
    """A module of your own, called by keyword with those inputs that its `forward` names.

    `forward` can name input_ids, attention_mask, and token_type_ids, each (batch, length), in any
    order. It returns a tuple of start and end logits, each (batch, length), or an object with the
    attributes start_logits, end_logits, and whatever else the loss needs; the object is passed on
    unchanged. If the module's class has a method `loss(output, batch)`, that is the training loss.

    Args:
        module: the module. Its attribute `max_length`, if it has one, is the longest input.
        name: "package.module:Class", which is saved with the weights; None for the module's class.
        arguments: what the module was constructed with, to be saved; see `make`.
        vocab_size: the size of the tokenizer that it was made for; None if that is not known.

    Raises:
        InputError: `forward` requires other inputs.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        name: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        vocab_size: int | None = None,
    ) -> None:
        super().__init__()
        self.module = module
        self.model_class = class_name(module) if name is None else name
        self.arguments = dict(arguments or {})
        self.vocab_size = vocab_size
        self.max_length = getattr(module, "max_length", None)
        self.inputs = _forward_inputs(module, self.model_class)
        self.takes_token_types = "token_type_ids" in self.inputs

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> Any:
        """Return what the module returns, once its logits are known to be (batch, length)."""
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        given = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
        }
        output = self.module(**{name: given[name] for name in self.inputs})
        _check_output(output, input_ids.shape, self.model_class)
        return output

    @property
    def loss(self) -> Callable[[Any, Mapping[str, Any]], torch.Tensor] | None:
        """The module's own loss; None if its class defines none."""
        # Of the class: an attribute `self.loss = nn.CrossEntropyLoss()` takes other arguments.
        has_loss = callable(getattr(type(self.module), "loss", None))
        return self._own_loss if has_loss else None

    def _own_loss(self, output: Any, batch: Mapping[str, Any]) -> torch.Tensor:
        """Return the loss that the module computes; InputError if it is not a scalar tensor."""
        loss = self.module.loss(output, batch)  # type: ignore[operator]
        if not isinstance(loss, torch.Tensor) or loss.ndim != 0:
            raise InputError(
                f"model class {self.model_class}: its loss(output, batch) returned a "
                f"{_described(loss)}; it must return a scalar tensor."
            )
        return loss

    @classmethod
    def make(
        cls,
        model_class: ModelClass,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int,
        dropout: float,
        load_encoder: Callable[[], PreTrainedModel] | None = None,
    ) -> "CustomModel":
        """Construct a model for a tokenizer; an instance is taken as it is.

        The constructor gets those of CONSTRUCTOR_ARGUMENTS that it has parameters for.

        Args:
            model_class: the class, its name "package.module:Class", or an instance.
            tokenizer: gives vocab_size and pad_token_id.
            max_length: the length of the windows, in tokens.
            dropout: a probability.
            load_encoder: called only if the constructor asks for an encoder.

        Raises:
            InputError: the class cannot be found, constructed, or called.
        """
        if isinstance(model_class, nn.Module):
            return cls(model_class, vocab_size=getattr(model_class, "vocab_size", None))
        given: dict[str, Any] = {
            "vocab_size": len(tokenizer),
            "pad_token_id": tokenizer.pad_token_id,
            "max_length": max_length,
            "dropout": dropout,
        }
        if "encoder" in _constructor_parameters(model_class):
            if load_encoder is None:
                raise InputError(
                    f"model class {class_name(model_class)}: asks for an encoder; name one with "
                    "--model."
                )
            given["encoder"] = load_encoder()
        return cls._construct(model_class, given)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        model_class: ModelClass | None,
        attention: str | None = None,
    ) -> "CustomModel":
        """Load a model that `save_pretrained` wrote.

        Args:
            folder: the folder.
            model_class: the class that was saved, its name, or an instance with the same shapes.
                The folder names its class, but only you can say that its code may run.
            attention: as for `BaselineModel.from_pretrained`, for the encoder if there is one.

        Raises:
            InputError: the class is missing or another one, or the weights do not fit.
        """
        config = read_json(Path(folder) / "config.json")
        for name in ("model_class", "arguments", "vocab_size", "encoder"):
            if name not in config:
                raise InputError(f"{folder}: its config.json lacks the {name} of the model.")
        saved_name = config["model_class"]
        if model_class is None or not _is_same_class(class_name(model_class), saved_name):
            raise InputError(
                f"{folder}: was made by the class {saved_name}, which is code of your own; add "
                f"--model-class {saved_name} to run it (from Python: model_class=, a name, a class "
                "or an instance)."
            )
        if isinstance(model_class, nn.Module):
            model = cls(model_class, vocab_size=config["vocab_size"])
        else:
            given = dict(config["arguments"])
            if config["vocab_size"] is not None:
                given["vocab_size"] = config["vocab_size"]
            if config["encoder"] is not None:
                encoder_config = AutoConfig.for_model(**config["encoder"])
                given["encoder"] = encoder_of(encoder_config, attention)
            model = cls._construct(model_class, given)
        load_module_state(model, folder)
        return model

    @classmethod
    def _construct(
        cls, model_class: str | Callable[..., nn.Module], given: Mapping[str, Any]
    ) -> "CustomModel":
        """Call a constructor with those of the given arguments that it has parameters for."""
        name = class_name(model_class)
        parameters = _constructor_parameters(model_class)
        arguments = {key: value for key, value in given.items() if key in parameters}
        for key, parameter in parameters.items():
            is_required = parameter.default is parameter.empty and _is_named(parameter)
            if is_required and key not in arguments:
                raise InputError(
                    f"model class {name}: its constructor needs '{key}'; it can ask for "
                    f"{', '.join(CONSTRUCTOR_ARGUMENTS)}, and other parameters need a default."
                )
        module = _callable_of(model_class)(**arguments)
        if not isinstance(module, nn.Module):
            raise InputError(f"model class {name}: is no torch.nn.Module.")
        return cls(module, name=name, arguments=arguments, vocab_size=given.get("vocab_size"))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors to an existing folder.

        config.json names the class and holds its arguments and its encoder's configuration.
        """
        arguments = dict(self.arguments)
        encoder = arguments.pop("encoder", None)
        config = {
            "architectures": [type(self).__name__],
            "model_class": self.model_class,
            "arguments": arguments,
            "vocab_size": self.vocab_size,
            "encoder": encoder and json.loads(encoder.config.to_json_string(use_diff=False)),
        }
        write_json(Path(folder) / "config.json", config, indent=2)
        save_module_state(self.state_dict(), folder)


def class_name(model_class: Any) -> str:
    """Return "package.module:Class" for a class or an instance; a name as it is."""
    if isinstance(model_class, str):
        return model_class
    made_by = type(model_class) if isinstance(model_class, nn.Module) else model_class
    name = getattr(made_by, "__qualname__", repr(made_by))
    return f"{getattr(made_by, '__module__', '')}:{name}"


def import_class(name: str) -> Callable[..., nn.Module]:
    """Import the class of "package.module:Class"; the working directory is searched too.

    Raises InputError if there is none.
    """
    module_name, _, qualified_name = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        return attrgetter(qualified_name)(importlib.import_module(module_name))
    except Exception as error:
        # Importing runs code that may raise anything.
        raise InputError(
            f"model class {name}: cannot be imported ({type(error).__name__}: {error}); give "
            "package.module:Class, in the working directory or installed."
        ) from error


def _callable_of(model_class: str | Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Return what a class, or the name of one, constructs a module with."""
    made_by = import_class(model_class) if isinstance(model_class, str) else model_class
    if not callable(made_by):
        raise InputError(
            f"model class {made_by!r}: give package.module:Class, a class, or an instance of "
            "nn.Module."
        )
    return made_by


def _constructor_parameters(
    model_class: str | Callable[..., nn.Module],
) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a constructor by name."""
    return inspect.signature(_callable_of(model_class)).parameters


def _forward_inputs(module: nn.Module, name: str) -> tuple[str, ...]:
    """Return which of FORWARD_ARGUMENTS a module's forward takes; InputError if it needs others."""
    signature = inspect.signature(module.forward)
    parameters = signature.parameters.values()
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    inputs = tuple(key for key in FORWARD_ARGUMENTS if takes_all or key in signature.parameters)
    try:
        signature.bind(**dict.fromkeys(inputs))
    except TypeError as error:
        raise InputError(
            f"model class {name}: its forward{signature} cannot be called by keyword with "
            f"{', '.join(FORWARD_ARGUMENTS)} or some of them ({error})."
        ) from None
    if "input_ids" not in inputs:
        raise InputError(f"model class {name}: its forward{signature} must take input_ids.")
    return inputs


def _check_output(output: Any, shape: torch.Size, name: str) -> None:
    """Raise InputError unless an output has two logits of the given shape."""
    is_object = hasattr(output, "start_logits") and hasattr(output, "end_logits")
    logits = span_logits(output) if is_object else output
    is_pair = isinstance(logits, tuple) and len(logits) == 2
    if is_pair and all(getattr(part, "shape", None) == shape for part in logits):
        return
    raise InputError(
        f"model class {name}: forward returned a {_described(logits)}; it must return a tuple of "
        f"start and end logits, each {tuple(shape)}, or an object with start_logits and end_logits."
    )


def _described(value: Any) -> str:
    """Return a value's type and shape (or those of its parts), for a message."""
    if isinstance(value, tuple | list):
        shapes = [tuple(getattr(part, "shape", ())) for part in value]
        return f"{_type_name(value)} of shapes {shapes}"
    if isinstance(value, torch.Tensor):
        return f"Tensor of shape {tuple(value.shape)}"
    return _type_name(value)


def _type_name(value: Any) -> str:
    """Return the name of a value's type, or the name of a class."""
    return f"class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _is_named(parameter: inspect.Parameter) -> bool:
    """Return whether a parameter is one that has to be given, unlike *args and **kwargs."""
    return parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


def _is_same_class(name: str, saved_name: str) -> bool:
    """Return whether two names are of one class, perhaps of a script's before it was a module."""
    module, _, qualified_name = name.partition(":")
    saved_module, _, saved_qualified_name = saved_name.partition(":")
    is_script = "__main__" in (module, saved_module)
    return qualified_name == saved_qualified_name and (module == saved_module or is_script)
