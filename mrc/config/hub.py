"""A repository of the Hugging Face hub to push to: what is checked before anything is loaded."""

import huggingface_hub
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from mrc.errors import InputError

LOGIN = (
    "log in with `hf auth login`, or set HF_TOKEN to a token with write permission "
    "(https://huggingface.co/settings/tokens)"
)


def is_repo_name(name: str) -> bool:
    """Whether a repository of the hub can have this name, "USER/NAME" or "NAME"."""
    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return True


def check_repo_name(repo: str) -> None:
    """Raise InputError if a repository cannot have this name."""
    if not is_repo_name(repo):
        raise InputError(
            f"{repo}: cannot be the name of a repository; use USER/NAME, with letters, digits, "
            "'-', '_' and '.'."
        )


def has_token() -> bool:
    """Whether there is a token to push with; the hub is not asked."""
    return huggingface_hub.get_token() is not None


def check_token(repo: str) -> None:
    """Raise InputError if there is no token to push with; the hub is not asked."""
    if not has_token():
        raise InputError(f"{repo}: pushing needs a token of the Hugging Face hub: {LOGIN}.")
