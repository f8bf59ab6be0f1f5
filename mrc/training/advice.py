"""Advice at the start of a run, on choices that are rarely meant."""

from collections.abc import Iterable

import torch

from mrc.config.train import TrainConfig
from mrc.data.examples import Example
from mrc.metrics.hangul import is_mostly_hangul, words_note
from mrc.runtime.device import choose_precision
from mrc.runtime.machine import bf16_instructions
from mrc.training.preparation import Prepared

# Encoders of about the size of BERT base.
KOREAN_ENCODER = "klue/roberta-base"
MULTILINGUAL_ENCODER = "bert-base-multilingual-cased"


def advice_at_start(config: TrainConfig, run: Prepared) -> list[str]:
    """Return the lines of advice on a run, mostly none."""
    lines = [
        scoring_advice(config),
        model_advice(config, run.train_set.examples),
        precision_advice(config, run.device),
    ]
    if run.eval_set is not None:
        lines.append(words_note(run.eval_set.examples, config.scorer))
    return [line for line in lines if line]


def scoring_advice(config: TrainConfig) -> str:
    """Return a line for a run without validation data, else ""."""
    if config.has_validation_data or config.resume:
        return ""
    return "note: nothing will be scored: give --validation-file, or --validation-fraction 0.1"


def model_advice(config: TrainConfig, examples: Iterable[Example]) -> str:
    """Return a line for a run that trains the built-in encoder on data of the user's, else ""."""
    if not _is_built_in(config) or config.train_file is None:
        return ""
    return (
        "note: --model tiny starts from random weights, and learns next to nothing from real "
        f"text; try a pretrained encoder: --model {encoder_for(examples)}"
    )


def model_reminder(config: TrainConfig, examples: Iterable[Example]) -> str:
    """Return the advice on the model once more, in short, for the end of a run."""
    if not model_advice(config, examples):
        return ""
    return f"note: trained from random weights; try --model {encoder_for(examples)}"


def encoder_for(examples: Iterable[Example]) -> str:
    """Return a pretrained encoder for the language of some examples, as far as its script tells."""
    return KOREAN_ENCODER if is_mostly_hangul(examples) else MULTILINGUAL_ENCODER


def precision_advice(config: TrainConfig, device: torch.device) -> str:
    """Return a line for a run in float32 on a processor that computes in bf16, else "".

    Only where the precision was not given. The built-in encoder gains little.
    """
    is_chosen = "precision" in config.given or config.resume
    if _is_built_in(config) or is_chosen or device.type != "cpu":
        return ""
    instructions = bf16_instructions()
    if not instructions or choose_precision(config.precision, device) != "fp32":
        return ""
    return (
        f"note: this processor computes in bf16 ({', '.join(instructions)}): --precision bf16 is "
        "about twice as fast"
    )


def _is_built_in(config: TrainConfig) -> bool:
    """Whether a run trains the built-in encoder."""
    return config.model == "tiny" and config.model_class is None
