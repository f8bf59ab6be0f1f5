"""The order of the packages in mrc/: each imports only from those before it, never in a circle."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1] / "mrc"
# As data walks through them. `model` and `features` stand side by side.
ORDER = [
    ["version", "errors", "wording"],
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
# The public face and the command line name what is inside.
DOORS = {("__init__",), ("__main__",)}


def imported(path):
    """The modules of mrc that a file imports, those within functions included."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mrc."):
            yield node.module.split(".")
        elif isinstance(node, ast.Import):
            yield from (a.name.split(".") for a in node.names if a.name.startswith("mrc."))


def modules():
    """Each file of the package, with its place in it."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts not in DOORS:
            yield path, parts


def test_every_package_has_its_place():
    assert {here for _, (here, *_) in modules()} == set(FLOOR)


def test_a_package_imports_only_from_those_before_it():
    wrong = [
        f"{'/'.join(parts)}.py imports mrc.{there}"
        for path, parts in modules()
        for _, there, *_ in imported(path)
        if there != parts[0] and FLOOR[there] >= FLOOR[parts[0]]
    ]
    assert not wrong


def test_no_circle_within_a_package():
    files = {".".join(parts): path for path, parts in modules() if parts[-1] != "__init__"}
    needs = {name: {".".join(n[1:]) for n in imported(path)} for name, path in files.items()}
    done = set()
    while ready := {
        name for name in needs.keys() - done if not (needs[name] & needs.keys()) - done
    }:
        done |= ready
    assert not needs.keys() - done
