"""Batches: windows of one length together, so that little of the work goes into padding."""

import numpy as np
import torch

INPUTS = ("input_ids", "attention_mask", "token_type_ids")  # what of a batch a model is called with
POOL_BATCHES = 50  # batches' worth of shuffled windows that are sorted together


class LengthBucketSampler:
    """Deal features into batches of similar length.

    Training (`shuffle`): the features are shuffled, each pool of POOL_BATCHES batches is sorted by length and cut, and
    the batches are shuffled: the same for the same (seed, epoch), another order for the next epoch.
    Otherwise: longest first, so that whatever does not fit into memory fails at once.
    lengths: (features,) in tokens. Iterating gives lists of at most `batch_size` indices, each index once.
    """

    def __init__(self, lengths, batch_size, shuffle=True, seed=0):
        self.lengths, self.batch_size = np.asarray(lengths), batch_size
        self.shuffle, self.seed, self.epoch = shuffle, seed, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self):
        if not self.shuffle:
            yield from self._cut(np.argsort(-self.lengths, kind="stable"))
            return
        rng = np.random.default_rng((self.seed, self.epoch))
        order = rng.permutation(len(self.lengths))
        pool = POOL_BATCHES * self.batch_size
        pools = [order[at : at + pool] for at in range(0, len(order), pool)]
        order = np.concatenate([p[np.argsort(self.lengths[p], kind="stable")] for p in pools]) if pools else order
        batches = self._cut(order)
        yield from (batches[i] for i in rng.permutation(len(batches)))

    def _cut(self, order):
        return [order[at : at + self.batch_size].tolist() for at in range(0, len(order), self.batch_size)]


class Collator:
    """Write the features of a batch into tensors, padded to the longest of them (on CUDA to a multiple of 8, which
    its matrix units want). A DataLoader of a FeatureDataset calls it with the batch's indices."""

    def __init__(self, dataset, device="cpu"):
        self.dataset = dataset
        self.multiple = 8 if torch.device(device).type == "cuda" else 1

    def __call__(self, indices):
        """-> dict of int64 tensors: feature_index (batch,), and what FeatureDataset.batch makes."""
        batch = self.dataset.batch(indices, self.multiple)
        return {"feature_index": torch.as_tensor(indices), **{name: torch.from_numpy(a) for name, a in batch.items()}}


def make_loader(dataset, batch_size, device="cpu", shuffle=False, seed=0):
    """A DataLoader over a FeatureDataset in length buckets; its `batch_sampler` is the LengthBucketSampler."""
    sampler = LengthBucketSampler(dataset.lengths, batch_size, shuffle, seed)
    pin = torch.device(device).type == "cuda"
    return torch.utils.data.DataLoader(dataset, batch_sampler=sampler, collate_fn=Collator(dataset, device), pin_memory=pin)
