"""The other commands: what they print, write and return."""

import json
import subprocess
import sys
from dataclasses import fields

import pytest
import torch
from tiny_checkpoint import draw_line, save_checkpoint

from trocr_gsa.data.sources import open_source
from trocr_gsa.data.synthetic.fonts import find_fonts
from trocr_gsa.reader import LineReader
from trocr_gsa.train.arguments import TrainingArguments

QUICK = ["max_steps=2", "eval_every=2", "warmup_steps=0", "device=cpu"]


def test_help_names_every_command(call):
    result = call("--help")
    assert result.exit_code == 0
    for name in ("read", "finetune", "evaluate", "adapters", "check", "doctor", "compile", "render"):
        assert name in result.stdout
        assert call(name, "--help").exit_code == 0


def test_help_waits_for_no_data_and_no_training_library():
    code = "import sys, trocr_gsa.cli.app\nprint(sorted({'datasets', 'peft', 'jiwer'} & sys.modules.keys()))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_evaluate_gives_rates_intervals_and_orientation_for_every_angle(call, lines, tmp_path):
    result = call("evaluate", lines, "--angles", "0,90,180,270", "--json", tmp_path / "numbers.json")
    assert result.exit_code == 0
    for word in ("CER", "WER", "270°", str(lines)[:10]):
        assert word in result.stdout
    rows = json.loads((tmp_path / "numbers.json").read_text())["rows"]
    assert [row["angle"] for row in rows] == [0, 90, 180, 270]
    assert len({(row["cer"], row["wer"], row["cer_low"], row["cer_high"]) for row in rows}) == 1
    assert all(row["cer_low"] <= row["cer"] <= row["cer_high"] and row["lines"] == 3 for row in rows)


def test_evaluate_scores_translations_where_asked(call, lines, tmp_path):
    for words, expected in ((["--translation"], True), ([], False)):
        call("evaluate", lines, "--angles", "0", "--json", tmp_path / "numbers.json", *words)
        (row,) = json.loads((tmp_path / "numbers.json").read_text())["rows"]
        assert (row["chrf"] is not None, row["bleu"] is not None) == (expected, expected)


def test_evaluate_leaves_out_what_cannot_be_read_and_says_so(call, lines):
    (lines / "two.png").write_bytes(b"no picture")
    draw_line("x", 2000).save(lines / "three.png")
    result = call("evaluate", lines, "--angles", "0")
    assert result.exit_code == 1
    assert "two.png" in result.stderr
    assert "three.png" in result.stderr
    assert "left out" not in result.stdout


@pytest.mark.parametrize("bad_first", [True, False])
@pytest.mark.parametrize("problem", ["missing", "no list", "too long", "no pictures"])
def test_evaluate_measures_the_sources_beside_a_bad_one(call, lines, tmp_path, problem, bad_first):
    bad = tmp_path / "bad"
    bad.mkdir()
    if problem == "missing":
        bad.rmdir()
    elif problem != "no list":
        (bad / "a.gt.txt").write_text("a")
        draw_line("x", 2000).save(bad / "a.png") if problem == "too long" else (bad / "a.png").write_bytes(b"none")
    sources = [bad, lines] if bad_first else [lines, bad]
    result = call("evaluate", *sources, "--angles", "0", "--json", tmp_path / "numbers.json")
    assert result.exit_code == 1
    assert [row["lines"] for row in json.loads((tmp_path / "numbers.json").read_text())["rows"]] == [3]
    (message,) = [line for line in result.stderr.splitlines() if line.startswith("left out: ")]
    assert str(bad) in message


def test_evaluate_of_nothing_but_bad_sources_is_an_error(call, tmp_path):
    result = call("evaluate", tmp_path / "one", tmp_path / "two")
    assert result.exit_code == 2
    assert str(tmp_path / "one") in result.stderr
    assert str(tmp_path / "two") in result.stderr


def test_evaluate_reads_as_many_lines_as_asked_for(call, lines, tmp_path):
    call("evaluate", lines, "--angles", "0", "--lines", "2", "--json", tmp_path / "numbers.json")
    assert json.loads((tmp_path / "numbers.json").read_text())["rows"][0]["lines"] == 2


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--angles", "ninety"], "`--angles`"),
        (["--angles", "nan"], "`--angles`"),
        (["--angles", "0,inf"], "`--angles`"),
        (["--angles", "0,1e30"], "`--angles` must be degrees from -360 to 360"),
        (["--split", "/"], "`split` must be a name"),
        (["--split", ".."], "`split` must be a name"),
        (["--split", ""], "`split` must be a name"),
        (["--split", "../other"], "`split` must be a name"),
        (["--device", "meta"], "`device` meta is not available here"),
        (["--text-column", "words"], "words"),
        (["--json", "/nowhere/x.json"], "`--json`"),
    ],
)
def test_evaluate_complains_in_one_line(call, lines, words, complaint):
    result = call("evaluate", lines, *words)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_check_says_that_every_claim_holds(call):
    result = call("check")
    assert result.exit_code == 0
    assert "exact, up to rounding" in result.stdout
    assert "broken" not in result.stdout
    assert "A line reads the same turned by 0°, 90°, 180°, 270°: group C4" in result.stdout


def test_check_says_what_is_broken(call, checkpoint, monkeypatch):
    """The control: a position that is not seen from the pose."""
    monkeypatch.setattr(
        "trocr_gsa.model.modeling_gsa_net.seen_from_poses",
        lambda positions, group: positions[:, None].expand(-1, group.order, -1, -1),
    )
    result = call("check", "--model", checkpoint)
    assert result.exit_code == 1
    assert "broken: turning changes more than rounding does" in result.stdout
    assert "claims do not hold" in result.stdout


@pytest.mark.parametrize(
    ("group", "words"), [("C1", "no turns"), ("D2", "0°, 180°, and mirrored"), ("C8", "are approximate")]
)
def test_check_blurs_no_group_with_another(call, tmp_path, group, words):
    result = call("check", "--model", save_checkpoint(tmp_path, encoder_group=group))
    assert words in result.stdout


def test_compile_writes_one_file_that_reads_back(call, lines, tmp_path):
    result = call("compile", lines, tmp_path / "lines.parquet", "--line-height", "16")
    assert (result.exit_code, result.stdout.split()[0]) == (0, "3")
    compiled = open_source(tmp_path / "lines.parquet")
    assert sorted(line.text for line in compiled) == ["abc", "defghijk", "noon"]
    assert {line.image.height for line in compiled} == {16}


def test_compile_reports_what_it_left_out(call, lines, tmp_path):
    (lines / "one.png").unlink()
    result = call("compile", lines, tmp_path / "lines.parquet")
    assert result.exit_code == 1
    assert "one.png" in result.stderr
    assert call("compile", lines, tmp_path / "lines.zip").exit_code == 2


@pytest.fixture
def _bare_system(monkeypatch):
    """A system without fonts: there the one inside Pillow serves, and nothing has to be searched."""
    monkeypatch.setattr("trocr_gsa.data.synthetic.fonts._scan_all", lambda folder: ())


@pytest.mark.usefixtures("_bare_system")
def test_render_writes_lines_fully_determined_by_their_seed(call, tmp_path):
    (tmp_path / "text.txt").write_text("hello world\ngood morning\n", encoding="utf-8")
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        words = ["--count", 3, "--seed", seed, "--text", tmp_path / "text.txt", "--height", 24]
        assert call("render", tmp_path / name, *words).exit_code == 0
    a, b, c = (list(open_source(tmp_path / name)) for name in "abc")
    assert [(line.text, line.image.tobytes()) for line in a] == [(line.text, line.image.tobytes()) for line in b]
    assert [line.image.tobytes() for line in a[1:]] == [line.image.tobytes() for line in c[:2]]
    assert {line.text for line in a + c} <= {"hello world", "good morning"}


@pytest.mark.usefixtures("_bare_system")
def test_render_keeps_to_the_families_it_is_given_and_spares_those_it_is_told(call, tmp_path):
    family = find_fonts()[0].family
    assert call("render", tmp_path / "kept", "--count", 3, "--only", family).exit_code == 0
    assert set(documents(tmp_path / "kept")) == {family}
    assert call("render", tmp_path / "none", "--only", family, "--exclude", family).exit_code == 2


def documents(folder):
    return [json.loads(row)["document"] for row in (folder / "metadata.jsonl").read_text().splitlines()]


@pytest.mark.usefixtures("_bare_system")
def test_render_overwrites_nothing(call, lines):
    result = call("render", lines, "--count", 1)
    assert result.exit_code == 2
    assert "already contains lines" in result.stderr


@pytest.mark.usefixtures("_bare_system")
def test_render_cuts_lines_out_of_running_text_and_writes_the_languages_it_is_told(call, tmp_path):
    prose, more = tmp_path / "prose.txt", tmp_path / "more.txt"
    prose.write_text("A saying that goes on for a while,\nover two lines.\n%\nAnother saying.\n", encoding="utf-8")
    more.write_text("Words of a second file, which is short.\n", encoding="utf-8")
    words = ["--count", 12, "--passages", prose, "--passages", more, "--style", "hand"]
    assert call("render", tmp_path / "cut", *words).exit_code == 0
    sayings = "A saying that goes on for a while, over two lines.|Another saying.|" + more.read_text()
    texts = [line.text for line in open_source(tmp_path / "cut")]
    assert all(text.rstrip("-").lower() in sayings.lower() for text in texts)
    assert call("render", tmp_path / "dutch", "--count", 5, "--languages", "dutch,danish").exit_code == 0


@pytest.mark.usefixtures("_bare_system")
@pytest.mark.parametrize(
    "words",
    [
        ["--fonts", "/nowhere"],
        ["--text", "/nowhere.txt"],
        ["--height", "3"],
        ["--passages", "/nowhere.txt"],
        ["--languages", "klingon"],
        ["--style", "baroque"],
        ["--text", "/nowhere.txt", "--languages", "dutch"],
    ],
)
def test_render_complains_in_one_line(call, tmp_path, words):
    result = call("render", tmp_path / "out", "--count", 1, *words)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


def test_finetune_writes_an_adapter_that_reads_and_checks(call, lines, checkpoint, tmp_path):
    words = [f"train={lines}", f"model={checkpoint}", f"output={tmp_path / 'run'}", "learning_rate=0.1", *QUICK]
    result = call("finetune", *words)
    assert result.exit_code == 0
    adapter = tmp_path / "run" / "best"
    assert str(adapter) in result.stdout
    pictures = [draw_line("abc", 50)]
    adapted, plain = (LineReader.from_pretrained(checkpoint, parts).model for parts in (adapter, None))
    inputs = LineReader.from_pretrained(checkpoint).processor(images=pictures)
    letters = torch.tensor([[0, 5]])
    with torch.inference_mode():
        before, after = (model(**inputs, decoder_input_ids=letters).logits for model in (plain, adapted))
    assert not torch.allclose(before, after, atol=1e-4)
    assert call("check", "--model", checkpoint, "--adapter", adapter).exit_code == 0
    assert call("read", lines, "--model", checkpoint, "--adapter", adapter).exit_code == 0


def test_finetune_takes_a_configuration_and_switches(call, lines, checkpoint, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"train: {lines}\nmodel: {checkpoint}\noutput: {tmp_path / 'run'}\ndevice: cpu\nwarmup_steps: 0\n"
    )
    assert call("finetune", config, "max_steps=1").exit_code == 0
    assert call("finetune", config, "--max-steps", "2", "--resume").exit_code == 0
    again = call("finetune", config)
    assert again.exit_code == 2
    assert "`output`" in again.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["trian=x"], "Did you mean `train`?"),
        (["nowhere.yaml"], "there is no file nowhere.yaml"),
        ([], "`train`"),
        (["train=/nowhere", "device=cpu"], "/nowhere"),
    ],
)
def test_finetune_complains_in_one_line(call, words, complaint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("finetune", *words)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_help_of_finetune_lists_every_key_with_its_default_and_meaning(call):
    listed = {line.split()[0]: line for line in call("finetune", "--help").stdout.splitlines() if line.strip()}
    for spec in fields(TrainingArguments):
        assert spec.metadata["help"].split()[0] in listed[spec.name]
    assert "0.98" in listed["adam_beta2"]
