"""A run that is interrupted at any moment resumes to the bit."""

import importlib
import json
import multiprocessing
import os
import resource
import shutil
import signal
import socket
import sys
import time
from functools import reduce
from itertools import count
from pathlib import Path

import pytest
import torch
from conftest import DATA
from safetensors.torch import load_file

from mrc.checkpoint.loading import load_checkpoint
from mrc.checkpoint.store import find_resumable, load_state
from mrc.commands import train
from mrc.data.loading import load_examples
from mrc.data.squad import write_squad
from mrc.errors import InputError, command_line

# The fields of a log line that depend on the clock.
CLOCKED = ("features_per_second", "tokens_per_second", "tflops", "eval_seconds")

# One process imports torch, and forks the others in no time.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["mrc.training.trainer", "mrc.data.sample", "transformers.models.bert.modeling_bert"]
)


def _train(cwd, argv, killed_at):
    """Run train.py in this process, which signals itself at the n-th call of a function."""
    os.chdir(cwd)
    torch.set_num_threads(1)
    # The file stands in for standard output until the process ends.
    output = open("output.txt", "a", encoding="utf-8", buffering=1)  # noqa: SIM115
    sys.stdout = output
    sys.stderr = output
    if killed_at:
        place, nth, *signals = killed_at
        path, _, name = place.rpartition(".")
        module, *classes = path.split(":")
        owner = reduce(getattr, classes, importlib.import_module(module))
        original = getattr(owner, name)
        calls = count(1)

        def call(*arguments, **named):
            if next(calls) == nth:
                for number in signals or [signal.SIGKILL]:
                    os.kill(os.getpid(), number)
            return original(*arguments, **named)

        setattr(owner, name, call)
    sys.argv = ["train.py", *argv]
    with command_line("train.py"):
        train.main(argv)


def start(*argv, cwd, killed_at=None):
    """Start train.py.

    killed_at: ("module.function" or "module:Class.method", n, *signals) sends the process these
    signals, by default SIGKILL, at the n-th call.
    """
    process = FORKS.Process(target=_train, args=(cwd, list(map(str, argv)), killed_at))
    process.start()
    return process


def run(*argv, cwd, status=0, killed_at=None):
    """Run train.py to its end; return what it printed."""
    process = start(*argv, cwd=cwd, killed_at=killed_at)
    process.join(120)
    output = (cwd / "output.txt").read_text("utf-8")
    assert process.exitcode == status, output
    return output


def wait_for(condition):
    """Wait until something has happened, for a minute at most."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise TimeoutError


def log_of(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in CLOCKED} for line in lines]


def results_of(folder):
    """A run's metrics.json, less what depends on the clock and the machine."""
    results = json.loads((folder / "metrics.json").read_text())
    for name in (
        "seconds",
        "train_seconds",
        "features_per_second",
        "tokens_per_second",
        "peak_memory_mb",
    ):
        results.pop(name, None)
    return results


def same(folder, other):
    """Assert that two runs have the same weights, to the bit, and the same log and scores."""
    for name in ("best", "last"):
        mine = load_file(folder / name / "model.safetensors")
        theirs = load_file(other / name / "model.safetensors")
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    assert results_of(folder) == results_of(other)
    assert log_of(folder) == log_of(other)


@pytest.fixture(scope="module")
def flags(encoder_folder, tmp_path_factory):
    """A run of 18 steps in 3 epochs that draws random numbers, averages weights and is saved every
    second step."""
    file = tmp_path_factory.mktemp("data") / "all.json"
    write_squad(load_examples(DATA / "squad.json") + load_examples(DATA / "korquad.json"), file)
    return f"""
        --model {encoder_folder} --train-file {file} --validation-file {file}
        --max-length 64 --stride 16 --epochs 3 --batch-size 3 --gradient-accumulation-steps 2
        --dropout 0.2 --learning-rate 1e-3 --log-every 4 --save-every 2 --ema-decay 0.9
        --output-dir run
    """.split()


@pytest.fixture(scope="module")
def whole(flags, tmp_path_factory):
    """The run without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    run(*flags, cwd=folder)
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize(
    "killed_at",
    [
        # Before anything is saved.
        ("mrc.training.trainer:Trainer.train_step", 1),
        ("mrc.training.trainer:Trainer.train_step", 6),
        ("mrc.training.trainer:Trainer.train_step", 9),
        ("mrc.training.trainer:Trainer.train_step", 18),
        # During scoring.
        ("mrc.metrics.metrics:Metrics.update", 2),
        # Before, while and after a checkpoint is written.
        ("mrc.model.pretrained.save_file", 3),
        ("mrc.checkpoint.store.write_state", 1),
        ("mrc.checkpoint.store.write_state", 3),
        ("mrc.checkpoint.store.write_manifest", 3),
        ("mrc.checkpoint.store.flush", 25),
        ("mrc.checkpoint.store.move_away", 4),
        ("mrc.checkpoint.store.move_into_place", 4),
        ("mrc.checkpoint.store.move_into_place", 5),
        ("mrc.checkpoint.store.keep_earlier", 4),
        # At the very end.
        ("mrc.training.trainer.write_json", 1),
    ],
    ids="{0[0]}-{0[1]}".format,
)
def test_a_killed_run_goes_on_to_the_bit(flags, whole, tmp_path, killed_at):
    run(*flags, cwd=tmp_path, killed_at=killed_at, status=-signal.SIGKILL)
    run(*flags, "--resume", "auto", cwd=tmp_path)
    same(tmp_path / "run", whole)


@pytest.mark.slow
def test_a_run_killed_again_and_again_goes_on_to_the_bit(flags, whole, tmp_path):
    for _ in range(6):
        run(
            *flags,
            "--resume",
            "auto",
            cwd=tmp_path,
            killed_at=("mrc.training.trainer:Trainer.train_step", 4),
            status=-signal.SIGKILL,
        )
    # Without other flags, the settings of the run hold.
    run("--resume", "run", cwd=tmp_path)
    same(tmp_path / "run", whole)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize(
    "place",
    [("mrc.training.trainer:Trainer.train_step", 7), ("mrc.metrics.metrics:Metrics.update", 1)],
)
def test_a_run_that_is_asked_to_stop_saves_and_says_how_to_go_on(
    flags, whole, tmp_path, place, number, status
):
    output = run(*flags, cwd=tmp_path, killed_at=(*place, number), status=status)
    name = signal.Signals(number).name
    step = 7 if "train_step" in place[0] else 6
    assert output.endswith(
        f"train.py: stopped by {name} after step {step} of 18; all is saved in run. "
        "Resume with: python train.py --resume run\n"
    )
    assert load_state(tmp_path / "run" / "last")["progress"]["step"] == step
    output = run("--resume", "run", cwd=tmp_path)
    assert f"resuming from run/last, step {step} of 18" in output
    same(tmp_path / "run", whole)


def test_a_second_signal_leaves_at_once(flags, tmp_path):
    run(
        *flags,
        cwd=tmp_path,
        killed_at=("mrc.training.trainer:Trainer.train_step", 7, signal.SIGTERM, signal.SIGTERM),
        status=143,
    )
    assert load_state(tmp_path / "run" / "last")["progress"]["step"] == 6


def test_a_complete_run_is_shown_again(flags, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    said = run(*flags, "--resume", "auto", "--patience", "9", cwd=tmp_path)
    assert "\nEM   " in said
    assert " head" not in said
    assert "run is complete, at step 18 of 18" in said
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert record["patience"] is None
    assert record["resumed"][0]["changed"]["patience"] == 9
    same(tmp_path / "run", whole)


def test_a_damaged_checkpoint_is_refused_by_name_and_auto_takes_the_one_before(
    flags, whole, tmp_path
):
    run(
        *flags,
        cwd=tmp_path,
        killed_at=("mrc.training.trainer:Trainer.train_step", 14),
        status=-signal.SIGKILL,
    )
    weights = tmp_path / "run" / "last" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    said = run("--resume", "run", cwd=tmp_path, status=2)
    assert (
        "error: run/last/model.safetensors: is not what was saved; the checkpoint is damaged"
        in said
    )
    assert "--resume run/step-10 resumes" in said
    with pytest.raises(InputError, match=r"model\.safetensors: is not what was saved"):
        load_checkpoint(tmp_path / "run" / "last")
    assert "Resuming from the one before" in run(*flags, "--resume", "auto", cwd=tmp_path)
    same(tmp_path / "run", whole)


def test_an_earlier_checkpoint_can_be_chosen(flags, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    assert (tmp_path / "run" / "step-16").is_dir()
    assert "resuming from run/step-16, step 16 of 18" in run(
        "--resume", "run/step-16", cwd=tmp_path
    )
    same(tmp_path / "run", whole)
    assert sorted(path.name for path in (tmp_path / "run").glob("step-*")) == ["step-16"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--resume", "absent"], "--resume absent: no such folder"),
        (
            ["--resume", "run", "--learning-rate", "0.5"],
            "--learning-rate 0.5: the run in run was started with 0.001, and a resumed run keeps",
        ),
        (
            ["--resume", "run", "--batch-size", "4"],
            "a step of this run takes 6 features, which 1 processes of 4 each cannot share",
        ),
        (
            ["--resume", "run", "--output-dir", "elsewhere"],
            "--output-dir elsewhere: a resumed run stays in its own folder, run",
        ),
        (
            ["--resume", "run", "--max-tokens-per-batch", "999"],
            "--max-tokens-per-batch 999: the run in run was started with None",
        ),
        (["--resume", "run/best"], "run/best: holds a reader, but not the state of a run"),
    ],
)
def test_what_cannot_be_resumed(whole, tmp_path, argv, message):
    shutil.copytree(whole, tmp_path / "run")
    assert message in run(*argv, cwd=tmp_path, status=2)


def test_two_processes_never_train_in_one_folder(flags, whole, tmp_path):
    first = start(
        *flags,
        cwd=tmp_path,
        killed_at=("mrc.training.trainer:Trainer.train_step", 9, signal.SIGSTOP),
    )
    try:
        wait_for(lambda: _is_stopped(first.pid))
        before = contents_of(tmp_path / "run")
        # The first before anything is read: there is no such data.
        new = [*flags, "--train-file", "absent.json"]
        for argv in (new, ["--resume", "run"], [*flags, "--resume", "auto"]):
            said = run(*argv, cwd=tmp_path, status=2)
            assert said.endswith(
                f"train.py: error: run: is being trained in by process {first.pid} on "
                f"{socket.gethostname()}; wait until it has ended, or stop it.\n"
            )
        assert contents_of(tmp_path / "run") == before
    finally:
        os.kill(first.pid, signal.SIGCONT)
    first.join(120)
    same(tmp_path / "run", whole)


def _is_stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def contents_of(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files}


def _garbage(path):
    path.write_bytes(b"garbage")


def _truncated(path):
    path.write_bytes(path.read_bytes()[:1000])


def _a_list(path):
    torch.save([1, 2], path)


def _an_empty_state(path):
    torch.save({}, path)


def _changed(**changes):
    def change(path):
        state = torch.load(path, weights_only=True)
        torch.save({**state, **changes}, path)

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_garbage, "is damaged, or not the state of a run"),
        (_truncated, "is damaged, or not the state of a run"),
        (Path.touch, ""),
        (_a_list, "is not the state of a run: it holds list"),
        (_an_empty_state, "is not the state of a run of mrc"),
        (_changed(unknown=1), "is not the state of a run of mrc"),
        (_changed(format=1), "is of another version of mrc (state 1, here 2)"),
        (_changed(progress={}), "is damaged: it does not say how far the run has come"),
        (_changed(random={}), "is damaged: its random is dict"),
        (_changed(optimizer={"state": {}, "param_groups": []}), "is not that of this model"),
    ],
)
def test_a_damaged_state_without_a_manifest(whole, tmp_path, damage, message):
    last = tmp_path / "run" / "last"
    shutil.copytree(whole, tmp_path / "run")
    (last / "manifest.json").unlink()
    damage(last / "training_state.pt")
    said = run("--resume", "run/last", cwd=tmp_path, status=2)
    assert "run/last: has no manifest.json, so nothing shows that it is complete" in said
    if not message:
        run("--resume", "run/last", "--resume-unverified", cwd=tmp_path)
        return
    said = run("--resume", "run/last", "--resume-unverified", cwd=tmp_path, status=2)
    assert "Traceback" not in said
    assert message in said.splitlines()[-1]


@pytest.mark.parametrize("text", [None, "[]", "{}", '{"config": 1}', '{"config": {"epochs": "x"}}'])
def test_settings_that_are_damaged(whole, tmp_path, text):
    shutil.copytree(whole, tmp_path / "run")
    for name in ("manifest.json", "mrc.json"):
        (tmp_path / "run" / "last" / name).unlink()
    if text is not None:
        (tmp_path / "run" / "last" / "mrc.json").write_text(text)
    said = run("--resume", "run", "--resume-unverified", cwd=tmp_path, status=2)
    assert "Traceback" not in said
    assert "mrc.json: " in said.splitlines()[-1]


def test_auto_goes_on_from_the_checkpoint_before_one_without_a_manifest(flags, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / "last" / "manifest.json").unlink()
    said = run(*flags, "--resume", "auto", cwd=tmp_path)
    assert "resuming from run/step-16" in said
    same(tmp_path / "run", whole)


def test_a_log_that_was_cut_goes_on_with_a_word(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    log = tmp_path / "run" / "log.jsonl"
    lines = log.read_text().splitlines()
    log.write_text(lines[0] + "\n" + lines[1][:10])
    said = run("--resume", "run/step-16", cwd=tmp_path)
    assert "run/log.jsonl: lines of the steps up to 16 are lost; the log goes on from here" in said
    steps = [line["step"] for line in log_of(tmp_path / "run")]
    assert steps == [4, 18, 18]


def test_a_best_checkpoint_that_was_removed_is_made_again(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "best")
    said = run("--resume", "run/step-16", cwd=tmp_path)
    assert "run/best: is lost, which was of step " in said


def test_a_run_goes_on_without_its_record(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / "config.json").unlink()
    assert "resuming from run/step-16" in run("--resume", "run/step-16", cwd=tmp_path)


def test_tensorboard_shows_no_step_twice(flags, tmp_path):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator
    run(
        *flags,
        "--log-every",
        "1",
        "--tensorboard",
        cwd=tmp_path,
        killed_at=("mrc.training.trainer:Trainer.train_step", 10),
        status=-signal.SIGKILL,
    )
    run("--resume", "run", "--tensorboard", cwd=tmp_path)
    # The run is complete; showing it again adds no file.
    run("--resume", "run", "--tensorboard", cwd=tmp_path)
    assert len(list((tmp_path / "run").glob("events.out.tfevents.*"))) == 2
    board = accumulator(str(tmp_path / "run")).Reload()
    assert [event.step for event in board.Scalars("train/loss")] == list(range(1, 19))


def test_changed_data_are_noticed(flags, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    # The installed package's version has no local part such as +cpu.
    assert record["versions"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert record["command"][0]
    record["data_sha256"] = dict.fromkeys(record["data_sha256"], "0" * 64)
    (tmp_path / "run" / "config.json").write_text(json.dumps(record))
    assert "has changed since the run began" in run("--resume", "run", cwd=tmp_path, status=2)


def test_the_same_step_in_other_micro_batches(flags, tmp_path):
    """Memory may be scarcer where a run goes on: 6 windows a step are 2 x 3 as well as 6 x 1."""
    plain = [*flags, "--dropout", "0"]
    run(*plain, cwd=tmp_path)
    weights = load_file(tmp_path / "run" / "last" / "model.safetensors")
    run("--resume", "run/step-16", "--batch-size", "1", cwd=tmp_path)
    for key, value in load_file(tmp_path / "run" / "last" / "model.safetensors").items():
        torch.testing.assert_close(value, weights[key], atol=1e-5, rtol=0)


def test_a_full_disk_leaves_the_earlier_checkpoints_whole(flags, tmp_path):
    """Files may not grow beyond some size, which the weights stay below and the training state
    does not."""
    run(
        *flags,
        cwd=tmp_path,
        killed_at=("mrc.training.trainer:Trainer.train_step", 8),
        status=-signal.SIGKILL,
    )
    limit = (tmp_path / "run" / "last" / "training_state.pt").stat().st_size - 1
    process = FORKS.Process(
        target=_train_with_little_disk, args=(tmp_path, limit, [*flags, "--resume", "auto"])
    )
    process.start()
    process.join(60)
    said = (tmp_path / "output.txt").read_text().splitlines()[-1]
    assert process.exitcode == 2
    assert said.startswith("train.py: error: run/last: the checkpoint cannot be written (")
    assert load_state(find_resumable(tmp_path / "run"))["progress"]["step"] == 6


def _train_with_little_disk(cwd, limit, argv):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    _train(cwd, argv, None)
