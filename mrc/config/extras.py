"""Extras: the optional packages, what they are for, and which settings need them.

What an extra installs is read from the metadata of the installed package, which setup.cfg wrote; in
a checkout that is not installed, from setup.cfg itself.
"""

import configparser
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement

from mrc.config.setting import option
from mrc.errors import InputError, how_to_install

DISTRIBUTION = "mrc-reader"
SETUP = Path(__file__).parents[2] / "setup.cfg"

# What each extra is for, as `mrc doctor` shows it.
PURPOSES = {
    "completion": "mrc --print-completion",
    "hub": "hub data sets, Parquet files, datasets.save_to_disk folders",
    "lora": "--lora-rank",
    "onnx": "mrc export",
    "serve": "mrc serve",
    "pdf": "PDF files on the page of mrc serve",
    "tensorboard": "--tensorboard",
    "plot": "--plot",
    "browser": "the browser tests of the page",
    "bench": "benchmarks/",
    "docs": "building the site",
    "test": "pytest",
    "dev": "formatting, linting, type checking",
}
# The settings that need an extra, whatever their value. Whether data needs one shows in its name.
NEEDED_BY = {"lora_rank": "lora", "tensorboard": "tensorboard", "plot": "plot"}


class Package(NamedTuple):
    """A package that mrc or one of its extras requires, and what is installed.

    versions: those that are supported, such as ">=2.6,<2.14". installed: None if it is missing.
    """

    name: str
    versions: str
    installed: str | None

    @property
    def is_supported(self) -> bool:
        """Whether an installed version is one of those that are supported."""
        allowed = Requirement(f"{self.name}{self.versions}").specifier
        return self.installed is not None and allowed.contains(self.installed, prereleases=True)


def packages(extra: str = "") -> list[Package]:
    """Return the packages that an extra installs; without a name, those that mrc itself needs."""
    return [_package(requirement) for requirement in _requirements().get(extra, [])]


def extras() -> list[str]:
    """Return the names of all extras."""
    return [name for name in _requirements() if name]


def check_settings(given: Mapping[str, Any]) -> None:
    """Raise InputError if a setting that was given needs a package that is not installed."""
    for name, extra in NEEDED_BY.items():
        if given.get(name):
            check_extra(extra, option(name))


def check_extra(extra: str, purpose: str) -> None:
    """Raise InputError if a package of an extra is not installed.

    Nothing is imported for this: a damaged package shows when it is used.

    Args:
        extra: the extra's name.
        purpose: what needs it, as the beginning of a sentence: "Exporting to ONNX".
    """
    missing = [package.name for package in packages(extra) if package.installed is None]
    if missing:
        what = "the package" if len(missing) == 1 else "the packages"
        raise InputError(f"{purpose} needs {what} {', '.join(missing)}: {how_to_install(extra)}.")


def _requirements() -> dict[str, list[Requirement]]:
    """The requirements of each extra, and under "" those of mrc itself."""
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return _requirements_of_checkout()
    found: dict[str, list[Requirement]] = {"": []}
    for line in lines:
        requirement = Requirement(line)
        extra = _extra_of(requirement)
        if _applies(requirement, extra):
            found.setdefault(extra, []).append(requirement)
    return found


def _applies(requirement: Requirement, extra: str) -> bool:
    """Whether this Python needs a package: some are for older ones only."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _extra_of(requirement: Requirement) -> str:
    """The extra that a line of the metadata belongs to: 'peft>=0.18; extra == "lora"'."""
    _, marker, value = str(requirement.marker or "").partition("extra == ")
    return value.strip("\"' ") if marker else ""


def _requirements_of_checkout() -> dict[str, list[Requirement]]:
    """The same from setup.cfg; nothing if there is none."""
    settings = configparser.ConfigParser()
    settings.read(SETUP, encoding="utf-8")
    texts = {"": settings.get("options", "install_requires", fallback="")}
    if settings.has_section("options.extras_require"):
        texts |= dict(settings["options.extras_require"])
    found = {}
    for extra, text in texts.items():
        requirements = [Requirement(line) for line in text.splitlines() if line.strip()]
        found[extra] = [needed for needed in requirements if _applies(needed, extra)]
    return found


def _package(requirement: Requirement) -> Package:
    try:
        installed = version(requirement.name)
    except PackageNotFoundError:
        installed = None
    # The lower bound first.
    versions = ",".join(sorted(map(str, requirement.specifier), reverse=True))
    return Package(requirement.name, versions, installed)
