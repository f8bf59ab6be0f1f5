"""Advice at the start of a run, on choices that are rarely meant."""

import json

import pytest
import torch
from conftest import DATA

from mrc.commands.evaluate import evaluate
from mrc.config.evaluate import EvalConfig
from mrc.config.train import TrainConfig
from mrc.data.examples import Example, ExampleList
from mrc.metrics.hangul import words_note
from mrc.runtime import machine
from mrc.training import advice, run

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("context", "model"),
    [
        ("서울은 대한민국의 수도이다. IBM도 있다.", "klue/roberta-base"),
        ("The old mill was built in 1784 (서울).", "bert-base-multilingual-cased"),
        ("1784", "bert-base-multilingual-cased"),
    ],
)
def test_the_script_of_the_text_decides(context, model):
    examples = ExampleList([Example("1", "?", context)])
    config = TrainConfig(train_file="train.json")
    assert advice.model_advice(config, examples).endswith(f"--model {model}")
    assert not advice.model_advice(TrainConfig(), examples)
    assert not advice.model_advice(TrainConfig(model="a/b", train_file="train.json"), examples)


def test_a_run_says_it_at_the_start_and_at_the_end(tmp_path, capsys):
    run.train(
        TrainConfig(
            train_file=str(DATA / "korquad.json"), max_steps=1, output_dir=str(tmp_path / "run")
        )
    )
    lines = capsys.readouterr().out.splitlines()
    told = [number for number, line in enumerate(lines) if "--model klue/roberta-base" in line]
    assert len(told) == 2
    steps = [number for number, line in enumerate(lines) if line.startswith("step 1/1")]
    assert told[0] < steps[0]
    assert told[1] == len(lines) - 1
    assert lines[-1] == "note: trained from random weights; try --model klue/roberta-base"
    # What there is no data for is said before the steps, and is missing in the next command.
    told = next(number for number, line in enumerate(lines) if "nothing will be scored" in line)
    assert told < steps[0]
    assert any(line.startswith("Next: ") and line.endswith("run --data FILE") for line in lines)


@pytest.mark.parametrize(
    ("context", "is_impossible", "version", "note"),
    [
        ("서울은 대한민국의 수도이다.", False, "", "--scorer korquad counts characters"),
        ("서울은 대한민국의 수도이다.", True, "", "--scorer klue compares characters"),
        ("서울은 대한민국의 수도이다.", False, "KorQuAD_v1.0_dev", ""),
        ("The old mill (서울).", False, "", ""),
    ],
)
def test_korean_that_is_scored_by_words(context, is_impossible, version, note):
    questions = [Example("1", "?", context, is_impossible=is_impossible)]
    examples = ExampleList(questions, version=version)
    assert words_note(examples, "auto").endswith(note)
    assert bool(words_note(examples, "auto")) == bool(note)
    assert not words_note(examples, "squad")


def test_a_score_of_korean_says_how_it_was_counted(tmp_path, capsys):
    record = {"id": "1", "question": "?", "context": "서울에 있다.", "answer": "서울"}
    data, predictions = tmp_path / "ko.json", tmp_path / "predictions.json"
    data.write_text(json.dumps([record]))
    predictions.write_text('{"1": "서울"}')
    evaluate(EvalConfig(predictions=str(predictions), data=str(data)))
    assert capsys.readouterr().out.count("note: Korean text is scored by words") == 1
    evaluate(EvalConfig(predictions=str(predictions), data=str(data), scorer="korquad"))
    assert "note" not in capsys.readouterr().out


def test_a_processor_that_computes_in_bf16(monkeypatch, tmp_path):
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "CPU_INFO", info)
    monkeypatch.setattr("sys.platform", "linux")
    config = TrainConfig(model="a/b")
    info.write_text("model name\t: A\nflags\t\t: fpu avx512_bf16 amx_bf16\n\nflags : fpu\n")
    assert "(AVX-512 BF16, AMX): --precision bf16" in advice.precision_advice(config, CPU)
    info.write_text("processor\t: 0\nFeatures\t: fp asimd bf16 i8mm\n")
    assert "Arm BF16" in advice.precision_advice(config, CPU)
    for other in (TrainConfig(model="a/b", precision="fp32"), TrainConfig()):
        assert not advice.precision_advice(other, CPU)
    info.write_text("flags\t\t: fpu avx512f\n")
    assert not advice.precision_advice(config, CPU)
