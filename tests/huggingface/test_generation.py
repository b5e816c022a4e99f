"""Ways to generate beyond `model.generate`: an assistant, a look-up of the prompt, and transformers' pipeline."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_checkpoint import draw_line, save_checkpoint
from tiny_models import noise, tiny_reader
from transformers import pipeline

from trocr_gsa import TrOCRGSAImageProcessor
from trocr_gsa.model.decoder_cache import CACHE

OPTIONS = {"max_new_tokens": 8, "min_new_tokens": 6}


@pytest.fixture(params=[0, 2], ids=["decoder", "decoder and CTC"])
def model(request):
    return tiny_reader(ctc_steps_per_patch=request.param, group="C4").float()


@pytest.fixture
def line():
    return noise(2, 6).float()


def another(model):
    """A reader of the same letters that would write something else."""
    other = copy.deepcopy(model)
    for weight in other.decoder.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    return other


@pytest.mark.parametrize("helper", [copy.deepcopy, another], ids=["itself", "another"])
def test_an_assistant_changes_nothing_but_the_way(model, line, helper):
    plain = model.generate(line, **OPTIONS)
    assert torch.equal(model.generate(line, assistant_model=helper(model), **OPTIONS), plain)


def test_an_assistant_sees_patches_too(model):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (10, 40), dtype=np.uint8))
    inputs = TrOCRGSAImageProcessor(line_height=8, patch_size=4)(picture)
    plain = model.generate(**inputs, **OPTIONS)
    assert torch.equal(model.generate(**inputs, assistant_model=another(model), **OPTIONS), plain)
    with pytest.raises(ValueError, match="`assistant_model` encodes the images itself"):
        model.generate(encoder_outputs=model.encode(**inputs), assistant_model=another(model), **OPTIONS)


def test_letters_may_be_looked_up_in_the_text_so_far(model, line):
    assert torch.equal(model.generate(line, prompt_lookup_num_tokens=2, **OPTIONS), model.generate(line, **OPTIONS))


@pytest.mark.parametrize("end", [None, [1, 2]])
def test_a_ctc_head_needs_one_end_token(line, end):
    model = tiny_reader(ctc_steps_per_patch=2, group="C4").float()
    model.config.eos_token_id = end
    with pytest.raises(ValueError, match="`eos_token_id` of the configuration must be one token"):
        model.generate(line, **OPTIONS)
    assert model.generate(line, ctc_weight=0, **OPTIONS).shape == (1, 9)


def test_a_text_is_continued_from_its_cache(model, line):
    whole = model.generate(line, max_new_tokens=7, min_new_tokens=7)
    start = model.generate(line, max_new_tokens=4, min_new_tokens=4, return_dict_in_generate=True)
    held = {CACHE: start[CACHE], "encoder_outputs": model.encode(line)}
    with pytest.raises(ValueError, match="`decoder_input_ids` must be the whole text to continue"):
        model.generate(decoder_input_ids=start.sequences[:, -1:], max_new_tokens=3, **held)
    rest = model.generate(decoder_input_ids=start.sequences, max_new_tokens=3, min_new_tokens=3, **held)
    assert torch.equal(rest, whole)


def test_a_batch_with_labels_is_read_as_without(model, line):
    labels = torch.tensor([[5, 6, 1]])
    assert torch.equal(model.generate(pixel_values=line, labels=labels, **OPTIONS), model.generate(line, **OPTIONS))


# transformers' pipeline


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_checkpoint(tmp_path_factory.mktemp("reader"))


@pytest.fixture(scope="module")
def pipe(folder):
    return pipeline("image-text-to-text", model=str(folder), device="cpu")


PICTURES = [draw_line("abc"), draw_line("de", 90), draw_line("fgh").rotate(90, expand=True)]


def written(pipe, picture: Image.Image) -> str:
    ids = pipe.model.generate(**pipe.processor(picture), max_new_tokens=4)
    return pipe.processor.batch_decode(ids, skip_special_tokens=True)[0]


def test_a_pipeline_reads_one_line(pipe):
    for picture in PICTURES:
        (found,) = pipe(images=picture, text="", max_new_tokens=4)
        assert found["generated_text"] == written(pipe, picture)


def test_a_pipeline_reads_many_lines(pipe):
    found = pipe(images=PICTURES, text=[""] * 3, max_new_tokens=4)
    assert [one["generated_text"] for one in found] == [written(pipe, picture) for picture in PICTURES]


def test_a_batch_of_empty_texts_is_learned_as_one(pipe):
    batch = pipe.processor(PICTURES[:2], text=["", ""])
    assert batch["decoder_input_ids"].shape == (2, 0)
    loss = pipe.model(**batch).loss
    del batch["decoder_input_ids"]
    assert torch.equal(loss, pipe.model(**batch).loss)


def test_a_text_is_no_prompt_of_a_pipeline(pipe):
    with pytest.raises(KeyError, match="decoder_input_ids"):
        pipe(images=PICTURES[0], text="abc")
