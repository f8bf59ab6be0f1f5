"""A setting: what one field of a config declares, and which values it takes."""

import math
import operator
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
METAVARS = {int: "N", float: "X", str: "TEXT"}
# As YAML has them.
TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}

BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "at least": operator.ge,
    "above": operator.gt,
    "below": operator.lt,
}


@dataclass(frozen=True)
class Setting:
    """What a field of a config declares; `mrc.config.flags.flag` describes the attributes.

    `settings_of` adds the last two: the name of the field, and whether Python may give any object.
    """

    default: Any
    help: str
    group: str
    tiny: Any = None
    choices: Sequence[str] | None = None
    nargs: int | str | None = None
    kind: type | None = None
    positional: bool = False
    rare: bool = False
    metavar: str | None = None
    bounds: tuple[tuple[str, float], ...] = ()
    name: str = ""
    takes_objects: bool = False

    @property
    def shown(self) -> str:
        """The setting as messages name it: its flag, or CHECKPOINT if it is given by position."""
        return self.name.upper() if self.positional else option(self.name)

    @property
    def placeholder(self) -> str:
        """What stands for a value in --help."""
        if self.positional:
            return self.name.upper()
        return self.metavar or METAVARS[self.kind or str]

    def typed(self, value: Any) -> Any:
        """Return a value from a command line or a config file in the type of the setting.

        Args:
            value: text, or what TOML and JSON have for it.

        Raises:
            ValueError: saying what the value must be, to follow the name of the setting.
        """
        if self.nargs is None:
            return self.typed_one(value)
        if self.nargs == "+":
            values = value if isinstance(value, list) else [value]
            return [self.typed_one(item) for item in values]
        if not isinstance(value, list) or len(value) != self.nargs:
            raise ValueError(f"must be a list of {self.nargs} values")
        return [self.typed_one(item) for item in value]

    def typed_one(self, value: Any) -> Any:
        """As `typed`, for one of several values."""
        kind = self.kind or str
        # True is an int for isinstance, and no number that anyone means.
        if type(value) is kind:
            return value
        if kind is float and type(value) is int:
            return float(value)
        if kind is bool and isinstance(value, str) and value.lower() in TRUTH:
            return TRUTH[value.lower()]
        if kind in (int, float) and isinstance(value, str):
            with suppress(ValueError):
                return kind(value)
        raise ValueError(f"must be {KINDS[kind]}")

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value of the right type, to follow it; None if nothing is."""
        if self.choices and value not in self.choices:
            return f"choose one of {', '.join(self.choices)}"
        if isinstance(value, float) and not math.isfinite(value):
            return "must be a finite number"
        for words, bound in self.bounds:
            if not BOUNDS[words](value, bound):
                return f"must be {words} {bound}"
        return None


def option(name: str) -> str:
    """The flag of a setting: --batch-size for batch_size."""
    return "--" + name.replace("_", "-")
