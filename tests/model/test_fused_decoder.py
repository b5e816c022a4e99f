"""TrOCR's decoder by fused kernels: the numbers of transformers' own, whatever is asked of it."""

import copy

import pytest
import torch
from tiny_models import tiny_reader
from transformers import DynamicCache, EncoderDecoderCache, TrOCRConfig, TrOCRForCausalLM
from transformers.models.trocr.modeling_trocr import TrOCRAttention

from trocr_gsa.model.decoder_cache import CACHE
from trocr_gsa.model.fused_decoder import FusedTrOCRAttention, fuse_attention

LETTERS = torch.tensor([[0, 7, 9, 3, 5], [0, 4, 2, 2, 8]])


@pytest.fixture
def decoders():
    """Transformers' decoder and the same fused, with sharp attention, in double precision."""
    torch.manual_seed(0)
    config = TrOCRConfig(
        vocab_size=20, d_model=16, decoder_layers=2, decoder_attention_heads=2, decoder_ffn_dim=16,
        cross_attention_hidden_size=12, dropout=0.0,
    )  # fmt: skip
    stock = TrOCRForCausalLM(config).double().eval()
    with torch.no_grad():
        for name, weight in stock.named_parameters():
            if "q_proj.weight" in name:
                weight.mul_(40)
    fused = copy.deepcopy(stock)
    fuse_attention(fused)
    return stock, fused


@pytest.fixture
def picture():
    """Tokens of two pictures, and what is added to the attention to them."""
    torch.manual_seed(1)
    bias = torch.randn(2, 1, 1, 7, dtype=torch.float64)
    bias[1, ..., 5:] = torch.finfo(torch.float64).min
    return torch.randn(2, 7, 12, dtype=torch.float64), bias


def decode(decoder, picture, letters=LETTERS, **words):
    tokens, bias = picture
    bias = bias.expand(-1, 1, letters.shape[1], -1)
    return decoder(input_ids=letters, encoder_hidden_states=tokens, encoder_attention_mask=bias, **words)


def test_logits_and_gradients_are_those_of_transformers(decoders, picture):
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    found, gradients = [], []
    for decoder in decoders:
        logits = decode(decoder, picture, attention_mask=mask).logits
        (logits[0].square().sum() + logits[1, :3].square().sum()).backward()
        found.append(torch.cat((logits[0], logits[1, :3])))
        gradients.append(
            torch.cat([weight.grad.flatten() for weight in decoder.parameters() if weight.grad is not None])
        )
    assert (found[1] - found[0]).abs().max() < 1e-11
    assert (gradients[1] - gradients[0]).norm() < 1e-11 * gradients[0].norm()


def test_letter_by_letter_with_a_memory_it_is_the_same(decoders, picture):
    stock, fused = decoders
    expected = decode(stock, picture).logits
    cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
    steps = [decode(fused, picture, LETTERS[:, place : place + 1], **{CACHE: cache}).logits for place in range(5)]
    assert (torch.cat(steps, dim=1) - expected).abs().max() < 1e-11


def test_whoever_asks_for_attention_gets_it(decoders, picture):
    stock, fused = (decode(decoder, picture, output_attentions=True) for decoder in decoders)
    assert len(fused.cross_attentions) == 2
    for found, expected in zip(fused.cross_attentions, stock.cross_attentions, strict=True):
        assert (found - expected).abs().max() < 1e-11


def test_it_drops_as_much_as_it_is_told_in_training_alone(decoders, picture):
    _, fused = decoders
    expected = decode(fused, picture).logits
    for module in fused.modules():
        if isinstance(module, FusedTrOCRAttention):
            module.dropout = 0.5
    assert torch.equal(decode(fused, picture).logits, expected)
    assert not torch.equal(decode(fused.train(), picture).logits, expected)


def test_a_reader_has_it_and_no_other_decoder_is_touched():
    kinds = {type(module) for module in tiny_reader(group="C4").decoder.modules()}
    assert FusedTrOCRAttention in kinds
    assert TrOCRAttention not in kinds
    other = torch.nn.Sequential(torch.nn.Linear(2, 2))
    fuse_attention(other)
    assert [type(module) for module in other] == [torch.nn.Linear]
