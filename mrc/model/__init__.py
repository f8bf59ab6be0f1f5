"""Batches to logits: tokenizer, pretrained encoder, heads, models of your own."""

from mrc.model.baseline import BaselineModel
from mrc.model.custom import CustomModel
from mrc.model.heads import HEADS
from mrc.model.loading import load_model
from mrc.model.loss import span_loss
from mrc.model.span_model import SpanModel
from mrc.model.tokenizer import load_tokenizer, train_tokenizer

__all__ = [
    "BaselineModel",
    "CustomModel",
    "HEADS",
    "SpanModel",
    "load_model",
    "load_tokenizer",
    "span_loss",
    "train_tokenizer",
]
