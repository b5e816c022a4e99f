"""`trocr-gsa push`, to a Hub on this machine: what a dry run writes is what arrives, and trouble is one sentence."""

import hashlib
import json

import pytest
from slow_cases import others_slow


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def published(call, adapter, tmp_path):
    """What a dry run of the adapter writes."""
    result = call("push", adapter, "owner/name", "--base", "owner/base", "--dry-run", tmp_path / "dry")
    assert (result.exit_code, result.stdout.strip()) == (0, str(tmp_path / "dry"))
    return contents(tmp_path / "dry")


@pytest.fixture
def push(call, adapter):
    """Push the adapter."""
    return lambda *words: call("push", adapter, "owner/name", "--base", "owner/base", *words)


def test_a_model_arrives_as_the_dry_run_wrote_it(call, hub, trained, evaluation, tmp_path):
    words = ["push", trained, "owner/name", "--license", "mit", "--language", "de", "--language", "la"]
    words += ["--data", "my lines (CC0)", "--evaluation", evaluation()]
    dry = call(*words, "--dry-run", tmp_path / "dry")
    assert dry.exit_code == 0
    assert (hub.commits, hub.tokens) == (0, set())
    wet = call(*words)
    assert (wet.exit_code, wet.stdout.strip()) == (0, f"{hub.endpoint}/owner/name")
    assert hub.files["owner/name"] == contents(tmp_path / "dry")
    assert hub.commits == 1
    assert hub.tokens == {"Bearer hf_secret"}
    for result in (dry, wet):
        assert "not published: training_state.pt" in result.stderr


def test_an_adapter_arrives_as_the_dry_run_wrote_it(hub, push, published):
    assert push().exit_code == 0
    assert hub.files["owner/name"] == published


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # huggingface_hub's own
def test_weights_arrive_as_large_files_too(hub, push, published, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    hub.large_as = "lfs"
    assert push().exit_code == 0
    assert hub.files["owner/name"] == published


def test_weights_sent_by_xet_are_those_of_the_dry_run(hub, push, published):
    """As far as it can be stood in for: chunks are taken unseen, the commit names the file by its SHA-256."""
    hub.large_as = "lfs"
    assert push().exit_code == 0
    weights = published.pop("adapter_model.safetensors")
    assert hub.files["owner/name"].pop("adapter_model.safetensors") == hashlib.sha256(weights).hexdigest()
    assert hub.files["owner/name"] == published


def test_pushing_again_renews_what_is_there(hub, push):
    assert push().exit_code == 0
    result = push("--license", "mit")
    assert result.exit_code == 0
    assert b"license: mit" in hub.files["owner/name"]["README.md"]


def test_private_makes_it_private_and_does_not_write_where_all_can_read(hub, push):
    assert push("--private").exit_code == 0
    assert hub.private == {"owner/name": True}
    hub.private["owner/name"], hub.commits = False, 0
    result = push("--private")
    assert result.exit_code == 2
    assert "`private`: owner/name exists and is public" in result.stderr
    assert hub.commits == 0


def one_sentence(result) -> str:
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("not published: ")]
    assert line.startswith("error: `")
    assert result.stdout == ""
    return line


@pytest.mark.parametrize("status", others_slow([401, 403], 401))
def test_a_token_that_may_not_write_is_told_where_to_get_one(hub, push, status):
    hub.refusal = status
    line = one_sentence(push())
    assert f"{status}: this token may not write to owner/name" in line
    assert "https://huggingface.co/settings/tokens" in line


def test_a_hub_in_trouble_is_not_taken_for_a_bad_token(hub, push):
    hub.refusal = 500
    line = one_sentence(push())
    assert "500" in line
    assert "token" not in line


def test_a_card_that_the_hub_does_not_take_is_told(hub, push):
    hub.card_error = '"license" must be one of [mit]'
    result = push("--license", "none-such")
    assert result.exit_code == 2
    assert '"license" must be one of [mit]' in result.stderr
    assert hub.files["owner/name"] == {}


def test_without_a_token_nothing_is_begun(hub, push, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("trocr_gsa.hub.uploading.get_token", lambda: None)
    monkeypatch.setattr("trocr_gsa.hub.assemble", lambda *_: pytest.fail("assembled"))
    assert "settings/tokens" in one_sentence(push())
    assert hub.tokens == set()


def test_a_hub_out_of_reach_is_told(hub, push, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    line = one_sentence(push())
    assert "http://127.0.0.1:9 cannot be reached" in line
    assert "network" in line


def test_offline_mode_is_told(hub, push, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in one_sentence(push())
    assert hub.tokens == set()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["name"], "`repo_id` must be OWNER/NAME"), (["owner/name", "--language", "German"], "`language`")],
)
def test_a_mistake_is_one_sentence(call, adapter, words, complaint):
    assert complaint in one_sentence(call("push", adapter, *words))


def test_a_dry_run_overwrites_nothing(push, published, tmp_path):
    line = one_sentence(push("--dry-run", tmp_path / "dry"))
    assert "`--dry-run`" in line
    assert contents(tmp_path / "dry") == published
    assert json.loads(published["adapter_config.json"])["base_model_name_or_path"] == "owner/base"


def test_a_dry_run_that_fails_leaves_nothing(call, adapter, tmp_path):
    one_sentence(call("push", adapter, "owner/name", "--dry-run", tmp_path / "dry"))
    assert list(tmp_path.iterdir()) == []
