"""A step's loss does not depend on how its lines are split."""

import pytest
import torch
from accelerate import Accelerator

from trocr_gsa.model.configuration_trocr_gsa import TrOCRGSAConfig
from trocr_gsa.model.modeling_trocr_gsa import LOSSES, TrOCRGSAOutput
from trocr_gsa.train.arguments import TrainingArguments
from trocr_gsa.train.step import loss_weights, noisy_decoder_inputs, step_totals, weighted_loss

WEIGHTS = {"decoder_loss": 1.0, "ctc_loss": 0.7, "pose_loss": 0.3}


def gradients(model, batches):
    totals = step_totals(batches, Accelerator(cpu=True))
    model.zero_grad()
    for batch in batches:
        loss, _ = weighted_loss(model(**batch), batch, totals, WEIGHTS)
        loss.backward()
    return torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])


def test_split_batches_give_the_gradient_of_the_whole(tiny, lines):
    model, processor = tiny
    model = model.double().train()

    def batch(chosen):
        found = dict(processor(images=[line.image for line in chosen], text=[line.text for line in chosen]))
        return found | {"pixel_values": found["pixel_values"].double()}

    whole = gradients(model, [batch(lines)])
    split = gradients(model, [batch(lines[:1]), batch(lines[1:4]), batch(lines[4:])])
    torch.testing.assert_close(split, whole, atol=1e-7, rtol=1e-5)


def test_plain_means_of_the_parts_are_another_gradient(tiny, lines):
    model, processor = tiny
    parts = [lines[:1], lines[1:]]
    batches = [dict(processor(images=[x.image for x in part], text=[x.text for x in part])) for part in parts]
    whole = dict(processor(images=[x.image for x in lines], text=[x.text for x in lines]))
    model.train()
    weighted = gradients(model, [whole])
    model.zero_grad()
    for batch in batches:
        output = model(**batch)
        (0.5 * (output.decoder_loss + 0.7 * output.ctc_loss + 0.3 * output.pose_loss)).backward()
    plain = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
    assert (plain - weighted).norm() > 1e-2 * weighted.norm()


def test_every_loss_of_the_output_is_weighed_in():
    assert [name for name in TrOCRGSAOutput.__dataclass_fields__ if name.endswith("_loss")] == list(LOSSES)


def test_an_argument_overrules_the_weight_that_the_model_was_configured_with():
    config = TrOCRGSAConfig(ctc_loss_weight=0.7, pose_loss_weight=0.2)
    weights = loss_weights(config, TrainingArguments(train=["lines/"], pose_loss_weight=0.0))
    assert weights == {"decoder_loss": 1.0, "ctc_loss": 0.7, "pose_loss": 0.0}


def test_no_noise_shifts_the_labels():
    labels = torch.tensor([[5, 6, 1, -100]])
    inputs = noisy_decoder_inputs(labels, 0, 259, 0.0, torch.Generator())
    assert inputs.tolist() == [[0, 5, 6, 1]]


@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_noise_replaces_its_fraction_and_never_the_start(noise):
    labels = torch.full((50, 200), 300)
    inputs = noisy_decoder_inputs(labels, 300, 259, noise, torch.Generator().manual_seed(0))
    assert (inputs[:, 0] == 300).all()
    assert (inputs[:, 1:] != 300).float().mean().item() == pytest.approx(noise, abs=0.02)
