"""The reader at the foot of the ladder: a small BERT from random weights, and a linear head.

Copy this file to the root of the repository, change the copy, and train it:

    cp docs/course/ladder/plain.py my_reader.py
    python train.py --data sample:en --model-class my_reader:PlainReader --epochs 1
"""

import torch
from torch import nn
from transformers import BertConfig, BertModel


class PlainReader(nn.Module):
    """A BERT of two layers and width 64, with learned positions and two token types.

    Args:
        vocab_size: how many tokens there are.
        pad_token_id: the token of the padding.
        max_length: how many positions there are.
    """

    def __init__(self, vocab_size: int, pad_token_id: int, max_length: int) -> None:
        super().__init__()
        config = BertConfig(
            vocab_size=vocab_size,
            pad_token_id=pad_token_id,
            max_position_embeddings=max_length,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        # The longest input, as `mrc` asks for it.
        self.max_length = max_length
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.head = nn.Linear(config.hidden_size, 2)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return start and end logits; all tensors are (batch, length)."""
        states = self.encoder(
            inputs_embeds=self.embed(input_ids, attention_mask, token_type_ids),
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
        ).last_hidden_state
        # (batch, length, width) -> (batch, length, 2) -> 2 x (batch, length)
        start_logits, end_logits = self.head(states).unbind(dim=2)
        return start_logits, end_logits

    def embed(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
    ) -> torch.Tensor:
        """Return a vector for each token, (batch, length, width).

        BERT adds those of its position and of its type: 0 for the question, 1 for the context.
        """
        return self.encoder.embeddings.word_embeddings(input_ids)
