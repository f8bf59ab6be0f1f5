"""Heads score tokens whatever padding lies beside; the conditional one, ends given starts."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mrc import config
from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.metrics.decoding import best_spans
from mrc.metrics.evaluation import evaluate
from mrc.metrics.metrics import Metrics
from mrc.model.baseline import BaselineModel
from mrc.model.heads import HEADS, ConditionalHead, marginal_logits

WIDTH = 12
# Of three texts, in tokens, and what they are padded to.
LENGTHS = (7, 4, 5)
PADDED = 9


def padded(left):
    """States of three texts with noise where they are padded, and their mask."""
    torch.manual_seed(0)
    states = torch.randn(len(LENGTHS), PADDED, WIDTH)
    mask = torch.zeros(len(LENGTHS), PADDED, dtype=torch.long)
    for row, length in enumerate(LENGTHS):
        tokens = slice(PADDED - length, None) if left else slice(length)
        mask[row, tokens] = 1
    return states, mask


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("name", [name for name in HEADS if name != "conditional"])
def test_padding_changes_nothing(name, left):
    states, mask = padded(left)
    head = HEADS[name](WIDTH).eval()
    together = torch.stack(head(states, mask))
    assert together.shape == (2, len(LENGTHS), PADDED)
    for row in range(len(LENGTHS)):
        here = mask[row] == 1
        alone = torch.stack(
            head(states[row : row + 1, here], torch.ones(1, int(here.sum()), dtype=torch.long))
        )
        torch.testing.assert_close(together[:, row, here], alone[:, 0], atol=1e-6, rtol=1e-5)


def test_the_command_line_has_every_head():
    assert tuple(HEADS) == config.HEADS


@pytest.mark.parametrize("name", HEADS)
def test_every_parameter_learns(name):
    states, mask = padded(left=False)
    head = HEADS[name](WIDTH)
    gold = {"start_positions": torch.tensor([1, 2, 3])} if name == "conditional" else {}
    start, end = head(states, mask, **gold)
    (
        F.cross_entropy(start, torch.tensor([1, 2, 3]))
        + F.cross_entropy(end, torch.tensor([2, 3, 4]))
    ).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


def test_conditional_logits_given_a_start_are_those_of_the_training_forward():
    states, mask = padded(left=False)
    head = ConditionalHead(WIDTH, beam=3).eval()
    start_logits, end_logits, starts = head(states, mask)
    assert starts.shape == (3, 5)
    assert end_logits.shape == (3, 5, PADDED)
    torch.testing.assert_close(start_logits.exp().sum(dim=1), torch.ones(3))
    for column in range(5):
        plain_start, plain_end = head(states, mask, start_positions=starts[:, column])
        masked = plain_end.masked_fill(mask == 0, -torch.inf)
        torch.testing.assert_close(end_logits[:, column], masked.log_softmax(dim=1))
        torch.testing.assert_close(
            start_logits, plain_start.masked_fill(mask == 0, -torch.inf).log_softmax(dim=1)
        )
    assert starts[:, 3].tolist() == [0, 0, 0]
    assert starts[:, 4].tolist() == [
        6,
        3,
        4,
    ]


def test_marginal_ends_are_summed_over_the_different_starts():
    states, mask = padded(left=False)
    head = ConditionalHead(WIDTH, beam=PADDED).eval()
    start, end = marginal_logits(*head(states, mask))
    # Every start was followed.
    torch.testing.assert_close(end.exp().sum(dim=1), torch.ones(3))
    for row, length in enumerate(LENGTHS):
        expected = torch.zeros(PADDED)
        for at in range(length):
            _, ends = head(states, mask, start_positions=torch.full((3,), at))
            expected += start[row, at].exp() * ends[row].masked_fill(
                mask[row] == 0, -torch.inf
            ).softmax(dim=0)
        torch.testing.assert_close(end[row].exp(), expected)


def test_beams_are_searched_as_a_loop_would():
    """All starts and ends of each feature, in plain Python, against the tensor operations."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        batch = 3
        length = 12
        beam = 6
        n_best = int(rng.integers(1, 12))
        longest = int(rng.integers(1, 6))
        # Whole numbers, so that there are ties.
        start_logits = torch.from_numpy(rng.integers(-3, 3, (batch, length)).astype(np.float32))
        starts = torch.from_numpy(
            np.stack([np.append(rng.choice(length, beam - 1), 0) for _ in range(batch)])
        )
        by_start = rng.integers(-3, 3, (batch, length, length)).astype(np.float32)
        end_logits = torch.from_numpy(np.stack([by_start[b, starts[b]] for b in range(batch)]))
        begin = rng.integers(1, 5, batch)
        context = torch.from_numpy(np.stack([begin, begin + rng.integers(1, 7, batch)], axis=1))
        tokens = torch.tensor([[0, length]] * batch)
        null = torch.zeros(batch, dtype=torch.long)
        spans = best_spans(
            start_logits,
            end_logits,
            tokens=tokens,
            context=context,
            null_position=null,
            n_best=n_best,
            max_answer_length=longest,
            starts=starts,
        )
        for b in range(batch):
            pairs = [
                (-float(start_logits[b, s] + by_start[b, s, e]), s, e)
                for s in sorted(set(starts[b].tolist()))
                for e in range(s, length)
                if context[b, 0] <= s and e < context[b, 1] and e - s < longest
            ]
            expected = [(s, e) for _, s, e in sorted(pairs)[:n_best]]
            found = [
                (int(s), int(e))
                for s, e, valid in zip(spans.start[b], spans.end[b], spans.valid[b], strict=True)
                if valid
            ]
            assert found == expected
            assert float(spans.null_score[b]) == float(start_logits[b, 0] + by_start[b, 0, 0])
            for n, (s, e) in enumerate(found):
                assert (float(spans.start_logit[b, n]), float(spans.end_logit[b, n])) == (
                    float(start_logits[b, s]),
                    float(by_start[b, s, e]),
                )


def test_a_beam_is_no_exact_search(examples, bert):
    metrics = Metrics(
        FeatureDataset(examples[:1], bert, WindowSettings(max_length=128, stride=32)),
        search="exact",
    )
    with pytest.raises(
        InputError, match="a conditional head looks for answers in a beam of its own"
    ):
        metrics.update(
            [0], torch.zeros(1, 9), torch.zeros(1, 2, 9), torch.zeros(1, 2, dtype=torch.long)
        )


def test_where_the_question_is_masked_it_takes_no_place_in_the_search(examples, bert):
    """Logits that are highest in the question take all spans, unless the question is masked."""
    for masked in (False, True):
        dataset = FeatureDataset(
            examples[:4], bert, WindowSettings(max_length=128, stride=32, mask_question=masked)
        )
        metrics = Metrics(dataset, n_best=3)
        lengths = dataset.lengths
        logits = torch.zeros(len(dataset), int(lengths.max()))
        for row, begin in zip(logits, dataset.context_begin, strict=True):
            row[:begin] = 9.0
        metrics.compute(logits, logits)
        assert (metrics.without_span == 0) == masked


def test_nan_in_a_beam_is_seen():
    start_logits = torch.zeros(2, 6)
    end_logits = torch.zeros(2, 2, 6)
    starts = torch.zeros(2, 2, dtype=torch.long)
    end_logits[1, 1, 3] = torch.nan
    borders = torch.tensor([[0, 6], [0, 6]])
    assert best_spans(
        start_logits,
        end_logits,
        tokens=borders,
        context=borders,
        null_position=torch.zeros(2, dtype=torch.long),
        starts=starts,
    ).is_nan.tolist() == [False, True]


@pytest.mark.parametrize("name", HEADS)
def test_every_head_learns_some_questions_by_heart_and_is_loaded_again(
    name, examples, bert, encoder_folder, tmp_path
):
    torch.manual_seed(0)
    model = BaselineModel.from_pretrained(encoder_folder, dropout=0.0, head=name)
    dataset = FeatureDataset(
        examples[:8],
        bert,
        WindowSettings(max_length=128, stride=32, mask_question=name != "conditional"),
    )
    metrics = Metrics(dataset)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    batch = {
        key: torch.from_numpy(value) for key, value in dataset.batch(range(len(dataset))).items()
    }
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask", "token_type_ids")}
    inputs.update(
        {"start_positions": batch["start_positions"]} if model.takes_start_positions else {}
    )
    for _ in range(80):
        model.train()
        start, end = model(**inputs)
        loss = F.cross_entropy(start, batch["start_positions"]) + F.cross_entropy(
            end, batch["end_positions"]
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert evaluate(model, metrics)["f1"] == 100
    answers = dict(metrics.predictions)
    model.save_pretrained(tmp_path)
    again = BaselineModel.from_pretrained(tmp_path)
    assert again.head_name == name
    assert not again.head_is_new
    evaluate(again, metrics)
    assert metrics.predictions == answers
    # Another head on the trained encoder.
    other = BaselineModel.from_pretrained(tmp_path, head="mlp" if name != "mlp" else "conv")
    assert other.head_is_new
    torch.testing.assert_close(other.encoder.state_dict(), again.encoder.state_dict())
