"""How settings look in a notebook: a table, in which those that are not the default stand out."""

import html
from typing import NamedTuple

from mrc.errors import in_short


class ShownSetting(NamedTuple):
    """A setting as it is shown: its name, its value as text, and whether it is the default."""

    name: str
    text: str
    is_default: bool


def settings_html(title: str, settings: list[ShownSetting]) -> str:
    """Return the settings of a config as HTML; what differs from its default is in bold."""
    rows = "".join(_row(setting) for setting in settings)
    return (
        f"<details open><summary>{html.escape(title)}: bold is not the default</summary>"
        f"<table>{rows}</table></details>"
    )


def _row(setting: ShownSetting) -> str:
    cells = [html.escape(setting.name), html.escape(in_short(setting.text))]
    if not setting.is_default:
        cells = [f"<b>{cell}</b>" for cell in cells]
    return f"<tr><td>{cells[0]}</td><td>{cells[1]}</td></tr>"
