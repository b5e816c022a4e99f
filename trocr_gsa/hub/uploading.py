"""The way to the Hub, and what can be in it."""

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
    """Refuse to begin without a token: assembling takes longer than asking for one.

    Raises:
        ValueError: if there is none.
    """
    if get_token() is None:
        raise ValueError(f"`token`: there is none, and the Hub takes files only from people it knows. {GET_A_TOKEN}")


def upload(folder: Path, repo_id: str, private: bool = False, api: HfApi | None = None) -> str:
    """Upload an assembled folder, all of it in one commit; make the repository if it is not there.

    Args:
        folder: what `assemble` wrote.
        repo_id: OWNER/NAME.
        private: keep it from the public.
        api: of another Hub than huggingface.co, or HF_ENDPOINT where that is set.

    Returns: the address.

    Raises:
        ValueError: if the Hub cannot be reached, does not let this token write, or does not take the files; or if
            `private` is asked of a public repository.
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
            f"`repo_id`: the Hub answers {status} for {repo_id}: {error.server_message or 'it says no more'}."
        ) from error
    except OfflineModeIsEnabled as error:
        raise ValueError("`repo_id`: HF_HUB_OFFLINE is set, so nothing is uploaded. Unset it.") from error
    except httpx2.HTTPError as error:
        raise ValueError(f"`repo_id`: {endpoint} cannot be reached: {error}. Is there a network?") from error
    except RuntimeError as error:  # of the threads that send large files
        if is_out_of_memory(error):
            raise
        raise ValueError(f"`repo_id`: the upload broke off: {error} Push again.") from error
