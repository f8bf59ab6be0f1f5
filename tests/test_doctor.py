"""`mrc doctor`: what is found on a machine, and what is said to be wrong with it."""

import importlib
import json
from importlib.metadata import PackageNotFoundError, version

import pytest
import torch

import mrc.__main__
from mrc.commands import diagnosis, doctor
from mrc.config import extras
from mrc.runtime import machine


def run(capsys, argv=("doctor",)):
    """What the command prints, and its exit status."""
    try:
        mrc.__main__.main(list(argv))
        status = 0
    except SystemExit as end:
        status = end.code
    return capsys.readouterr().out, status


@pytest.fixture
def installed(monkeypatch):
    """Pretend that other versions are installed: by name, None for a missing package."""
    versions = {}

    def pretended_version(name):
        found = versions.get(name, "")
        if found is None:
            raise PackageNotFoundError(name)
        return found or version(name)

    monkeypatch.setattr(extras, "version", pretended_version)
    return versions


def test_one_object_for_machines(capsys):
    out, _ = run(capsys, ["doctor", "--json"])
    report = json.loads(out)
    assert report["mrc"] == mrc.__version__
    versions = {package["name"]: package["installed"] for package in report["packages"]}
    assert versions["torch"] == torch.__version__
    assert report["processor"]["threads"] == torch.get_num_threads()
    assert set(report["extras"]) == set(extras.PURPOSES)
    assert report["disk"]
    assert all(free > 0 for free in report["disk"].values())


def test_a_long_version(capsys):
    out, _ = run(capsys, ["--version", "--verbose"])
    assert "transformers" in out
    assert "processor" in out


def test_wrong_versions_and_missing_packages(capsys, installed):
    installed |= {"torch": "2.4.0", "einops": None, "peft": None, "onnx": "1.2"}
    out, status = run(capsys)
    assert status == 1
    assert "problem: torch 2.4.0 is not one of the supported versions, >=2.6,<2.14" in out
    assert "problem: einops is missing; pip install" in out
    assert "problem: onnx 1.2 is not" in out
    # An extra that is not there is no problem.
    assert "(missing: peft)" in out
    assert out.count("problem:") >= 3
    assert "problem: peft" not in out


def test_a_torch_that_cannot_be_imported(capsys, monkeypatch):
    import_module = importlib.import_module

    def broken(name, *more):
        if name == "torch":
            raise ImportError("libtorch_cpu.so: cannot open shared object file")
        return import_module(name, *more)

    monkeypatch.setattr(importlib, "import_module", broken)
    out, status = run(capsys)
    assert status == 1
    assert "problem: PyTorch cannot be imported: libtorch_cpu.so" in out


def test_little_room():
    report = {"disk": {"/data": 2**30}, "memory": {"free": 2**29, "total": 2**33}}
    problems = diagnosis.room_problems(report)
    assert "only 1.0 GB of disk are free in /data" in problems[0]
    assert "only 512 MB of memory are free" in problems[1]
    report = {"disk": {"/data": 2**40}, "memory": {"free": None, "total": None}}
    assert not diagnosis.room_problems(report)


def test_a_gpu_that_is_not_found(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    for_cpu = {"torch_problem": None, "torch_cuda": None, "gpus": []}
    assert "is one for the CPU only" in diagnosis.device_problems(for_cpu)[0]
    for_cuda = {**for_cpu, "torch_cuda": "12.6"}
    assert "(built for CUDA 12.6) finds no GPU" in diagnosis.device_problems(for_cuda)[0]
    assert not diagnosis.device_problems({**for_cuda, "gpus": [{"device": "cuda:0"}]})


def test_a_gpu_that_is_found(capsys):
    report = diagnosis.examine()
    gpu = {"device": "cuda:0", "name": "A100", "bf16": True, "free": 2**34, "total": 2**35}
    shown = doctor.as_text({**report, "gpus": [gpu], "problems": []})
    assert "cuda:0       A100, 16.0 GB of 32.0 GB free, bf16" in shown
    assert shown.endswith("No problem was found.")


def test_the_limit_of_a_container(monkeypatch, tmp_path):
    info = tmp_path / "meminfo"
    info.write_text("MemTotal:  16384 kB\nMemFree: 1 kB\nMemAvailable:  8192 kB\n")
    monkeypatch.setattr(machine, "MEMORY_INFO", info)
    monkeypatch.setattr(machine, "CONTAINER", tmp_path)
    assert machine.main_memory() == (8192 * 1024, 16384 * 1024)
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.main_memory() == (8192 * 1024, 16384 * 1024)
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("700\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 200\n")
    assert machine.main_memory() == (500, 1000)
