"""Flags: a dataclass field declared once is a setting in Python and a flag on the command line."""

import numbers
import os
from collections.abc import Collection, Sequence
from dataclasses import field, fields, replace
from typing import Any, ClassVar, TypeVar, get_args, get_type_hints

from mrc.config.config_file import ConfigFile, read_config_file
from mrc.config.other_names import no_such_setting
from mrc.config.setting import KINDS, Setting, option
from mrc.config.shown import ShownSetting, settings_html
from mrc.errors import InputError


def flag(
    default: Any,
    help: str,
    *,
    group: str,
    tiny: Any = None,
    choices: Sequence[str] | None = None,
    nargs: int | str | None = None,
    kind: type | None = None,
    positional: bool = False,
    rare: bool = False,
    metavar: str | None = None,
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
        nargs: number of values, if not one; "+" for one or more, also by repeating the flag.
        kind: type of what the command line gives, where the annotation does not say it.
        positional: given without a name, and required.
        rare: few people need it: --help-all lists it, --help does not.
        metavar: what stands for the value in --help, such as FILE; N, X or TEXT if not given.
        at_least: the lowest number allowed.
        above: a number below all that are allowed.
        below: a number above all that are allowed.
    """
    limits = {"at least": at_least, "above": above, "below": below}
    declared = Setting(
        default=default,
        help=help,
        group=group,
        tiny=tiny,
        choices=choices,
        nargs=nargs,
        kind=kind,
        positional=positional,
        rare=rare,
        metavar=metavar,
        bounds=tuple((words, bound) for words, bound in limits.items() if bound is not None),
    )
    # With two defaults, a setting is None until `__post_init__` knows the model.
    return field(default=default if tiny is None else None, metadata={"flag": declared})


AnyConfig = TypeVar("AnyConfig", bound="Config")


class Config:
    """Settings: each field is declared by `flag`, and checked when the config is made.

    Attributes:
        given: the settings that the caller gave, by keyword, by position, as flags or in a file.
            None gives nothing: it stands for the default. `dataclasses.replace` gives every
            setting; use `changed` instead.
        exclusive: pairs of settings of which the first, if it is set, makes the second void.
    """

    given: dict[str, Any]
    exclusive: ClassVar[tuple[tuple[str, str], ...]] = ()

    def __init_subclass__(cls) -> None:
        # Else each dataclass would be given one that lists every setting.
        cls.__repr__ = Config.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        """The settings that differ from their defaults."""
        shown = [f"{name}={text}" for name, text, is_default in self._shown() if not is_default]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _repr_html_(self) -> str:
        """All settings as a table, for a notebook."""
        return settings_html(type(self).__name__, self._shown())

    def _shown(self) -> list[ShownSetting]:
        """Every setting as it is shown; data in memory by its type."""
        shown = []
        for name, setting in settings_of(type(self)).items():
            value, default = getattr(self, name), self._default(setting)
            # Of another type, as a DataFrame, it may have no such thing as equality.
            is_default = type(value) is type(default) and value == default
            is_data = setting.takes_objects and not isinstance(value, str | None)
            text = f"<{type(value).__name__}>" if is_data else repr(value)
            shown.append(ShownSetting(name, text, is_default))
        return shown

    def __new__(cls: type[AnyConfig], *args: Any, **kwargs: Any) -> AnyConfig:
        """Remember what the caller gave: afterwards a default looks like any other value."""
        config = super().__new__(cls)
        names = [setting.name for setting in fields(cls)]  # type: ignore[arg-type]
        for name in kwargs.keys() - set(names):
            raise TypeError(f"{cls.__name__}: {no_such_setting(name, settings_of(cls))}")
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        config.given = {name: value for name, value in given.items() if value is not None}
        return config

    def __post_init__(self) -> None:
        """Fill in the defaults. Raises InputError for a value that its flag does not allow."""
        for name, setting in settings_of(type(self)).items():
            given = getattr(self, name)
            value = self._default(setting) if given is None else _plain(given)
            if value is not None:
                _check(value, setting)
            setattr(self, name, value)
        self.check_given()

    def _default(self, setting: Setting) -> Any:
        is_tiny = setting.tiny is not None and getattr(self, "model", None) == "tiny"
        return setting.tiny if is_tiny else setting.default

    def check_given(self) -> None:
        """Raise InputError if two of the settings in `given` exclude each other."""
        for pair in self.exclusive:
            if all(name in self.given for name in pair):
                raise InputError(f"{' and '.join(map(option, pair))}: give one of them.")

    def to_dict(self) -> dict[str, Any]:
        """Every setting with its value."""
        return {name: getattr(self, name) for name in settings_of(type(self))}

    @classmethod
    def from_dict(
        cls: type[AnyConfig], settings: dict[str, Any], given: Collection[str] = ()
    ) -> AnyConfig:
        """Make a config from what `to_dict` returned, perhaps of another version of mrc.

        Names that are no settings of this class are passed over.

        Args:
            settings: the values.
            given: names of those that count as given.
        """
        names = settings_of(cls)
        config = cls.__new__(cls, **{name: settings[name] for name in given})
        config.__init__(**{n: v for n, v in settings.items() if n in names})  # type: ignore[misc]
        return config

    @classmethod
    def from_file(cls: type[AnyConfig], path: str | os.PathLike[str], **over: Any) -> AnyConfig:
        """Make a config from a YAML, TOML or JSON file, or from the config.json of a run.

        Args:
            path: the file; docs/command_line.md describes what it may hold.
            over: settings that take the place of the file's.

        Raises:
            InputError: naming the file and the setting.
        """
        return cls.merged(read_config_file(path, settings_of(cls)), over)

    @classmethod
    def merged(cls: type[AnyConfig], file: ConfigFile, over: dict[str, Any]) -> AnyConfig:
        """Make a config from what a config file holds, with other settings over it.

        What the file gives counts as given, unless it is the record of a run, which has a value
        for every setting: there, a setting in `over` puts the one that excludes it back to its
        default.
        """
        over = {name: value for name, value in over.items() if value is not None}
        file.check_trust(over)
        settings = dict(file.settings)
        if file.is_record:
            for pair in cls.exclusive:
                if len(over.keys() & set(pair)) == 1:
                    settings = {n: v for n, v in settings.items() if n not in pair}
        given = over if file.is_record else {**settings, **over}
        try:
            return cls.from_dict({**settings, **over}, given)
        except InputError as error:
            raise InputError(f"{error}{file.part_in(str(error), over)}") from None

    def changed(self: AnyConfig, **settings: Any) -> AnyConfig:
        """A copy with other values for some settings; none of them counts as given."""
        return self.from_dict({**self.to_dict(), **settings})


def settings_of(config_class: type) -> dict[str, Setting]:
    """The settings of a config by name, each with the type of one value."""
    hints = get_type_hints(config_class)
    found = {}
    for declared in fields(config_class):
        setting = declared.metadata["flag"]
        kind = setting.kind or _kind(hints[declared.name])
        found[declared.name] = replace(
            setting,
            name=declared.name,
            kind=kind,
            takes_objects=hints[declared.name] is Any,
        )
    return found


def _kind(annotation: Any) -> type:
    """The type of one value: int for `int | None`."""
    return (get_args(annotation) or (annotation,))[0]


def _check(value: Any, setting: Setting) -> None:
    """Raise InputError for a value of another type, no choice, not finite or out of bounds."""
    kind = setting.kind or str
    if not setting.takes_objects and not _is_of_kind(value, kind, setting.nargs):
        # A command line and a file give the right types: this value is from Python.
        raise InputError(f"{setting.name}={value!r}: must be {KINDS[kind]}.")
    problem = setting.problem(value)
    if problem:
        raise InputError(f"{setting.shown} {value}: {problem}.")


def _plain(value: Any) -> Any:
    """A path as text, and a number of NumPy's as Python's: a run's record is JSON."""
    if isinstance(value, os.PathLike):
        return str(value)
    if isinstance(value, numbers.Number) and hasattr(value, "item"):
        return value.item()
    return value


def _is_of_kind(value: Any, kind: type, nargs: int | str | None) -> bool:
    """Whether a value given in Python has the type that its setting has on the command line."""
    if nargs is not None:
        is_list = isinstance(value, (list, tuple))
        return is_list and all(_is_of_kind(item, kind, None) for item in value)
    # NumPy's numbers are numbers too; True is one for Python only.
    of_python = {int: numbers.Integral, float: numbers.Real}.get(kind, kind)
    return isinstance(value, of_python) and (kind is bool or not isinstance(value, bool))
