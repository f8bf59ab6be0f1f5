"""Ids: those that records have, and those that are made from the content of the others."""

import hashlib
import json
from collections import Counter
from typing import Any

from mrc.data.fields import field

# Characters of an id that is made: 64 bits.
LENGTH = 16


def given_id(values: dict[str, Any], where: str) -> str:
    """The id of a record, under the name `id` or `guid`, or "" if it has none."""
    name = "guid" if values.get("id") is None else "id"
    value = values.get(name)
    if value is None or isinstance(value, str):
        return value or ""
    return str(field(values, name, (str, int), where))


class MadeIds:
    """Makes ids for the questions of a data set that have none."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()

    def make(self, question: str, context: str) -> str:
        """An id that is the same whenever the data is read; equal questions are numbered."""
        content = json.dumps([question, context]).encode()
        made = hashlib.sha256(content).hexdigest()[:LENGTH]
        self.made[made] += 1
        number = self.made[made]
        return made if number == 1 else f"{made}-{number}"
