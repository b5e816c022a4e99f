"""Any text goes to bytes and comes back; images and texts come as one batch."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, ByT5Tokenizer

from trocr_gsa import TrOCRGSAImageProcessor, TrOCRGSAProcessor

TEXTS = [
    "Der König ſprach: „Iſt’s wahr?“",
    "l’œuvre — 1 ½ ℔, 3 ſ. 6 d.",
    "עברית ελληνικά 漢字 한글",
    "𝔉𝔯𝔞𝔨𝔱𝔲𝔯 👩🏽‍🚀",
    "e\u0301 is not \u00e9",
    " spaces  kept , even here . ",
    "tab\tand\x00nothing",
    "</s>",
    "a <pad> b <unk> c</s>",
    "\ufeff\u200b\u00ad",
    "",
]


@pytest.fixture(params=["fresh", "loaded"])
def processor(request, tmp_path):
    made = TrOCRGSAProcessor(TrOCRGSAImageProcessor(line_height=8, patch_size=4), ByT5Tokenizer(extra_ids=0))
    if request.param == "fresh":
        return made
    made.save_pretrained(tmp_path)
    return AutoProcessor.from_pretrained(tmp_path)


def image(width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (10, width), dtype=np.uint8))


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_any_text_is_its_bytes_and_an_end_mark_and_comes_back(processor, text):
    labels = processor(text=text)["labels"]
    assert labels.tolist() == [[byte + 3 for byte in text.encode()] + [1]]
    assert processor.decode(labels[0], skip_special_tokens=True) == text
    assert processor.batch_decode(labels, skip_special_tokens=True) == [text]


def test_every_character_of_unicode_comes_back(processor):
    for start in range(0, 0x110000, 0x10000):
        text = "".join(chr(code) for code in range(start, start + 0x10000, 97) if not 0xD800 <= code < 0xE000)
        labels = processor(text=[text])["labels"]
        assert labels.max() < 259
        assert processor.decode(labels[0], skip_special_tokens=True) == text


def test_bytes_that_are_no_text_are_left_out_rather_than_raised(processor):
    cut_short = [byte + 3 for byte in "aé".encode()[:-1]]
    assert processor.decode(cut_short, skip_special_tokens=True) == "a"


def test_shorter_texts_are_padded_with_what_no_loss_counts(processor):
    labels = processor(text=["abc", "", "é"])["labels"]
    assert labels.tolist() == [[100, 101, 102, 1], [1, -100, -100, -100], [198, 172, 1, -100]]


def test_images_and_texts_make_one_batch(processor):
    batch = processor(images=[image(30), image(50)], text=["ab", "c"])
    assert set(batch) == {"pixel_values", "pixel_attention_mask", "spatial_shapes", "labels"}
    assert {len(value) for value in batch.values()} == {2}
    assert set(processor(images=image(30))) == {"pixel_values", "pixel_attention_mask", "spatial_shapes"}
    assert batch.to("cpu", torch.float64)["pixel_values"].dtype == torch.float64


@pytest.mark.parametrize(("count", "text"), [(1, ["a", "b"]), (2, "a"), (1, [])])
def test_another_number_of_texts_than_of_images_is_an_error(processor, count, text):
    found = 1 if isinstance(text, str) else len(text)
    with pytest.raises(ValueError, match=f"`text` must hold one text for each of {count} images, got {found}"):
        processor(images=[image(30)] * count, text=text)


def test_nothing_is_an_error(processor):
    with pytest.raises(ValueError, match="`images` or `text` must be given"):
        processor()


def test_settings_are_kept_by_saving(processor, tmp_path):
    processor.save_pretrained(tmp_path / "again")
    settings = AutoProcessor.from_pretrained(tmp_path / "again").image_processor
    assert (settings.line_height, settings.patch_size, settings.num_channels, settings.max_patches) == (8, 4, 1, 1024)
    assert torch.equal(settings(image(30))["pixel_values"], processor(images=image(30))["pixel_values"])
