"""Learning rate, optimizer groups and averaged weights."""

import pytest
import torch

from trocr_gsa.train.optimisation import AveragedWeights, learning_rate_factor, make_optimizer, progress


def test_progress_follows_whichever_runs_out_first():
    assert progress(step=10, minutes=1.0, max_steps=100, max_minutes=2.0) == 0.5
    assert progress(step=90, minutes=1.0, max_steps=100, max_minutes=2.0) == 0.9
    assert progress(step=200, minutes=0.0, max_steps=100, max_minutes=None) == 1.0


def test_the_rate_warms_up_and_ends_where_it_should():
    assert learning_rate_factor(0, warmup_steps=9, done=0.0) == pytest.approx(0.1)
    assert learning_rate_factor(9, warmup_steps=9, done=0.0) == 1
    assert learning_rate_factor(50, warmup_steps=9, done=0.5) == pytest.approx(0.5)
    assert learning_rate_factor(99, warmup_steps=9, done=1.0) == pytest.approx(0)


def test_a_cooldown_leaves_the_rate_alone_until_its_share_of_the_run():
    assert [learning_rate_factor(50, 9, done, cooldown=0.2) for done in (0.1, 0.5, 0.8)] == [1, 1, 1]
    assert learning_rate_factor(50, 9, 0.9, cooldown=0.2) == pytest.approx(0.5)
    assert learning_rate_factor(50, 9, 1.0, cooldown=0.2) == pytest.approx(0)


def test_vectors_and_frozen_weights_do_not_decay():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2).requires_grad_(False))
    matrices, vectors = make_optimizer(model, 1e-3, weight_decay=0.1, beta2=0.98).param_groups
    assert matrices["weight_decay"] == 0.1
    assert vectors["weight_decay"] == 0
    assert (matrices["params"], vectors["params"]) == ([model[0].weight], [model[0].bias])


def test_averaged_weights_step_in_and_out():
    model = torch.nn.Linear(2, 2, bias=False)
    start = model.weight.detach().clone()
    average = AveragedWeights(model, decay=0.9)
    with torch.no_grad():
        model.weight += 1
    average.update(step=0)
    with average.applied():
        torch.testing.assert_close(model.weight.detach(), start + 0.9)  # d = min(0.9, 1/10)
    torch.testing.assert_close(model.weight.detach(), start + 1)


def test_an_exception_puts_the_weights_back():
    model = torch.nn.Linear(2, 2, bias=False)
    average = AveragedWeights(model, decay=0.9)
    with torch.no_grad():
        model.weight += 1
    kept = model.weight.detach().clone()
    with pytest.raises(RuntimeError), average.applied():
        raise RuntimeError
    assert torch.equal(model.weight.detach(), kept)
