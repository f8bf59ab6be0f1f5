"""What the command line answers: unknown flags and commands, wrong values, help, completion."""

import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import pytest

from mrc.__main__ import COMMANDS, main
from mrc.config.command_line import parse_args
from mrc.config.evaluate import EvalConfig
from mrc.config.export import ExportConfig
from mrc.config.flags import settings_of
from mrc.config.predict import PredictConfig
from mrc.config.serve import ServeConfig
from mrc.config.train import TrainConfig
from mrc.errors import InputError

ROOT = Path(__file__).parents[1]

# The flags that people type for Hugging Face's run_qa.py, and what each becomes in train.py:
# another flag, the same flag written with hyphens, or None where it is to be left out.
RUN_QA = {
    "model_name_or_path": "--model",
    "per_device_train_batch_size": "--batch-size",
    "per_device_eval_batch_size": "--eval-batch-size",
    "num_train_epochs": "--epochs",
    "lr": "--learning-rate",
    "learning_rate": "--learning-rate",
    "doc_stride": "--stride",
    "max_seq_length": "--max-length",
    "max_answer_length": "--max-answer-length",
    "n_best_size": "--n-best",
    "fp16": "--precision fp16",
    "bf16": "--precision bf16",
    "train_file": "--train-file",
    "validation_file": "--validation-file",
    "dataset_name": "--train-file",
    "output_dir": "--output-dir",
    "gradient_accumulation_steps": "--gradient-accumulation-steps",
    "warmup_ratio": "--warmup-ratio",
    "warmup_steps": "--warmup-steps",
    "weight_decay": "--weight-decay",
    "max_grad_norm": "--max-grad-norm",
    "seed": "--seed",
    "save_steps": "--save-every",
    "eval_steps": "--eval-every",
    "logging_steps": "--log-every",
    "save_total_limit": "--keep",
    "lr_scheduler_type": "--schedule",
    "metric_for_best_model": "--metric-for-best",
    "max_train_samples": "--max-train-examples",
    "max_eval_samples": "--max-eval-examples",
    "max_predict_samples": "--max-eval-examples",
    "hub_model_id": "--push-to-hub",
    "push_to_hub": "--push-to-hub",
    "gradient_checkpointing": "--gradient-checkpointing",
    "torch_compile": "--compile",
    "torch_dtype": "--precision",
    "resume_from_checkpoint": "--resume",
    "label_smoothing_factor": "--label-smoothing",
    "no_cuda": "--device cpu",
    "full_determinism": "--deterministic",
    "trust_remote_code": "--trust-remote-code",
    "do_train": None,
    "do_eval": None,
    "do_predict": None,
    "version_2_with_negative": None,
    "null_score_diff_threshold": None,
    "test_file": None,
    "dataset_config_name": None,
    "overwrite_output_dir": None,
    "overwrite_cache": None,
    "evaluation_strategy": None,
    "eval_strategy": None,
    "save_strategy": None,
    "logging_strategy": None,
    "load_best_model_at_end": None,
    "greater_is_better": None,
    "pad_to_max_length": None,
    "preprocessing_num_workers": None,
    "dataloader_num_workers": None,
    "cache_dir": None,
    "report_to": None,
    "logging_dir": None,
    "model_revision": None,
    "config_name": None,
    "tokenizer_name": None,
    "use_auth_token": None,
    "token": None,
    "hub_token": None,
    "hub_private_repo": None,
    "use_fast_tokenizer": None,
    "optim": None,
    "adam_beta1": None,
    "adam_beta2": None,
    "adam_epsilon": None,
    "local_rank": None,
    "deepspeed": None,
    "disable_tqdm": None,
    "group_by_length": None,
    "remove_unused_columns": None,
}


def refusal(config_class, argv):
    with pytest.raises(InputError) as raised:
        parse_args(config_class, argv, "train")
    return str(raised.value)


@pytest.mark.parametrize(("theirs", "ours"), RUN_QA.items())
def test_every_flag_of_run_qa_is_answered(theirs, ours):
    if theirs in settings_of(TrainConfig):
        # Ours under the same name: underscores may stand for hyphens.
        assert ours == "--" + theirs.replace("_", "-")
        return
    text = refusal(TrainConfig, [f"--{theirs}", "1"])
    assert text.startswith(f"--{theirs}: ")
    assert "\n" not in text
    assert f"write {ours}." in text if ours else "leave it out; " in text


def test_what_an_answer_names_is_a_flag():
    for theirs in RUN_QA:
        if theirs not in settings_of(TrainConfig):
            text = refusal(TrainConfig, [f"--{theirs}"])
            assert "no such flag" not in text
            for flag in re.findall(r"(?<= )--([a-z-]+)", text):
                assert flag.replace("-", "_") in settings_of(TrainConfig)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["evaluate", "run"], "run: a value stands behind its flag; write --checkpoint run."),
        (
            ["predict", "--checkpoint", "run"],
            "--checkpoint: give it without the flag: mrc predict run.",
        ),
        (["ask", "--model=run"], "--model: give it without the flag: mrc ask run."),
        (["push", "--repo", "a/b"], "--repo: give it without the flag: mrc push CHECKPOINT a/b."),
    ],
)
def test_a_flag_too_many_or_too_few(argv, message):
    with pytest.raises(InputError) as raised:
        main(argv)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("config_class", "theirs", "ours"),
    [
        (EvalConfig, "model_name_or_path", "--checkpoint"),
        (EvalConfig, "model", "--checkpoint"),
        (EvalConfig, "null_score_diff_threshold", "--null-threshold"),
        (EvalConfig, "validation-file", "--data"),
        (PredictConfig, "test_file", "--data"),
        (PredictConfig, "max_seq_len", "--max-length"),
        (ServeConfig, "torch_dtype", "--precision"),
    ],
)
def test_the_other_commands_answer_with_their_own_flags(config_class, theirs, ours):
    assert refusal(config_class, [f"--{theirs}", "x"]) == f"--{theirs}: write {ours}."


def test_a_whole_foreign_command_line_is_answered_at_once():
    lines = refusal(TrainConfig, ["--do_train", "--lr", "3e-5", "--epochs", "2", "--foo=1"])
    assert lines.split("\n") == [
        "3 flags are not known here.",
        "  --do_train: leave it out; train.py always trains",
        "  --lr: write --learning-rate",
        "  --foo: no such flag; --help-all lists all flags",
    ]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--lerning-rate", "3"], "--lerning-rate: no such flag; did you mean --learning-rate?"),
        (["--epoch", "2"], "--epoch: no such flag; did you mean --epochs?"),
        (["--smoothing=0.1"], "--smoothing: no such flag; did you mean --label-smoothing?"),
        (["--epochs", "x"], "--epochs x: must be a whole number."),
        (["--epochs", "1e1"], "--epochs 1e1: must be a whole number."),
        (["--dropout", "a lot"], "--dropout a lot: must be a number."),
        (["--precision", "fp8"], "--precision fp8: choose one of auto, fp32, bf16, fp16."),
        (["--epochs"], "--epochs: needs a value"),
        (["--plot", "yes"], "--plot yes: --plot takes no value; remove yes."),
        (["--plot=yes"], "--plot: takes no value."),
        (["data.json"], "data.json: a value stands behind its flag; write --train-file data.json."),
    ],
)
def test_a_wrong_command_line_costs_one_line(argv, message):
    text = refusal(TrainConfig, argv)
    assert text.startswith(message)
    assert "\n" not in text


def test_a_missing_positional_costs_two_lines():
    first, second = refusal(ExportConfig, ["checkpoint", "--int8"]).split("\n")
    assert first == "OUT is missing: folder to make."
    assert second.endswith("CHECKPOINT OUT [--FLAG ...]")


def test_positionals_may_stand_between_flags():
    config = parse_args(ExportConfig, ["a", "--int8", "b", "--batch-size", "3"])
    assert (config.checkpoint, config.out, config.int8, config.batch_size) == ("a", "b", True, 3)


def test_our_flags_may_be_written_with_underscores():
    argv = ["--batch_size", "3", "--train_file=under_score.json"]
    config = parse_args(TrainConfig, argv)
    assert (config.batch_size, config.train_file) == (3, "under_score.json")
    assert not parse_args(ServeConfig, ["x", "--no-align-to-words"]).align_to_words


@hypothesis.given(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=4))
@hypothesis.settings(max_examples=50)
def test_any_command_line_is_read_or_refused_in_a_sentence(argv):
    hypothesis.assume(not {"-h", "--help", "--help-all", "--config"} & set(argv))
    with suppress(InputError):
        parse_args(TrainConfig, argv)


@pytest.mark.parametrize(
    ("typed", "meant"), [("tran", "train"), ("eval", "evaluate"), ("inspct", "inspect")]
)
def test_an_unknown_command_costs_one_line(typed, meant):
    with pytest.raises(InputError, match=rf"^{typed}: no such command; did you mean {meant}\?$"):
        main([typed])


def test_a_command_that_is_like_none_lists_them():
    with pytest.raises(InputError, match=r"^zzz: no such command; choose one of train, evaluate"):
        main(["zzz"])


@pytest.mark.parametrize("argv", [["train.py", "--epochs", "x"], ["-m", "mrc", "ask", "--foo"]])
def test_a_wrong_command_line_exits_with_2_and_without_the_usage(argv):
    done = subprocess.run(
        [sys.executable, *argv], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def help_text(capsys, config_class, flag="--help"):
    with pytest.raises(SystemExit) as raised:
        parse_args(config_class, [flag], "train")
    assert raised.value.code == 0
    return capsys.readouterr().out


def test_help_shows_the_usual_flags_and_counts_the_others(capsys):
    short = help_text(capsys, TrainConfig)
    for name, setting in settings_of(TrainConfig).items():
        if not setting.rare:
            assert f"--{name.replace('_', '-')} " in short
    assert "--label-smoothing " not in short
    rare = sum(setting.rare for setting in settings_of(TrainConfig).values())
    assert f"{rare} more flags: mrc train --help-all" in short
    assert "--label-smoothing X" in help_text(capsys, TrainConfig, "--help-all")


@pytest.mark.parametrize("columns", [80, 110, 200])
def test_help_fits_the_terminal(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    widest = max(map(len, help_text(capsys, TrainConfig, "--help-all").splitlines()))
    assert columns - 25 < widest <= columns


def test_help_is_plain_without_a_terminal_and_keeps_square_brackets(capsys):
    text = help_text(capsys, TrainConfig, "--help-all")
    assert "\x1b" not in text
    assert "train[:20%]" in text


@pytest.mark.parametrize(("no_color", "is_colored"), [("", True), ("1", False)])
def test_colors_on_a_terminal_unless_the_user_wants_none(no_color, is_colored, tmp_path):
    pty = pytest.importorskip("pty", reason="there are no pseudo-terminals here")
    environment = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": no_color}
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        environment.pop(name, None)
    main_end, terminal = pty.openpty()
    command = [sys.executable, "-m", "mrc", "sample", "--help"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=terminal):
        os.close(terminal)
        text = b""
        # The end of a pseudo-terminal is an error on Linux.
        while True:
            try:
                part = os.read(main_end, 4096)
            except OSError:
                break
            if not part:
                break
            text += part
    os.close(main_end)
    assert (b"\x1b[36m--data" in text) == is_colored


def complete(line, script, tmp_path):
    """What a bash completes at the end of a line."""
    words = line.split(" ")
    code = (
        f"source {script}; COMP_WORDS=({' '.join(words[:-1])} '{words[-1]}'); "
        f"COMP_CWORD={len(words) - 1}; _shtab_mrc; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.skipif(os.name == "nt", reason="there is no bash")
def test_bash_completes_commands_flags_choices_and_files(tmp_path, capsys):
    pytest.importorskip("shtab", reason="needs the extra completion")
    main(["--print-completion", "bash"])
    script = tmp_path / "mrc.bash"
    script.write_text(capsys.readouterr().out, "utf-8")
    subprocess.run(["bash", "-n", script], check=True)
    (tmp_path / "questions.json").touch()
    assert complete("mrc eva", script, tmp_path) == ["evaluate"]
    assert complete("mrc train --learn", script, tmp_path) == ["--learning-rate"]
    assert complete("mrc train --precision b", script, tmp_path) == ["bf16"]
    assert complete("mrc train --train-file que", script, tmp_path) == ["questions.json"]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_has_every_flag_of_every_command(shell, capsys):
    pytest.importorskip("shtab", reason="needs the extra completion")
    main(["--print-completion", shell])
    script = capsys.readouterr().out
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            main([command, "--help-all"])
        flags = re.findall(r"^  (?:-h, )?(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE)
        assert command in script
        assert "--help" in flags
        for flag in flags:
            assert flag in script


def test_completion_for_another_shell_is_refused():
    with pytest.raises(InputError, match="--print-completion fish: choose one of bash, zsh"):
        main(["--print-completion", "fish"])
