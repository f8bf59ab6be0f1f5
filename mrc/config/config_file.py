"""Config files: settings in YAML, TOML or JSON, and the config.json of a run."""

import json
import os
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrc.config.other_names import answer
from mrc.config.setting import Setting, option
from mrc.config.yaml_file import read_yaml
from mrc.errors import InputError, in_short
from mrc.files import STDIN, read_text
from mrc.wording import nearest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# What a run's config.json holds besides its settings, and a config file never does.
PROVENANCE = ("versions", "command", "data_sha256", "resumed")
# What a run's config.json says of the run itself: another run has a folder and a repository of its
# own.
OF_THE_RUN = ("output_dir", "resume", "push_to_hub")
# By these, code or pickles are read. Neither a file nor a folder may bring that about, only whoever
# runs the command.
TRUST = ("trust_remote_code", "allow_pickle", "model_class")


@dataclass(frozen=True)
class ConfigFile:
    """What a config file holds.

    Attributes:
        path: of the file.
        settings: name -> value, of the types that the settings have.
        is_record: whether it is the config.json of a run, which has every setting.
    """

    path: str
    settings: dict[str, Any]
    is_record: bool

    def check_trust(self, given: Collection[str]) -> None:
        """Raise InputError if a run's record would have code or pickles read.

        given: names of the settings that the caller gives again.
        """
        if not self.is_record:
            return
        for name in TRUST:
            if self.settings.get(name) and name not in given:
                raise InputError(
                    f"{self.path}: the run was started with {option(name)}, which reads code or "
                    "pickles; give it again beside the file."
                )

    def part_in(self, message: str, over: Collection[str]) -> str:
        """Say which of the settings that a message names come from this file; "" if none does."""
        words = message.replace(":", " ").replace(",", " ").split()
        names = [name for name in self.settings if option(name) in words and name not in over]
        return f" ({self.path} gives {' and '.join(names)}.)" if names else ""


def read_config_file(path: str | os.PathLike[str], settings: Mapping[str, Setting]) -> ConfigFile:
    """Read a config file.

    Args:
        path: a file in .yaml, .yml, .toml or .json, or - for YAML from standard input.
        settings: what the command knows, by name.

    Raises:
        InputError: naming the file and the key, for a file that cannot be read, a key that is no
            setting of the command or is there twice, and a value of another type.
    """
    path = str(path)
    pairs = _read_pairs(path)
    is_record = {"versions", "data_sha256"} <= {key for key, _ in pairs}
    if is_record:
        if "train_file" not in settings:
            raise InputError(
                f"{path}: is the record of a training run, which only the command that trains "
                "can repeat; give the run's folder as the reader instead."
            )
        of_the_run = [key for key, value in pairs if key in OF_THE_RUN and value is not None]
        if of_the_run:
            names = ", ".join(map(option, of_the_run))
            # Standard output may be a file for --config itself.
            print(f"note: {path}: the run's own {names} is not taken over", file=sys.stderr)
        left_out = {*PROVENANCE, *OF_THE_RUN}
        pairs = [(key, value) for key, value in pairs if key not in left_out]
    found: dict[str, Any] = {}
    for key, value in pairs:
        name = _setting_name(path, key, settings)
        if name in found:
            raise InputError(f"{path}: {key} is there twice; remove one.")
        found[name] = None if value is None else _typed(path, key, value, settings[name])
    given = {name: value for name, value in found.items() if value is not None}
    return ConfigFile(path, given, is_record)


def _read_pairs(path: str) -> list[tuple[str, Any]]:
    """The keys and values of a file in their order, keys that are there twice included."""
    suffix = Path(path).suffix.lower()
    if path == STDIN or suffix in (".yaml", ".yml"):
        return read_yaml(read_text(path), path)
    if suffix == ".json":
        return _read_json(path)
    if suffix == ".toml":
        return _read_toml(path)
    raise InputError(f"--config {path}: end the name in .yaml, .toml or .json.")


def _read_json(path: str) -> list[tuple[str, Any]]:
    """As `_read_pairs`; objects within the object become lists of pairs, which no setting takes."""
    text = read_text(path)
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: not JSON ({error.msg}).") from None
    except RecursionError:
        raise InputError(f"{path}: not a config file; its lists are nested too deeply.") from None
    if not isinstance(pairs, _Pairs):
        raise InputError(f"{path}: must hold an object of settings and their values.")
    return list(pairs)


class _Pairs(tuple[Any, ...]):
    """The keys and values of a JSON object, told from a JSON list by its type."""


def _read_toml(path: str) -> list[tuple[str, Any]]:
    text = read_text(path)
    try:
        return list(tomllib.loads(text).items())
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML ({in_short(error)}).") from None


def _setting_name(path: str, key: str, settings: Mapping[str, Setting]) -> str:
    """The name of the setting that a key means, written with - or _."""
    name = key.replace("-", "_")
    if name in settings:
        return name
    known = answer(name, settings, in_file=True)
    if known:
        raise InputError(f"{path}: {key}: {known}.")
    match = nearest(name, settings)
    advice = f"did you mean {match}?" if match else "--help-all lists all, as flags."
    raise InputError(f"{path}: {in_short(key)}: no such setting; {advice}")


def _typed(path: str, key: str, value: Any, setting: Setting) -> Any:
    """A value in the type of its setting. Raises InputError if it is none, or not allowed."""
    try:
        typed = setting.typed(value)
    except ValueError as error:
        raise InputError(f"{path}: {key}: {error}, not {_shown(value)}.") from None
    problem = setting.problem(typed)
    if problem:
        raise InputError(f"{path}: {key} {_shown(value)}: {problem}.")
    return typed


def _shown(value: Any) -> str:
    """A value as a message shows it."""
    if isinstance(value, (dict, _Pairs)):
        return "settings within it"
    if isinstance(value, str) and not value:
        return "empty text"
    return in_short(value) if isinstance(value, str) else in_short(json.dumps(value, default=str))
