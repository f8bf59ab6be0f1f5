"""The site: `python -m sphinx -W -b html docs build/site` runs the pages' cells and builds it.

English pages are in docs/, their Korean twins in docs/ko/ under the same names.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).parents[1]
# The reference and the pages' cells are those of this checkout, whatever is installed.
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])

project = "mrc"
author = "the authors of mrc"
html_title = "mrc"
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["course/exercises/**"]
templates_path = ["_templates"]

# Links such as training.md#speed work as they do on a repository's web page.
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]

# Cells run once; a page whose cells are unchanged, and its Korean twin, take what is kept in
# build/.jupyter_cache. Each page runs in a folder of its own, as a downloaded notebook does.
nb_execution_mode = "cache"
nb_execution_in_temp = True
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

# `name` in a docstring is code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = [
    ("Attributes with one entry per feature", "params_style"),
    ("Attributes with one entry per example", "params_style"),
]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {"top_of_page_buttons": []}
# Copy what is typed, not what is printed.
copybutton_prompt_text = r"\$ |>>> "
copybutton_prompt_is_regexp = True

KOREAN_CAPTION = "한국어"
# What the theme writes around a page.
KOREAN = {
    "Back to top": "맨 위로",
    "Home": "홈",
    "Next": "다음",
    "On this page": "이 페이지에서",
    "Previous": "이전",
    "Search": "검색",
    "Skip to content": "본문으로 건너뛰기",
}


def is_korean(page: str) -> bool:
    """Whether a page, as Sphinx names it, is one of docs/ko/."""
    return page.startswith("ko/")


def twin_of(page: str) -> str:
    """The name of the same page in the other language."""
    return page.removeprefix("ko/") if is_korean(page) else f"ko/{page}"


def is_notebook(app: Sphinx, page: str) -> bool:
    """Whether a page has cells."""
    return "kernelspec" in app.env.metadata.get(page, {})


def dress_page(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object
) -> None:
    """Give a page its language, the link to its twin and the link to its notebook."""
    twin = twin_of(page)
    context["twin"] = twin if twin in app.env.all_docs else None
    context["is_korean"] = is_korean(page)
    # The notebook lies beside the page.
    context["notebook"] = f"{Path(page).name}.ipynb" if is_notebook(app, page) else None
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = navigation_in_one_language(tree, korean=is_korean(page))
    for relation in ("prev", "next"):
        drop_other_language(context, relation, korean=is_korean(page))
    if is_korean(page):
        context["language"] = "ko"
        context["master_doc"] = "ko/index"
        context["_"] = context["gettext"] = lambda text: KOREAN.get(text, text)


def navigation_in_one_language(tree: str, *, korean: bool) -> str:
    """The groups of the sidebar in the page's language; each begins with its caption."""
    caption = '<p class="caption"'
    groups = [caption + group for group in tree.split(caption)[1:]]
    return "".join(group for group in groups if (KOREAN_CAPTION in group) == korean)


def drop_other_language(context: dict[str, Any], relation: str, *, korean: bool) -> None:
    """Remove the link to the next or previous page where it leads to the other language."""
    pathto: Callable[[str], str] = context["pathto"]
    neighbor = context.get(relation)
    if neighbor and (pathto("ko/index").removesuffix("index.html") in neighbor["link"]) != korean:
        context[relation] = None


def write_notebooks(app: Sphinx, error: Exception | None) -> None:
    """Write each page with cells as a notebook beside it, with the outputs of this build."""
    if error or app.builder.name != "html":
        return
    executed = Path(app.outdir).parent / "jupyter_execute"
    pages = [page for page in app.env.all_docs if is_notebook(app, page)]
    for page in pages:
        notebook = nbformat.read(executed / f"{page}.ipynb", as_version=4)
        nbformat.write(notebook, Path(app.outdir) / f"{page}.ipynb")
    logging.getLogger(__name__).info("wrote %d notebooks", len(pages))


def setup(app: Sphinx) -> None:
    """Register the two handlers."""
    # After the theme, which computes the sidebar.
    app.connect("html-page-context", dress_page, priority=900)
    app.connect("build-finished", write_notebooks)
