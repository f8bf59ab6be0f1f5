"""The server's web pages, their scripts and styles, and the questions that they offer to try."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response

from mrc.commands.server.errors import ApiError
from mrc.data.examples import Example
from mrc.data.sample import LANGUAGES, sample_examples

WEB = Path(__file__).with_name("web")

# Told here and not by `mimetypes`, which asks the system and can be wrong on Windows.
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}

# Scripts and styles come from this server's files only, and nothing turns a text into markup.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    # After an update the parts of a page must not be of two versions.
    "cache-control": "no-cache",
}


def add_pages(app: FastAPI) -> None:
    """Add the page to ask in, the description of the API, and what they are made of."""
    files = {path.name: _load(path) for path in WEB.iterdir() if path.suffix in TYPES}

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return files["index.html"]

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return files["docs.html"]

    @app.get("/web/{name}", include_in_schema=False)
    async def part(name: str) -> Response:
        if name not in files:
            raise ApiError("not_found")
        return files[name]


def sample_questions() -> list[dict[str, Any]]:
    """A text of the built-in corpus for each language, with questions it answers and others."""
    chosen = []
    for language in LANGUAGES:
        group = _mixed_group(language)
        chosen.append(
            {
                "language": language,
                "context": group[0].context,
                "questions": [example.question for example in group],
                "answers": [
                    str(example.answers[0].text) if example.answers else "" for example in group
                ],
            }
        )
    return chosen


def _mixed_group(language: str) -> list[Example]:
    """The questions on the first text that has answerable ones, which come first, and others."""
    by_context: dict[str, list[Example]] = {}
    for example in sample_examples("validation", (language,), unanswerable=True):
        by_context.setdefault(example.context, []).append(example)
    for group in by_context.values():
        if len({example.is_impossible for example in group}) == 2:
            return sorted(group, key=lambda example: example.is_impossible)
    raise AssertionError(f"the built-in corpus has no text with both kinds in {language}")


def _load(path: Path) -> Response:
    """A file as a response; pages, scripts and styles never change while the server runs."""
    return Response(path.read_bytes(), media_type=TYPES[path.suffix], headers=HEADERS)
