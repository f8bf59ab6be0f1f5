"""Pages are true: files, names, commands and flags in them exist, and the code of pages runs."""

import importlib
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import torch

from mrc.__main__ import COMMANDS, main
from mrc.config.other_names import NONE, SAME, WITH_VALUE

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)

FOLDERS = ("mrc", "benchmarks", "tests", "docs", ".ci")
BENCHMARKS = {path.stem: path for path in (ROOT / "benchmarks").glob("*.py")}

# Flags of torchrun, pip, pytest, hf and TensorBoard, which pages name beside our own.
FLAGS_OF_OTHERS = {
    "--nproc-per-node",
    "--nproc_per_node",
    "--nnodes",
    "--node-rank",
    "--node_rank",
    "--rdzv-backend",
    "--rdzv-endpoint",
    "--rdzv-id",
    "--rdzv_backend",
    "--rdzv_endpoint",
    "--rdzv_id",
    "--master-addr",
    "--master-port",
    "--local-dir",
    "--logdir",
}
# What pages show being refused: names of Hugging Face's examples, and one that is misspelled.
REFUSED = {"--epoch", *(f"--{name}" for name in (*SAME, *WITH_VALUE, *NONE))}
FLAG = r"(?<![\w-])--[a-z][\w-]*"
COMMAND = re.compile(
    r"(?:(?:\S*/)?(?P<script>train|evaluate)\.py|"
    r"(?:(?<=`)|(?<=\$ )|(?<=-m )|^\s*)mrc (?P<command>[a-z]+)|"
    r"python benchmarks/(?P<benchmark>\w+)\.py)"
    r"(?P<flags>[^\n`#|;&]*)",
    flags=re.M,
)


@pytest.fixture(scope="module")
def flags():
    """{command or benchmark: its flags}, as --help-all lists them."""
    found = {}
    for name in COMMANDS:
        said = StringIO()
        with redirect_stdout(said), pytest.raises(SystemExit):
            main([name, "--help-all"])
        # A flag's own line begins with two spaces and a dash; what explains it is further right.
        lines = re.findall(r"^ {2}(-.*)", said.getvalue(), flags=re.M)
        found[name] = {flag for line in lines for flag in re.findall(FLAG, line.split("  ")[0])}
    for name, path in BENCHMARKS.items():
        code = path.read_text("utf-8")
        own = set(re.findall(r'add_argument\(\s*"(--[\w-]+)"', code))
        # benchmarks/heads.py hands on to train.py what it does not know.
        handed_on = found["train"] if "parse_known_args" in code else set()
        found[f"benchmarks/{name}.py"] = own | handed_on
    return found


def read(page):
    """A page's text, the lines that a backslash continues joined."""
    return re.sub(r"\\\n\s*", " ", page.read_text("utf-8"))


def code_blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)


def resolve(name):
    """The object of a dotted name; raises ImportError or AttributeError if there is none."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError as error:
            if cut == 1 or not ".".join(parts[:cut]).startswith(error.name or ""):
                raise
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise ImportError(name)


@each_page
def test_nothing_was_left_to_be_filled_in(page):
    text = page.read_text("utf-8")
    assert not re.findall(r"^[A-Z]{4,}$|TODO|FIXME|XXX", text, flags=re.M)
    assert text.count("```") % 2 == 0


@each_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@each_page
def test_paths_exist(page):
    # `mrc/features/dataset.py`, `benchmarks/`, and files of the root such as `train.py`.
    inside = "|".join(re.escape(folder) for folder in FOLDERS)
    text = page.read_text("utf-8")
    paths = re.findall(rf"(?<![\w./-])((?:{inside})/[\w./-]*)", text)
    assert not [path for path in paths if not (ROOT / path.rstrip(".")).exists()]


@each_page
def test_names_exist(page):
    text = page.read_text("utf-8")
    for name in re.findall(r"`(mrc(?:\.\w+)+)[`(]", text):
        # mrc.json is a file of a checkpoint, not of the repository.
        if name != "mrc.json":
            resolve(name)
    for block in code_blocks(text, "python"):
        imports = re.findall(r"^\s*from (mrc[\w.]*) import (?:\(([^)]*)\)|(.*))", block, flags=re.M)
        for module, several, one in imports:
            for name in re.findall(r"(?:^|,)\s*(\w+)", re.sub(r"#.*", "", several or one)):
                resolve(f"{module}.{name}")
        for name in re.findall(r"\b(mrc(?:\.\w+)+)\(", block):
            resolve(name)


@each_page
def test_commands_have_the_flags_they_are_given(page, flags):
    for found in COMMAND.finditer(read(page)):
        if found["benchmark"]:
            name = f"benchmarks/{found['benchmark']}.py"
        else:
            name = found["script"] or found["command"]
        assert name in flags, found[0]
        unknown = set(re.findall(FLAG, found["flags"])) - flags[name] - REFUSED
        assert not unknown, found[0]


@each_page
def test_flags_exist(page, flags):
    known = set().union(*flags.values(), FLAGS_OF_OTHERS, REFUSED)
    known |= {"--version", "--verbose", "--print-completion", "--batch_size"}
    # A program's own options follow its name: `pip install --no-deps`, `ruff format --check`.
    text = re.sub(r"\b(pip|pytest|ruff|mypy|git|pre-commit|hf) [^\n`]*", "", read(page))
    assert not set(re.findall(FLAG, text)) - known


def test_every_page_is_linked():
    text = PAGES[0].read_text("utf-8")
    assert not [page.name for page in DOCS if f"docs/{page.name}" not in text]
    assert "CONTRIBUTING.md" in text


def test_the_readme_lists_the_public_face():
    import mrc

    text = PAGES[0].read_text("utf-8")
    assert not [name for name in mrc.__all__ if f"`{name}`" not in text]


@pytest.mark.parametrize("page", ["loop.md", "tour.md"])
def test_a_page_runs(page, tmp_path, monkeypatch):
    """Every Python block of a page, in order; the block after it is what it prints."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / page).read_text("utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.M | re.S)
    # Small matrices: a second thread costs more than it brings where other work shares the cores.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        run_blocks(blocks)
    finally:
        torch.set_num_threads(threads)


def run_blocks(blocks):
    """Run the Python blocks in one namespace, and compare what they print with the text blocks."""
    names = {}
    for (language, code), (kind, shown) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if language != "python":
            continue
        said = StringIO()
        with redirect_stdout(said):
            exec(compile(code, "docs/tour.md", "exec"), names)
        if kind == "text":
            assert without_rates(said.getvalue()) == without_rates(shown), code


def without_rates(text):
    """What was printed, but for the speed of the machine."""
    return re.sub(r"[\d.]+ (features|tokens)/s", r"N \1/s", text.strip())
