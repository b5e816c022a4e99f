"""The experiments on the packaged reader run with its sizes: patches, a narrow stage and a layer across poses."""

import json
import sys

import pytest
import torch

from experiments import peft_methods, theorems

EXACT, WRONG = 1e-11, 1e-3


@pytest.fixture(scope="module")
def reader():
    found = theorems.trained_reader("C4").eval()
    torch.nn.Module.to(found, torch.float64)
    return found


def test_the_theorems_are_measured_in_every_layer_of_the_packaged_reader(reader):
    errors = theorems.layer_errors(reader, torch.float64)
    layers = {"embeddings", "lifting", "pose_layers.0", "chosen_embeddings", "layers.0", "layers.5", "CTC head"}
    assert errors.keys() >= layers | {theorems.POSE, theorems.DECODER}
    assert max(max(of_layer.values()) for of_layer in errors.values()) < EXACT
    assert 0 < theorems.translation_errors(reader, torch.float64) < EXACT


def test_only_the_corrected_relative_pose_is_exact_in_the_trained_layer(reader):
    errors = {name: max(sums["none"].values()) for name, sums in theorems.encoding_errors(reader).items()}
    assert errors["h₁⁻¹h₂, corrected"] < EXACT
    assert min(errors["h⁻¹h₁⁻¹h₂, [RC]"], errors["h·h₁⁻¹h₂, [RC]'s code"]) > WRONG


def test_a_method_of_peft_is_measured_on_the_packaged_reader(tmp_path, monkeypatch):
    page, results = tmp_path / "page.md", tmp_path / "results.json"
    page.write_text("<!-- peft methods: written by experiments/peft_methods.py -->\n<!-- /peft methods -->\n")
    monkeypatch.setattr(peft_methods, "METHODS", {"LoRA": peft_methods.METHODS["LoRA"]})
    monkeypatch.setattr(peft_methods, "RESULTS", results)
    monkeypatch.setattr(sys, "argv", ["peft_methods", str(page)])
    peft_methods.main()
    found = json.loads(results.read_text())
    assert found["methods"][0]["symmetry_error"] < EXACT
    assert found["on_one_pose_only"] > WRONG
    assert page.read_text().count("| LoRA |") == 1
