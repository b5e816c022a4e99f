"""Models are compiled without a break in their graph, and exported with shapes that may change.

Each graph costs seconds to build: a reader, an encoder and a step of the decoder are always compiled. The whole matrix
is with `-m slow`, as are all exports but those to ONNX, which have tests of their own.
"""

import pytest
import torch
from tiny_kinds import KINDS, batch
from tiny_models import LAYERS, PATCH, as_set, difference, noise, tiny_encoder, tiny_reader
from torch.export import Dim, export
from transformers import DynamicCache, EncoderDecoderCache

from trocr_gsa.model.patches import append_shape

pytestmark = pytest.mark.filterwarnings("ignore")  # of PyTorch's compiler, among its own parts
SLOW = pytest.mark.slow
LETTERS = torch.tensor([[0, 5, 6], [0, 7, 8]])
BATCH, LENGTH = Dim("batch", min=2, max=16), Dim("length", min=4, max=64)


@pytest.fixture(autouse=True)
def _anew():
    torch._dynamo.reset()
    with torch.no_grad():
        yield


def compiled(model):
    return torch.compile(model, backend="eager", fullgraph=True)


WHOLE = [("reader", "sdpa")]
ALL_WHOLE = [(kind, implementation) for kind in KINDS for implementation in ("sdpa", "eager")]


@pytest.mark.parametrize(
    ("kind", "implementation"), WHOLE + [pytest.param(*case, marks=SLOW) for case in ALL_WHOLE if case not in WHOLE]
)
def test_a_whole_model_is_one_graph(kind, implementation):
    model, inputs = KINDS[kind]().eval(), batch(kind)
    if kind.startswith("reader"):  # CTC's loss depends on how long the labels are
        inputs = {"pixel_values": inputs["pixel_values"], "decoder_input_ids": LETTERS}
    model.set_attn_implementation(implementation)
    assert difference(compiled(model)(**inputs).logits, model(**inputs).logits) < 1e-5


INPUTS = {"pictures": {"pixel_values": noise(2, 3)}, "patches": as_set([noise(2, 4), noise(3, 1)], filler=0.0)}
ENCODED = [("D4", LAYERS, "patches")]
ALL_ENCODED = [(group, layers, form) for group in ("C1", "C8", "D4") for layers in (0, 1, LAYERS) for form in INPUTS]


@pytest.mark.parametrize(
    ("group", "pose_layers", "form"),
    ENCODED + [pytest.param(*case, marks=SLOW) for case in ALL_ENCODED if case not in ENCODED],
)
def test_an_encoder_is_one_graph(group, pose_layers, form):
    model, inputs = tiny_encoder(group=group, pose_layers=pose_layers), INPUTS[form]
    assert difference(compiled(model)(**inputs).last_hidden_state, model(**inputs).last_hidden_state) < 1e-11


@SLOW
def test_patches_that_tell_their_shape_are_one_graph():
    model = tiny_encoder(group="C4")
    inputs = as_set([noise(2, 4)], filler=0.0)
    told = append_shape(inputs["pixel_values"][0, :8], inputs["spatial_shapes"][0])[None]
    assert difference(compiled(model)(told).pose_logits, model(**inputs).pose_logits) < 1e-11


@SLOW
def test_a_step_of_the_decoder_is_one_graph():
    model = tiny_reader(ctc_steps_per_patch=2, group="C4")
    encoded = model.encode(noise(2, 4, batch=2))

    def written(reader) -> torch.Tensor:
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        steps = [
            reader(encoder_outputs=encoded, decoder_input_ids=step, cache=cache, use_cache=True).logits
            for step in LETTERS.split(1, dim=1)
        ]
        return torch.cat(steps, dim=1)

    assert difference(written(compiled(model)), written(model)) < 1e-11


# export


class Logits(torch.nn.Module):
    """A reader as a function of tensors."""

    def __init__(self, model) -> None:
        super().__init__()
        self.model = model

    def forward(self, letters, pixel_values, mask=None, shapes=None):
        return self.model(
            pixel_values, letters, pixel_attention_mask=mask, spatial_shapes=shapes, use_cache=False
        ).logits


# with one head, as in the narrow stage, PyTorch's matmul fixes the length unless it is traced strictly
EXPORTED = [
    *((kind, strict) for kind in ("reader", "reader of one field") for strict in (False, True)),
    ("reader with a narrow stage", True),
]


@SLOW
@pytest.mark.parametrize(("kind", "strict"), EXPORTED)
def test_a_reader_is_exported_for_any_number_and_length_of_lines(kind, strict):
    model = Logits(KINDS[kind]().double().eval())
    some, others = (
        list(as_set(lines, filler=0.0).values())
        for lines in ([noise(2, 4), noise(3, 1)], [noise(2, 5), noise(3, 3), noise(1, 2)])
    )
    shapes = ({0: BATCH, 1: Dim("letters", min=2, max=14)}, {0: BATCH, 1: LENGTH}, {0: BATCH, 1: LENGTH}, {0: BATCH})
    program = export(model, (LETTERS, *some), dynamic_shapes=shapes, strict=strict).module()
    letters = torch.randint(2, 20, (3, 5))
    assert difference(program(letters, *others), model(letters, *others)) < 1e-11


@SLOW
def test_an_encoder_is_exported_for_pictures_of_any_size():
    model = tiny_encoder(group="C4")
    height, width = Dim("rows", min=1, max=8) * PATCH, Dim("columns", min=2, max=60) * PATCH
    shapes = {"pixel_values": {0: BATCH, 2: height, 3: width}}
    program = export(model, (), {"pixel_values": noise(2, 3, batch=2)}, dynamic_shapes=shapes).module()
    for images in (noise(3, 7, batch=3), noise(5, 2, batch=2)):
        expected = model(pixel_values=images).last_hidden_state
        assert difference(program(pixel_values=images).last_hidden_state, expected) < 1e-11
