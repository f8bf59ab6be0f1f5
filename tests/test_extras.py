"""Extras: what each installs, and that a missing one is named before anything is read."""

import configparser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from mrc.config import extras
from mrc.config.train import TrainConfig
from mrc.data.loading import load_run_data
from mrc.errors import InputError

SETUP = Path(__file__).parents[1] / "setup.cfg"


@pytest.fixture
def missing(monkeypatch):
    """Pretend that some packages are not installed."""
    names = set()

    def installed_version(name):
        if name in names:
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(extras, "version", installed_version)
    return names


def test_every_extra_says_what_it_is_for():
    settings = configparser.ConfigParser()
    settings.read(SETUP)
    named = set(settings["options.extras_require"])
    assert named == set(extras.PURPOSES)
    assert set(extras.NEEDED_BY.values()) <= named


def test_what_mrc_itself_needs():
    packages = {package.name: package for package in extras.packages()}
    assert {"torch", "transformers", "numpy"} <= set(packages)
    assert packages["torch"].is_supported
    assert not packages["torch"]._replace(installed="1.13.0").is_supported
    assert [package.name for package in extras.packages("lora")] == ["peft"]


@pytest.mark.parametrize(
    ("given", "package", "extra"),
    [
        ({"tensorboard": True}, "tensorboard", "tensorboard"),
        ({"plot": True}, "matplotlib", "plot"),
        ({"lora_rank": 4, "model": "klue/bert-base"}, "peft", "lora"),
    ],
)
def test_a_setting_that_needs_an_extra(missing, given, package, extra):
    missing.add(package)
    with pytest.raises(InputError) as raised:
        TrainConfig(train_file="absent.json", **given)
    assert f"needs the package {package}: pip install" in str(raised.value)
    assert f'".[{extra}]"' in str(raised.value)
    # A reader that was trained with it elsewhere is used without it.
    TrainConfig.from_dict(given)
    TrainConfig(plot=False)


@pytest.mark.parametrize("source", ["klue:mrc", "dev.parquet", "dev.parquet.gz"])
def test_data_that_need_an_extra_are_refused_before_any_are_read(missing, source):
    missing.add("datasets")
    config = TrainConfig(train_file="absent.json", validation_file=source)
    with pytest.raises(InputError, match=f"^{source}: reading .* needs the package datasets"):
        load_run_data(config)
