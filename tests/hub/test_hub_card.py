"""The model card says what was stated and measured, and of everything else that it was not."""

import re
import shutil

import pytest
from huggingface_hub import ModelCard
from measured_row import ROW
from tiny_adapters import save_adapter

from trocr_gsa.equivariance import report
from trocr_gsa.hub import Statement, assemble
from trocr_gsa.reader import load_reader

AS_THE_HUB_WANTS_IT = re.compile(r"(?:[\w-]+/)?[\w\-.]+", re.ASCII)


@pytest.fixture
def write(tmp_path):
    """Assemble a folder and return its card."""

    def assembled(folder, **statement) -> ModelCard:
        target = tmp_path / f"target {len(list(tmp_path.iterdir()))}"
        target.mkdir()
        assemble(folder, target, Statement("owner/name", **statement))
        return ModelCard.load(target / "README.md")

    return assembled


@pytest.fixture(scope="module")
def plain(checkpoint, adapter, tmp_path_factory):
    """The cards of a model and of an adapter of which nothing is known."""
    cards = {}
    for kind, folder in {"model": checkpoint, "adapter": adapter}.items():
        target = tmp_path_factory.mktemp(kind)
        assemble(folder, target, Statement("owner/name", base="owner/base" if kind == "adapter" else None))
        cards[kind] = ModelCard.load(target / "README.md")
    return cards


def section(card: ModelCard, title: str) -> str:
    return card.text.split(f"## {title}\n")[1].split("\n## ")[0]


def test_metadata_tells_the_hub_what_it_is(write, checkpoint, plain):
    model = write(checkpoint, license="cc-by-4.0", languages=["de", "fr"]).data
    assert (model.library_name, model.pipeline_tag) == ("transformers", "image-to-text")
    assert (model.license, model.language, model.base_model) == ("cc-by-4.0", ["de", "fr"], None)
    lora = plain["adapter"].data
    assert (lora.library_name, lora.base_model) == ("peft", "owner/base")
    assert lora.to_dict()["base_model_relation"] == "adapter"
    assert "lora" in lora.tags


def test_nothing_is_invented(plain):
    card = plain["model"]
    assert "Not measured." in section(card, "How well it reads")
    assert "Not stated." in section(card, "Data")
    assert "Not recorded." in section(card, "Training")
    assert "Not stated." in section(card, "Licence")
    known = {"library_name", "pipeline_tag", "tags"}
    assert card.data.to_dict().keys() == known


def test_what_the_author_says_stands_there(write, checkpoint):
    card = write(checkpoint, data=["my lines (CC0)", "fraktur-19 (MIT)"], license="mit")
    assert section(card, "Data").split("\n")[1:3] == ["- my lines (CC0)", "- fraktur-19 (MIT)"]
    assert section(card, "Licence").strip() == "mit"


def test_what_training_wrote_stands_there(write, trained):
    card = write(trained)
    assert "`lines`, `owner/dataset`" in section(card, "Data")
    assert "1,200 steps in 11.2 minutes, learning rate 0.002" in section(card, "Training")
    assert "| lines | 90° | 40 | 12.35 (10.00–15.00) | 50.00 (25.00–75.00) | 97.5 |" in section(
        card, "How well it reads"
    )
    (cer, wer) = card.data.eval_results
    assert (cer.metric_type, cer.metric_value, wer.metric_type, wer.metric_value) == ("cer", 0.1235, "wer", 0.5)
    assert (cer.dataset_name, cer.dataset_config, cer.dataset_split) == ("lines", "turned by 90 degrees", "validation")


def test_every_row_of_every_evaluation_stands_in_table_and_metadata(write, checkpoint, evaluation):
    sets = ["owner/set", "/home/me/two words.parquet", "/home/me/three/test"]
    rows = [ROW | {"name": name, "angle": angle, "cer": angle / 1000} for name in sets for angle in (0.0, 90.0)]
    card = write(checkpoint, evaluations=[evaluation(rows=rows)])
    table = [line for line in section(card, "How well it reads").split("\n") if "°" in line]
    assert [line.split(" | ")[0] for line in table[::2]] == ["| owner/set", "| two words", "| three/test"]
    assert [line.split(" | ")[3].split()[0] for line in table] == ["0.00", "9.00"] * 3
    results = [result for result in card.data.eval_results if result.metric_type == "cer"]
    assert [result.metric_value for result in results] == [0.0, 0.09] * 3
    assert all(AS_THE_HUB_WANTS_IT.fullmatch(result.dataset_type) for result in results)
    assert len(card.data.to_dict()["model-index"][0]["results"]) == len(rows)


def test_a_card_says_how_texts_were_folded(write, checkpoint, evaluation):
    said = "(numbers.json, `--normalize letters`)"
    assert said in write(checkpoint, evaluations=[evaluation(rows=[ROW | {"normalize": "letters"}])]).text
    assert "--normalize" not in write(checkpoint, evaluations=[evaluation()]).text


def test_training_and_evaluation_stand_apart(write, trained, evaluation):
    text = section(write(trained, evaluations=[evaluation()]), "How well it reads")
    assert text.index("while training") < text.index("`trocr-gsa evaluate` (numbers.json)")
    assert text.count("| lines | 90° |") == 2


@pytest.mark.parametrize("kind", ["model", "adapter"])
def test_the_error_of_equivariance_is_measured(plain, checkpoint, adapter, kind):
    text = section(plain[kind], "How exactly it is equivariant")
    double, single = (float(number) for number in re.findall(r"at most (\S+) in", text))
    checks = report(load_reader(checkpoint, adapter if kind == "adapter" else None, "cpu")[0])
    for bound, dtype in ((double, "float64"), (single, "float32")):
        worst = max(getattr(check, f"error_{dtype}") for check in checks)
        assert bound / 100 < worst <= bound * 10
    assert double < 1e-12
    assert "every claim holds" in text
    assert ("adapter and base together" in text) == (kind == "adapter")


def test_a_broken_symmetry_is_called_broken(write, checkpoint, monkeypatch):
    """The control: a position that is not seen from the pose."""
    monkeypatch.setattr(
        "trocr_gsa.model.modeling_gsa_net.seen_from_poses",
        lambda positions, group: positions[:, None].expand(-1, group.order, -1, -1),
    )
    text = section(write(checkpoint), "How exactly it is equivariant")
    assert "Broken: " in text
    assert "every claim holds" not in text


def test_the_settings_of_an_adapter_are_those_of_its_configuration(plain):
    text = section(plain["adapter"], "What it is")
    for line in (
        "| base | `owner/base` |",
        "| rank | 4 |",
        "| alpha | 12 |",
        "| method | LORA |",
        "| targets | every attention projection of encoder and decoder |",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"projections": "qv"}, "query and value projections of encoder and decoder"),
        ({"projections": "all", "targets": "encoder"}, "and both layers of every MLP of the encoder"),
    ],
)
def test_the_layers_that_an_adapter_sits_on_are_named(write, checkpoint, tmp_path, options, words):
    adapter = save_adapter(checkpoint, tmp_path / "adapter", **options)
    assert words in section(write(adapter, base="owner/base"), "What it is")


def test_four_lines_load_it(plain):
    model = section(plain["model"], "How to load it")
    assert 'LineReader.from_pretrained("owner/name")' in model
    assert 'AutoModelForImageTextToText.from_pretrained("owner/name", trust_remote_code=True)' in model
    lora = section(plain["adapter"], "How to load it")
    assert 'LineReader.from_pretrained("owner/base", adapter="owner/name")' in lora
    assert 'PeftModel.from_pretrained(model, "owner/name")' in lora


def test_an_evaluation_of_something_else_is_refused(write, checkpoint, adapter, evaluation, tmp_path):
    other = shutil.copytree(checkpoint, tmp_path / "other")
    content = bytearray((other / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (other / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"`evaluation`.*other weights"):
        write(checkpoint, evaluations=[evaluation(model=str(other), adapter=None)])
    with pytest.raises(ValueError, match=r"`evaluation`.*a model without the adapter"):
        write(adapter, base="owner/base", evaluations=[evaluation(model=str(checkpoint), adapter=None)])
    with pytest.raises(ValueError, match=r"`evaluation`.*an adapter with its model, not the model"):
        write(checkpoint, evaluations=[evaluation(model=str(checkpoint), adapter=str(adapter))])
    write(checkpoint, evaluations=[evaluation(model=str(checkpoint), adapter=None)])


def test_of_several_adapters_the_numbers_are_its_own(write, checkpoint, adapter, evaluation, tmp_path):
    other = save_adapter(checkpoint, tmp_path / "other", seed=1, rank=4)
    sources = {None: None, "one": str(other), "two": str(adapter)}
    parts = [
        {"name": name, "adapter": source, "rows": [ROW | {"cer": 0.1 * place}]}
        for place, (name, source) in enumerate(sources.items())
    ]
    card = write(adapter, base="owner/base", evaluations=[evaluation(model=str(checkpoint), adapters=parts)])
    assert card.data.eval_results[0].metric_value == 0.2
    assert write(checkpoint, evaluations=[evaluation(adapters=parts)]).data.eval_results[0].metric_value == 0.0
    gone = [part | {"adapter": f"/nowhere/{part['name']}"} for part in parts]
    with pytest.raises(ValueError, match=r"`evaluation`.*several adapters"):
        write(adapter, base="owner/base", evaluations=[evaluation(adapters=gone)])


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"adapters": [7]}', '{"rows": [{"name": "lines"}]}', '{"rows": [7]}']
)
def test_what_is_no_evaluation_is_refused(write, checkpoint, tmp_path, content):
    (tmp_path / "numbers.json").write_text(content)
    with pytest.raises(ValueError, match=r"`evaluation`.*numbers.json is not what"):
        write(checkpoint, evaluations=[tmp_path / "numbers.json"])
    with pytest.raises(ValueError, match=r"`evaluation`: there is no file"):
        write(checkpoint, evaluations=[tmp_path / "nowhere.json"])
