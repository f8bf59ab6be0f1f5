"""Several processes train and score as one does."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
import torch
from conftest import DATA
from safetensors.torch import load_file
from test_custom_architecture import GUESTS
from test_resume import FORKS, log_of, same
from test_trainer import SHIFTS
from transformers import AutoModelForQuestionAnswering

from mrc.checkpoint.store import load_state
from mrc.commands import evaluate, train
from mrc.data.loading import load_examples
from mrc.data.squad import write_squad
from mrc.errors import InputError, command_line
from mrc.model.baseline import BaselineModel
from mrc.model.layers import sharded_layers
from mrc.runtime.processes import World, local_device, processes
from mrc.runtime.sharding import dummy_input, shard
from mrc.training.trainer import Trainer

ROOT = Path(__file__).parents[1]
shards = pytest.mark.skipif(
    not hasattr(torch.cpu.Stream, "record_event"), reason="this PyTorch shards models on GPUs alone"
)


def _process(script, cwd, rank, size, port, argv, signalled_at):
    """What torchrun does in each process of one machine. signalled_at: (rank, step), or None."""
    os.chdir(cwd)
    _as_torchrun(rank, size, port)
    # The file stands in for standard output until the process ends.
    output = open(f"output-{rank}.txt", "a", encoding="utf-8", buffering=1)  # noqa: SIM115
    sys.stdout = output
    sys.stderr = output
    if signalled_at and rank == signalled_at[0]:
        step = Trainer.train_step
        calls = count(1)

        def train_step(self, group):
            if next(calls) == signalled_at[1]:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(self, group)

        Trainer.train_step = train_step
    sys.argv = [script, *argv]
    with command_line(script):
        {"train.py": train, "evaluate.py": evaluate}[script].main(argv)


def _as_torchrun(rank, size, port):
    torch.set_num_threads(1)
    os.environ.update(
        TORCHELASTIC_RUN_ID="test",
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(size),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )


def free_port():
    """A free port below those that systems hand out to connections by themselves.

    So no connection can take it before the first process listens on it.
    """
    for port in random.SystemRandom().sample(range(15000, 32000), 100):
        with socket.socket() as free:
            if free.connect_ex(("127.0.0.1", port)):
                return port
    raise OSError("no port of a hundred is free")


def run(size, *argv, cwd, script="train.py", status=0, signalled_at=None):
    """Run a script in `size` processes; return what the first printed."""
    port = free_port()
    argv = [str(part) for part in argv]
    processes = [
        FORKS.Process(target=_process, args=(script, cwd, rank, size, port, argv, signalled_at))
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    said = [(cwd / f"output-{rank}.txt").read_text("utf-8") for rank in range(size)]
    assert [process.exitcode for process in processes] == [status] * size, said
    # Only the first process prints, except for the line of one that is told to stop.
    if not status:
        assert all(
            line.startswith("train.py: stopped")
            for other in said[1:]
            for line in other.splitlines()
        )
    return said[0]


@pytest.fixture(scope="module")
def flags(encoder_folder, tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "all.json"
    write_squad(load_examples(DATA / "squad.json") + load_examples(DATA / "korquad.json"), file)
    return f"""
        --model {encoder_folder} --train-file {file} --validation-file {file}
        --max-length 64 --stride 16 --epochs 3 --dropout 0 --learning-rate 1e-3
        --log-every 1 --eval-batch-size 5 --output-dir run
    """.split()


@pytest.fixture(scope="module")
def alone(flags, tmp_path_factory):
    """One process, 12 windows a step: 3 steps an epoch, the last of 8."""
    folder = tmp_path_factory.mktemp("alone")
    run(1, *flags, "--batch-size", 12, cwd=folder)
    return folder / "run"


def assert_alike(folder, other):
    """Assert equal weights, loss curves and scores, up to the order in which sums were taken."""
    mine, theirs = (load_file(f / "last" / "model.safetensors") for f in (folder, other))
    for key, value in mine.items():
        if key.endswith(SHIFTS):
            continue
        torch.testing.assert_close(value, theirs[key], atol=1e-5, rtol=0)
    for mine, theirs in zip(log_of(folder), log_of(other), strict=True):
        assert {**mine, "padding": 0} == pytest.approx({**theirs, "padding": 0}, abs=1e-4)


@pytest.mark.parametrize(
    ("size", "batch_size", "accumulation"), [(1, 4, 3), (2, 6, 1), (2, 2, 3), (3, 4, 1), (3, 1, 4)]
)
def test_processes_train_as_one(flags, alone, tmp_path, size, batch_size, accumulation):
    said = run(
        size,
        *flags,
        "--batch-size",
        batch_size,
        "--gradient-accumulation-steps",
        accumulation,
        cwd=tmp_path,
    )
    shared = f" shared by {size} processes" if size > 1 else ""
    assert f"9 steps of 12 features{shared}" in said
    assert_alike(tmp_path / "run", alone)


def test_a_step_with_fewer_windows_than_processes(flags, tmp_path):
    """32 windows in steps of 30 leave two for three processes."""
    for size, batch_size, accumulation in ((1, 15, 2), (3, 10, 1)):
        (tmp_path / str(size)).mkdir()
        run(
            size,
            *flags,
            "--batch-size",
            batch_size,
            "--gradient-accumulation-steps",
            accumulation,
            cwd=tmp_path / str(size),
        )
    log = log_of(tmp_path / "3" / "run")
    assert len([line for line in log if "loss" in line]) == 6
    assert_alike(tmp_path / "3" / "run", tmp_path / "1" / "run")


def test_by_tokens(flags, tmp_path):
    for size, accumulation in ((1, 2), (2, 1)):
        (tmp_path / str(size)).mkdir()
        run(
            size,
            *flags,
            "--max-tokens-per-batch",
            200,
            "--gradient-accumulation-steps",
            accumulation,
            cwd=tmp_path / str(size),
        )
    assert_alike(tmp_path / "2" / "run", tmp_path / "1" / "run")


def test_a_run_goes_on_with_another_number_of_processes(flags, alone, tmp_path):
    run(2, *flags, "--batch-size", 6, "--save-every", 5, cwd=tmp_path)
    said = run(1, "--resume", "run/step-6", cwd=tmp_path)
    assert "9 steps of 12 features, fp32" in said
    assert "resuming from run/step-6" in said
    assert_alike(tmp_path / "run", alone)
    # Three processes take batches of 4.
    run(3, "--resume", "run/step-6", cwd=tmp_path)
    assert_alike(tmp_path / "run", alone)
    said = run(3, "--resume", "run/step-6", "--batch-size", 4, cwd=tmp_path)
    assert "shared by 3 processes" in said
    assert_alike(tmp_path / "run", alone)
    (tmp_path / "output-0.txt").unlink()
    said = run(3, "--resume", "run/step-6", "--batch-size", 5, cwd=tmp_path, status=2)
    assert "a step of this run takes 12 features, which 3 processes of 5 each cannot share" in said


def test_scores_are_those_of_one_process(alone, tmp_path):
    for size in (1, 2, 3):
        argv = [
            "--checkpoint",
            alone,
            "--output-dir",
            tmp_path / str(size),
            "--batch-size",
            3,
            "--search",
            "exact",
        ]
        run(size, *argv, cwd=tmp_path, script="evaluate.py")
    predictions = [(tmp_path / str(size) / "predictions.json").read_text() for size in (1, 2, 3)]
    assert predictions[1] == predictions[0]
    assert predictions[2] == predictions[0]
    one, *others = (
        json.loads((tmp_path / str(size) / "metrics.json").read_text()) for size in (1, 2, 3)
    )
    for other in others:
        assert all(
            one[name] == other[name]
            for name in one
            if name not in ("seconds", "peak_memory_mb", "config")
        )


def test_a_signal_to_one_process_stops_all(flags, alone, tmp_path):
    run(2, *flags, "--batch-size", 6, cwd=tmp_path, signalled_at=(1, 5), status=143)
    assert (
        "Resume with: torchrun --nproc_per_node=2 train.py --resume run"
        in (tmp_path / "output-0.txt").read_text()
    )
    assert load_state(tmp_path / "run" / "last")["progress"]["step"] == 5
    run(2, "--resume", "run", cwd=tmp_path)
    assert_alike(tmp_path / "run", alone)


GUEST = """
from torch import nn

class Types(nn.Module):
    def __init__(self, vocab_size, width=8):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, width)
        self.types = nn.Embedding(2, width)
        self.out = nn.Linear(width, 2, bias=False)
        self.unused = nn.Linear(width, width)

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        states = self.embedding(input_ids)
        if token_type_ids is not None:
            states = states * self.types(token_type_ids)
        return self.out(states).unbind(dim=2)
"""


def test_a_class_of_ones_own_with_unused_weights_is_trained_by_any_number_and_goes_on_with_more(
    flags, tmp_path
):
    """Weights that only some inputs use are trained; those that none uses block no process."""
    for size in (1, 2):
        (tmp_path / str(size)).mkdir()
        (tmp_path / str(size) / "types_guest.py").write_text(GUEST)
        run(
            size,
            *flags,
            "--model-class",
            "types_guest:Types",
            "--batch-size",
            12 // size,
            "--save-every",
            4,
            "--keep",
            9,
            cwd=tmp_path / str(size),
        )
    assert_alike(tmp_path / "2" / "run", tmp_path / "1" / "run")
    weights = load_file(tmp_path / "1" / "run" / "last" / "model.safetensors")
    before = load_file(tmp_path / "1" / "run" / "step-4" / "model.safetensors")
    assert not torch.equal(weights["module.types.weight"], before["module.types.weight"])
    run(
        2,
        "--resume",
        "run/step-4",
        "--model-class",
        "types_guest:Types",
        "--batch-size",
        6,
        cwd=tmp_path / "1",
    )
    assert_alike(tmp_path / "1" / "run", tmp_path / "2" / "run")


@shards
@pytest.mark.parametrize(("size", "batch_size", "accumulation"), [(2, 6, 1), (2, 2, 3), (3, 4, 1)])
def test_shards_train_as_one_and_are_saved_as_one(
    flags, alone, tmp_path, size, batch_size, accumulation
):
    said = run(
        size,
        *flags,
        "--fsdp",
        "--batch-size",
        batch_size,
        "--gradient-accumulation-steps",
        accumulation,
        cwd=tmp_path,
    )
    assert (
        f"9 steps of 12 features shared by {size} processes, the model sharded over them, fp32"
        in said
    )
    assert_alike(tmp_path / "run", alone)
    for part in ("best", "last"):
        names = [
            sorted(path.name for path in (folder / part).iterdir())
            for folder in (tmp_path / "run", alone)
        ]
        tensors = [
            load_file(folder / part / "model.safetensors").keys()
            for folder in (tmp_path / "run", alone)
        ]
        assert names[0] == names[1]
        assert tensors[0] == tensors[1]
    AutoModelForQuestionAnswering.from_pretrained(tmp_path / "run" / "best")
    mine, theirs = (
        load_state(folder / "last")["optimizer"]["state"] for folder in (tmp_path / "run", alone)
    )
    assert mine.keys() == theirs.keys()
    for index in mine:
        torch.testing.assert_close(
            mine[index]["exp_avg"], theirs[index]["exp_avg"], atol=1e-4, rtol=0
        )


def _what_it_holds(folder, encoder_folder, rank, size, port):
    """Shard over `size` processes; write how many weights, and gradients, this process holds."""
    _as_torchrun(rank, size, port)
    with processes("cpu") as world:
        model = BaselineModel.from_pretrained(encoder_folder)
        shard(model, sharded_layers(model), world, device=torch.device("cpu"))
        weights = sum(parameter.to_local().numel() for parameter in model.parameters())
        sum(logits.sum() for logits in model(input_ids=dummy_input("cpu"))).backward()
        gradients = sum(parameter.grad.to_local().numel() for parameter in model.parameters())
        (folder / f"{rank}.json").write_text(json.dumps([weights, gradients]))


@shards
def test_a_process_holds_its_shards_alone(encoder_folder, tmp_path):
    port = free_port()
    started = [
        FORKS.Process(target=_what_it_holds, args=(tmp_path, encoder_folder, rank, 2, port))
        for rank in range(2)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
    held = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    every = sum(
        parameter.numel()
        for parameter in BaselineModel.from_pretrained(encoder_folder).parameters()
    )
    assert [one + other for one, other in zip(*held, strict=False)] == [every, every]
    assert all(0.4 * every < count < 0.6 * every for counts in held for count in counts)


@shards
def test_a_sharded_run_goes_on_to_the_bit(flags, tmp_path):
    argv = [
        *flags,
        "--fsdp",
        "--dropout",
        0.2,
        "--batch-size",
        3,
        "--gradient-accumulation-steps",
        2,
        "--save-every",
        2,
    ]
    for name, stop in (("whole", {}), ("cut", {"signalled_at": (1, 5), "status": 143})):
        (tmp_path / name).mkdir()
        run(2, *argv, cwd=tmp_path / name, **stop)
    run(2, "--resume", "run", cwd=tmp_path / "cut")
    same(tmp_path / "cut" / "run", tmp_path / "whole" / "run")


@shards
def test_a_run_goes_on_in_other_shards_or_in_none(flags, alone, tmp_path):
    run(2, *flags, "--fsdp", "--batch-size", 6, "--save-every", 5, cwd=tmp_path)
    for size, argv in ((3, ["--batch-size", 4]), (1, ["--batch-size", 12])):
        said = run(size, "--resume", "run/step-6", *argv, cwd=tmp_path)
        shared = " shared by 3 processes, the model sharded over them" if size == 3 else ""
        assert f"9 steps of 12 features{shared}, fp32\n" in said
        assert_alike(tmp_path / "run", alone)
    (tmp_path / "plain").mkdir()
    run(2, *flags, "--batch-size", 6, "--save-every", 5, cwd=tmp_path / "plain")
    said = run(2, "--resume", "run/step-6", "--fsdp", cwd=tmp_path / "plain")
    assert "the model sharded over them" in said
    assert_alike(tmp_path / "plain" / "run", alone)


@shards
@pytest.mark.slow
@pytest.mark.parametrize(
    ("argv", "tolerance"),
    [
        ("--head lstm --freeze-layers 0 --layer-decay 0.9 --gradient-checkpointing", 1e-4),
        ("--head conditional --label-smoothing 0.1", 1e-4),
        ("--model-class my_guests:OnEncoder", 1e-4),
        ("--precision bf16", 0.05),
        ("--precision fp16", 0.05),
    ],
)
def test_shards_of_other_models_and_in_other_precisions(flags, tmp_path, argv, tolerance):
    losses = []
    for size, batch_size in ((1, 12), (2, 6)):
        folder = tmp_path / str(size)
        folder.mkdir()
        (folder / "my_guests.py").write_text(GUESTS)
        run(
            size,
            *flags,
            *argv.split(),
            "--batch-size",
            batch_size,
            *(["--fsdp"] if size > 1 else []),
            cwd=folder,
        )
        losses.append([line["loss"] for line in log_of(folder / "run") if "loss" in line])
    assert losses[1] == pytest.approx(losses[0], abs=tolerance)


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    assert local_device("cuda:1") == "cuda:1"
    for name, value in (
        ("TORCHELASTIC_RUN_ID", "test"),
        ("RANK", "5"),
        ("WORLD_SIZE", "8"),
        ("LOCAL_RANK", "1"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [local_device(device) for device in ("auto", "cuda", "cpu")] == [
        "cuda:1",
        "cuda:1",
        "cpu",
    ]
    with (
        pytest.raises(
            InputError, match="--device cuda:0: each of torchrun's processes takes a GPU of its own"
        ),
        processes("cuda:0"),
    ):
        pass
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert local_device("auto") == "cpu"
    with (
        pytest.raises(InputError, match="--device cuda:1: not available on this machine"),
        processes("cuda"),
    ):
        pass


def test_a_run_of_one_numbered_gpu_goes_on_with_several_if_told_to(flags, tmp_path, monkeypatch):
    run(1, *flags, "--batch-size", 12, "--max-steps", 1, cwd=tmp_path)
    settings = tmp_path / "run" / "last" / "mrc.json"
    changed = settings.read_text().replace('"device": "auto"', '"device": "cuda:1"')
    assert changed != settings.read_text()
    settings.write_text(changed)
    # The error for a changed file advises to remove the manifest.
    (tmp_path / "run" / "last" / "manifest.json").unlink()
    unverified = ("--resume", "run", "--resume-unverified")
    assert "--device cuda:1: each of torchrun's processes takes a GPU of its own" in run(
        2, *unverified, "--batch-size", 6, cwd=tmp_path, status=2
    )
    (tmp_path / "output-1.txt").unlink()
    run(2, *unverified, "--batch-size", 6, "--device", "cpu", cwd=tmp_path)


def test_what_is_not_sharded(flags, tmp_path, monkeypatch):
    said = run(1, *flags, "--fsdp", cwd=tmp_path, status=2)
    assert said.endswith(
        "train.py: error: --fsdp shards the model over several processes; "
        "start them with torchrun --nproc_per_node=N train.py ...\n"
    )
    assert not (tmp_path / "run").exists()
    # As in PyTorch 2.6.
    monkeypatch.delattr(torch.cpu.Stream, "record_event", raising=False)
    with pytest.raises(
        InputError, match="shards models on GPUs only; use a later version for CPUs"
    ):
        shard(torch.nn.Linear(2, 2), [], World(0, 2), device=torch.device("cpu"))


DIES_AT_ITS_FIFTH_STEP = """
import sys

import mrc.commands.train
from mrc.training.trainer import Trainer

step = Trainer.train_step
calls = []

def dies(self, group):
    calls.append(1)
    if len(calls) == 5 and self.world.rank == 1:
        raise RuntimeError("this process has had enough")
    return step(self, group)

Trainer.train_step = dies
mrc.commands.train.main(sys.argv[1:])
"""


@pytest.mark.slow
def test_torchrun_ends_all_when_one_dies_and_the_run_goes_on(flags, tmp_path):
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node=2",
        f"--master_port={29500 + os.getpid() % 1000}",
    ]
    program = tmp_path / "dies.py"
    program.write_text(DIES_AT_ITS_FIFTH_STEP)
    argv = [*flags, "--batch-size", "6", "--resume", "auto"]
    settings = {
        "cwd": tmp_path,
        "env": {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        "capture_output": True,
    }
    done = subprocess.run([*command, program, *argv], **settings, text=True, timeout=120)
    assert done.returncode != 0
    assert "this process has had enough" in done.stderr
    done = subprocess.run([*command, ROOT / "train.py", *argv], **settings, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "resuming from run/last, step 3 of 9" in done.stdout
    assert done.stdout.count("Next: python evaluate.py") == 1
