"""The programs that fit a new checkpoint's settings and write its card: what they choose, and what they count."""

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file
from tiny_checkpoint import draw_line

from experiments import calibrate_confidence, encoder_table, every_set, learning_curve, picture_limits
from experiments.encoder_contest import PARTS, VARIANTS, make_model, make_processor, start_from
from experiments.picture_limits import LIMITS, Doubt, SetOfLines, choose_limit
from trocr_gsa.checkpoints.models import PACKAGED_CHECKPOINT
from trocr_gsa.data.compile import compile_lines
from trocr_gsa.data.sources import open_source


def run(patch, module, *words):
    patch.setattr(sys, "argv", ["program", *map(str, words)])
    module.main()


def set_of_lines(*doubts):
    return SetOfLines("set", 100, 10_000, [Doubt("ab", *doubt) for doubt in doubts])


def test_the_limit_lies_just_above_what_is_read_on_bare_paper():
    assert choose_limit([set_of_lines((0.7, 5))], [0.1, 0.31]) == 0.32
    assert choose_limit([set_of_lines((0.7, 5))], []) == 0.01


@pytest.mark.parametrize(("cost", "limit"), [(12, 0.25), (8, 0.6)])
def test_the_limit_costs_all_sets_together_no_more_than_a_little(cost, limit):
    """Eight characters in ten thousand are 0.08 points, twelve are more than a tenth."""
    sets = [set_of_lines((0.255, cost)) for _ in range(3)]
    assert choose_limit(sets, [0.59]) == limit


def test_what_the_picture_alone_decides_counts_for_no_limit():
    assert choose_limit([set_of_lines((-1.0, 50))], [0.59]) == 0.6
    assert LIMITS[-1] < 1


def test_a_limit_is_chosen_and_written_and_the_tables_follow_it(monkeypatch, checkpoint, tmp_path, lines, capsys):
    model = tmp_path / "model"
    model.mkdir()
    for file in checkpoint.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    page = tmp_path / "page.md"
    page.write_text("<!-- picture-limits: written by experiments/picture_limits.py -->\n<!-- /picture-limits -->\n")
    monkeypatch.setattr(picture_limits, "KINDS", ["rules"])
    run(monkeypatch, picture_limits, lines, "--papers", 3, "--choose", model, "--write", page)
    chosen = json.loads((model / "config.json").read_text())["empty_paper_confidence"]
    assert chosen in LIMITS
    assert f"`empty_paper_confidence` is {chosen}" in capsys.readouterr().out
    assert "| rules | 3 |" in page.read_text()


def test_lines_for_the_temperature_come_from_every_source(lines):
    chosen = calibrate_confidence.choose_lines([str(lines), str(lines)], "validation", 2)
    assert len(chosen) == 4
    assert len(calibrate_confidence.choose_lines([str(lines)], "validation", None)) == 3


def write_log(folder, *rows):
    folder.mkdir()
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_the_hours_of_runs_that_continue_each_other_add_up(tmp_path, monkeypatch):
    print_rate, hand = "cer/prepared/validation/fraktur-19.parquet", "cer/x/peraire.parquet"
    first = write_log(tmp_path / "1", {"step": 10, "minutes": 30.0, print_rate: 0.5, hand: 0.8, "cer": 0.6},
                      {"step": 20, "minutes": 60.0, "decoder_loss": 1.0})  # fmt: skip
    second = write_log(tmp_path / "2", {"step": 5, "minutes": 30.0, print_rate: 0.25, "cer/timeus.parquet": 0.2,
                                        hand: 0.4})  # fmt: skip
    page, out = tmp_path / "page.md", tmp_path / "curve.json"
    page.write_text("<!-- learning-curve: written by experiments/learning_curve.py -->\n<!-- /learning-curve -->\n")
    run(monkeypatch, learning_curve, first, second, "--page", page, "--json", out)
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in page.read_text().splitlines()[3:-1]]
    assert [row[:3] for row in rows] == [["0.5", "10", "50.0%"], ["1.5", "25", "25.0%"]]
    french = list(learning_curve.KINDS).index("French hands") + 2
    assert [row[french] for row in rows] == ["80.0%", "30.0%"]
    assert json.loads(out.read_text())["points"][1]["rates"]["timeus"] == 0.2


def test_a_learning_curve_continues_without_the_logs_of_earlier_runs(tmp_path, monkeypatch):
    first = write_log(tmp_path / "1", {"step": 20, "minutes": 60.0, "cer/timeus.parquet": 0.8},
                      {"step": 30, "minutes": 90.0, "decoder_loss": 1.0})  # fmt: skip
    second = write_log(tmp_path / "2", {"step": 5, "minutes": 30.0, "cer/timeus.parquet": 0.2})
    whole, begun, continued = (tmp_path / f"{name}.json" for name in ("whole", "begun", "continued"))
    run(monkeypatch, learning_curve, first, second, "--json", whole)
    run(monkeypatch, learning_curve, first, "--json", begun)
    run(monkeypatch, learning_curve, second, "--after", begun, "--json", continued)
    assert len(json.loads(begun.read_text())["points"]) == 1
    assert json.loads(continued.read_text()) == json.loads(whole.read_text())
    with pytest.raises(SystemExit):
        run(monkeypatch, learning_curve, second, "--after", begun, "--json", begun)


def test_logs_without_error_rates_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`runs`: their logs contain no error rate"):
        learning_curve.read_runs([write_log(tmp_path / "1", {"step": 1, "minutes": 1.0, "decoder_loss": 1.0})])


def compiled(folder: Path, name: str, **columns) -> Path:
    source = folder / name
    source.mkdir()
    for text in ("one", "two"):
        draw_line(text).save(source / f"{text}.png")
        (source / f"{text}.gt.txt").write_text(text)
    path = folder / f"{name}.parquet"
    compile_lines(open_source(str(source), "train"), path, 20)
    table = pq.read_table(path)
    for column, values in columns.items():
        table = table.append_column(column, pa.array(values))
    pq.write_table(table, path)
    return path


def test_every_set_is_read_and_described_by_its_file(tmp_path, monkeypatch, checkpoint, capsys):
    new = compiled(tmp_path, "letters", kind=["hand", "hand"], century=[18, 17], language=["fra", "fra"])
    old = compiled(tmp_path, "fraktur-19")
    page, out = tmp_path / "page.md", tmp_path / "sets.json"
    page.write_text("<!-- every-set: written by experiments/every_set.py -->\n<!-- /every-set -->\n")
    packaged = every_set.Contestant.of_model
    monkeypatch.setattr(every_set.Contestant, "of_model", lambda name: packaged(name, checkpoint))
    words = [old, "--held-out", new, "--cache", tmp_path / "cache", "--page", page, "--json", out]
    run(monkeypatch, every_set, *words, "--share", "1/2")
    assert not out.exists()
    capsys.readouterr()
    run(monkeypatch, every_set, *words)
    assert "read fraktur-19" not in capsys.readouterr().out  # the share did
    assert "| letters, held out | hand | 17/18 | fra | 2 |" in page.read_text()
    assert "| fraktur-19 | print | 19 | deu | 2 |" in page.read_text()
    assert {row["same"] for row in json.loads(out.read_text())["rows"]} == {1.0}


def test_encoder_variants_are_compared_by_their_last_evaluation(tmp_path, monkeypatch):
    (tmp_path / "validation").mkdir()
    compiled(tmp_path / "validation", "letters", kind=["hand", "hand"])
    runs = []
    for number, (variant, anew) in enumerate(
        [("narrow_24", "embedding"), ("narrow_16_k0", "pose"), ("narrow_16", None)]
    ):
        rows = ({"variant": variant, "anew": anew, "seed": 0, "minutes": minutes, "steps": 1, "lines": 9 * minutes,
                 "cer/hand": 2 / minutes, "orientation": 0.9} for minutes in (10, 20))  # fmt: skip
        runs.append(write_log(tmp_path / str(number), *rows))
    page, out = tmp_path / "page.md", tmp_path / "contest.json"
    page.write_text("<!-- encoder-contest: written by experiments/encoder_table.py -->\n<!-- /encoder-contest -->\n")
    run(monkeypatch, encoder_table, *runs, tmp_path, "--page", page, "--json", out, "--repeats", 1)
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in page.read_text().splitlines()[3:-1]]
    named = [encoder_table.DESCRIPTIONS[name] for name in ("narrow_16", "narrow_16_k0", "narrow_24")]
    assert [row[:2] for row in rows] == list(
        map(list, zip(named, ["–", "narrow stage", "second embedding"], strict=True))
    )
    assert [row[2:7] for row in rows] == [["0", "10.0%", "90.0%", "180", "20"]] * 3
    assert all(speed > 0 for speed in json.loads(out.read_text())["lines_a_second"].values())


def test_every_encoder_variant_and_part_is_described():
    assert set(encoder_table.DESCRIPTIONS) == set(VARIANTS)
    assert set(encoder_table.BEGAN) == {None, *PARTS}


def test_a_run_without_an_evaluation_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`runs`: .* has no log\.jsonl"):
        encoder_table.read_run(tmp_path)


def test_a_part_of_an_encoder_begins_anew_and_all_else_is_taken():
    tokenizer = make_processor("narrow_24_conv").tokenizer
    models = {part: make_model("narrow_24_conv", tokenizer) for part in (None, *PARTS)}
    trained = load_file(PACKAGED_CHECKPOINT / "model.safetensors")
    for part, model in models.items():
        start_from(model, str(PACKAGED_CHECKPOINT), part)
        new = {name for name, weight in model.state_dict().items() if not weight.equal(trained[name].float())}
        begins = tuple(f"encoder.{name}" for name in PARTS.get(part or "", ()))
        assert bool(new) == bool(part)
        assert all(name.startswith(begins) for name in new)
