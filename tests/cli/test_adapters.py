"""Several adapters: each file read by its own, all measured side by side, and what there is in a folder."""

import json
import shutil

import pytest
from tiny_adapters import save_adapter
from tiny_checkpoint import save_checkpoint

from trocr_gsa.checkpoints.results import Results, weights_sha256
from trocr_gsa.metrics.summary_row import SummaryRow
from trocr_gsa.reader import LineReader

NAMES = ["one", "three", "two"]  # as a folder's files are sorted


@pytest.fixture(scope="module")
def runs(checkpoint, tmp_path_factory):
    """Two adapters and their results, the second measured at two angles that are not alike."""
    folder = tmp_path_factory.mktemp("runs")
    for name, rank, angles in (("fr", 4, {0.0: 0.125, 90.0: 0.125}), ("de", 2, {0.0: 0.25, 90.0: 0.5})):
        adapter = save_adapter(checkpoint, folder / name / "best", rank=rank, seed=rank)
        rows = [SummaryRow("lines", angle, 3, cer, 0.0, 0.75, 0, 0, 0, 1, 9) for angle, cer in angles.items()]
        sha256 = weights_sha256(str(checkpoint))
        Results(str(checkpoint), sha256, [f"{name}_lines"], {"rank": rank}, 40, 1.5, rows).write(adapter)
    return folder


@pytest.fixture
def named(runs):
    return ["--adapter", f"fr={runs / 'fr' / 'best'}", "--adapter", f"de={runs / 'de' / 'best'}"]


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_file_is_read_by_the_adapter_that_was_last_said_to(call, lines, checkpoint, runs, named):
    uses = ["--use", "*=fr", "--use", "lines/t*=de", "--use", f"{lines}/two.png=fr"]
    result = call("read", lines, *named, *uses, "--format", "jsonl")
    assert result.exit_code == 0
    chosen = ["fr", "de", "fr"]
    assert [line["adapter"] for line in objects(result)] == chosen
    files = [lines / f"{name}.png" for name in NAMES]
    alone = {name: LineReader.from_pretrained(checkpoint, runs / name / "best").read(files) for name in ("fr", "de")}
    assert [line["text"] for line in objects(result)] == [alone[name][i].text for i, name in enumerate(chosen)]


def test_files_that_nothing_was_said_of_are_read_without(call, lines, named):
    result = call("read", lines, *named, "--use", "one.png=fr", "--format", "jsonl")
    assert [line["adapter"] for line in objects(result)] == ["fr", None, None]
    plain = call("read", lines).stdout.splitlines()
    assert [line["text"] for line in objects(result)][1:] == plain[1:]


def test_one_adapter_reads_everything_named_or_not(call, lines, runs):
    path = str(runs / "fr" / "best")
    bare = call("read", lines, "--adapter", path, "--format", "jsonl")
    with_name = call("read", lines, "--adapter", f"fr={path}", "--format", "jsonl")
    assert {line["adapter"] for line in objects(bare)} == {path}
    assert {line["adapter"] for line in objects(with_name)} == {"fr"}
    assert [line["text"] for line in objects(bare)] == [line["text"] for line in objects(with_name)]


def test_a_folder_may_have_an_equals_sign_in_its_name(call, lines, runs, tmp_path, monkeypatch):
    shutil.copytree(runs / "fr" / "best", tmp_path / "lr=0.1")
    monkeypatch.chdir(tmp_path)
    for word in ("lr=0.1", f"{tmp_path}/lr=0.1"):
        result = call("read", lines, "--adapter", word, "--format", "jsonl")
        assert {line["adapter"] for line in objects(result)} == {word}
    result = call("read", lines, "--adapter", f"fr={tmp_path}/lr=0.1", "--format", "jsonl")
    assert {line["adapter"] for line in objects(result)} == {"fr"}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--adapter", "fr=FR", "--adapter", "de=DE"], "`--use` must say which files each of fr, de reads"),
        (["--adapter", "fr=FR", "--adapter", "DE"], "`--adapter`: several adapters must have different names"),
        (["--adapter", "fr=FR", "--adapter", "fr=DE"], "must have different names"),
        (["--adapter", "f.r=FR"], "cannot be named 'f.r'"),
        (["--adapter", "=FR"], "cannot be named ''"),
        (["--adapter", "fr=/nowhere"], "`adapter`: there is no folder /nowhere"),
        (["--adapter", "fr=FR", "--use", "*=it"], "`--use` must be PATTERN=NAME with the name of an adapter (fr)"),
        (["--adapter", "fr=FR", "--use", "fr"], "`--use` must be PATTERN=NAME"),
        (["--adapter", "fr=FR", "--use", "*.jpg=fr"], "`--use`: *.jpg matches none of the 3 files"),
        (["--adapter", "FR", "--use", "*=fr"], "name them, as in --adapter fr=runs/fr"),
        (["--use", "*=fr"], "`--use` must be PATTERN=NAME"),
    ],
)
def test_words_that_say_no_adapter_are_one_line_and_exit_code_2(call, lines, runs, words, complaint):
    folders = {"FR": str(runs / "fr" / "best"), "DE": str(runs / "de" / "best")}
    for short, path in folders.items():
        words = [word.replace(short, path) for word in words]
    result = call("read", lines, *words)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_evaluate_puts_the_base_and_each_adapter_side_by_side(call, lines, runs, named, tmp_path):
    words = ["evaluate", lines, "--angles", "0,90", "--json", tmp_path / "numbers.json"]
    result = call(*words, *named)
    assert result.exit_code == 0
    assert [row.split("│")[3].strip() for row in result.stdout.splitlines() if "°" in row] == ["none", "fr", "de"] * 2
    together = json.loads((tmp_path / "numbers.json").read_text())["adapters"]
    assert [each["name"] for each in together] == [None, "fr", "de"]
    for each in together:
        call(*words, *(["--adapter", each["adapter"]] if each["name"] else []))
        alone = json.loads((tmp_path / "numbers.json").read_text())
        assert each["adapter"] == alone["adapter"]
        for row, expected in zip(each["rows"], alone["rows"], strict=True):
            assert row | {"lines_per_second": 0} == expected | {"lines_per_second": 0}


def test_the_adapters_below_a_folder_are_listed_with_what_is_known_of_them(call, runs, checkpoint, tmp_path):
    shutil.copytree(runs, tmp_path / "runs")
    save_adapter(checkpoint, tmp_path / "runs" / "bare", targets="encoder", named=False)
    shutil.copytree(runs / "fr" / "best", tmp_path / "runs" / ".best.previous")
    result = call("adapters", tmp_path / "runs")
    assert result.exit_code == 0
    for words in ("fr_lines", "both, rank 4", "40 in 1.5 min", "lines: 12.50 (0.0–75.0)", "lines at 90°: 50.00"):
        assert words in result.stdout
    for words in ("encoder, rank 8", "not named", "not known", "not measured"):
        assert words in result.stdout
    assert "fits" not in result.stdout
    assert "previous" not in result.stdout


def test_the_list_says_which_adapters_fit_a_model(call, runs, checkpoint, tmp_path):
    other = save_checkpoint(tmp_path / "other", encoder_pose_sum="query", decoder_ffn_dim=48)
    folder = tmp_path / "runs"
    shutil.copytree(runs, folder)
    save_adapter(other, folder / "foreign")
    for model, expected in ((checkpoint, [True, False, True]), (other, [False, True, False])):
        listed = json.loads(call("adapters", folder, "--model", model, "--json").stdout)
        assert [adapter["path"] for adapter in listed] == [str(folder / n) for n in ("de/best", "foreign", "fr/best")]
        assert [adapter["fits"] for adapter in listed] == expected
        shown = [row.split("│")[-2].strip() for row in call("adapters", folder, "--model", model).stdout.splitlines()
                 if "rank" in row]  # fmt: skip
        assert shown == ["yes" if fits else "no" for fits in expected]


def test_the_list_in_json_holds_what_the_table_does(call, runs, checkpoint):
    fr = json.loads(call("adapters", runs / "fr", "--json").stdout)[0]
    weights = runs / "fr" / "best" / "adapter_model.safetensors"
    assert (fr["base"], fr["targets"], fr["rank"], fr["fits"]) == (str(checkpoint), "both", 4, None)
    assert fr["size_in_mb"] == weights.stat().st_size / 1e6
    assert fr["results"]["rows"][0]["cer"] == 0.125


def truncate(folder):
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])


BREAK = {
    "weights cut off": truncate,
    "weights gone": lambda folder: (folder / "adapter_model.safetensors").unlink(),
    "weights that are none": lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"no weights"),
    "a pickle that is none": lambda folder: (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin"),
    "config cut off": lambda folder: (folder / "adapter_config.json").write_text('{"peft_type": "LO'),
    "config of a list": lambda folder: (folder / "adapter_config.json").write_text("[]"),
    "config of an unknown kind": lambda folder: (folder / "adapter_config.json").write_text('{"peft_type": "SPELL"}'),
    "config without a kind": lambda folder: (folder / "adapter_config.json").write_text("{}"),
    "results cut off": lambda folder: (folder / "results.json").write_text('{"base": '),
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target_modules", "((("),
        ("target_modules", "((((a|.)+)+)+)+Q"),
        ("target_modules", "nothing"),
        ("target_modules", ["nothing"]),
        ("exclude_modules", "(?<"),
        ("rank_pattern", {"[": 4}),
        ("alpha_pattern", {"(?P<a>": 4}),
        ("modules_to_save", ["decoder"]),
    ],
)
def test_the_list_names_an_adapter_whose_layers_reading_would_refuse(call, runs, tmp_path, field, value, monkeypatch):
    monkeypatch.setattr("trocr_gsa.checkpoints.adapter_config.SECONDS", 1)
    folder = tmp_path / "runs"
    shutil.copytree(runs, folder)
    path = folder / "fr" / "best" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    result = call("adapters", folder, "--json")
    assert result.exit_code == 1
    assert [adapter["path"] for adapter in json.loads(result.stdout)] == [str(folder / "de" / "best")]
    assert f"`{field}`" in result.stderr
    assert str(path.parent) in result.stderr


@pytest.mark.parametrize("how", BREAK)
def test_a_broken_adapter_is_named_and_the_others_are_listed(call, runs, tmp_path, how):
    folder = tmp_path / "runs"
    shutil.copytree(runs, folder)
    BREAK[how](folder / "fr" / "best")
    result = call("adapters", folder, "--json")
    assert result.exit_code == 1
    assert [adapter["path"] for adapter in json.loads(result.stdout)] == [str(folder / "de" / "best")]
    (problem,) = result.stderr.splitlines()
    assert str(folder / "fr" / "best") in problem


@pytest.mark.parametrize("words", [["/nowhere"], ["."], [".", "--model", "/nowhere"]])
def test_a_list_of_nothing_is_one_line_and_exit_code_2(call, tmp_path, monkeypatch, words, runs):
    monkeypatch.chdir(runs if len(words) > 1 else tmp_path)
    result = call("adapters", *words)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
