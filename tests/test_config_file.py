"""Settings from a file: YAML, TOML and JSON, a run's own record, and flags over them."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest

from mrc.__main__ import main
from mrc.config.command_line import parse_args
from mrc.config.evaluate import EvalConfig
from mrc.config.export import ExportConfig
from mrc.config.flags import Config, flag
from mrc.config.serve import ServeConfig
from mrc.config.train import TrainConfig
from mrc.errors import InputError
from mrc.training.run_folder import provenance


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="run.yaml"):
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return write_file


def refusal(path, config_class=TrainConfig, *argv):
    """What is said of a file, without the folder that it is in."""
    with pytest.raises(InputError) as raised:
        parse_args(config_class, ["--config", str(path), *argv])
    return str(raised.value).replace(str(path), path.name)


SAME = {
    "run.yaml": "epochs: 3\nlearning-rate: 1e-4 # text in YAML\ntrain_file: a.json\nplot: yes\n",
    "run.yml": "{epochs: 3, learning_rate: 0.0001, train-file: 'a.json', plot: true}",
    "run.toml": 'epochs = 3\nlearning-rate = 1e-4\ntrain_file = "a.json"\nplot = true\n',
    "run.json": '{"epochs": 3, "learning-rate": 1e-4, "train_file": "a.json", "plot": true}',
}


@pytest.mark.parametrize("name", SAME)
def test_each_format_gives_the_same_settings_as_flags(name, write):
    pytest.importorskip("matplotlib", reason="needs the extra plot")
    path = write(SAME[name], name)
    flags = ["--epochs", "3", "--learning-rate", "1e-4", "--train-file", "a.json", "--plot"]
    from_flags = parse_args(TrainConfig, flags)
    from_file = parse_args(TrainConfig, ["--config", str(path)])
    assert from_file == from_flags == TrainConfig.from_file(path)
    assert from_file.given == from_flags.given


def test_flags_win_over_the_file(write):
    path = write("epochs: 3\nseed: 7\n")
    config = parse_args(TrainConfig, ["--epochs", "5", "--config", str(path)])
    assert (config.epochs, config.seed) == (5, 7)
    assert TrainConfig.from_file(path, epochs=5) == config


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("handle_impossible_answer: yes", {"handle_impossible_answer": "yes"}),
        ("host: 1", {"host": "1"}),
        ("host: 2026-11-24", {"host": "2026-11-24"}),
        ("timeout: 5", {"timeout": 5.0}),
        ("align_to_words: off", {"align_to_words": False}),
        ("host:\ntimeout: ~", {"host": "127.0.0.1", "timeout": 30.0}),
        ("", {"port": 8000}),
        ("# nothing\n", {"port": 8000}),
    ],
)
def test_a_setting_decides_its_type_and_not_yaml(text, seen, write):
    config = ServeConfig.from_file(write(text), checkpoint="x")
    assert {name: getattr(config, name) for name in seen} == seen


def test_positionals_and_lists_may_stand_in_a_file(write):
    path = write("checkpoint: runs/a\nout: b\n")
    assert parse_args(ExportConfig, ["--config", str(path)]).out == "b"
    assert parse_args(ExportConfig, ["c", "--config", str(path)]).checkpoint == "c"
    path = write("compare: [a.json, b.json]\ndata: c.json\n")
    assert EvalConfig.from_file(path).compare == ["a.json", "b.json"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "epoch: 3", "a.yaml: epoch: no such setting; did you mean epochs?"),
        ("a.yaml", "zzz: 3", "a.yaml: zzz: no such setting; --help-all lists all, as flags."),
        ("a.yaml", "lr: 3", "a.yaml: lr: write learning_rate."),
        ("a.yaml", "fp16: true", "a.yaml: fp16: write precision: fp16."),
        ("a.yaml", "epochs: x", "a.yaml: epochs: must be a whole number, not x."),
        ("a.json", '{"epochs": 2.5}', "a.json: epochs: must be a whole number, not 2.5."),
        ("a.json", '{"epochs": true}', "a.json: epochs: must be a whole number, not true."),
        ("a.json", '{"model": 5}', "a.json: model: must be text, not 5."),
        ("a.toml", "plot = 1", "a.toml: plot: must be true or false, not 1."),
        ("a.yaml", "plot: 1", "a.yaml: plot: must be true or false, not 1."),
        ("a.yaml", "train_file: [a, b]", 'a.yaml: train_file: must be text, not ["a", "b"].'),
        ("a.yaml", "epochs: 0", "a.yaml: epochs 0: must be at least 1."),
        ("a.yaml", "head: cnn", "a.yaml: head cnn: choose one of linear, mlp"),
        ("a.yaml", "seed: 1\nepochs: 2\nseed: 3", "a.yaml: seed is there twice; remove one."),
        ("a.json", '{"seed": 1, "seed": 1}', "a.json: seed is there twice; remove one."),
        ("a.toml", "max-length = 9\nmax_length = 9", "a.toml: max_length is there twice"),
        ("a.toml", "seed = 1\nseed = 2", "a.toml: not TOML (Cannot overwrite a value"),
        ("a.yaml", "seed: [1", "a.yaml, line 1: not YAML ("),
        ("a.yaml", "seed: 1\n\tepochs: 2", "a.yaml, line 2: not YAML ("),
        ("a.json", '{"seed": 1,\n}', "a.json, line 2: not JSON ("),
        ("a.yaml", "- seed", "a.yaml: must hold settings, each on a line of its own: epochs: 3"),
        ("a.json", "[1]", "a.json: must hold an object of settings and their values."),
        ("a.json", "[" * 100_000, "a.json: not a config file; its lists are nested too deeply."),
        ("a.yaml", "[" * 600, "a.yaml: not a config file; its lists are nested too deeply."),
        ("a.yaml", "x: !!python/object/apply:os.getcwd []", "a.yaml, line 1: a setting takes one"),
        ("a.yaml", "seed: !!python/name:os.name", "a.yaml, line 1: a setting takes one value"),
        ("a.yaml", "seed: &a [*a]", "a.yaml, line 1: a setting takes one value"),
        ("a.yaml", "seed:\n  value: 1", "a.yaml, line 2: a setting takes one value"),
        ("a.toml", "[training]\nseed = 1", "a.toml: training: no such setting"),
        ("a.txt", "seed: 1", "--config a.txt: end the name in .yaml, .toml or .json."),
    ],
)
def test_what_is_wrong_is_said_with_the_file_and_the_key(name, text, message, write):
    assert refusal(write(text, name)).startswith(message)


def test_a_file_that_is_absent(tmp_path):
    assert refusal(tmp_path / "a.yaml") == "a.yaml: no such file."


def test_what_excludes_each_other_is_said_with_the_file(write):
    path = write("warmup_steps: 5\nseed: 1\n")
    assert refusal(path, TrainConfig, "--warmup-ratio", "0.1") == (
        "--warmup-steps and --warmup-ratio: give one of them. (run.yaml gives warmup_steps.)"
    )


def record(**settings):
    """The config.json of a run with these settings."""
    config = TrainConfig(**settings)
    return json.dumps({**config.to_dict(), **provenance(config), "resumed": []})


def test_a_run_is_repeated_from_its_own_record(write, capsys):
    path = write(record(model="x", max_tokens_per_batch=512, output_dir="old"), "config.json")
    config = TrainConfig.from_file(path)
    assert config == TrainConfig(model="x", max_tokens_per_batch=512)
    assert config.given == {}
    # The run's batches are given up for those of the flag, and its folder stays its own.
    over = parse_args(TrainConfig, ["--config", str(path), "--batch-size", "8"])
    assert over == TrainConfig(model="x", batch_size=8)
    assert over.given == {"batch_size": 8}
    assert "run's own --output-dir is not taken over" in capsys.readouterr().err


def test_a_record_has_no_code_read_by_itself(write):
    path = write(record(model="x", trust_remote_code=True), "config.json")
    assert "--trust-remote-code, which reads code or pickles; give it again" in refusal(path)
    argv = ["--config", str(path), "--trust-remote-code"]
    assert parse_args(TrainConfig, argv).trust_remote_code


def test_a_record_is_for_the_command_that_trains(write):
    assert "config.json: is the record of a training run" in refusal(
        write(record(), "config.json"), ServeConfig, "checkpoint"
    )


def printed(capsys, config_class, argv):
    with pytest.raises(SystemExit) as raised:
        parse_args(config_class, [*argv, "--print-config"])
    assert raised.value.code == 0
    return capsys.readouterr().out


def test_a_printed_config_shows_what_was_given_and_the_defaults_as_comments(capsys):
    text = printed(capsys, TrainConfig, ["--learning-rate", "2e-5", "--train-file", "é: #.json"])
    assert "\nlearning_rate: 2.0e-05\n" in text
    assert "\ntrain_file: 'é: #.json'\n" in text
    assert "\n# epochs: 3\n" in text
    assert "\n# training\n" in text


@dataclass
class AnySettings(Config):
    """A setting of each kind, which take any value of it."""

    place: str = flag("", "a place", group="one", positional=True)
    name: str = flag("x", "a name", group="one")
    parts: list[str] | None = flag(None, "two parts", group="one", nargs=2, kind=str)
    count: int = flag(3, "a number", group="two")
    share: float | None = flag(None, "a share", group="two")
    loud: bool = flag(False, "yes or no", group="two")
    careful: bool = flag(True, "yes or no", group="two")


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@hypothesis.given(
    place=TEXTS,
    given=st.fixed_dictionaries(
        {}, optional={"name": TEXTS, "count": st.integers(), "share": st.floats(-1e9, 1e9)}
    ),
    parts=st.none() | st.tuples(TEXTS, TEXTS),
    switches=st.sets(st.sampled_from(["--loud", "--no-careful"])),
)
@hypothesis.settings(
    max_examples=50, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
def test_a_printed_config_reads_back_to_the_same_settings(
    place, given, parts, switches, capsys, tmp_path
):
    # What begins with a hyphen is a flag, but for the value of --name=VALUE.
    hypothesis.assume(not any(text.startswith("-") for text in (place, *(parts or ()))))
    argv = [place, *(f"--{name}={value}" for name, value in given.items()), *sorted(switches)]
    argv += ["--parts", *parts] if parts else []
    config = parse_args(AnySettings, argv)
    path = tmp_path / "printed.yaml"
    path.write_text(printed(capsys, AnySettings, argv), "utf-8", newline="")
    again = parse_args(AnySettings, ["--config", str(path)])
    assert again == config
    assert again.given == config.given


def test_a_printed_record_reads_back_to_the_same_settings(write, capsys):
    path = write(record(model="x", max_tokens_per_batch=512, stride=32), "config.json")
    again = write(printed(capsys, TrainConfig, ["--config", str(path)]), "again.yaml")
    assert TrainConfig.from_file(again) == TrainConfig.from_file(path)


@hypothesis.given(
    content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)),
    suffix=st.sampled_from(["yaml", "toml", "json"]),
)
@hypothesis.settings(
    max_examples=100, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
def test_any_file_is_read_or_refused_in_a_sentence(content, suffix, tmp_path):
    path = tmp_path / f"any.{suffix}"
    path.write_bytes(content)
    with suppress(InputError):
        TrainConfig.from_file(path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": "3"}, "epochs='3': must be a whole number"),
        ({"epochs": True}, "epochs=True: must be a whole number"),
        ({"learning_rate": "1e-4"}, "learning_rate='1e-4': must be a number"),
        ({"plot": "no"}, "plot='no': must be true or false"),
        ({"model": 5}, "model=5: must be text"),
    ],
)
def test_wrong_types_are_refused_in_python_too(settings, message):
    with pytest.raises(InputError, match=message):
        TrainConfig(**settings)


def test_a_run_is_repeated_by_the_command(tmp_path, capsys):
    data = str(Path(__file__).parent / "data" / "squad.json")
    first, second = tmp_path / "first", tmp_path / "second"
    argv = ["--train-file", data, "--max-steps", "1", "--seed", "5", "--output-dir", str(first)]
    main(["train", *argv])
    main(["train", "--config", str(first / "config.json"), "--output-dir", str(second)])
    capsys.readouterr()
    of_first, of_second = (json.loads((run / "config.json").read_text()) for run in (first, second))
    differing = {name for name in of_first if of_first[name] != of_second[name]}
    assert differing <= {"output_dir", "command"}
