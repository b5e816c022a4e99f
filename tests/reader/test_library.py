"""Several adapters on one base: every line is read as by its own adapter alone, and the base stays the base."""

import copy
import pickle

import pytest
import torch
from slow_cases import others_slow
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint

from trocr_gsa.model.attention import ExtendedSelfAttention
from trocr_gsa.reader import LineReader, load_reader
from trocr_gsa.reader.adapters import AdapterLibrary
from trocr_gsa.reader.decoding import read_images

PICTURES = [draw_line(text, width) for text, width in (("abc", 40), ("defghijk", 90), ("noon", 64), ("xyz w", 70))]
MIXED = ["fr", None, "de", "fr"]
KINDS = {
    "plain": {},
    "every pose": {"encoder_pose_layers": 2, "encoder_pose_sum": "query"},
    "columns": {"ctc_steps_per_patch": 2},
    "taken over": {
        "sure": True,
        "encoder_absolute_position": "table",
        "encoder_image_size": 32,
        "encoder_num_class_tokens": 2,
        "encoder_num_frequencies": 0,
        "encoder_cross_pose_gate": True,
    },
}


@pytest.fixture(scope="module")
def adapters(checkpoint, tmp_path_factory):
    """Of different ranks, scales and halves."""
    folder = tmp_path_factory.mktemp("adapters")
    return {
        "fr": save_adapter(checkpoint, folder / "fr", rank=4, seed=1),
        "de": save_adapter(checkpoint, folder / "de", rank=2, seed=2, use_rslora=True),
        "shapes": save_adapter(checkpoint, folder / "shapes", targets="encoder", seed=3, dropout=0.5),
    }


@pytest.fixture(scope="module")
def several(checkpoint, adapters):
    return LineReader.from_pretrained(checkpoint, adapters, device="cpu")


def double(checkpoint, adapter):
    """Load in float64, where a wrong row shows in the tenth digit, with all gates open."""
    model, processor = load_reader(checkpoint, adapter, "cpu")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "gate" in name:
                weight.fill_(0.7)
    return model.double(), processor


def logits(model, processor, pictures):
    letters = torch.tensor([[0, 5, 9, 70]]).expand(len(pictures), -1)
    with torch.inference_mode():
        return model(**processor(images=pictures), decoder_input_ids=letters).logits


def texts(lines):
    return [line.text for line in lines]


@pytest.mark.parametrize("kind", others_slow(KINDS, "columns", "taken over"))
def test_in_one_batch_every_line_is_read_as_with_its_adapter_alone(tmp_path, kind):
    base = save_checkpoint(tmp_path / "base", **KINDS[kind])
    folders = {name: save_adapter(base, tmp_path / name, rank=rank, seed=rank) for name, rank in (("fr", 4), ("de", 2))}
    model, processor = double(base, folders)
    library = AdapterLibrary(model)
    alone = {name: double(base, folder)[0].get_base_model() for name, folder in folders.items()}
    alone[None] = double(base, None)[0]
    for angle in (0, 90, 180, 270):
        pictures = [picture.rotate(angle, expand=True) for picture in PICTURES]
        with library.applied(MIXED, num_beams=1):
            together = logits(library.model, processor, pictures)
        expected = [logits(alone[name], processor, [picture]) for name, picture in zip(MIXED, pictures, strict=True)]
        torch.testing.assert_close(together, torch.cat(expected), atol=1e-10, rtol=1e-10)
    for beams in (1, 3):
        found = read_images(
            library.model, processor, PICTURES, num_beams=beams,
            applied=lambda places, beams=beams: library.applied([MIXED[place] for place in places], beams),
        )  # fmt: skip
        for name, picture, reading in zip(MIXED, PICTURES, found, strict=True):
            (expected,) = read_images(alone[name], processor, [picture], num_beams=beams)
            assert (reading.text, reading.orientation) == (expected.text, expected.orientation)
            assert reading.confidence == pytest.approx(expected.confidence, abs=1e-10)


def test_bases_that_are_mapped_once_for_all_lines_have_no_adapter(checkpoint, adapters, monkeypatch):
    """The control: the rows of the key projection's other input, the encoding's bases, are no lines."""
    model, processor = load_reader(checkpoint, adapters, "cpu")
    library = AdapterLibrary(model)
    once = lambda attention, basis, _: attention._heads(attention.k_proj(basis[None]))  # noqa: E731
    monkeypatch.setattr(ExtendedSelfAttention, "_project_basis", once)
    with library.applied(MIXED, num_beams=1), pytest.raises(ValueError, match="adapter_names"):
        logits(library.model, processor, PICTURES)


@pytest.mark.parametrize("beams", others_slow([1, 3], 3))
def test_a_reader_reads_mixed_lines_as_its_merged_copies_do(several, beams):
    chosen = ["fr", None, "de", "shapes"]
    lines = several.read(PICTURES, num_beams=beams, adapter=chosen)
    assert [line.adapter for line in lines] == chosen
    base = several.read(PICTURES, num_beams=beams)
    assert texts(lines) != texts(base)
    for index, name in enumerate(chosen):
        alone = several.merged(name).read(PICTURES, num_beams=beams) if name else base
        assert (lines[index].text, lines[index].adapter) == (alone[index].text, alone[index].adapter)
        assert lines[index].confidence == pytest.approx(alone[index].confidence, abs=1e-4)


def test_mixed_lines_are_read_the_same_whichever_way_up(several):
    upright = several.read(PICTURES, adapter=MIXED)
    for angle in (90, 180, 270):
        turned = several.read([picture.rotate(angle, expand=True) for picture in PICTURES], adapter=MIXED)
        assert texts(turned) == texts(upright)
        assert [line.orientation for line in turned] == [(line.orientation + angle) % 360 for line in upright]


def test_a_bad_picture_among_mixed_lines_costs_itself_alone(several, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    expected = several.read(PICTURES, adapter=MIXED)
    lines = several.read([tmp_path / "bad.png", *PICTURES], adapter=["de", *MIXED])
    assert str(tmp_path / "bad.png") in lines[0].error
    assert [(line.text, line.adapter) for line in lines[1:]] == [(line.text, line.adapter) for line in expected]


def test_without_an_adapter_it_is_the_base_to_the_last_bit(several, reader):
    several.read(PICTURES, adapter=MIXED)
    assert several.read(PICTURES) == reader.read(PICTURES)
    assert torch.equal(*(logits(each.model, each.processor, PICTURES) for each in (several, reader)))


def test_a_batch_that_fails_leaves_no_adapter_behind(several, reader, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("trocr_gsa.reader.line_reader.read_images", fail)
        with pytest.raises(MemoryError):
            several.read(PICTURES, adapter=MIXED)
    assert several.read(PICTURES) == reader.read(PICTURES)
    assert not any(module._forward_pre_hooks for module in several.model.modules())


def test_merging_gives_a_copy_and_changes_nothing_here(several, checkpoint, adapters):
    before = {name: weight.clone() for name, weight in several.model.state_dict().items()}
    merged = several.merged("fr")
    assert all(torch.equal(weight, before[name]) for name, weight in several.model.state_dict().items())
    assert merged.adapters == []
    assert not any("lora" in name for name, _ in merged.model.named_modules())
    loaded = LineReader.from_pretrained(checkpoint, adapters["fr"], device="cpu").model
    assert all(torch.equal(weight, loaded.state_dict()[name]) for name, weight in merged.model.state_dict().items())


@pytest.mark.parametrize("weights", [{"fr": 0.5, "de": 0.5}, {"de": 2.0, "fr": -0.3, "shapes": 1.0}, {"de": 0.5}])
def test_a_combined_adapter_is_the_weighted_sum(checkpoint, adapters, weights):
    model, processor = double(checkpoint, adapters)
    library = AdapterLibrary(model)
    base = {name: weight.clone() for name, weight in library.model.state_dict().items() if "lora_" not in name}
    library.combine("both", weights)
    summed = double(checkpoint, None)[0]
    updates = {name: library.merged(name).state_dict() for name in weights}
    for name, weight in summed.state_dict().items():
        own = weight.clone()
        for adapter, factor in weights.items():
            weight += factor * (updates[adapter][name] - own)
    names = ["both", None]
    with library.applied(names, num_beams=1):
        together = logits(library.model, processor, PICTURES[:2])
    tolerance = 1e-10 if len(weights) > 1 else 1e-6  # of one adapter PEFT takes square roots, in float32
    torch.testing.assert_close(together[:1], logits(summed, processor, PICTURES[:1]), atol=tolerance, rtol=tolerance)
    assert all(torch.equal(weight, base[name]) for name, weight in library.model.state_dict().items() if name in base)


def test_a_combined_adapter_joins_the_others(checkpoint, adapters):
    reader = LineReader.from_pretrained(checkpoint, adapters, device="cpu")
    reader.combine("both", {"fr": 0.5, "shapes": 0.5})
    assert reader.adapters == ["fr", "de", "shapes", "both"]
    assert reader.read(PICTURES, adapter="both") == reader.read(PICTURES, adapter="both")  # no dropout is left on
    assert texts(reader.read(PICTURES, adapter="both")) == texts(reader.merged("both").read(PICTURES))


@pytest.mark.parametrize(
    ("name", "weights", "complaint"),
    [
        ("fr", {"fr": 1.0}, "`name`: there is already"),
        ("a.b", {"fr": 1.0}, "cannot be named 'a.b'"),
        ("both", {}, "`weights` must map"),
        ("both", {"fr": float("nan")}, "`weights` must map"),
        ("both", {"fr": "x"}, "`weights` must map"),
        ("both", ["fr"], "`weights` must map"),
        ("both", {"it": 1.0}, "there is no 'it'"),
        (3, {"fr": 1.0}, "`name` must be the name of a new adapter, got 3"),
    ],
)
def test_a_sum_that_makes_no_sense_is_refused(several, name, weights, complaint):
    with pytest.raises(ValueError, match=complaint):
        several.combine(name, weights)


@pytest.mark.parametrize(
    "changes",
    others_slow([{"use_dora": True}, {"modules_to_save": ["pose_head"]}, {"lora_bias": True}], {"use_dora": True}),
    ids=["DoRA", "module", "bias"],
)
@pytest.mark.filterwarnings("ignore::peft.utils.warning.PeftWarning")  # it takes biases for torn weights
def test_an_adapter_that_cannot_be_mixed_is_read_in_batches_of_its_own(checkpoint, adapters, tmp_path, changes):
    odd = save_adapter(checkpoint, tmp_path / "odd", targets="decoder", seed=5, changes=changes)
    reader = LineReader.from_pretrained(checkpoint, adapters | {"odd": odd}, device="cpu")
    chosen = ["odd", "fr", None, "odd"]
    lines = reader.read(PICTURES, adapter=chosen)
    for index, name in enumerate(chosen):
        alone = LineReader.from_pretrained(checkpoint, {"odd": odd, **adapters}.get(name), device="cpu")
        expected = alone.read(PICTURES)[index]
        assert (lines[index].text, lines[index].orientation) == (expected.text, expected.orientation)
        assert lines[index].confidence == pytest.approx(expected.confidence, abs=1e-3)
    assert texts(reader.merged("odd").read(PICTURES)) == texts(reader.read(PICTURES, adapter="odd"))
    with pytest.raises(ValueError, match="`weights`: 'odd' has more than low-rank updates"):
        reader.combine("both", {"odd": 0.5, "fr": 0.5})


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda reader: pickle.loads(pickle.dumps(reader))])
def test_a_copy_reads_the_same_and_is_independent(checkpoint, adapters, copied):
    reader = LineReader.from_pretrained(checkpoint, adapters, device="cpu")
    other = copied(reader)
    assert other.read(PICTURES, adapter=MIXED[:4]) == reader.read(PICTURES, adapter=MIXED[:4])
    other.combine("both", {"fr": 0.5, "de": 0.5})
    assert (other.adapters, reader.adapters) == ([*adapters, "both"], list(adapters))
    assert other._library.model is other.model
    assert other._library._lock is not reader._library._lock


@pytest.mark.parametrize("changes", [{"bias": "lora_only"}, {"init_lora_weights": "pissa"}], ids=["biases", "PiSSA"])
def test_an_adapter_that_changes_the_base_is_refused_beside_others(checkpoint, adapters, tmp_path, changes):
    odd = save_adapter(checkpoint, tmp_path / "odd", changes=changes)
    with pytest.raises(ValueError, match=r"`adapter`: .*odd changes the base model itself"):
        LineReader.from_pretrained(checkpoint, adapters | {"odd": odd}, device="cpu")
    assert LineReader.from_pretrained(checkpoint, odd, device="cpu").read(PICTURES[:1])[0].error is None


@pytest.mark.parametrize("name", ["a.b", "", "a b", "train", "keys", "lora", "l", "__base__"])
def test_a_name_that_peft_cannot_take_is_refused(checkpoint, adapters, name):
    with pytest.raises(ValueError, match=r"`adapter`: an adapter cannot be named"):
        LineReader.from_pretrained(checkpoint, {name: adapters["fr"]}, device="cpu")


@pytest.mark.parametrize("name", others_slow(["encoder", "q_proj", "weight", "19th-century", "été"], "été"))
def test_any_other_name_is_taken(checkpoint, adapters, several, name):
    reader = LineReader.from_pretrained(checkpoint, {"first": adapters["de"], name: adapters["fr"]}, device="cpu")
    lines = reader.read(PICTURES, adapter=["first", name, name, None])
    assert texts(lines) == texts(several.read(PICTURES, adapter=["de", "fr", "fr", None]))
    assert texts(reader.merged(name).read(PICTURES)) == texts(several.merged("fr").read(PICTURES))


@pytest.mark.parametrize(
    ("adapter", "complaint"),
    [("it", "there is no 'it'. Available: fr, de, shapes"), (["fr"], "for each of 4 pictures, got 1"), ("", "''")],
)
def test_a_wrong_choice_names_itself(several, adapter, complaint):
    with pytest.raises(ValueError, match=f"`adapter`.*{complaint}"):
        several.read(PICTURES, adapter=adapter)


@pytest.mark.parametrize(
    "ask",
    [lambda reader: reader.read(PICTURES, adapter="fr"), lambda reader: reader.merged("fr")],
    ids=["read", "merged"],
)
def test_a_reader_without_adapters_says_how_to_get_some(reader, ask):
    assert reader.adapters == []
    with pytest.raises(ValueError, match=r"needs adapters by name.*from_pretrained"):
        ask(reader)


def test_one_of_several_that_belongs_elsewhere_is_named(checkpoint, adapters, tmp_path):
    other = save_checkpoint(tmp_path / "other", decoder_layers=2)
    foreign = save_adapter(other, tmp_path / "foreign")
    with pytest.raises(ValueError, match=r"`adapter`: .*foreign was trained on .*other"):
        LineReader.from_pretrained(checkpoint, adapters | {"it": foreign}, device="cpu")


def test_a_merged_adapter_is_told_by_its_folder(checkpoint, adapters):
    (line,) = LineReader.from_pretrained(checkpoint, adapters["fr"], device="cpu").read(PICTURES[:1])
    assert line.adapter == str(adapters["fr"])
