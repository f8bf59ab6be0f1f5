"""A small training run for `bit_exact_resume`, with everything that makes resuming hard."""

import random

import torch
from torch import nn
from torch.nn import functional as F

EXAMPLES = 24
BATCH_SIZE = 4


class Run:
    """A training run in the middle of its work.

    Attributes:
        model: with dropout, and with batch normalization, whose running means are no parameters.
        optimizer: AdamW.
        schedule: of the learning rate, a warm-up.
        shuffler: the torch.Generator that shuffles the examples of each epoch.
        order: (EXAMPLES,) int64, the examples of the present epoch in their order.
        place: how many examples of `order` are done.

    Besides, dropout draws from PyTorch's global random numbers, and `step` hides an input now and
    then by Python's `random`.
    """

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        random.seed(seed)
        self.model = nn.Sequential(
            nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2)
        )
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.01)
        self.schedule = torch.optim.lr_scheduler.LinearLR(
            self.optimizer, start_factor=0.1, total_iters=10
        )
        self.shuffler = torch.Generator().manual_seed(seed)
        self.order = torch.randperm(EXAMPLES, generator=self.shuffler)
        self.place = 0

        # The data, the same in every run.
        data = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(EXAMPLES, 6, generator=data)
        self.targets = torch.randint(2, (EXAMPLES,), generator=data)

    def step(self) -> float:
        """Take one step and return its loss."""
        if self.place == EXAMPLES:
            self.order = torch.randperm(EXAMPLES, generator=self.shuffler)
            self.place = 0
        batch = self.order[self.place : self.place + BATCH_SIZE]
        self.place += BATCH_SIZE

        inputs = self.inputs[batch]
        if random.random() < 0.5:
            inputs[:, random.randrange(6)] = 0
        loss = F.cross_entropy(self.model(inputs), self.targets[batch])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.item()
