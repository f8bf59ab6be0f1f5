"""The server's web pages, and the questions that they offer to try."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse

from mrc.data.examples import Example
from mrc.data.sample import LANGUAGES, sample_examples

WEB = Path(__file__).with_name("web")


def load_page(name: str) -> HTMLResponse:
    """A page that may run its own script and style, and nothing from anywhere else."""
    text = (WEB / name).read_text("utf-8")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hashes(text, 'script')}",
            f"style-src {_hashes(text, 'style')}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )
    headers = {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    return HTMLResponse(text, headers=headers)


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


def _hashes(page: str, tag: str) -> str:
    """The SHA-256 of each inline script or style, as a content security policy writes them."""
    codes = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(code.encode()).digest()) for code in codes]
    return " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
