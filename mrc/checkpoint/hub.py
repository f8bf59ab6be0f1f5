"""A checkpoint's own files to a model repository of the Hugging Face hub."""

from contextlib import contextmanager
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalTokenNotFoundError,
)

from mrc.checkpoint.store import OWN_FILES, WEIGHT_FILES
from mrc.errors import InputError, in_short

LOGIN = "log in with `hf auth login`, or set HF_TOKEN to a token that may write (https://huggingface.co/settings/tokens)"


def push(folder, repo, public=False):
    """Upload a checkpoint's own files, and nothing else of its folder; return the repository's address.

    repo: "USER/NAME" or "NAME"; public: make a new repository public, and allow one that is so. Raises InputError if the
    folder holds no checkpoint, or the hub refuses or cannot be reached.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file() or not any(
        path for pattern in WEIGHT_FILES for path in folder.glob(pattern)
    ):
        raise InputError(
            f"{folder}: holds no checkpoint to push: config.json and weights in safetensors are needed."
        )
    repo = prepare_repo(repo, public)
    with _hub_errors(repo):
        huggingface_hub.HfApi().upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=list(OWN_FILES),
            commit_message="Upload of a checkpoint of mrc",
        )
    return f"{huggingface_hub.constants.ENDPOINT}/{repo}"


def prepare_repo(repo, public=False):
    """Make the repository where it is not there, and return its full name; thus token, name, permission and connection are tried.

    Raises InputError for whatever would keep `push` from uploading, a repository that everyone sees without `public` included.
    """
    if huggingface_hub.get_token() is None:
        raise InputError(f"{repo}: pushing needs a token of the Hugging Face hub: {LOGIN}.")
    with _hub_errors(repo):
        api = huggingface_hub.HfApi()
        repo = api.create_repo(repo, private=not public, exist_ok=True).repo_id
        is_private = api.model_info(repo).private
    if not is_private and not public:
        raise InputError(
            f"{repo}: this repository is public: name another one, or push with `python -m mrc push CHECKPOINT {repo} "
            "--public`."
        )
    return repo


@contextmanager
def _hub_errors(repo):
    """Turn what the hub's client raises into one sentence."""
    try:
        yield
    except LocalTokenNotFoundError as error:
        raise InputError(
            f"{repo}: pushing needs a token of the Hugging Face hub: {LOGIN}."
        ) from error
    except HFValidationError as error:
        raise InputError(
            f"{repo}: cannot be the name of a repository; USER/NAME is, of letters, digits, '-', '_' and '.'."
        ) from error
    except HfHubHTTPError as error:
        raise InputError(_refusal(repo, error)) from error
    except (HTTPError, ConnectionError) as error:  # the second: HF_HUB_OFFLINE is set
        reason = in_short(error)
        raise InputError(
            f"{repo}: the Hugging Face hub cannot be reached; check the connection, and that HF_HUB_OFFLINE is not set. "
            f"({reason})"
        ) from error
    except Exception as error:  # files that cannot be read; what carries large files to the hub raises kinds of its own
        raise InputError(f"{repo}: the upload failed ({in_short(error)}).") from error


def _refusal(repo, error):
    """What an HTTP status of the hub means for someone who pushes."""
    status = error.response.status_code if error.response is not None else None
    if status == 401:
        return f"{repo}: the Hugging Face hub does not know the token: {LOGIN}."
    if status == 403:
        return f"{repo}: the token may not write there: give a repository of your own, or {LOGIN}."
    return f"{repo}: the Hugging Face hub refused: {in_short(error.server_message or error)} (status {status})"
