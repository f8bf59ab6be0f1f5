"""Flags: a dataclass field declared once is a setting in Python and a flag on the command line."""

import math
import operator
import os
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

from mrc.errors import InputError


@dataclass(frozen=True)
class Flag:
    """How a setting looks on the command line, and which values it takes."""

    default: Any
    help: str
    group: str
    tiny: Any
    choices: Sequence[str] | None
    nargs: int | None
    kind: type | None
    positional: bool
    bounds: tuple[tuple[str, float | None, Callable[[Any, Any], bool]], ...]


def flag(
    default: Any,
    help: str,
    *,
    group: str,
    tiny: Any = None,
    choices: Sequence[str] | None = None,
    nargs: int | None = None,
    kind: type | None = None,
    positional: bool = False,
    at_least: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Any:
    """Declare a setting: a dataclass field that `parse_args` turns into a flag.

    Args:
        default: value of a setting that is not given; None leaves it open.
        help: what --help says, in a few words; the default is added.
        group: the heading under which --help lists the flag.
        tiny: the default with `--model tiny`, where that is another one.
        choices: the only values allowed.
        nargs: number of values, if not one.
        kind: type of what the command line gives, where the annotation does not say it.
        positional: given without a name, and required.
        at_least: the lowest number allowed.
        above: a number below all that are allowed.
        below: a number above all that are allowed.
    """
    bounds = (
        ("at least", at_least, operator.ge),
        ("above", above, operator.gt),
        ("below", below, operator.lt),
    )
    declared = Flag(default, help, group, tiny, choices, nargs, kind, positional, bounds)
    # With two defaults, a setting is None until `__post_init__` knows the model.
    return field(default=default if tiny is None else None, metadata={"flag": declared})


AnyConfig = TypeVar("AnyConfig", bound="Config")


class Config:
    """Settings: each field is declared by `flag`, and checked when the config is made.

    Attributes:
        given: the settings that the caller gave, by keyword, by position or as flags. None gives
            nothing: it stands for the default. `dataclasses.replace` gives every setting; use
            `changed` instead.
    """

    given: dict[str, Any]

    def __new__(cls: type[AnyConfig], *args: Any, **kwargs: Any) -> AnyConfig:
        """Remember what the caller gave: afterwards a default looks like any other value."""
        config = super().__new__(cls)
        names = [setting.name for setting in fields(cls)]  # type: ignore[arg-type]
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        config.given = {name: value for name, value in given.items() if value is not None}
        return config

    def __post_init__(self) -> None:
        """Fill in the defaults. Raises InputError for a value that its flag does not allow."""
        for setting, declared in declared_flags(type(self)):
            if getattr(self, setting.name) is None:
                is_tiny = declared.tiny is not None and getattr(self, "model", None) == "tiny"
                setattr(self, setting.name, declared.tiny if is_tiny else declared.default)
            value = getattr(self, setting.name)
            if isinstance(value, os.PathLike):
                setattr(self, setting.name, str(value))
            if value is not None:
                _check(setting.name, value, declared)
        self.check_given()

    def check_given(self) -> None:
        """Raise InputError if two of the settings in `given` exclude each other; for subclasses."""

    def to_dict(self) -> dict[str, Any]:
        """Every setting with its value."""
        return {
            setting.name: getattr(self, setting.name) for setting, _ in declared_flags(type(self))
        }

    @classmethod
    def from_dict(cls: type[AnyConfig], settings: dict[str, Any]) -> AnyConfig:
        """Make a config from what `to_dict` returned, perhaps of another version of mrc.

        None of it counts as given. Names that are no settings of this class are passed over.
        """
        names = {setting.name for setting, _ in declared_flags(cls)}
        config = cls.__new__(cls)
        config.__init__(**{n: v for n, v in settings.items() if n in names})  # type: ignore[misc]
        return config

    def changed(self: AnyConfig, **settings: Any) -> AnyConfig:
        """A copy with other values for some settings; none of them counts as given."""
        return self.from_dict({**self.to_dict(), **settings})


def option(name: str) -> str:
    """The flag of a setting: --batch-size for batch_size."""
    return "--" + name.replace("_", "-")


def declared_flags(config_class: type) -> list[tuple[Field, Flag]]:
    """Each field of a config with its flag."""
    return [(setting, setting.metadata["flag"]) for setting in fields(config_class)]


def _check(name: str, value: Any, declared: Flag) -> None:
    """Raise InputError for a value that is no choice, not finite or out of bounds."""
    shown = name.upper() if declared.positional else option(name)
    if declared.choices and value not in declared.choices:
        raise InputError(f"{shown} {value}: choose one of {', '.join(declared.choices)}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{shown} {value}: must be a finite number.")
    for words, bound, holds in declared.bounds:
        if bound is not None and not holds(value, bound):
            raise InputError(f"{shown} {value}: must be {words} {bound}.")
