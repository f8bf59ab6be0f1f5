"""A setting is declared once and reaches both Python and the command line."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from mrc.__main__ import COMMANDS
from mrc.config.command_line import parse_args
from mrc.config.evaluate import EvalConfig
from mrc.config.train import TrainConfig
from mrc.errors import InputError


def test_defaults_depend_on_the_model():
    tiny = TrainConfig()
    real = parse_args(TrainConfig, ["--model", "bert-base-multilingual-cased"])
    assert (tiny.model, tiny.learning_rate, tiny.dropout) == ("tiny", 1e-3, 0.0)
    assert (
        real.learning_rate,
        real.batch_size,
        real.max_length,
        real.stride,
        real.dropout,
        real.attention_dropout,
    ) == (5e-5, 16, 384, 128, 0.1, 0.0)
    assert parse_args(TrainConfig, ["--learning-rate", "2e-4"]).learning_rate == 2e-4


def test_every_setting_is_a_flag_with_help(capsys):
    for config_class in (TrainConfig, EvalConfig):
        with pytest.raises(SystemExit) as raised:
            parse_args(config_class, ["--help-all"])
        text = capsys.readouterr().out
        assert raised.value.code == 0
        for setting in fields(config_class):
            assert re.search(rf"--{setting.name.replace('_', '-')}\s", text)
            assert len(setting.metadata["flag"].help) > 10


def test_help_states_defaults(capsys):
    with pytest.raises(SystemExit):
        parse_args(TrainConfig, ["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "(default: 5e-05; 0.001 with --model tiny)" in text
    assert "(default: 42)" in text


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--batch-size", "0"], "--batch-size 0: must be at least 1"),
        (["--learning-rate", "0"], "--learning-rate 0: must be above 0"),
        (["--learning-rate", "nan"], "--learning-rate nan: must be a finite number"),
        (["--dropout", "1"], "--dropout 1: must be below 1"),
        (["--fsdp", "--ema-decay", "0.9"], "--fsdp and --ema-decay: give one of them"),
        (["--fsdp", "--compile"], "--fsdp and --compile: give one of them"),
        (
            ["--fsdp", "--model", "encoder", "--lora-rank", "4"],
            "--fsdp and --lora-rank: give one of them",
        ),
    ],
)
def test_values_out_of_bounds(argv, message):
    with pytest.raises(InputError, match=message):
        parse_args(TrainConfig, argv)


def test_choices_are_checked_in_python_too():
    with pytest.raises(
        InputError, match="--scorer bleu: choose one of auto, squad, squad_v2, korquad, klue"
    ):
        TrainConfig(scorer="bleu")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "give one of --checkpoint, --predictions and --compare"),
        (
            ["--checkpoint", "a", "--predictions", "b"],
            "give one of --checkpoint, --predictions and --compare",
        ),
        (["--predictions", "b"], "--predictions needs --data FILE"),
    ],
)
def test_one_thing_is_scored(argv, message):
    with pytest.raises(InputError, match=message):
        parse_args(EvalConfig, argv)


def test_flags_of_other_kinds():
    assert parse_args(EvalConfig, ["--compare", "a", "b", "--data", "d"]).compare == ["a", "b"]
    config = parse_args(EvalConfig, ["--predictions", "a", "--data", "d", "--strip-answer"])
    assert config.strip_answer
    assert not config.strip_particles


def test_every_scorer_can_be_asked_for():
    from mrc import config
    from mrc.metrics import scoring

    assert set(config.choices.SCORERS) == {"auto", *scoring.SCORERS}
    assert set(config.choices.MLQA_LANGUAGES) == set(scoring.MLQA_ARTICLES)


def test_a_zero_is_given_too():
    assert parse_args(TrainConfig, ["--seed", "0", "--dropout", "0"]).given == {
        "seed": 0,
        "dropout": 0.0,
    }


def test_python_and_the_command_line_give_alike():
    from_python = TrainConfig(resume="x", batch_size=8, epochs=None)
    from_flags = parse_args(TrainConfig, ["--resume", "x", "--batch-size", "8"])
    assert from_flags.given == {"resume": "x", "batch_size": 8}
    assert from_python.given == from_flags.given
    assert from_python == from_flags


def test_what_excludes_each_other_is_refused_from_python_too():
    with pytest.raises(InputError, match="--warmup-steps and --warmup-ratio: give one of them"):
        TrainConfig(warmup_steps=5, warmup_ratio=0.2)


def test_a_config_survives_its_dict():
    config = TrainConfig(max_tokens_per_batch=4096, train_file="a.json", seed=3)
    again = TrainConfig.from_dict({**config.to_dict(), "of_another_version": 1})
    assert again == config
    assert again.given == {}
    assert config.changed(seed=4).to_dict() == {**config.to_dict(), "seed": 4}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--head", "conditional", "--search", "exact"], "a beam of its own"),
        (["--head", "conditional", "--mask-question"], "remove --mask-question"),
        (
            ["--max-tokens-per-batch", "4096", "--batch-size", "8"],
            "--max-tokens-per-batch and --batch-size: give one of them",
        ),
        (["--freeze-layers", "1"], "--freeze-layers 1 keeps pretrained layers"),
        (
            ["--warmup-steps", "5", "--warmup-ratio", "0.1"],
            "--warmup-steps and --warmup-ratio: give one of them",
        ),
        (["--train-file", "a.json", "--patience", "2"], "need validation data"),
        (["--model-class", "a:B", "--attention-dropout", "0.1"], "are for the encoder"),
    ],
)
def test_flags_that_do_not_go_together(argv, message):
    with pytest.raises(InputError, match=message):
        parse_args(TrainConfig, argv)


@pytest.mark.parametrize("command", [[], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_needs_no_torch(command):
    code = (
        "import sys, mrc.__main__\n"
        "try:\n    mrc.__main__.main(sys.argv[1:])\n"
        "except SystemExit:\n    pass\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "mrc" in done.stdout
