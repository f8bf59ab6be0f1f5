"""Upload a checkpoint to a model repository of the Hugging Face hub."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalTokenNotFoundError

from mrc.checkpoint.store import OWN_FILES, WEIGHT_FILES
from mrc.config.hub import LOGIN, check_repo_name, check_token
from mrc.errors import InputError, in_short


def push(folder: str | Path, repo: str, public: bool = False) -> str:
    """Upload a checkpoint's own files, and nothing else in its folder.

    Args:
        folder: the checkpoint's folder.
        repo: "USER/NAME" or "NAME".
        public: create a public repository, and accept one that is already public.

    Returns:
        The address of the repository.

    Raises:
        InputError: the folder holds no checkpoint, or the hub refuses or cannot be reached.
    """
    files = files_to_push(folder)
    repo = prepare_repo(repo, public)
    with _hub_errors(repo):
        huggingface_hub.HfApi().upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=[path.name for path in files],
            commit_message="Upload a checkpoint of mrc",
        )
    return f"{huggingface_hub.constants.ENDPOINT}/{repo}"


def files_to_push(folder: str | Path) -> list[Path]:
    """Return the files of a checkpoint that `push` uploads, by name.

    Raises InputError if the folder holds no checkpoint.
    """
    folder = Path(folder)
    has_weights = any(any(folder.glob(pattern)) for pattern in WEIGHT_FILES)
    if not has_weights or not (folder / "config.json").is_file():
        raise InputError(
            f"{folder}: holds no checkpoint to push, which is a config.json and weights in "
            "safetensors."
        )
    found = {path for pattern in OWN_FILES for path in folder.glob(pattern) if path.is_file()}
    return sorted(found)


def prepare_repo(repo: str, public: bool = False) -> str:
    """Create the repository unless it exists, and return its full name.

    This also tries the token, the name, the permission and the connection, before hours of
    training depend on them.

    Raises:
        InputError: for whatever would keep `push` from uploading, and for a repository that is
            public without `public`.
    """
    check_repo_name(repo)
    check_token(repo)
    with _hub_errors(repo):
        api = huggingface_hub.HfApi()
        repo = api.create_repo(repo, private=not public, exist_ok=True).repo_id
        is_private = api.model_info(repo).private
    if not is_private and not public:
        raise InputError(
            f"{repo}: this repository is public; name another one, or push with "
            f"`mrc push CHECKPOINT {repo} --public`."
        )
    return repo


@contextmanager
def _hub_errors(repo: str) -> Iterator[None]:
    """Turn what the hub's client raises into one sentence."""
    try:
        yield
    except LocalTokenNotFoundError as error:
        raise InputError(
            f"{repo}: pushing needs a token of the Hugging Face hub: {LOGIN}."
        ) from error
    except HfHubHTTPError as error:
        raise InputError(_refusal(repo, error)) from error
    # HF_HUB_OFFLINE raises a ConnectionError.
    except (HTTPError, ConnectionError) as error:
        raise InputError(
            f"{repo}: the Hugging Face hub cannot be reached; check the connection, and that "
            f"HF_HUB_OFFLINE is not set. ({in_short(error)})"
        ) from error
    # Unreadable files, and the upload of large files, raise kinds of their own.
    except Exception as error:
        raise InputError(f"{repo}: the upload failed ({in_short(error)}).") from error


def _refusal(repo: str, error: HfHubHTTPError) -> str:
    """What an HTTP status of the hub means to someone who pushes."""
    status = error.response.status_code if error.response is not None else None
    if status == 401:
        return f"{repo}: the Hugging Face hub does not know the token: {LOGIN}."
    if status == 403:
        return f"{repo}: the token may not write there: name a repository of your own, or {LOGIN}."
    reason = in_short(error.server_message or error)
    return f"{repo}: the Hugging Face hub refused: {reason} (status {status})."
