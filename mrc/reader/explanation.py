"""Explanations: the probability of each token of a context as an answer's start and end."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mrc.features.dataset import FeatureDataset


class TokenProbabilities:
    """Collect, batch by batch, each context token's highest probability of all its windows."""

    def __init__(self, dataset: FeatureDataset) -> None:
        self.dataset = dataset
        # Tokens of each example's context, and where they begin, all examples end to end.
        self.counts = dataset.contexts.lengths[dataset.context_index]
        self.begin = np.cumsum(self.counts) - self.counts
        # (2, tokens): of start and end
        self.probability = np.zeros((2, self.counts.sum()))

    def watch(self, indices: np.ndarray, log_probs: Tensor, context: Tensor) -> None:
        """Take in a batch; the arguments are those of a `Watcher` in mrc/reader/forward.py."""
        width = log_probs.shape[2]
        column = torch.arange(width, device=log_probs.device)
        in_context = (column >= context[:, :1]) & (column < context[:, 1:])
        row, columns = np.nonzero(in_context.cpu().numpy())
        feature = indices[row]
        first = self.begin[self.dataset.example_index[feature]]
        token = first + self.dataset.context_tokens(feature, columns, width)
        probability = log_probs[:, in_context].exp().cpu().numpy()
        np.maximum.at(self.probability.T, token, probability.T)

    def of_example(self, number: int) -> list[dict[str, Any]]:
        """A dict for each token of an example's context: its characters and probabilities."""
        begin = self.begin[number]
        offsets = self.dataset.context_characters(number).tolist()
        start, end = self.probability[:, begin : begin + len(offsets)].tolist()
        return [
            {"start": first, "end": last, "start_probability": p, "end_probability": q}
            for (first, last), p, q in zip(offsets, start, end, strict=True)
        ]
