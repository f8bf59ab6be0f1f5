"""The course: both languages have the same cells, pages have what each page has, links resolve."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SYNC = runpy.run_path(str(DOCS / "sync_cells.py"))

ENGLISH = sorted((DOCS / "course").glob("*.md"))
KOREAN = sorted((DOCS / "ko").rglob("*.md"))
LESSONS = [page for page in ENGLISH if page.name[0].isdigit()]
BOTH = [*LESSONS, *sorted((DOCS / "ko/course").glob("[0-9]*.md"))]


def name_of(page):
    return str(page.relative_to(DOCS))


def cells_of(page):
    return SYNC["CELL"].findall(page.read_text("utf-8"))


each_page = pytest.mark.parametrize("page", [*ENGLISH, *KOREAN], ids=name_of)
each_english_page = pytest.mark.parametrize("page", ENGLISH, ids=name_of)
each_lesson = pytest.mark.parametrize("page", BOTH, ids=name_of)


@each_english_page
def test_a_page_and_its_korean_twin_have_the_same_cells(page):
    twin = DOCS / "ko/course" / page.name
    assert twin.exists(), "no Korean page"
    assert cells_of(twin) == cells_of(page), "run `python docs/sync_cells.py`"


@pytest.mark.parametrize("page", KOREAN, ids=name_of)
def test_a_korean_page_is_in_korean_and_has_an_english_twin(page):
    assert (DOCS / page.relative_to(DOCS / "ko")).exists()
    prose = SYNC["CELL"].sub("", page.read_text("utf-8"))
    assert len(re.findall("[가-힣]", prose)) > 100


@each_lesson
def test_the_first_cell_installs(page):
    first = cells_of(page)[0]
    assert "import mrc" in first
    # A folder called mrc can be imported as well; it has no Trainer.
    assert "from mrc import Trainer" in first
    assert re.search(r'%pip install (-q )?"?mrc-reader', first)
    assert "remove-output" in first


@each_lesson
def test_a_page_ends_with_two_questions_and_its_exercise(page):
    after_the_cells = SYNC["CELL"].split(page.read_text("utf-8"))[-1]
    questions = re.findall(r"^(\d)\. ", after_the_cells, flags=re.M)
    assert questions[-2:] == ["1", "2"]
    assert re.search(r"\]\((\.\./)*\S*exercises\S*\)", after_the_cells)


def title_of(page):
    return re.search(r"^# (.+)$", page.read_text("utf-8"), flags=re.M)[1]


@each_lesson
def test_a_page_ends_with_a_link_to_the_next(page):
    lessons = sorted(page.parent.glob("[0-9]*.md"))
    following = [*lessons[1:], page.parent / "ladder.md"][lessons.index(page)]
    word = "다음" if name_of(page).startswith("ko") else "Next"
    last_line = page.read_text("utf-8").rstrip().rpartition("\n")[2]
    assert last_line == f"{word}: [{title_of(following)}]({following.name})"


@each_lesson
def test_a_page_draws_a_picture(page):
    assert any("plt." in cell or ".subplots(" in cell for cell in cells_of(page))


@each_page
def test_links_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@each_page
def test_a_page_is_plain_markdown(page):
    """A repository's web page shows it too, where there is no raw HTML and no MyST but cells."""
    text = page.read_text("utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    assert not re.findall(r"^<\w+", prose, flags=re.M)
    assert text.count("```") % 2 == 0


def test_cells_are_copied_in_order():
    english = "# A\n\n```{code-cell} ipython3\na = 1\n```\n\n```{code-cell} ipython3\na\n```\n"
    korean = "# 가\n\n```{code-cell} ipython3\n```\n\n말\n\n```{code-cell} ipython3\nb\n```\n"
    expected = english.replace("# A", "# 가").replace("```\n\n```{", "```\n\n말\n\n```{")
    assert SYNC["synced"](english, korean) == expected


def test_pages_with_other_numbers_of_cells_are_refused():
    cell = "```{code-cell} ipython3\n1\n```\n"
    with pytest.raises(ValueError, match="2 cells in English, 1 in Korean"):
        SYNC["synced"](cell * 2, cell)
