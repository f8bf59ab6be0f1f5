"""Heads: from an encoder's token states to start and end logits. Each is one small class; HEADS names them.

A head is made of the encoder's width and the dropout probability, and called with

    states (batch, length, width), attention_mask (batch, length) -> start_logits, end_logits, each (batch, length)

Padding must not change what the other tokens get.
"""

import torch
from einops import rearrange
from torch import nn
from torch.nn import functional as F


class LinearHead(nn.Linear):
    """One linear layer: what BERT has for SQuAD (Devlin et al. 2019, section 4.2), and every Hugging Face class after it."""

    def __init__(self, width, dropout=0.0):
        super().__init__(width, 2)
        nn.init.normal_(self.weight, std=0.02)
        nn.init.zeros_(self.bias)

    def forward(self, states, attention_mask):
        start_logits, end_logits = rearrange(
            super().forward(states), "batch length two -> two batch length"
        )
        return start_logits, end_logits


class MLPHead(nn.Module):
    """A hidden layer of the encoder's width before the linear one."""

    def __init__(self, width, dropout=0.0):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout))
        self.out = LinearHead(width)

    def forward(self, states, attention_mask):
        return self.out(self.hidden(states), attention_mask)


class LSTMHead(nn.Module):
    """A bidirectional LSTM over the token states, as the models before BERT ended (Seo et al. 2017, section 2, modelling layer)."""

    def __init__(self, width, dropout=0.0):
        super().__init__()
        self.lstm = nn.LSTM(width, -(-width // 2), batch_first=True, bidirectional=True)
        self.out = LinearHead(2 * self.lstm.hidden_size)

    def forward(self, states, attention_mask):
        order = (
            (attention_mask == 0).long().argsort(dim=1, stable=True)
        )  # the tokens first, then the padding, wherever it was
        order = order[:, :, None]
        lengths = attention_mask.sum(dim=1).cpu()  # packing wants them there
        packed = nn.utils.rnn.pack_padded_sequence(
            states.gather(1, order.expand_as(states)),
            lengths,
            batch_first=True,
            enforce_sorted=False,
        )
        sequence, _ = nn.utils.rnn.pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=states.shape[1]
        )
        return self.out(
            torch.zeros_like(sequence).scatter(1, order.expand_as(sequence), sequence),
            attention_mask,
        )


class ConvHead(nn.Module):
    """Residual convolutions over the token states, of growing reach: `depth` layers of kernel 3, dilated 1, 2, 4, ..."""

    def __init__(self, width, dropout=0.0, depth=3):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, 3, dilation=2**n, padding=2**n) for n in range(depth)
        )
        self.dropout, self.out = nn.Dropout(dropout), LinearHead(width)

    def forward(self, states, attention_mask):
        kept = attention_mask[:, :, None].to(states.dtype)
        for norm, conv in zip(self.norms, self.convs):
            inputs = rearrange(
                norm(states) * kept, "batch length width -> batch width length"
            )  # padding is zero to its neighbours
            states = states + self.dropout(
                F.gelu(rearrange(conv(inputs), "batch width length -> batch length width"))
            )
        return self.out(states, attention_mask)


class ConditionalHead(nn.Module):
    """End logits given the start, as in XLNet (Yang et al. 2019) and ELECTRA (Clark et al. 2020): the end sees the start's state.

    In training the start is the right one, `start_positions` (batch,), and the logits are (batch, length) as ever. Else the
    `beam` best starts are followed, and also the first and the last token, one of which is the null position: returns
    start_logits (batch, length), end_logits (batch, starts, length), starts (batch, starts), the logits being log
    probabilities, so that spans of different starts compare.
    """

    def __init__(self, width, dropout=0.0, beam=20):
        super().__init__()
        self.beam = beam
        self.start = nn.Linear(width, 1)
        self.of_state, self.of_start = (
            nn.Linear(width, width),
            nn.Linear(width, width, bias=False),
        )  # one layer on the two concatenated
        self.norm, self.end = nn.LayerNorm(width), nn.Linear(width, 1)

    def forward(self, states, attention_mask, start_positions=None):
        start_logits = self.start(states).squeeze(2)
        if start_positions is not None:
            return start_logits, self._ends(states, start_positions[:, None]).squeeze(1)
        padding = attention_mask == 0
        start_logits = start_logits.float().masked_fill(padding, -torch.inf).log_softmax(dim=1)
        best = start_logits.topk(min(self.beam, start_logits.shape[1]), dim=1).indices
        position = torch.arange(states.shape[1], device=states.device)
        first = position.where(~padding, states.shape[1]).amin(dim=1, keepdim=True)
        last = position.where(~padding, -1).amax(dim=1, keepdim=True)
        starts = torch.cat([best, first, last], dim=1)  # (batch, starts)
        # Some starts at a time: the states of all together would take twenty times the memory of the encoder's own.
        end_logits = torch.cat([self._ends(states, some) for some in starts.split(4, dim=1)], dim=1)
        end_logits = end_logits.float().masked_fill(padding[:, None], -torch.inf).log_softmax(dim=2)
        return start_logits, end_logits, starts

    def _ends(self, states, starts):
        """(batch, length, width), (batch, starts) -> (batch, starts, length)"""
        at_start = states.gather(
            1, starts[:, :, None].expand(-1, -1, states.shape[2])
        )  # (batch, starts, width)
        joined = torch.tanh(
            self.of_state(states)[:, None] + self.of_start(at_start)[:, :, None]
        )  # (batch, starts, length, width)
        return self.end(self.norm(joined)).squeeze(3)


def marginal_logits(start_logits, end_logits, starts):
    """What ConditionalHead returns as log probabilities of starts and of ends, each (batch, length): the ends' are summed over
    the starts that were followed, each of them once."""
    order = starts.argsort(dim=1, stable=True)
    starts, end_logits = (
        starts.gather(1, order),
        end_logits.gather(1, order[:, :, None].expand_as(end_logits)),
    )
    again = F.pad(starts[:, 1:] == starts[:, :-1], (1, 0))
    weight = start_logits.gather(1, starts).masked_fill(again, -torch.inf)
    return start_logits, (weight[:, :, None] + end_logits).logsumexp(dim=1)


HEADS = {
    "linear": LinearHead,
    "mlp": MLPHead,
    "lstm": LSTMHead,
    "conv": ConvHead,
    "conditional": ConditionalHead,
}
