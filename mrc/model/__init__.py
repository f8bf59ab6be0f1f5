"""Batches to logits: tokenizer, pretrained encoder, heads, models of your own."""

from mrc.model.baseline import BaselineModel
from mrc.model.custom import CustomModel, as_span_model
from mrc.model.heads import HEADS
from mrc.model.loading import load_model
from mrc.model.loss import loss_of, span_loss
from mrc.model.question_answering import QuestionAnsweringModel
from mrc.model.span_model import SpanModel, span_logits
from mrc.model.tokenizer import load_tokenizer, train_tokenizer

__all__ = [
    "HEADS",
    "BaselineModel",
    "CustomModel",
    "QuestionAnsweringModel",
    "SpanModel",
    "as_span_model",
    "load_model",
    "load_tokenizer",
    "loss_of",
    "span_logits",
    "span_loss",
    "train_tokenizer",
]
