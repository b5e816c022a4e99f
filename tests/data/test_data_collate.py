from dataclasses import replace

import pytest
import torch
from line_makers import lines_in_memory
from transformers import ByT5Tokenizer

from trocr_gsa.data import FittingLines, LineCollator, LineFit
from trocr_gsa.model.groups import PointGroup
from trocr_gsa.model.image_processing_trocr_gsa import TrOCRGSAImageProcessor
from trocr_gsa.model.processing_trocr_gsa import TrOCRGSAProcessor

C4 = PointGroup.from_name("C4")


class AsciiTokenizer:
    """Knows ASCII only: a vocabulary that something can be outside of."""

    unk_token_id = 2

    def __call__(self, text):
        return {"input_ids": [ord(c) if ord(c) < 128 else self.unk_token_id for c in text]}


@pytest.fixture(scope="module")
def processor():
    return TrOCRGSAProcessor(TrOCRGSAImageProcessor(max_patches=150), ByT5Tokenizer(extra_ids=0))


@pytest.fixture
def collate(processor):
    return LineCollator(processor, max_label_length=32, group=C4)


def turned(sample, angle):
    return replace(sample, image=sample.image.rotate(angle, expand=True), angle=angle)


def test_a_batch_has_what_the_model_takes(collate, processor):
    lines = lines_in_memory(["one", "fünf"], [200, 100])
    batch = collate(list(lines))
    assert set(batch) == {"pixel_values", "pixel_attention_mask", "spatial_shapes", "labels", "pose_labels"}
    assert len(batch["pixel_values"]) == len(batch["labels"]) == len(batch["pose_labels"]) == 2
    assert processor.decode(batch["labels"][1], skip_special_tokens=True) == "fünf"


def test_padding_of_labels_is_ignored_by_the_loss(collate):
    labels = collate(list(lines_in_memory(["one", "seven"])))["labels"]
    assert labels.tolist()[0][-2:] == [-100, -100]
    assert (labels[1] >= 0).all()


def test_pose_labels_name_the_element_by_which_the_picture_is_turned(collate):
    sample = lines_in_memory(["one"])[0]
    batch = collate([turned(sample, angle) for angle in (0, 90, 180, 270)])
    assert batch["pose_labels"].tolist() == [0, 1, 2, 3]
    upright = C4.transform_image(torch.arange(4.0).reshape(2, 2), C4.element(90))
    assert upright.tolist() == [[1.0, 3.0], [0.0, 2.0]]  # counter-clockwise, as PIL's rotate


def test_without_a_group_there_are_no_pose_labels(processor):
    assert "pose_labels" not in LineCollator(processor, 32)(list(lines_in_memory(["one"])))


def test_an_angle_outside_the_group_is_refused(collate):
    with pytest.raises(ValueError, match="multiple of 90 degrees"):
        collate([turned(lines_in_memory(["one"])[0], 30)])


def test_a_text_too_long_for_the_decoder_is_reported_and_the_others_go_on(collate, caplog):
    batch = collate(list(lines_in_memory(["short", "x" * 40])))
    assert len(batch["labels"]) == 1
    assert "line-1: the text has 41 tokens, more than `max_label_length` = 32" in caplog.text


def test_a_batch_without_any_usable_line_is_refused(collate):
    with pytest.raises(ValueError, match="none of 1 lines fits the reader"):
        collate(list(lines_in_memory(["x" * 40])))


def test_lines_that_do_not_fit_are_left_out_before_training(processor):
    lines = lines_in_memory(["short", "x" * 40, "wide", "good"], [200, 200, 900, 200])
    fitting = FittingLines(lines, LineFit(processor, 32))
    assert fitting.texts() == [fitting[i].text for i in range(2)] == ["short", "good"]
    assert fitting.sizes() == [(200, 48)] * 2
    assert fitting[2 + 1].text == "good"
    assert "`max_label_length` = 32" in fitting.problems[0]
    assert "more than `max_patches` = 150" in fitting.problems[1]


def test_characters_outside_the_vocabulary_are_named(processor):
    fit = LineFit(type("P", (), {"tokenizer": AsciiTokenizer(), "image_processor": processor.image_processor}), 32)
    fitting = FittingLines(lines_in_memory(["plain", "Geiſt ⁊"]), fit)
    assert fitting.texts() == ["plain"]
    assert "the reader's vocabulary lacks ſ ⁊" in fitting.problems[0]


def test_when_nothing_fits_the_error_says_why(processor):
    with pytest.raises(ValueError, match=r"none of 1 lines fits the reader\. First problem: line 1"):
        FittingLines(lines_in_memory(["x" * 40]), LineFit(processor, 32))
