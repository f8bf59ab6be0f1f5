"""The order of the packages in mrc/: each imports only from those before it, and none in a circle."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1] / "mrc"
# As data walks through them. `model` and `features` stand side by side.
ORDER = [
    ["errors"],
    ["files"],
    ["config"],
    ["runtime"],
    ["data"],
    ["model", "features"],
    ["metrics"],
    ["checkpoint"],
    ["training"],
    ["reader"],
    ["export"],
    ["commands"],
]
FLOOR = {package: number for number, packages in enumerate(ORDER) for package in packages}


def imported(path):
    """The modules of mrc that a file imports, those within functions included."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mrc."):
            yield node.module.split(".")
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".") for a in node.names if a.name.startswith("mrc."))


def modules():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts not in (("__init__",), ("__main__",)):  # the two doors, which name what is inside
            yield path, parts


def test_a_package_imports_only_from_those_before_it():
    for path, (here, *_) in modules():
        for _, there, *_ in imported(path):
            assert there == here or FLOOR[there] < FLOOR[here], f"{path} imports mrc.{there}"


def test_no_circle_within_a_package():
    needs = {}
    for path, parts in modules():
        if parts[-1] != "__init__":
            needs[".".join(parts)] = {".".join(name[1:]) for name in imported(path)}
    done = set()
    while ready := {
        name for name in needs.keys() - done if not (needs[name] & needs.keys()) - done
    }:
        done |= ready
    assert not needs.keys() - done
