"""Exercise 9: batches of similar length, so that little is padding. Page: 08-speed."""

from collections.abc import Sequence


def length_buckets(
    lengths: Sequence[int], batch_size: int, pool_batches: int, seed: int, epoch: int
) -> list[list[int]]:
    """Return the batches of one epoch, each a list of indices into `lengths`.

    1. Shuffle all indices.
    2. Cut them into pools of `pool_batches` x `batch_size` indices; the last pool can be smaller.
    3. Sort each pool by length.
    4. Cut each pool into batches of `batch_size`; the last batch of the last pool can be smaller.
    5. Shuffle the batches of the epoch.

    Args:
        lengths: tokens of each feature; there may be none.
        batch_size: features in a batch.
        pool_batches: batches that are sorted together. 1 gives random batches; a pool as large as
            the data would put the same features into one batch in every epoch.
        seed: of the run.
        epoch: counted from 0.

    Returns:
        Lists of Python integers. Each index stands in exactly one batch.

    Careful:
        - The order depends on the seed and the epoch alone: a resumed run needs the same batches.
        - Run (seed 0, epoch 1) and run (seed 1, epoch 0) must differ.
        - Leave the global random numbers as they are: dropout draws from them.
        - The short last batch is a batch, and it must not always come last.
    """
    raise NotImplementedError("Shuffle, cut into pools, sort, cut into batches and shuffle these.")
