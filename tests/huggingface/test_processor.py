"""Processors are called as TrOCRProcessor is, and what they return is enough for a model by itself."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_models import PATCH, noise, tiny_reader
from transformers import AutoProcessor, ByT5Tokenizer
from transformers.image_utils import ChannelDimension

from trocr_gsa import SquareImageProcessor, TrOCRGSAImageProcessor, TrOCRGSAProcessor
from trocr_gsa.model.patches import append_shape, cut_patches

MOST = 40
KINDS: dict[str, Callable] = {
    "lines": lambda: TrOCRGSAImageProcessor(line_height=2 * PATCH, patch_size=PATCH, max_patches=MOST),
    "squares": lambda: SquareImageProcessor(32, patch_size=16),
}


@pytest.fixture(params=KINDS)
def processor(request) -> TrOCRGSAProcessor:
    return TrOCRGSAProcessor(KINDS[request.param](), ByT5Tokenizer(extra_ids=0))


@pytest.fixture
def lines() -> TrOCRGSAProcessor:
    return TrOCRGSAProcessor(KINDS["lines"](), ByT5Tokenizer(extra_ids=0))


@pytest.fixture
def reader():
    return tiny_reader(group="C4").float()


def picture(width: int, height: int = 10) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width), dtype=np.uint8))


PICTURES = [picture(30), picture(10, 52), picture(44)]  # lying and standing


# what comes back, and in which form


def test_labels_are_padded_to_the_length_that_was_asked_for(processor):
    labels = processor(picture(30), text="abc", padding="max_length", max_length=6)["labels"]
    assert labels.tolist() == [[100, 101, 102, 1, -100, -100]]


def test_labels_are_cut_to_the_length_that_was_asked_for(processor):
    assert processor(text="abcdef", truncation=True, max_length=3)["labels"].tolist() == [[100, 101, 1]]


def test_arrays_come_when_asked_for(processor):
    as_tensors, as_arrays = (processor(PICTURES, text=["a", "bc", ""], return_tensors=kind) for kind in ("pt", "np"))
    for name, tensor in as_tensors.items():
        assert isinstance(as_arrays[name], np.ndarray)
        assert np.array_equal(as_arrays[name], tensor.numpy())


def test_lists_come_when_asked_for(processor):
    as_tensors, as_lists = (processor(PICTURES, text=["a", "bc", ""], return_tensors=kind) for kind in ("pt", None))
    assert as_lists["labels"] == as_tensors["labels"].tolist()
    assert isinstance(as_lists["pixel_values"], list)
    assert all(np.array_equal(a, b) for a, b in zip(as_lists["pixel_values"], as_tensors["pixel_values"], strict=True))


def test_texts_that_are_not_padded_make_no_tensor_but_lists(processor):
    assert processor(text=["a", ""], padding=False, return_tensors=None)["labels"] == [[100, 1], [1]]
    with pytest.raises(ValueError, match="padding"):
        processor(text=["a", ""], padding=False)


# which settings a call takes


def test_settings_hold_for_one_call(lines):
    before = lines(picture(44))["spatial_shapes"]
    assert lines(picture(44), line_height=PATCH)["spatial_shapes"].tolist() == [[1, 5]]
    assert lines(picture(44), images_kwargs={"line_height": PATCH})["spatial_shapes"].tolist() == [[1, 5]]
    assert torch.equal(lines(picture(44))["spatial_shapes"], before)


def test_settings_of_squares_hold_for_one_call():
    process = KINDS["squares"]()
    assert process(picture(44), size=48)["pixel_values"].shape == (1, 3, 48, 48)
    assert process(picture(44), size={"height": 16, "width": 16}, return_tensors="np")["pixel_values"].shape[-1] == 16
    assert process(picture(44))["pixel_values"].shape == (1, 3, 32, 32)


def test_an_impossible_setting_is_refused_as_when_it_is_made(lines):
    with pytest.raises(ValueError, match="`line_height` must be a multiple"):
        lines(picture(44), line_height=PATCH + 1)


@pytest.mark.parametrize("wrong", ["line_hight", "do_resize", "pading"])
def test_an_argument_that_nobody_knows_is_refused(processor, wrong):
    with pytest.raises(TypeError, match=wrong):
        processor(picture(44), text="abc", **{wrong: 8})
    with pytest.raises(TypeError, match=wrong):
        processor.image_processor(picture(44), **{wrong: 8})


def test_arguments_of_the_tokenizer_may_come_in_a_dictionary(processor):
    labels = processor(text="abc", text_kwargs={"padding": "max_length", "max_length": 5})["labels"]
    assert labels.tolist() == [[100, 101, 102, 1, -100]]


# which pictures it takes


@pytest.mark.parametrize("convert", [True, False, None])
def test_colours_are_converted_whatever_is_asked_for(processor, convert):
    colourful = picture(44).convert("RGB")
    assert torch.equal(
        processor(colourful, do_convert_rgb=convert)["pixel_values"], processor(colourful)["pixel_values"]
    )


def test_channels_in_front_are_known_by_their_number_or_by_name(processor):
    pixels = np.random.default_rng(0).integers(0, 256, (10, 30, 3), dtype=np.uint8)
    expected = processor(pixels)["pixel_values"]
    front = np.moveaxis(pixels, -1, 0)
    for form in (front, torch.tensor(front), front[None], torch.tensor(front)[None], [front]):
        assert torch.equal(processor(form)["pixel_values"], expected)
    for name, form in (("channels_first", front), (ChannelDimension.FIRST, front), ("channels_last", pixels)):
        assert torch.equal(processor(form, input_data_format=name)["pixel_values"], expected)


def test_a_picture_as_wide_as_it_has_channels_is_told_by_name(processor):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 20, 4), dtype=np.uint8)  # four wide, or of four channels
    last = processor(pixels)["pixel_values"]
    first = processor(pixels, input_data_format="channels_first")["pixel_values"]
    assert torch.equal(first, processor(np.moveaxis(pixels, 0, -1))["pixel_values"])
    assert first.shape != last.shape or not torch.equal(first, last)
    with pytest.raises(ValueError, match="`input_data_format`"):
        processor(pixels, input_data_format="channels_middle")


def test_a_tensor_of_four_dimensions_is_many_pictures(processor):
    many = torch.randint(0, 256, (3, 3, 10, 30), dtype=torch.uint8)
    assert torch.equal(processor(many)["pixel_values"], processor(list(many))["pixel_values"])


# pixel values alone


def everything(reader, inputs) -> torch.Tensor:
    return reader(**inputs, decoder_input_ids=torch.tensor([[0, 5]]).expand(len(inputs["pixel_values"]), -1)).logits


@pytest.mark.parametrize("pictures", [PICTURES[:1], PICTURES[1:2], PICTURES], ids=["lying", "standing", "both"])
def test_pixel_values_alone_are_read_as_with_what_came_with_them(lines, reader, pictures):
    inputs = lines(pictures, return_tensors="pt")
    text = reader.generate(**inputs, max_new_tokens=4)
    assert torch.equal(reader.generate(inputs.pixel_values, max_new_tokens=4), text)
    assert torch.equal(reader.generate(inputs=inputs.pixel_values, max_new_tokens=4), text)
    alone = everything(reader, {"pixel_values": inputs.pixel_values})
    assert torch.allclose(alone, everything(reader, inputs), atol=1e-5)


def test_they_may_have_been_lists_in_between_or_padded_further(lines, reader):
    inputs = lines(PICTURES)
    expected = everything(reader, inputs)
    as_lists = torch.tensor(inputs.pixel_values.tolist())
    padded = torch.nn.functional.pad(inputs.pixel_values, (0, 0, 0, 5))
    for form in (as_lists, padded):
        assert torch.allclose(everything(reader, {"pixel_values": form}), expected, atol=1e-5)


def test_lines_prepared_one_by_one_can_be_stacked(lines, reader):
    prepared = [lines(one, pad_to_max_patches=True).pixel_values.squeeze() for one in PICTURES]
    assert {one.shape for one in prepared} == {(MOST + 1, PATCH**2)}
    expected = everything(reader, lines(PICTURES))
    assert torch.allclose(everything(reader, {"pixel_values": torch.stack(prepared)}), expected, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_the_shape_is_told_in_every_precision(dtype):
    reader = tiny_reader(group="C4").to(dtype)
    patches, shape = cut_patches(noise(3, 300).to(dtype), PATCH)  # bfloat16 does not know 300
    told = append_shape(patches[0], shape[0])[None]
    expected = reader.encode(patches, spatial_shapes=shape)
    assert torch.equal(reader.encode(told).pose_positions, expected.pose_positions)


def test_a_blank_line_is_told_too(lines, reader):
    inputs = lines(Image.new("L", (30, 10), 255))
    assert torch.allclose(everything(reader, {"pixel_values": inputs.pixel_values}), everything(reader, inputs))


@pytest.mark.parametrize("spoil", ["nothing told", "another number of patches", "all zeros"])
def test_patches_that_say_nothing_of_their_shape_are_refused(lines, reader, spoil):
    values = lines(picture(44)).pixel_values
    spoilt = {
        "nothing told": values[:, :-1],
        "another number of patches": torch.cat((values[:, :1], values), dim=1),
        "all zeros": torch.zeros_like(values),
    }
    with pytest.raises(ValueError, match="`spatial_shapes` must give"):
        reader.generate(spoilt[spoil], max_new_tokens=2)


# what scripts for TrOCR ask for


def test_settings_may_be_given_when_a_processor_is_loaded(lines, tmp_path):
    lines.save_pretrained(tmp_path)
    loaded = TrOCRGSAProcessor.from_pretrained(tmp_path, pad_to_max_patches=True, max_patches=30)
    assert loaded(picture(30)).pixel_values.shape == (1, 31, PATCH**2)
    assert AutoProcessor.from_pretrained(tmp_path)(picture(30)).pixel_values.shape != (1, 31, PATCH**2)


@pytest.mark.parametrize(("kind", "settings"), [("lines", {"line_height": PATCH + 1}), ("squares", {"patch_size": 5})])
def test_impossible_ones_are_refused_then(kind, settings, tmp_path):
    TrOCRGSAProcessor(KINDS[kind](), ByT5Tokenizer(extra_ids=0)).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="must be a multiple of `patch_size`"):
        TrOCRGSAProcessor.from_pretrained(tmp_path, **settings)


def test_the_tokenizer_names_what_decoding_starts_from_and_ends_with(lines, reader):
    assert lines.tokenizer.cls_token_id == reader.config.decoder_start_token_id == lines.tokenizer.pad_token_id
    assert lines.tokenizer.sep_token_id == reader.config.eos_token_id == lines.tokenizer.eos_token_id
