"""Readers for the rungs of the ladder. Do not read on before you have tried.

The commands are at the end of docs/course/ladder.md. They begin with
PYTHONPATH=docs/course/ladder, where Python finds this file and plain.py.
"""

import torch
from plain import PlainReader
from torch import nn


class NeighborReader(PlainReader):
    """Lets each token see its neighbors before attention, as QANet does (Yu et al. 2018)."""

    # How many tokens it sees on either side.
    reach = 3

    def __init__(self, vocab_size: int, pad_token_id: int, max_length: int) -> None:
        super().__init__(vocab_size, pad_token_id, max_length)
        width = self.encoder.config.hidden_size
        self.convolution = nn.Conv1d(width, width, 2 * self.reach + 1, padding=self.reach)

    def embed(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
    ) -> torch.Tensor:
        """Return a vector for each token and what stands around it, (batch, length, width)."""
        words = self.words(input_ids, attention_mask, token_type_ids)
        types = self.encoder.embeddings.token_type_embeddings(token_type_ids)
        # Zero, as what lies beyond the text is: padding must not change the logits.
        seen = (words + types) * attention_mask[:, :, None]
        # A convolution takes (batch, width, length).
        neighbors = self.convolution(seen.transpose(1, 2)).transpose(1, 2)
        return words + neighbors.relu()

    def words(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
    ) -> torch.Tensor:
        """Return a vector for each token alone, (batch, length, width)."""
        return super().embed(input_ids, attention_mask, token_type_ids)


class MarkedReader(NeighborReader):
    """Marks the context's tokens that occur in the question, as DrQA does (Chen et al. 2017)."""

    def __init__(self, vocab_size: int, pad_token_id: int, max_length: int) -> None:
        super().__init__(vocab_size, pad_token_id, max_length)
        self.marks = nn.Embedding(2, self.encoder.config.hidden_size)
        # As small as BERT's own embeddings.
        nn.init.normal_(self.marks.weight, std=0.02)

    def words(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
    ) -> torch.Tensor:
        """Return a vector for each token with its mark, (batch, length, width)."""
        in_context = token_type_ids == 1
        in_question = (token_type_ids == 0) & (attention_mask == 1)
        # (batch, length, 1) with (batch, 1, length) -> (batch, length, length)
        is_same = input_ids[:, :, None] == input_ids[:, None, :]
        is_match = (is_same & in_question[:, None, :]).any(dim=2) & in_context
        words = super().words(input_ids, attention_mask, token_type_ids)
        return words + self.marks(is_match.long())


class FarReader(MarkedReader):
    """Sees so many neighbors that nearly every answer and its name see each other."""

    reach = 7
