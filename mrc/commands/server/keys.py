"""The key that a server may ask for: where it comes from, and which requests need it."""

import hmac
import os

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mrc.commands.server.errors import ApiError
from mrc.commands.server.limits import refuse
from mrc.config.serve import KEY_VARIABLE, ServeConfig
from mrc.errors import InputError
from mrc.files import read_text

# A shorter key could be found by trying.
MIN_KEY_CHARS = 16

# What anyone may see: the pages, which ask for the key themselves, and whether the server is up.
OPEN_PATHS = {"/", "/docs", "/openapi.json", "/health", "/settings", "/examples"}
OPEN_FOLDER = "/web/"


def read_key(config: ServeConfig) -> str | None:
    """The key in the file or the environment variable that holds it; None without either.

    Raises:
        InputError: the file cannot be read, or the key is too short or cannot be sent.
    """
    if config.api_key_file is not None:
        where = f"--api-key-file {config.api_key_file}"
        key = read_text(config.api_key_file).strip()
    else:
        where = f"environment variable {KEY_VARIABLE}"
        key = os.environ.get(KEY_VARIABLE, "").strip()
        if KEY_VARIABLE not in os.environ:
            return None
    if len(key) < MIN_KEY_CHARS:
        raise InputError(
            f"{where}: the key has {len(key)} characters; use at least {MIN_KEY_CHARS}, such as "
            "those of: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError(f"{where}: a key is one line of ASCII characters without spaces.")
    return key


class KeyCheck:
    """ASGI middleware that asks for the key, before a request's body is kept or looked at.

    Args:
        app: the application that gets the requests that are not refused.
        key: what `Authorization: Bearer KEY` or `X-API-Key: KEY` has to say.
        body_timeout: seconds that the body of a refused request may take to arrive.
    """

    def __init__(self, app: ASGIApp, key: str, body_timeout: float) -> None:
        self.app = app
        self.key = key.encode()
        self.body_timeout = body_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer with status 401."""
        if scope["type"] != "http" or _is_open(scope["path"]):
            await self.app(scope, receive, send)
            return
        given = _given_key(Headers(scope=scope))
        # It takes as long for any wrong key, however many of its characters are right.
        if hmac.compare_digest(given, self.key):
            await self.app(scope, receive, send)
            return
        error = ApiError("key_wrong" if given else "key_needed")
        await refuse(error, scope, receive, send, seconds=self.body_timeout)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _given_key(headers: Headers) -> bytes:
    """The key that a request brings, or nothing."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    return key.encode()
