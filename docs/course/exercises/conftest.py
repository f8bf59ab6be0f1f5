"""How the exercises are graded: what you wrote, or the solutions with MRC_SOLUTIONS=1.

MRC_SOLUTIONS can also name a folder of answers, one file an exercise: a student's submission.
"""

import functools
import importlib.util
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import Phase, settings

HERE = Path(__file__).parent

# What pytest adds to the sentence of a failure where no two values were compared.
BARE_TRUTH = re.compile(r"(?<=.)\nassert (not )?(True|False|tensor\((True|False)\))(\n.*|$)", re.S)

# The same cases for every student and in every run.
settings.register_profile(
    "course",
    database=None,
    deadline=None,
    derandomize=True,
    max_examples=60,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
settings.load_profile("course")
torch.set_num_threads(1)


# How many tests there are of each exercise.
collected: Counter[str] = Counter()


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a folder that is not there; show short tracebacks: the last sentence counts."""
    if not answers_folder().is_dir():
        raise pytest.UsageError(f"MRC_SOLUTIONS={answers_folder()}: no such folder.")
    if config.option.tbstyle == "auto":
        config.option.tbstyle = "short"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Count the tests, of which `-x` may run only the first."""
    collected.clear()
    collected.update(exercise_of(item.nodeid) for item in session.items)


@pytest.fixture(scope="module")
def submission(request: pytest.FixtureRequest) -> SimpleNamespace:
    """The functions and classes of the file that a test file grades."""
    name = request.module.__name__.removeprefix("test_")
    module = load(answers_folder() / f"{name}.py")
    members = vars(module).items()
    own = {key: value for key, value in members if getattr(value, "__module__", "") == name}
    for key, value in own.items():
        if not isinstance(value, type):
            own[key] = checked(value)
    return SimpleNamespace(**own)


def answers_folder() -> Path:
    """The folder whose files are graded."""
    chosen = os.environ.get("MRC_SOLUTIONS", "0")
    if chosen in ("", "0"):
        return HERE
    if chosen == "1":
        return HERE / "solutions"
    return Path(chosen)


def load(path: Path) -> ModuleType:
    """Import a file; a test fails with one sentence if that is not possible."""
    if not path.exists():
        pytest.fail(f"{path} is missing.", pytrace=False)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    # Where dataclasses, for example, look for it.
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        pytest.fail(f"{path.name} cannot be imported: {reason}", pytrace=False)
    return module


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Fail with one sentence where a function that must return something returns None."""
    must_return = function.__annotations__.get("return") is not None

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        assert result is not None or not must_return, (
            f"{function.__name__} returned None: a `return` is missing."
        )
        return result

    return call


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Make one sentence of an exercise that is not written yet, and keep that of a failure."""
    try:
        return (yield)
    except AssertionError as error:
        error.args = (BARE_TRUTH.sub("", str(error)),)
        raise
    except NotImplementedError as error:
        sentence = f"{exercise_of(pyfuncitem.nodeid)}.py is not written yet. {error}"
    raise pytest.fail.Exception(sentence, pytrace=False)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Print how many tests of each exercise pass, below pytest's own list of failures."""
    yield
    passed: Counter[str] = Counter()
    ran: Counter[str] = Counter()
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            exercise = exercise_of(report.nodeid)
            ran[exercise] += 1
            passed[exercise] += outcome == "passed"
    terminalreporter.section("exercises")
    # Several processes (-n) collect where this one does not see it.
    for exercise, tests in sorted((collected or ran).items()):
        line = f"{exercise:20} {passed[exercise]:3} of {tests:2} tests pass"
        if passed[exercise] == tests:
            line += "  solved"
        if ran[exercise] < tests:
            line += f"; {tests - ran[exercise]} did not run"
        terminalreporter.write_line(line)


def exercise_of(test: str) -> str:
    """The exercise that a test grades, from the test's id."""
    return Path(test.split("::")[0]).stem.removeprefix("test_")
