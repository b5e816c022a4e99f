"""Uploads a folder to the Hub, with one-line errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from trocr_gsa.model.weight_files import is_out_of_memory

GET_A_TOKEN = (
    "Make one with write access at https://huggingface.co/settings/tokens, then `hf auth login`, or set HF_TOKEN."
)
NOT_ALLOWED = (401, 403)


def check_token() -> None:
    """Check that there is a token, before the slow assembling of the folder.

    Raises:
        ValueError: if there is none.
    """
    if get_token() is None:
        raise ValueError(f"`token`: there is none, but the Hub accepts files only with a token. {GET_A_TOKEN}")


def upload(folder: Path, repo_id: str, private: bool = False, api: HfApi | None = None) -> str:
    """Upload an assembled folder in one commit; create the repository if it does not exist.

    Args:
        folder: a folder written by `assemble`.
        repo_id: OWNER/NAME.
        private: create a private repository.
        api: API of another Hub than huggingface.co or HF_ENDPOINT.

    Returns: the address.

    Raises:
        ValueError: if the Hub cannot be reached, the token has no write access, or the Hub rejects the files; or if
            `private` is set for a public repository.
    """
    api = api or HfApi()
    with _plain_errors(api.endpoint, repo_id):
        api.create_repo(repo_id, private=private or None, exist_ok=True)
        if private and not api.model_info(repo_id).private:
            raise ValueError(f"`private`: {repo_id} exists and is public. Make it private first, or choose another.")
        api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message="Upload with trocr-gsa")
    return f"{api.endpoint}/{repo_id}"


@contextmanager
def _plain_errors(endpoint: str, repo_id: str) -> Iterator[None]:
    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in NOT_ALLOWED:
            raise ValueError(
                f"`token`: the Hub answers {status}: this token may not write to {repo_id}. {GET_A_TOKEN}"
            ) from error
        raise ValueError(
            f"`repo_id`: the Hub answers {status} for {repo_id}: {error.server_message or 'without a message'}."
        ) from error
    except OfflineModeIsEnabled as error:
        raise ValueError("`repo_id`: HF_HUB_OFFLINE is set, so nothing is uploaded. Unset it.") from error
    except httpx2.HTTPError as error:
        raise ValueError(f"`repo_id`: {endpoint} cannot be reached: {error}. Is there a network?") from error
    except RuntimeError as error:  # raised by the threads that send large files
        if is_out_of_memory(error):
            raise
        raise ValueError(f"`repo_id`: the upload was interrupted: {error} Push again.") from error
