"""Exercise 2: the loss of a span, with padding left out. Page: 02-model."""

from torch import Tensor


def span_loss(
    start_logits: Tensor,
    end_logits: Tensor,
    start_positions: Tensor,
    end_positions: Tensor,
    attention_mask: Tensor,
) -> Tensor:
    """Return the mean of the start's and the end's cross-entropy, over the tokens of each row.

    The softmax of a row is over its tokens alone: what stands at its padding, and how much
    padding there is, changes neither the loss nor the gradient.

    Args:
        start_logits: (batch, length), of any float type.
        end_logits: (batch, length).
        start_positions: (batch,) int64, the answer's first token, which is never padding.
        end_positions: (batch,) int64, the answer's last token.
        attention_mask: (batch, length) int64, 1 at tokens and 0 at padding, which can be on either
            side. A row of 0s is no example: it was added to fill the batch, and its positions
            mean nothing; they can lie outside the row.

    Returns:
        A float32 scalar to call `backward()` on: the mean over the rows that have a token of
        (start loss + end loss) / 2. If no row has one it is 0, and its gradient is 0.

    Careful:
        - Logits at padding can be anything: huge, infinite or NaN.
        - Logits in half precision are turned into float32 before the softmax.
        - Change no argument in place.
    """
    raise NotImplementedError("Compute the cross-entropy over the tokens that are not padding.")
