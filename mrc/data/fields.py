"""Fields: one value of a record, checked, with an error that names its place."""

from typing import Any

from mrc.data.keys import stand_in
from mrc.errors import InputError

JSON_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def field(
    record: Any, name: str, kind: type | tuple[type, ...], where: str, *, hint: str = ""
) -> Any:
    """Return `record[name]`.

    Args:
        record: what should be a JSON object.
        name: the key.
        kind: the type or types that the value may have. True and False are no whole numbers.
        where: the place of the record, for errors.
        hint: a sentence to add to errors.

    Raises:
        InputError: if the key is missing or its value is of another type.
    """
    if not isinstance(record, dict):
        found = json_name(record)
        raise InputError(f"{where}: must be an object with the key '{name}', not {found}.{hint}")
    if name not in record:
        other = stand_in(name, record)
        advice = f"; should '{other}' be called so?" if other else "."
        raise InputError(f"{where}: the key '{name}' is missing{advice}{hint}")
    value = record[name]
    if type(value) is kind:
        return value
    kinds = kind if isinstance(kind, tuple) else (kind,)
    # In Python, True is an int.
    is_stray_bool = isinstance(value, bool) and bool not in kinds
    if is_stray_bool or not isinstance(value, kinds):
        wanted = " or ".join(JSON_NAMES[kind] for kind in kinds)
        raise InputError(f"{where}.{name}: must be {wanted}, not {json_name(value)}.{hint}")
    return value


def text_field(record: Any, name: str, where: str) -> str:
    """Return a text that is more than white space; otherwise as `field`."""
    text = field(record, name, str, where)
    if not text or text.isspace():
        raise InputError(f"{where}.{name}: is empty.")
    return text


def json_name(value: object) -> str:
    """What JSON calls a value of this type."""
    return JSON_NAMES.get(type(value), type(value).__name__)


def shorten(text: str, width: int = 40) -> str:
    """Quote the beginning of a text in a message."""
    if len(text) > width:
        text = text[: width - 1] + "…"
    return repr(text)
