"""A stock TrOCR's processor is taken over whole: the same pictures, the same tokens."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from stock_processors import make_stock_processor
from stock_trocr import make_stock_model
from transformers import AutoProcessor, TrOCRProcessor
from transformers.models.donut.image_processing_pil_donut import DonutImageProcessorPil

from trocr_gsa import SquareImageProcessor, TrOCRGSAProcessor

NAMES = ["small-printed", "base-handwritten", "large-stage1"]
NOT_LOADED = "`path_or_hub_id`: no TrOCR processor and config.json could be loaded from "
NO_VOCABULARY = "`path_or_hub_id`: the tokenizer's vocabulary is missing in "
TEXTS = ["the quick brown fox", 'Industrie, " Mr. Brown commented icily.', "1889", "PACK MY BOX", "漢 é", ""]


def make_trocr(folder, name="base-printed", **changes):
    make_stock_model(folder, name)
    return make_stock_processor(folder, name, **changes)


@pytest.fixture(params=NAMES)
def old_files(request, tmp_path):
    return make_trocr(tmp_path / "old", request.param)


@pytest.fixture(params=["old", "new"])
def folder(request, old_files, tmp_path):
    """A TrOCR's folder with the files of 2021, or with those that transformers 5 saves."""
    if request.param == "old":
        return old_files
    TrOCRProcessor.from_pretrained(old_files).save_pretrained(tmp_path / "new")
    (tmp_path / "new" / "config.json").write_text((old_files / "config.json").read_text())
    return tmp_path / "new"


def line(width=211, height=37):
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("saved", [False, True], ids=["made", "saved and loaded"])
def test_pictures_and_tokens_are_the_stock_processors(folder, tmp_path, saved):
    stock, ours = TrOCRProcessor.from_pretrained(folder), TrOCRGSAProcessor.from_trocr(folder)
    if saved:
        ours.save_pretrained(tmp_path / "saved")
        ours = AutoProcessor.from_pretrained(tmp_path / "saved")
        assert type(ours) is TrOCRGSAProcessor
    assert type(ours.image_processor) is SquareImageProcessor
    assert type(ours.tokenizer) is type(stock.tokenizer)
    assert len(ours.tokenizer) == len(stock.tokenizer)
    expected = stock(images=line(), return_tensors="pt")["pixel_values"]
    assert torch.equal(ours(images=line())["pixel_values"], expected)
    for text in TEXTS:
        tokens = stock.tokenizer(text)["input_ids"]
        assert ours(text=text)["labels"].tolist() == [tokens]
        assert ours.decode(tokens, skip_special_tokens=True) == stock.decode(tokens, skip_special_tokens=True)


def test_some_text_comes_back(folder):
    """The control: the tokenizers of these tests are no empty ones."""
    processor = TrOCRGSAProcessor.from_trocr(folder)
    labels = processor(text="the quick brown fox")["labels"]
    assert len(labels.unique()) > 10
    assert processor.batch_decode(labels, skip_special_tokens=True) == ["the quick brown fox"]


def test_shorter_texts_are_padded_with_what_is_not_learnt(folder):
    processor = TrOCRGSAProcessor.from_trocr(folder)
    labels = processor(text=["the quick", "a"])["labels"]
    alone = processor(text="a")["labels"][0]
    assert labels[1].tolist() == alone.tolist() + [-100] * (labels.shape[1] - len(alone))


def test_patches_are_the_models(tmp_path):
    make_stock_processor(tmp_path, "base-printed")
    make_stock_model(tmp_path, "base-printed", encoder={"patch_size": 8})
    assert TrOCRGSAProcessor.from_trocr(tmp_path).image_processor.num_patches(300, 20) == 64


def test_a_crop_that_cuts_nothing_is_taken(tmp_path):
    folder = make_trocr(tmp_path, "small-printed", do_center_crop=True, crop_size=64)
    expected = TrOCRProcessor.from_pretrained(folder)(images=line(), return_tensors="pt")["pixel_values"]
    assert torch.equal(TrOCRGSAProcessor.from_trocr(folder)(images=line())["pixel_values"], expected)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("small-printed", {"do_center_crop": True, "crop_size": 32}, "`do_center_crop` must be false"),
        ("small-printed", {"do_center_crop": None}, "`do_center_crop` must be false"),  # transformers crops by default
        ("base-printed", {"do_resize": False}, "`do_resize` must be true"),
        ("base-printed", {"do_normalize": False}, "`do_normalize` must be true"),
        ("base-printed", {"do_rescale": False}, "`do_rescale` must be true"),
        ("base-printed", {"size": {"height": 32, "width": 64}}, "`size` must be .* equal height and width, got .*32"),
        ("base-printed", {"size": {"shortest_edge": 64}}, "`size` must be one side"),
        ("base-printed", {"resample": 0}, "`resample` must be the number of a symmetric filter"),
    ],
)
def test_pictures_that_cannot_be_prepared_alike_at_every_turn_are_refused(tmp_path, name, changes, message):
    with pytest.raises(ValueError, match=message):
        TrOCRGSAProcessor.from_trocr(make_trocr(tmp_path, name, **changes))


def test_another_models_pictures_are_refused(tmp_path):
    folder = make_trocr(tmp_path)
    DonutImageProcessorPil().save_pretrained(folder)
    with pytest.raises(ValueError, match=r"`image_processor` must be a ViT's or a DeiT's.*got a DonutImageProcessor"):
        TrOCRGSAProcessor.from_trocr(folder)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (["preprocessor_config.json"], NOT_LOADED),
        (["config.json"], NOT_LOADED),
        (["merges.txt"], NOT_LOADED),
        (["vocab.json", "merges.txt"], NO_VOCABULARY),
        (["vocab.json", "merges.txt", "tokenizer_config.json"], NOT_LOADED),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_missing_file_is_said(tmp_path, missing, message):
    folder = make_trocr(tmp_path / "written")
    for file in missing:
        (folder / file).unlink()
    with pytest.raises(ValueError, match=f"{message}{folder}"):
        TrOCRGSAProcessor.from_trocr(folder)


def test_a_small_ones_missing_vocabulary_is_said(tmp_path):
    folder = make_trocr(tmp_path, "small-stage1")
    (folder / "sentencepiece.bpe.model").unlink()
    with pytest.raises(ValueError, match=NO_VOCABULARY + r".* sentencepiece\.bpe\.model"):
        TrOCRGSAProcessor.from_trocr(folder)


@pytest.mark.parametrize("path", ["/no/such/folder", "no such folder", "nobody/no-such-trocr"])
def test_a_folder_or_hub_id_out_of_reach_is_said(path):
    with pytest.raises(ValueError, match=NOT_LOADED + path):
        TrOCRGSAProcessor.from_trocr(path)


def test_a_model_of_another_kind_is_said(tmp_path):
    folder = make_trocr(tmp_path)
    (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(ValueError, match=NOT_LOADED):
        TrOCRGSAProcessor.from_trocr(folder)
