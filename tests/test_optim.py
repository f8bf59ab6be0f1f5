"""What decays, and how the learning rate goes."""

import math

import pytest
import torch
from torch import nn
from transformers import AlbertConfig, AlbertModel, T5Config, T5EncoderModel

from mrc.errors import InputError
from mrc.model.baseline import BaselineModel
from mrc.model.layers import freeze, layer_depths
from mrc.training.optim import WeightAverage, make_optimizer, make_schedule, parameter_groups


class OwnNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))


@pytest.mark.parametrize(
    "model",
    [
        BaselineModel.tiny(50),
        BaselineModel(
            T5EncoderModel(
                T5Config(vocab_size=50, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
            )
        ),
        nn.Sequential(nn.Linear(4, 4), OwnNorm(), nn.LayerNorm([2, 4]), nn.RMSNorm(4)),
    ],
)
def test_biases_and_normalization_do_not_decay(model):
    decay, no_decay = parameter_groups(model, 0.1)
    assert decay["weight_decay"] == 0.1
    assert no_decay["weight_decay"] == 0
    names = {id(p): name for name, p in model.named_parameters()}
    norms = [m for m in model.modules() if "norm" in type(m).__name__.lower()]
    spared = {id(p) for m in norms for p in m.parameters()} | {
        i for i, name in names.items() if name.endswith("bias") and "relative" not in name
    }
    # T5's relative attention bias is an embedding.
    spared -= {i for i, name in names.items() if "relative_attention_bias" in name}
    assert {id(p) for p in no_decay["params"]} == spared
    assert {id(p) for p in decay["params"]} == set(names) - spared


def test_frozen_and_shared_parameters():
    model = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
    model[1].weight = model[0].weight
    model[0].bias.requires_grad = False
    decay, no_decay = parameter_groups(model, 0.1)
    assert len(decay["params"]) == 1
    assert len(no_decay["params"]) == 1


def rates(schedule_name, warmup_steps, total_steps):
    optimizer = make_optimizer(nn.Linear(2, 2), 1.0, 0.0)
    schedule = make_schedule(
        optimizer, schedule_name, warmup_steps=warmup_steps, total_steps=total_steps
    )
    seen = []
    for _ in range(total_steps + 1):
        seen.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return seen


def test_schedules_warm_up_and_decay():
    warmup = [0.2, 0.4, 0.6, 0.8]
    assert rates("linear", 4, 10) == pytest.approx(
        [*warmup, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0]
    )
    assert rates("constant", 4, 10) == pytest.approx([*warmup, 1, 1, 1, 1, 1, 1, 1])
    assert rates("cosine", 4, 10) == pytest.approx(
        [*warmup, *((1 + math.cos(math.pi * n / 6)) / 2 for n in range(7))]
    )
    assert rates("linear", 0, 2) == [1, 0.5, 0]


def test_lower_layers_learn_more_slowly():
    model = BaselineModel.tiny(50)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rate = {
        names[id(p)]: group["lr"]
        for group in make_optimizer(
            model, 1.0, 0.1, layer_decay=0.5, depths=layer_depths(model)
        ).param_groups
        for p in group["params"]
    }
    assert rate.keys() == set(names.values())
    expected = {
        "encoder.embeddings": 1 / 16,
        "encoder.encoder.layer.0": 1 / 8,
        "encoder.encoder.layer.1": 1 / 4,
        "encoder.encoder.layer.2": 1 / 2,
        "head": 1,
    }
    assert all(
        rate[name] == next(value for prefix, value in expected.items() if name.startswith(prefix))
        for name in rate
    )


@pytest.mark.parametrize(
    ("layers", "frozen"), [(0, ["embeddings"]), (2, ["embeddings", "layer.0.", "layer.1."])]
)
def test_freezing_from_below(layers, frozen):
    model = BaselineModel.tiny(50)
    freeze(model, layers)
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != any(part in name for part in frozen), name


def test_layers_that_cannot_be_told_apart_are_refused():
    config = AlbertConfig(
        vocab_size=50,
        embedding_size=8,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=16,
    )
    with pytest.raises(InputError, match="AlbertModel has no layers that can be told apart"):
        freeze(BaselineModel(AlbertModel(config)), 1)


def test_the_moving_average():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    average = WeightAverage(model, 0.75)
    for weight in (3.0, 5.0):
        nn.init.constant_(model.weight, weight)
        average.update()
    assert average.module.weight.item() == 0.75 * (0.75 * 1 + 0.25 * 3) + 0.25 * 5
    assert model.weight.item() == 5
