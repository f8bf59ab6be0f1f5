"""The server's errors: a code, its parameters, and one English sentence.

Programs and the page, which is in two languages, go by the code; people read the sentence.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

# The status and the sentence of each code; {names} are its parameters. The page has them in
# Korean, in web/texts.js.
ERRORS: dict[str, tuple[int, str]] = {
    "invalid_json": (400, "the request is not valid JSON: {reason} at character {position}."),
    "unreadable_body": (400, "the request's body cannot be read as JSON in UTF-8."),
    "unknown_host": (
        400,
        "this server does not go by that name; allow it with --allowed-hosts.",
    ),
    "key_needed": (
        401,
        "this server asks for a key: send it as the header Authorization: Bearer KEY.",
    ),
    "key_wrong": (401, "the key is not the one that this server asks for."),
    "not_found": (404, "there is nothing at this path; /docs lists what there is."),
    "method_not_allowed": (405, "this path does not take that method; see /docs."),
    "request_too_slow": (408, "the request did not arrive within {seconds:g} seconds."),
    "request_too_large": (413, "the request is larger than the {limit} bytes allowed."),
    "context_too_long": (413, "the context has {length} characters; {limit} are allowed."),
    "contexts_too_long": (
        413,
        "the contexts have {length} characters together; {limit} are allowed.",
    ),
    "too_many": (413, "{field} has {count} entries; {limit} are allowed."),
    "wrong_content_type": (415, "the request must have the header Content-Type: {expected}."),
    "missing_field": (422, "{field}: is missing."),
    "empty_field": (422, "{field}: is empty."),
    "unknown_field": (422, "{field}: is not known. Known here: {known}."),
    "misspelled_field": (422, "{field}: is not known; did you mean {nearest}? Known: {known}."),
    "field_too_long": (422, "{field}: has more than {limit} characters."),
    "invalid_field": (422, "{field}: {reason}."),
    "cannot_be_asked": (422, "{reason}"),
    "overlap_too_large": (
        422,
        "max_seq_len={length} with max_question_len={question} and doc_stride={stride} would read "
        "each token more than {limit:g} times; use longer windows or a smaller stride.",
    ),
    "pdf_unreadable": (422, "this is not a PDF file that can be read."),
    "pdf_encrypted": (422, "the PDF file is protected by a password."),
    "pdf_without_text": (422, "the PDF file holds no text; a scan has to go through OCR first."),
    "pdf_too_slow": (422, "the PDF file takes too long to read, or too much memory."),
    "queue_full": (429, "too many requests are waiting; try again in a moment."),
    "internal_error": (500, "something went wrong inside the server."),
    "pdf_needs_extra": (
        501,
        'this server cannot read PDF files; that needs pip install "mrc-reader[{extra}]".',
    ),
    "timeout": (
        503,
        "no answer within {seconds:g} seconds; try again later, or with a shorter context.",
    ),
}

# Seconds after which a client may try again.
RETRY_AFTER = {"queue_full": 1, "timeout": 5}

HTTP_CODES = {400: "unreadable_body", 404: "not_found", 405: "method_not_allowed"}


class ApiError(Exception):
    """A request that is not answered.

    Args:
        code: a key of `ERRORS`.
        parameters: what its sentence names.

    Attributes:
        status: the HTTP status.
        body: what the client gets.
    """

    def __init__(self, code: str, **parameters: Any) -> None:
        self.code = code
        self.status, sentence = ERRORS[code]
        message = sentence.format(**parameters)
        super().__init__(message)
        self.body = {"error": message, "code": code, "parameters": parameters}

    def response(self, headers: Mapping[str, str] | None = None) -> JSONResponse:
        """The response that tells the client."""
        headers = dict(headers or {})
        if self.code in RETRY_AFTER:
            headers["retry-after"] = str(RETRY_AFTER[self.code])
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return JSONResponse(self.body, self.status, headers)


def add_error_handlers(app: FastAPI) -> None:
    """Let an application answer whatever goes wrong in it as described here."""
    app.add_exception_handler(ApiError, _on_api_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(Exception, _on_unexpected_error)


async def _on_api_error(request: Request, error: Any) -> JSONResponse:
    return error.response()


async def _on_http_error(request: Request, error: Any) -> JSONResponse:
    """Answer a request that has no route, and whatever else the framework refuses."""
    code = HTTP_CODES.get(error.status_code, "internal_error")
    return ApiError(code).response(error.headers)


async def _on_invalid_request(request: Request, error: Any) -> JSONResponse:
    """Answer a request whose body is not as described."""
    return _error_of(error.errors()[0]).response()


async def _on_unexpected_error(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that met a fault of ours, whose cause is only logged."""
    return ApiError("internal_error").response()


def _error_of(problem: Mapping[str, Any]) -> ApiError:
    """The error that one of pydantic's problems is."""
    kind = problem["type"]
    details = problem.get("ctx", {})
    if kind == "json_invalid":
        return ApiError("invalid_json", reason=details["error"], position=problem["loc"][-1])
    field = ".".join(str(part) for part in problem["loc"][1:]) or "the request"
    if kind == "missing":
        return ApiError("missing_field", field=field)
    if kind == "empty_field":
        return ApiError("empty_field", field=field)
    if kind == "unknown_field":
        # It is reported of the object that it is in.
        place = [*map(str, problem["loc"][1:]), details["name"]]
        name, known, nearest = ".".join(place), details["known"], details["nearest"]
        if nearest:
            return ApiError("misspelled_field", field=name, nearest=nearest, known=known)
        return ApiError("unknown_field", field=name, known=known)
    if kind == "string_too_long":
        return ApiError("field_too_long", field=field, limit=details["max_length"])
    return ApiError("invalid_field", field=field, reason=problem["msg"])
