"""What adapters are worth, at toy size: from imagefolders to a section that follows from the numbers."""

import json
import sys
from dataclasses import replace

import pytest
from tiny_checkpoint import draw_line, save_checkpoint

from experiments import adapter_runs, adapter_variants, adapters
from experiments.adapter_runs import HANDS
from experiments.adapter_tables import forgetting_sentence, rank_sentence
from experiments.adapter_variants import EVERY_WEIGHT, FROZEN, LORA, Variant, variants

BASE = {"test": 0.5, "fraktur-19": 0.02, "htromance-modern-fr": 0.2}


@pytest.fixture
def data(tmp_path):
    """Nine lines of a hand, three of each other set."""
    for name, count in {"cremma-mss-19": 9, "fraktur-19": 3, "htromance-modern-fr": 3}.items():
        folder = tmp_path / "data" / name / "test"
        folder.mkdir(parents=True)
        rows = []
        for number in range(count):
            text = "abcdefghijkl"[number : number + 3]
            draw_line(text).save(folder / f"{number}.png")
            rows.append(json.dumps({"file_name": f"{number}.png", "text": text, "document": name}))
        (folder / "metadata.jsonl").write_text("\n".join(rows))
    return tmp_path / "data"


def rows(variant, errors, others=(0.02, 0.2), **extra) -> list[dict]:
    return [
        {"variant": variant.name, "seed": seed, "cer": dict(zip(BASE, (error, *others), strict=True))} | extra
        for seed, error in enumerate(errors)
    ]


def ranks(**errors) -> list[dict]:
    return [row for name, each in errors.items() for row in rows(Variant(rank=int(name.removeprefix("r"))), each)]


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ({"r16": [0.30, 0.31], "r8": [0.30, 0.31], "r4": [0.31, 0.32]}, "Supported"),
        ({"r16": [0.30, 0.31], "r8": [0.40, 0.41], "r4": [0.40, 0.41]}, "Refuted"),
        ({"r16": [0.30, 0.31], "r8": [0.30, 0.31], "r4": [0.40, 0.41]}, "Undecided"),
        ({"r16": [0.30, 0.31], "r8": [0.30, 0.31], "r4": [0.25, 0.40]}, "Undecided"),
        ({"r16": [0.50, 0.51], "r8": [0.50, 0.51], "r4": [0.50, 0.51]}, "Undecided"),
    ],
)
def test_a_rank_suffices_if_it_keeps_what_the_highest_gains(errors, verdict):
    assert rank_sentence(ranks(**errors), BASE).startswith(f"**{verdict}")


@pytest.mark.parametrize(("is_exact", "word"), [(True, "Supported"), (False, "Refuted")])
@pytest.mark.parametrize(
    ("others", "verdict"), [((0.04, 0.3), "Supported"), ((0.02, 0.21), "Undecided"), ((0.02, 0.2), "Refuted")]
)
def test_forgetting_is_compared_with_that_of_every_weight(is_exact, word, others, verdict):
    lora = rows(LORA, [0.3, 0.31], (0.02, 0.21), removed_is_bit_equal=is_exact)
    found = forgetting_sentence([*lora, *rows(FROZEN, [0.3, 0.3]), *rows(EVERY_WEIGHT, [0.3, 0.3], others)], BASE)
    assert found.startswith(f"**{word}: an adapter taken out")
    assert f"**{verdict}: an adapter that is in" in found


def test_all_combinations_are_thirty_six_adapters_and_two_that_are_none():
    assert len({variant.name for variant in variants(crossed=True)}) == 36 + 2
    assert {variant.name for variant in variants(crossed=False)} < {variant.name for variant in variants(crossed=True)}


def test_lines_that_are_learnt_from_are_never_judged_by():
    hand = HANDS["tessier"]
    places = [place for _, some in (hand.learn, hand.validation, hand.test) for place in range(142)[some]]
    assert sorted(places) == list(range(142))


@pytest.mark.slow
def test_shares_are_put_together_and_published(data, page, tmp_path, monkeypatch):
    monkeypatch.setattr(adapter_runs, "BASE", str(save_checkpoint(tmp_path / "base", ctc_steps_per_patch=2)))
    parts = {"learn": ("test", slice(3, 7)), "validation": ("test", slice(7, 9)), "test": ("test", slice(3))}
    monkeypatch.setitem(adapters.HANDS, "tessier", replace(adapters.HANDS["tessier"], **parts))
    toy = replace(adapters.SIZES["reduced"], steps=1, batch_patches=64, others=2)
    monkeypatch.setitem(adapters.SIZES, "reduced", toy)
    monkeypatch.setattr(adapters, "SEEDS", 1)
    some = [adapter_variants.Variant(rank=rank) for rank in (4, 8, 16)]
    others = [adapter_variants.FROZEN, adapter_variants.EVERY_WEIGHT]
    monkeypatch.setattr(adapters, "variants", lambda crossed: [*some, *others])
    for method in adapters.RATES:
        monkeypatch.setitem(adapter_variants.RATES, method, (1e-2,))
    runs = tmp_path / "runs"
    for share in (["--share=1/2"], ["--share=2/2"], []):
        monkeypatch.setattr(sys, "argv", ["adapters.py", str(runs), str(data), *share])
        before = page.read_text()
        adapters.main()
        assert (page.read_text() == before) == bool(share)
    found = json.loads((tmp_path / "results" / "adapters.json").read_text())
    assert all(row["removed_is_bit_equal"] for row in found["rows"] if row["variant"].startswith("LoRA"))
    sizes = {row["variant"]: row["parameters"] for row in found["rows"]}
    assert sizes["LoRA, rank 4, both, q k v o"] * 4 == sizes["LoRA, rank 16, both, q k v o"]
    assert sizes["LoRA, rank 4, both, q k v o"] < sizes["encoder frozen"] < sizes["every weight"]
    assert not [path for path in runs.rglob("*") if path.suffix == ".safetensors"]
    assert "This is a reduced size" in page.read_text()
    assert "| every weight |" in page.read_text()
    assert (tmp_path / "evidence" / "adapters.png").stat().st_size > 1000
