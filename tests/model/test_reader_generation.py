"""generate() does what transformers promises of it, and looks at each line once."""

import peft
import pytest
import torch
import torch.nn.functional as F
from tiny_models import END, LAYERS, PAD, as_set, difference, noise, tiny_reader

OPTIONS = {"max_new_tokens": 6, "min_new_tokens": 3}


@pytest.fixture(params=[0, 2], ids=["decoder", "decoder and CTC"])
def model(request):
    return tiny_reader(ctc_steps_per_patch=request.param, group="C4")


@pytest.fixture
def lines():
    """Four columns and more, so that CTC has room for the letters."""
    return as_set([noise(2, 4), noise(5, 2), noise(1, 6)], filler=1e3)


def test_greedy_reading_takes_the_likeliest_letter_each_time(lines):
    model = tiny_reader(group="C4")
    text = model.generate(**lines, max_new_tokens=6, min_new_tokens=6)
    logits = model(**lines, decoder_input_ids=text[:, :-1]).logits
    logits[..., END] = -torch.inf  # min_new_tokens
    assert torch.equal(text[:, 1:], logits.argmax(-1))


@pytest.mark.parametrize("num_beams", [1, 3])
def test_the_cache_changes_nothing(model, lines, num_beams):
    with_cache, without = (
        model.generate(**lines, num_beams=num_beams, use_cache=use_cache, **OPTIONS) for use_cache in (True, False)
    )
    assert torch.equal(with_cache, without)


@pytest.mark.parametrize("num_beams", [1, 3])
def test_the_encoder_runs_once(model, lines, num_beams):
    calls = []
    model.encoder.register_forward_hook(lambda *_: calls.append(1))
    model.generate(**lines, num_beams=num_beams, **OPTIONS)
    assert len(calls) == 1


@pytest.mark.parametrize("num_beams", [1, 3])
def test_lines_that_are_already_encoded_are_read_the_same_and_left_as_they_are(model, lines, num_beams):
    encoded = model.encoder(**lines)
    before = {name: value.clone() for name, value in encoded.items()}
    text = model.generate(encoder_outputs=encoded, num_beams=num_beams, **OPTIONS)
    assert torch.equal(text, model.generate(**lines, num_beams=num_beams, **OPTIONS))
    assert all(torch.equal(encoded[name], value) for name, value in before.items())


@pytest.mark.parametrize("num_beams", [1, 3])
def test_scores_come_with_the_text(model, lines, num_beams):
    out = model.generate(**lines, num_beams=num_beams, output_scores=True, return_dict_in_generate=True, **OPTIONS)
    length = out.sequences.shape[1] - 1
    assert len(out.scores) >= length
    assert out.scores[0].shape == (3 * num_beams, 20)
    log_p = model.compute_transition_scores(
        out.sequences, out.scores, getattr(out, "beam_indices", None), normalize_logits=True
    )
    assert log_p.shape == (3, length)
    assert log_p[:, 0].isfinite().all()
    assert (log_p[:, 0] <= 0).all()
    if num_beams > 1:
        assert out.sequences_scores.shape == (3,)


def test_more_beams_find_a_text_at_least_as_likely(lines):
    model = tiny_reader(group="C4")

    def log_probability(text):
        log_p = model(**lines, decoder_input_ids=text[:, :-1]).logits.log_softmax(-1)
        return log_p.gather(-1, text[:, 1:, None]).sum((1, 2))

    greedy, wide = (
        model.generate(**lines, num_beams=beams, max_new_tokens=3, min_new_tokens=3) for beams in (1, 19**2)
    )
    assert (log_probability(wide) >= log_probability(greedy) - 1e-9).all()


def test_several_texts_of_a_line_can_be_asked_for(model, lines):
    texts = model.generate(**lines, num_beams=3, num_return_sequences=3, **OPTIONS)
    assert len(texts) == 9
    assert len(texts[:3].unique(dim=0)) == 3


def test_a_text_can_be_continued(model, lines):
    start = torch.tensor([[PAD, 5, 6]]).expand(3, -1)
    texts = model.generate(**lines, decoder_input_ids=start, **OPTIONS)
    assert torch.equal(texts[:, :3], start)


def test_pixels_may_come_first_and_unnamed():
    model, images = tiny_reader(group="C4"), noise(2, 4)
    assert torch.equal(model.generate(images, **OPTIONS), model.generate(pixel_values=images, **OPTIONS))


def test_nothing_to_read_is_named(model):
    with pytest.raises(ValueError, match="`pixel_values` or `encoder_outputs`"):
        model.generate(max_new_tokens=2)


def test_an_adapted_reader_generates_with_a_prior_too(model, lines):
    text = model.generate(**lines, orientation="upright", **OPTIONS)
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "out_proj"])
    adapted = peft.get_peft_model(model, config)  # B is zero
    assert torch.equal(adapted.generate(**lines, orientation="upright", **OPTIONS), text)
    with pytest.raises(ValueError, match="`orientation`"):
        adapted.generate(**lines, orientation="sideways", **OPTIONS)


def test_attention_is_switched_in_both_halves_of_a_reader(lines, monkeypatch):
    model = tiny_reader(group="C4")
    in_decoder = 2 * model.config.decoder.decoder_layers  # to the letters before, and to the picture
    fused_calls, fused = [], F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *args, **kwargs: fused_calls.append(1) or fused(*args, **kwargs)
    )
    letters = torch.tensor([[PAD, 5]]).expand(3, -1)
    sdpa = model(**lines, decoder_input_ids=letters).logits
    assert len(fused_calls) == 1 + LAYERS + in_decoder
    model.set_attn_implementation("eager")
    eager = model(**lines, decoder_input_ids=letters).logits
    assert len(fused_calls) == 1 + LAYERS + in_decoder
    assert difference(eager, sdpa) < 1e-11
    model.set_attn_implementation("sdpa")
    assert torch.equal(model(**lines, decoder_input_ids=letters).logits, sdpa)
    assert len(fused_calls) == 2 * (1 + LAYERS + in_decoder)
