"""A Sphinx extension: two languages, notebooks, formulas, settings in the reference."""

import re
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Any

import nbformat
from docutils.nodes import Element, SkipNode
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

# The group of the sidebar that holds the Korean pages, as docs/index.md calls it.
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
# What the notebooks write on a cell that is folded away.
KOREAN_PROMPTS = {
    "Show code cell source": "코드 보기",
    "Hide code cell source": "코드 숨기기",
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
    drop_other_language(app, page, context)
    if is_korean(page):
        context["language"] = "ko"
        context["master_doc"] = "ko/index"
        context["_"] = context["gettext"] = lambda text: KOREAN.get(text, text)
        for prompt, korean in KOREAN_PROMPTS.items():
            context["body"] = context.get("body", "").replace(f">{prompt}<", f">{korean}<")


def navigation_in_one_language(tree: str, *, korean: bool) -> str:
    """The groups of the sidebar in the page's language; each begins with its caption."""
    caption = '<p class="caption"'
    groups = [caption + group for group in tree.split(caption)[1:]]
    return "".join(group for group in groups if (KOREAN_CAPTION in group) == korean)


def drop_other_language(app: Sphinx, page: str, context: dict[str, Any]) -> None:
    """Remove the link to the next or previous page where it leads to the other language."""
    relations: dict[str, Any] = getattr(app.builder, "relations", {})
    _, before, after = relations.get(page, (None, None, None))
    for relation, neighbor in (("prev", before), ("next", after)):
        if neighbor and is_korean(neighbor) != is_korean(page):
            context[relation] = None


def list_settings(
    app: Sphinx, kind: str, name: str, documented: object, options: object, lines: list[str]
) -> None:
    """Add the settings of a Config to its docstring: what --help says of them."""
    if not is_dataclass(documented):
        return
    flags = [setting for setting in fields(documented) if "flag" in setting.metadata]
    if not flags:
        return
    settings = [f":param {setting.name}: {what_help_says(setting)}" for setting in flags]
    text = "\n".join([*lines, "", *settings])
    # Flags are code; else two dashes would become one.
    lines[:] = re.sub(r"(?<!\S)--[a-z][\w-]*", r"``\g<0>``", text).split("\n")


def what_help_says(setting: Field[Any]) -> str:
    """The help of a setting's flag, and its default."""
    flag = setting.metadata["flag"]
    if flag.default in (None, False):
        return flag.help
    return f"{flag.help} (default: ``{flag.default}``)"


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


def write_formula(translator: Any, node: Element) -> None:
    """Write a formula within a line as MathML, which browsers draw without a network."""
    translator.body.append(convert(node.astext()))
    raise SkipNode


def write_displayed_formula(translator: Any, node: Element) -> None:
    """Write a formula on a line of its own."""
    translator.body.append(convert(node.astext(), display="block"))
    raise SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the handlers."""
    # After the theme, which computes the sidebar.
    app.connect("html-page-context", dress_page, priority=900)
    app.add_html_math_renderer("mathml", (write_formula, None), (write_displayed_formula, None))
    app.connect("autodoc-process-docstring", list_settings)
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
