"""What decays, and how the learning rate goes."""

import pytest
import torch
from torch import nn
from transformers import T5Config, T5EncoderModel

from mrc.model import BaselineModel
from mrc.optim import linear_warmup, make_optimizer, parameter_groups


class OwnNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))


@pytest.mark.parametrize("model", [
    BaselineModel.tiny(50),
    BaselineModel(T5EncoderModel(T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2))),
    nn.Sequential(nn.Linear(4, 4), OwnNorm(), nn.LayerNorm([2, 4]), nn.RMSNorm(4)),
])
def test_biases_and_normalisation_do_not_decay(model):
    decay, no_decay = parameter_groups(model, 0.1)
    assert decay["weight_decay"] == 0.1 and no_decay["weight_decay"] == 0
    names = {id(p): name for name, p in model.named_parameters()}
    norms = [m for m in model.modules() if "norm" in type(m).__name__.lower()]
    spared = {id(p) for m in norms for p in m.parameters()} | {i for i, name in names.items() if name.endswith("bias") and "relative" not in name}
    spared -= {i for i, name in names.items() if "relative_attention_bias" in name}  # T5's is an embedding
    assert {id(p) for p in no_decay["params"]} == spared
    assert {id(p) for p in decay["params"]} == set(names) - spared


def test_frozen_and_shared_parameters():
    model = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
    model[1].weight = model[0].weight
    model[0].bias.requires_grad = False
    decay, no_decay = parameter_groups(model, 0.1)
    assert len(decay["params"]) == 1 and len(no_decay["params"]) == 1


def test_linear_warmup_and_decay():
    optimizer = make_optimizer(nn.Linear(2, 2), 1.0, 0.0)
    schedule, rates = linear_warmup(optimizer, 4, 10), []
    for _ in range(10):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    assert schedule.get_last_lr()[0] == 0
