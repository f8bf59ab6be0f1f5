"""Exercise 6: from logits to the n best spans, in tensors. Page: 06-decoding."""

from torch import Tensor


def n_best_decoding(
    start_logits: Tensor,
    end_logits: Tensor,
    is_context: Tensor,
    n: int,
    max_answer_length: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the n best spans of each row.

    A span is a pair of a start and an end. It is valid if both are tokens of the context, the end
    is not before the start, and the span has at most `max_answer_length` tokens. Its score is its
    start logit plus its end logit. All valid spans of a row compete.

    Args:
        start_logits: (batch, length), of any float type. Those of context tokens are finite or NaN.
        end_logits: (batch, length).
        is_context: (batch, length) booleans. The context is one run of tokens. It can begin
            anywhere, and a row can have none.
        n: spans to return of each row; it can exceed the number of all pairs.
        max_answer_length: tokens of the longest span; a span of one token has length 1.

    Returns:
        scores: (batch, n) float32, best first. Of equal scores the earlier start comes first, then
            the earlier end. Where a row has fewer than n valid spans, the rest is -inf.
        starts, ends: (batch, n) int64; 0 where the score is -inf.

    Raises:
        ValueError: a logit of a context token is NaN.

    Careful:
        - Use tensor operations on the whole batch, no loop over rows or tokens.
        - `topk` takes equal values in any order.
        - Logits outside the context can be anything, NaN included.
        - In half precision 2048 + 1 is 2048: turn logits into float32 before you add.
    """
    raise NotImplementedError("Score all pairs of start and end, and take the n best valid ones.")
