"""YAML files of settings: read without YAML's guesses at types, and written for people."""

from collections.abc import Mapping
from typing import Any

from mrc.config.setting import Setting
from mrc.errors import InputError, in_short

TAGS = "tag:yaml.org,2002:"
# What YAML takes plain text for. Other tags would name classes, and none is read.
SCALARS = {f"{TAGS}{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp")}


def read_yaml(text: str, path: str) -> list[tuple[str, Any]]:
    """Read the keys and values of a YAML mapping, those that are there twice included.

    Values stay text, so that a setting decides its type as it does for a flag: YAML 1.1 takes
    `1e-4` for text, `yes` for true, and `010` for eight. Nothing but text, lists of texts and null
    is read.

    Args:
        text: of the file.
        path: of the file, for messages.

    Raises:
        InputError: naming the file and the line.
    """
    # Loaded by few command lines.
    import yaml

    try:
        # Nodes are read, and no object is made of them.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise InputError(f"{path}{place}: not YAML ({in_short(problem)}).") from None
    except RecursionError:
        raise InputError(f"{path}: not a config file; its lists are nested too deeply.") from None
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise InputError(f"{path}: must hold settings, each on a line of its own: epochs: 3")
    return [(str(key.value), _value(node, path)) for key, node in root.value]


def _value(node: Any, path: str) -> Any:
    """A node as text, a list of texts or None. Raises InputError for anything else."""
    if node.tag == f"{TAGS}null":
        return None
    if node.tag in SCALARS:
        return node.value
    is_list = node.tag == f"{TAGS}seq"
    if is_list and all(item.tag in SCALARS for item in node.value):
        return [item.value for item in node.value]
    line = node.start_mark.line + 1
    raise InputError(
        f"{path}, line {line}: a setting takes one value or a list of values; settings within "
        "settings and tags are not read."
    )


def as_yaml(settings: Mapping[str, Setting], values: Mapping[str, Any], given: set[str]) -> str:
    """Write settings as YAML: those in `given` as settings, all others as comments.

    Args:
        settings: all settings of a command, by name.
        values: their values.
        given: names of the settings to write as such.
    """
    groups: dict[str, list[str]] = {}
    for name, setting in settings.items():
        lines = groups.setdefault(setting.group, [f"# {setting.group}"])
        comment = "" if name in given else "# "
        lines += [comment + line for line in _line(name, values[name]).split("\n")]
    return "\n\n".join("\n".join(lines) for lines in groups.values()) + "\n"


def _line(name: str, value: Any) -> str:
    """One setting as YAML; a list takes several lines."""
    import yaml

    texts = value if isinstance(value, list) else [value]
    # Only between double quotes does YAML keep every line break as it is.
    style = None if all(str(text).isprintable() for text in texts) else '"'
    text = yaml.safe_dump(
        {name: value},
        allow_unicode=True,
        default_flow_style=False,
        default_style=style,
        width=float("inf"),
    )
    return text.removesuffix("\n")
