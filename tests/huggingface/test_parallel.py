"""Every model trains in plain DistributedDataParallel, which waits for a gradient of every weight that is to learn."""

import multiprocessing
import warnings
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_kinds import KINDS, batch, classifier
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from trocr_gsa import GSANetForImageClassification

WORLD = 2


def without_gradient(model: nn.Module, kind: str) -> list[str]:
    """The weights that plain DistributedDataParallel would wait for in vain."""
    model.train()
    model(**batch(kind)).loss.backward()
    learning = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    assert learning
    return [name for name, weight in learning if weight.grad is None or not weight.numel()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_that_is_to_learn_has_a_gradient(kind):
    assert without_gradient(KINDS[kind](), kind) == []


@pytest.mark.parametrize("kind", KINDS)
def test_so_has_one_that_was_saved_and_loaded(kind, tmp_path):
    model = KINDS[kind]()
    model.save_pretrained(tmp_path)
    assert without_gradient(type(model).from_pretrained(tmp_path), kind) == []


@pytest.mark.parametrize("kind", KINDS)
def test_so_has_an_adapter_on_every_linear_layer(kind):
    assert without_gradient(get_peft_model(KINDS[kind](), LoraConfig(r=2, target_modules="all-linear")), kind) == []


def test_a_pose_head_that_is_to_learn_and_cannot_is_noticed():
    """The control."""
    model = classifier()
    model.train = lambda mode=True: nn.Module.train(model, mode)
    model.gsa_net.pose_head.requires_grad_(True)
    assert "gsa_net.pose_head.dense.weight" in without_gradient(model, "classifier")


def test_a_frozen_pose_head_is_saved_with_the_others(tmp_path):
    model = classifier()
    model.save_pretrained(tmp_path)
    loaded = GSANetForImageClassification.from_pretrained(tmp_path)
    assert torch.equal(loaded.gsa_net.pose_head.dense.weight, model.gsa_net.pose_head.dense.weight)
    assert not loaded.gsa_net.pose_head.dense.weight.requires_grad


def learn_together(rank: int, folder: Path) -> None:
    """Take two steps with every kind of model, each process on lines of its own, and save what came out."""
    distributed.init_process_group("gloo", f"file://{folder / 'meeting'}", rank=rank, world_size=WORLD)
    for kind, make in KINDS.items():
        torch.manual_seed(0)
        model = DistributedDataParallel(make().train())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        torch.manual_seed(rank)
        for _ in range(2):
            model(**batch(kind)).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        torch.save(model.module.state_dict(), folder / f"{kind} {rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_learn_the_same_with_every_model(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=learn_together, args=(rank, tmp_path)) for rank in range(WORLD)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking where there are threads: none works for us
        for process in processes:
            process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * WORLD
    for kind in KINDS:
        one, other = (torch.load(tmp_path / f"{kind} {rank}.pt") for rank in range(WORLD))
        assert all(torch.equal(other[name], weight) for name, weight in one.items()), kind
