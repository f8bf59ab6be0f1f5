"""Heads: from an encoder's token states to start and end logits; HEADS names them.

A head is constructed with the encoder's width and the dropout probability, and called with

    states (batch, length, hidden), attention_mask (batch, length)

It returns start_logits and end_logits, each (batch, length). Padding must not change the logits of
the other tokens.
"""

import math
from collections.abc import Callable

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F

Logits = tuple[torch.Tensor, torch.Tensor]


class LinearHead(nn.Linear):
    """One linear layer, as in BERT for SQuAD (Devlin et al. 2019, section 4.2)."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__(width, 2)
        nn.init.normal_(self.weight, std=0.02)
        nn.init.zeros_(self.bias)

    # It takes a mask, as every head does, which nn.Linear does not.
    def forward(  # type: ignore[override]
        self, states: torch.Tensor, attention_mask: torch.Tensor
    ) -> Logits:
        """Return start_logits and end_logits."""
        # (batch, length, hidden) -> (batch, length, 2) -> 2 x (batch, length)
        logits = super().forward(states)
        start_logits, end_logits = rearrange(logits, "batch length two -> two batch length")
        return start_logits, end_logits


class MLPHead(nn.Module):
    """A hidden layer of the encoder's width before the linear one."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout))
        self.out = LinearHead(width)

    def forward(self, states: torch.Tensor, attention_mask: torch.Tensor) -> Logits:
        """Return start_logits and end_logits."""
        return self.out(self.hidden(states), attention_mask)


class LSTMHead(nn.Module):
    """A bidirectional LSTM, as in readers before BERT (Seo et al. 2017, section 2)."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        # Half of the width in each direction, rounded up.
        self.lstm = nn.LSTM(width, math.ceil(width / 2), batch_first=True, bidirectional=True)
        self.out = LinearHead(2 * self.lstm.hidden_size)

    def forward(self, states: torch.Tensor, attention_mask: torch.Tensor) -> Logits:
        """Return start_logits and end_logits."""
        # Packing wants the padding last, and some tokenizers pad on the left.
        is_padding = (attention_mask == 0).long()
        order = is_padding.argsort(dim=1, stable=True)[:, :, None]
        padding_last = states.gather(1, order.expand_as(states))
        # Packing wants the lengths on the host.
        lengths = attention_mask.sum(dim=1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(
            padding_last, lengths, batch_first=True, enforce_sorted=False
        )
        packed_output, _ = self.lstm(packed)
        sequence, _ = nn.utils.rnn.pad_packed_sequence(
            packed_output, batch_first=True, total_length=states.shape[1]
        )
        # (batch, length, 2 * hidden), with each token back in its place
        in_place = torch.zeros_like(sequence).scatter(1, order.expand_as(sequence), sequence)
        return self.out(in_place, attention_mask)


class ConvHead(nn.Module):
    """Residual convolutions of growing reach: `depth` layers of kernel 3, dilated 1, 2, 4, ..."""

    def __init__(self, width: int, dropout: float = 0.0, depth: int = 3) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, 3, dilation=2**layer, padding=2**layer)
            for layer in range(depth)
        )
        self.dropout = nn.Dropout(dropout)
        self.out = LinearHead(width)

    def forward(self, states: torch.Tensor, attention_mask: torch.Tensor) -> Logits:
        """Return start_logits and end_logits."""
        is_token = attention_mask[:, :, None].to(states.dtype)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            # Padding is zero, as it is beyond the ends of the text.
            inputs = norm(states) * is_token
            inputs = rearrange(inputs, "batch length width -> batch width length")
            outputs = rearrange(conv(inputs), "batch width length -> batch length width")
            states = states + self.dropout(F.gelu(outputs))
        return self.out(states, attention_mask)


class ConditionalHead(nn.Module):
    """End logits given the start, as in XLNet (Yang et al. 2019) and ELECTRA (Clark et al. 2020).

    In training the start is the labeled one. Otherwise the `beam` best starts are followed, and the
    first and the last token, one of which is the null position.
    """

    def __init__(self, width: int, dropout: float = 0.0, beam: int = 20) -> None:
        super().__init__()
        self.beam = beam
        self.start = nn.Linear(width, 1)
        # Together they are one linear layer on the concatenation of the two states.
        self.of_state = nn.Linear(width, width)
        self.of_start = nn.Linear(width, width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.end = nn.Linear(width, 1)

    def forward(
        self,
        states: torch.Tensor,
        attention_mask: torch.Tensor,
        start_positions: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        """Score starts, and ends given a start.

        Args:
            states: (batch, length, hidden).
            attention_mask: (batch, length).
            start_positions: (batch,), the labeled starts; None to follow the best ones.

        Returns:
            With start_positions, start_logits and end_logits, each (batch, length). Without,
            start_logits (batch, length), end_logits (batch, starts, length), and the starts
            (batch, starts); these logits are log probabilities, so that the spans of different
            starts can be compared.
        """
        start_logits = self.start(states).squeeze(2)
        if start_positions is not None:
            end_logits = self._end_logits(states, start_positions[:, None]).squeeze(1)
            return start_logits, end_logits
        padding = attention_mask == 0
        start_log_p = _masked_log_softmax(start_logits, padding)
        starts = self._starts_to_follow(start_log_p, padding)
        # A few starts at a time: the states of all of them would need twenty times the memory of
        # the encoder's.
        end_logits = torch.cat(
            [self._end_logits(states, some) for some in starts.split(4, dim=1)], dim=1
        )
        end_log_p = _masked_log_softmax(end_logits, padding[:, None])
        return start_log_p, end_log_p, starts

    def _starts_to_follow(self, start_log_p: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
        """Return the best starts, then the first and the last token: (batch, starts)."""
        length = start_log_p.shape[1]
        best = start_log_p.topk(min(self.beam, length), dim=1).indices
        position = torch.arange(length, device=padding.device)
        first = position.where(~padding, length).amin(dim=1, keepdim=True)
        last = position.where(~padding, -1).amax(dim=1, keepdim=True)
        return torch.cat([best, first, last], dim=1)

    def _end_logits(self, states: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
        """Return the logits of all ends for each start: (batch, starts, length)."""
        index = starts[:, :, None].expand(-1, -1, states.shape[2])
        # (batch, starts, width)
        start_states = states.gather(1, index)
        # (batch, 1, length, width) + (batch, starts, 1, width) -> (batch, starts, length, width)
        joined = self.of_state(states)[:, None] + self.of_start(start_states)[:, :, None]
        return self.end(self.norm(torch.tanh(joined))).squeeze(3)


def marginal_logits(
    start_logits: torch.Tensor, end_logits: torch.Tensor, starts: torch.Tensor
) -> Logits:
    """Return a conditional head's log probabilities of starts and of ends, each (batch, length).

    The ends' are summed over the starts that were followed, each of which counts once.

    Args:
        start_logits: (batch, length), as ConditionalHead returns them.
        end_logits: (batch, starts, length).
        starts: (batch, starts).
    """
    order = starts.argsort(dim=1, stable=True)
    starts = starts.gather(1, order)
    end_logits = end_logits.gather(1, order[:, :, None].expand_as(end_logits))
    is_repeated = F.pad(starts[:, 1:] == starts[:, :-1], (1, 0))
    start_log_p = start_logits.gather(1, starts).masked_fill(is_repeated, -torch.inf)
    # (batch, starts, 1) + (batch, starts, length) -> (batch, length)
    end_log_p = (start_log_p[:, :, None] + end_logits).logsumexp(dim=1)
    return start_logits, end_log_p


def _masked_log_softmax(logits: torch.Tensor, padding: torch.Tensor) -> torch.Tensor:
    """Return log probabilities over the last dimension in float32, -inf for padding."""
    return logits.float().masked_fill(padding, -torch.inf).log_softmax(dim=-1)


HEADS: dict[str, Callable[[int, float], nn.Module]] = {
    "linear": LinearHead,
    "mlp": MLPHead,
    "lstm": LSTMHead,
    "conv": ConvHead,
    "conditional": ConditionalHead,
}
