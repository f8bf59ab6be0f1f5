"""The evaluation loop: the loss beside the scores, and what it says while it runs."""

import re

import numpy as np
import pytest
import torch

from mrc.data.examples import Example
from mrc.features import FeatureDataset, WindowSettings
from mrc.metrics import Metrics, evaluate


def random_logits(dataset, seed=0):
    """Start and end logits of each feature: (features, longest) each."""
    rng = np.random.default_rng(seed)
    shape = (2, len(dataset), int(dataset.lengths.max()))
    return rng.normal(size=shape).astype(np.float32)


class ScriptedModel(torch.nn.Module):
    """A model that gives the logits of a table to the features it meets."""

    def __init__(self, dataset, start_logits, end_logits):
        super().__init__()
        self.anchor = torch.nn.Parameter(torch.zeros(1))
        self.rows = {
            tuple(dataset[i]["input_ids"].tolist()): (start_logits[i], end_logits[i])
            for i in range(len(dataset))
        }

    def forward(self, input_ids, attention_mask=None, token_type_ids=None):
        width = input_ids.shape[1]
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        logits = []
        for ids, mask in zip(input_ids, attention_mask.bool(), strict=True):
            start, end = self.rows[tuple(ids[mask].tolist())]
            logits.append(torch.from_numpy(np.stack([start[:width], end[:width]])))
        return torch.stack(logits, dim=1).unbind()


def test_the_loss_is_the_mean_over_labeled_features(examples, bert):
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    start_logits, end_logits = random_logits(dataset, 4)
    model = ScriptedModel(dataset, start_logits, end_logits)
    losses = []
    for i in range(len(dataset)):
        length = dataset.lengths[i]
        for logits, positions in (
            (start_logits, dataset.start_positions),
            (end_logits, dataset.end_positions),
        ):
            row = torch.from_numpy(logits[i, :length]).log_softmax(dim=0)
            losses.append(-float(row[positions[i]]))
    expected = sum(losses) / len(losses)
    for batch_size in (1, 3, 64):
        scores = evaluate(model, Metrics(dataset), batch_size=batch_size)
        assert scores["eval_loss"] == pytest.approx(expected, rel=1e-5)


def test_a_loss_of_ones_own_takes_the_place_of_the_default(examples, bert):
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    model = ScriptedModel(dataset, *random_logits(dataset, 4))

    def rows(output, batch):
        assert len(output[0]) == len(batch["start_positions"])
        return torch.tensor(float(len(output[0])))

    scores = evaluate(model, Metrics(dataset), batch_size=len(dataset), loss=rows)
    assert scores["eval_loss"] == len(dataset)


def test_without_labels_there_is_no_loss(examples, bert):
    bare = [Example(e.id, e.question, e.context) for e in examples]
    dataset = FeatureDataset(bare, bert, WindowSettings(max_length=64, stride=20))
    model = ScriptedModel(dataset, *random_logits(dataset, 0))
    assert evaluate(model, Metrics(dataset)) == {}


def test_without_a_terminal_evaluation_prints_how_far_it_is(examples, bert, capsys, monkeypatch):
    monkeypatch.setattr("mrc.runtime.progress.FIRST_LINE", 0.0)
    monkeypatch.setattr("mrc.runtime.progress.NEXT_LINE", 0.0)
    dataset = FeatureDataset(examples, bert, WindowSettings(max_length=64, stride=20))
    evaluate(ScriptedModel(dataset, *random_logits(dataset, 0)), Metrics(dataset), batch_size=2)
    first = capsys.readouterr().out.splitlines()[0]
    assert re.fullmatch(rf"evaluated 2 of {len(dataset)} features, [\d,]+ features/s", first)
