"""What the package carries: a checkpoint and adapters, small, exact under quarter turns, removed without a trace."""

import json

import pytest
from PIL import Image
from safetensors.torch import load_file
from slow_cases import others_slow

from trocr_gsa.checkpoints.loading import packaged_adapters
from trocr_gsa.checkpoints.models import PACKAGED_ADAPTERS, PACKAGED_CHECKPOINT, load_model
from trocr_gsa.checkpoints.results import Results, weights_sha256
from trocr_gsa.data.synthetic.empty import empty_paper
from trocr_gsa.equivariance import report
from trocr_gsa.reader import LineReader, list_adapters, load_reader
from trocr_gsa.reader.preparation.writing import Writing, find_writing

DOUBTFUL = [
    ("rules and grain", 1134), ("rules", 1129), ("dust", 1134), ("texture", 1101), ("texture", 1104), ("clouds", 1102),
    ("clouds", 1103), ("clouds", 1160),
]  # kinds and seeds of papers  # fmt: skip
ADAPTERS = ["de-fraktur-19", "fr-hand-19", "peraire"]


@pytest.fixture(scope="module")
def base():
    return load_model(None)[0]


@pytest.fixture(scope="module")
def line(request):
    return Image.open(request.config.rootpath / "docs" / "line.png")


def test_the_package_carries_three_adapters():
    assert packaged_adapters() == ADAPTERS
    found, problems = list_adapters(PACKAGED_ADAPTERS, str(PACKAGED_CHECKPOINT))
    assert problems == []
    assert all(adapter.fits for adapter in found)


def test_the_packaged_reader_finds_no_text_on_nearly_all_papers_whose_pictures_leave_a_doubt():
    papers = [empty_paper(kind, seed) for kind, seed in DOUBTFUL]
    assert {find_writing(paper) for paper in papers} == {Writing.DOUBTFUL}
    lines = LineReader(*load_model(None)).read(papers)
    empty = [line for line in lines if not line.text]
    assert len(empty) >= len(papers) - 1
    assert all("no writing" in str(line.note) for line in empty)


def test_the_checkpoint_is_smaller_than_16_mb():
    assert sum(path.stat().st_size for path in PACKAGED_CHECKPOINT.iterdir()) < 16_000_000


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_is_small_and_of_rank_8_on_both_halves(name):
    folder = PACKAGED_ADAPTERS / name
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_500_000
    (found,) = list_adapters(folder)[0]
    assert (found.rank, found.targets) == (8, "both")


def test_the_adapter_that_the_theorems_are_measured_with_changes_what_sees_every_pose():
    weights = load_file(PACKAGED_ADAPTERS / "de-fraktur-19" / "adapter_model.safetensors")
    for part in ("lifting.attention.", "pose_layers.0.attention."):
        assert any(f".encoder.{part}" in name and "lora_B" in name and weight.any() for name, weight in weights.items())


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_names_its_base_by_the_weights_and_no_path_of_any_machine(name):
    results = Results.read(str(PACKAGED_ADAPTERS / name))
    assert results is not None
    assert results.base_sha256 == weights_sha256(str(PACKAGED_CHECKPOINT))
    config = json.loads((PACKAGED_ADAPTERS / name / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] is None
    assert "/" not in json.dumps([results.train, results.settings, [row.name for row in results.rows]])


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_taken_out_leaves_the_weights_bit_equal(base, name):
    adapted, _ = load_reader(adapter={"one": name}, device="cpu")
    found = adapted.unload().state_dict()
    expected = base.state_dict()
    assert found.keys() == expected.keys()
    assert all(found[key].equal(weight) for key, weight in expected.items())


@pytest.mark.parametrize("name", [None, *ADAPTERS])
def test_a_line_reads_the_same_at_four_angles(line, name):
    reader = LineReader.from_pretrained(adapter=name, device="cpu")
    lines = reader.read([line.rotate(angle, expand=True) for angle in (0, 90, 180, 270)])
    assert len({found.text for found in lines}) == 1
    assert [found.orientation for found in lines] == [0, 90, 180, 270]


@pytest.mark.parametrize("name", others_slow(ADAPTERS, "de-fraktur-19"))
def test_a_trained_adapter_leaves_the_trained_symmetry(name):
    adapted, _ = load_reader(adapter={"one": name}, device="cpu")
    checks = report(adapted)
    assert checks
    assert all(check.holds and check.error_float64 < 1e-11 for check in checks)


@pytest.mark.parametrize("spelling", ["perair", "Peraire"])
def test_a_misspelt_name_is_answered_with_those_there_are(spelling):
    with pytest.raises(ValueError, match=f"`adapter`: there is no folder {spelling}.*{', '.join(ADAPTERS)}"):
        LineReader.from_pretrained(adapter=spelling, device="cpu")


def test_a_folder_of_that_name_comes_before_the_packaged_one(tmp_path, monkeypatch):
    (tmp_path / "peraire").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="`adapter`: peraire holds no adapter"):
        LineReader.from_pretrained(adapter="peraire", device="cpu")
