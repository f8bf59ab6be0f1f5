"""The course's exercises: stubs fail, solutions pass, and so do no answers with usual mistakes."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

import mrc
from mrc.features import FeatureDataset, WindowSettings
from mrc.metrics.decoding import best_spans
from mrc.metrics.scoring import SCORERS

pytest.importorskip("hypothesis", reason='needs pip install -e ".[test]"')

ROOT = Path(__file__).parents[1]
COURSE = ROOT / "docs" / "course"
EXERCISES = COURSE / "exercises"
PAGES = [COURSE / "exercises.md", ROOT / "docs" / "ko" / "course" / "exercises.md"]
NAMES = sorted(path.stem.removeprefix("test_") for path in EXERCISES.glob("test_*.py"))

# Answers as students write them. The docstring of each says what is wrong with it.
WRONG = Path(__file__).parent / "data" / "wrong_exercises"
WRONG_ANSWERS = sorted(WRONG.glob("*/*.py"))

each_exercise = pytest.mark.parametrize("name", NAMES)


# Grades one folder after the other: to start Python and PyTorch takes longer than to grade.
ONE_AFTER_THE_OTHER = """
import os, sys, pytest
for folder, report in zip(sys.argv[1::2], sys.argv[2::2]):
    os.environ["MRC_SOLUTIONS"] = folder
    status = pytest.main(["-q", "docs/course/exercises", "--junitxml", report])
    assert status == 1, status
"""


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A folder of answers with a typing error, a missing `return`, and nothing else."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "span_loss.py").write_text("def span_loss(:\n", "utf-8")
    code = "def null_decision(scores, spans, threshold=0) -> tuple:\n    pass\n"
    (folder / "null_decision.py").write_text(code, "utf-8")
    return folder


@pytest.fixture(scope="module")
def grades(tmp_path_factory, broken):
    """The exit status and the test results of each set of answers, by its name."""
    reports = tmp_path_factory.mktemp("reports")
    pytest_command = [sys.executable, "-m", "pytest", "docs/course/exercises"]
    wrong = [path for path in WRONG.iterdir() if path.is_dir()]
    folders = [*wrong, broken]
    pairs = [str(x) for folder in folders for x in (folder, reports / f"{folder.name}.xml")]
    started = {
        "stubs": start([*pytest_command, "--junitxml", str(reports / "stubs.xml")], solutions=""),
        "solutions": start(
            [*pytest_command, "--junitxml", str(reports / "solutions.xml")], solutions="1"
        ),
        "folders": start([sys.executable, "-c", ONE_AFTER_THE_OTHER, *pairs], solutions=""),
    }
    statuses = {}
    for name, process in started.items():
        output, _ = process.communicate()
        statuses[name] = process.returncode
        assert process.returncode in (0, 1), output
    assert statuses.pop("folders") == 0
    statuses |= {folder.name: 1 for folder in folders}
    return {
        name: (status, results_in(reports / f"{name}.xml")) for name, status in statuses.items()
    }


def start(command, solutions):
    """Start a command in the repository's root."""
    environment = os.environ | {"MRC_SOLUTIONS": solutions, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def results_in(report):
    """{exercise: {test: the message of its failure, None if it passed}}."""
    results = defaultdict(dict)
    for case in ElementTree.parse(report).iter("testcase"):
        exercise = case.get("classname").split(".")[-1].removeprefix("test_")
        problems = [child.get("message") for child in case if child.tag in ("failure", "error")]
        results[exercise][case.get("name")] = problems[0] if problems else None
    return results


def functions(path):
    """The functions of a file: {name: (its arguments and return value, its docstring)}."""
    nodes = ast.parse(path.read_text("utf-8")).body
    return {
        node.name: (ast.unparse(node.args), node.returns and ast.unparse(node.returns), node)
        for node in nodes
        if isinstance(node, ast.FunctionDef)
    }


def test_there_are_ten():
    assert len(NAMES) >= 10


@each_exercise
def test_an_exercise_is_complete(name):
    stub = functions(EXERCISES / f"{name}.py")
    solution = functions(EXERCISES / "solutions" / f"{name}.py")
    for function, (arguments, returns, node) in stub.items():
        docstring = ast.get_docstring(node)
        assert "Args:" in docstring
        assert "Careful:" in docstring
        assert solution[function][:2] == (arguments, returns)
        assert isinstance(node.body[-1], ast.Raise), "the exercise is solved"


@pytest.mark.parametrize("page", PAGES, ids=["English", "Korean"])
@each_exercise
def test_an_exercise_is_linked(name, page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    linked = [(page.parent / link).resolve() for link in links if "://" not in link]
    assert EXERCISES / f"{name}.py" in linked


@pytest.mark.slow
@each_exercise
def test_a_stub_fails_and_says_what_to_do(grades, name):
    status, results = grades["stubs"]
    assert status == 1
    assert results[name]
    for message in results[name].values():
        assert message is not None
        assert f"{name}.py is not written yet." in message


@pytest.mark.slow
@each_exercise
def test_a_solution_passes(grades, name):
    status, results = grades["solutions"]
    assert status == 0
    assert results[name]
    assert set(results[name].values()) == {None}


@pytest.mark.slow
@pytest.mark.parametrize("path", WRONG_ANSWERS, ids=lambda path: f"{path.stem}-{path.parent.name}")
def test_a_usual_mistake_is_found(grades, path):
    _, results = grades[path.parent.name]
    messages = [message for message in results[path.stem].values() if message]
    assert messages
    # What the student reads is a sentence, not an exception of some other kind.
    assert any(re.match(r"(AssertionError|Failed): [^\n]+\.", message) for message in messages)


@each_exercise
def test_every_exercise_has_usual_mistakes(name):
    assert sum(path.stem == name for path in WRONG_ANSWERS) >= 2


@pytest.mark.slow
def test_a_file_that_cannot_be_graded_is_one_sentence(grades, broken):
    _, results = grades[broken.name]
    assert all("window_labels.py is missing." in m for m in results["window_labels"].values())
    assert all("span_loss.py cannot be imported" in m for m in results["span_loss"].values())
    assert any("a `return` is missing" in m for m in results["null_decision"].values())


def test_the_table_comes_last_and_counts_what_did_not_run():
    process = start(
        [sys.executable, "-m", "pytest", "docs/course/exercises/test_span_loss.py", "-x"], "0"
    )
    output, _ = process.communicate()
    table = output.partition("= exercises =")[2]
    assert "span_loss              0 of 13 tests pass; 12 did not run" in table
    assert "FAILED" not in table


def test_answers_in_no_folder_are_one_sentence(tmp_path):
    process = start(
        [sys.executable, "-m", "pytest", "docs/course/exercises"], str(tmp_path / "none")
    )
    output, _ = process.communicate()
    assert output == f"ERROR: MRC_SOLUTIONS={tmp_path / 'none'}: no such folder.\n\n"


def test_a_failure_ends_with_its_sentence(grades):
    messages = [m for _, results in grades.values() for r in results.values() for m in r.values()]
    assert not [m for m in messages if m and "where False = all(" in m]


def solution(name):
    """The function of a solution."""
    path = EXERCISES / "solutions" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"solution_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


@pytest.mark.parametrize("name", ["tiny", "xlnet"])
def test_labels_are_those_of_the_package(examples, tokenizers, name):
    windows = WindowSettings(max_length=96, stride=16, max_question_length=24)
    dataset = FeatureDataset(examples, tokenizers[name], windows)
    characters = np.stack(dataset.answer_characters(), axis=1)[dataset.example_index]
    compared = 0
    for i, (begin, end) in enumerate(characters):
        window = slice(dataset.window_begin[i], dataset.window_end[i])
        offsets = dataset.contexts.offsets[window].tolist()
        shared = [sum(b <= c < e for b, e in offsets) > 1 for c in (begin, end - 1)]
        if any(shared):
            # Of these the package takes others; the solution says so.
            continue
        before = dataset.context_begin[i]
        found = solution("window_labels")(
            [(0, 0)] * before + offsets,
            [False] * before + [True] * len(offsets),
            dataset.null_position[i],
            (begin, end),
        )
        assert found == (dataset.start_positions[i], dataset.end_positions[i])
        compared += 1
    assert compared > 10


def test_the_loss_is_that_of_the_package():
    start, end = torch.randn(2, 3, 9, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1] * 9, [1] * 5 + [0] * 4, [0] * 3 + [1] * 6])
    positions = torch.tensor([0, 2, 4]), torch.tensor([8, 4, 8])
    batch = {"attention_mask": mask}
    batch["start_positions"], batch["end_positions"] = positions
    ours = mrc.span_loss(start, end, batch)
    torch.testing.assert_close(solution("span_loss")(start, end, *positions, mask), ours)


def test_spans_are_those_of_the_package():
    # Whole numbers, so that there are ties.
    logits = torch.randn(2, 5, 30, generator=torch.Generator().manual_seed(0)).mul(2).round()
    context = torch.tensor([[4, 30], [0, 11], [7, 8], [20, 26], [5, 5]])
    position = torch.arange(30)
    is_context = (position >= context[:, :1]) & (position < context[:, 1:])
    ours = best_spans(
        *logits,
        tokens=torch.tensor([[0, 30]] * 5),
        context=context,
        null_position=torch.zeros(5, dtype=torch.long),
        max_answer_length=6,
        search="exact",
    )
    scores, starts, ends = solution("n_best_decoding")(*logits, is_context, 20, 6)
    assert torch.equal(scores > -torch.inf, ours.valid)
    assert torch.equal(starts[ours.valid], ours.start[ours.valid])
    assert torch.equal(ends[ours.valid], ours.end[ours.valid])


def test_the_f1_is_that_of_the_package():
    texts = [
        "대한 민국",
        "《대한민국》",
        "대한제국",
        "",
        "the Republic",
        "3.1 운동",
        "3·1운동",
        "(1919)",
    ]
    scorer = SCORERS["korquad"]
    for prediction in texts:
        for answer in texts:
            pair = scorer.normalize(prediction), scorer.normalize(answer)
            ours = scorer.similarity(*pair)
            assert solution("character_f1")(prediction, [answer]) == pytest.approx(ours)


def test_the_default_run_leaves_them_alone(pytestconfig):
    assert pytestconfig.getini("testpaths") == ["tests"]
