"""Tables of lines: a bad row costs no other, and a path in a table leads nowhere."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets.exceptions import DatasetGenerationError
from line_makers import lines_in_memory, picture

from trocr_gsa.data import compile_lines, open_source
from trocr_gsa.data.stored import embedded
from trocr_gsa.data.tables import _values

BYTES = pa.binary()
STRUCT = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def png(seed=0):
    stream = io.BytesIO()
    picture(seed=seed).save(stream, "PNG")
    return stream.getvalue()


def write(path, images, image_type=BYTES, **columns):
    arrays = {"image": pa.array(images, image_type)} | columns
    pq.write_table(pa.table(arrays), path)
    return path


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"document": pa.array([["x"], None])}, "`document` must be a text, found a list"),
        ({"document": pa.array([b"x", None])}, "`document` must be a text, found bytes"),
        ({"document": pa.array([{"a": 1}, None])}, "`document` must be a text"),
        ({"angle": pa.array([float("nan"), 0.0])}, "`angle` must be degrees, from -360 to 360, found nan"),
        ({"angle": pa.array([1e30, 0.0])}, "`angle` must be degrees, from -360 to 360, found 1e+30"),
        ({"angle": pa.array(["90", None])}, '`angle` must be degrees, from -360 to 360, found "90"'),
        ({"text": pa.array([b"caf\xe9", b"b"]).view(pa.string())}, "`text` cannot be read ('utf-8' codec"),
        (
            {"name": pa.array([b"caf\xe9", b"b"]).view(pa.string()), "document": pa.array([[1], None])},
            "row 0: `document`",
        ),
        ({"text": pa.array(["", "b"])}, "the text is empty"),
        ({"text": pa.array([None, "b"])}, "the text is empty"),
    ],
)
def test_a_bad_row_is_named_and_the_rest_read(tmp_path, columns, complaint):
    columns = {"text": pa.array(["a", "b"])} | columns
    lines = open_source(write(tmp_path / "lines.parquet", [png(), png(1)], **columns))
    assert lines.texts() == ["b"]
    (problem,) = lines.problems
    assert complaint in problem
    report = compile_lines(lines, tmp_path / "out.parquet")
    assert (report.lines, len(report.problems)) == (1, 1)


@pytest.mark.parametrize("text", [pa.array([1.5, 2.5]), pa.array([True, False]), pa.array([["a"], ["b"]])])
def test_a_column_that_holds_no_texts_is_named(tmp_path, text):
    with pytest.raises(ValueError, match=r"First problem: .*`text` must be a text"):
        open_source(write(tmp_path / "lines.parquet", [png(), png(1)], text=text))


def test_whole_numbers_are_texts(tmp_path):
    lines = open_source(write(tmp_path / "lines.parquet", [png()], text=pa.array([1848]), document=pa.array([7])))
    assert (lines.texts(), lines[0].document) == (["1848"], "7")


@pytest.mark.parametrize(
    "path", ["../secret.png", "secret.png", "{folder}/secret.png", "/etc/passwd", "http://x/y.png"]
)
@pytest.mark.parametrize("kind", [STRUCT, pa.string()])
def test_a_path_in_a_table_leads_nowhere(tmp_path, monkeypatch, path, kind):
    monkeypatch.chdir(tmp_path)
    picture().save(tmp_path / "secret.png")
    path = path.format(folder=tmp_path)
    cell = path if kind == pa.string() else {"bytes": None, "path": path}
    good = None if kind == pa.string() else {"bytes": png(), "path": path}
    file = write(tmp_path / "lines.parquet", [cell, good], kind, text=pa.array(["a", "b"]))
    if good is None:
        with pytest.raises(ValueError, match="has only the path"):
            open_source(file)
    else:
        lines = open_source(file)
        assert lines.texts() == ["b"]
        assert "row 0: the table has only the path" in lines.problems[0]


@pytest.mark.parametrize("cell", [5, [1, 2], {"bytes": "text"}, True])
def test_what_is_no_picture_is_told(cell):
    with pytest.raises(ValueError, match=r"^the (cell holds|table has)"):
        embedded(cell)


def test_a_saved_dataset_follows_paths_inside_its_folder_alone(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    root = tmp_path / "saved"
    root.mkdir()
    for place in (root / "a.png", tmp_path / "secret.png"):
        picture().save(place)
    cells = [{"bytes": None, "path": str(root / "a.png")}, {"bytes": None, "path": str(tmp_path / "secret.png")}]
    features = datasets.Features({"image": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
                                  "text": datasets.Value("string")})  # fmt: skip
    datasets.Dataset.from_dict({"image": cells, "text": ["a", "b"]}, features=features).save_to_disk(str(root))
    lines = open_source(root)
    assert lines.texts() == ["a"]
    assert "row 1: the table has only the path" in lines.problems[0]


def test_a_claim_of_too_many_rows_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("trocr_gsa.data.tables.MAX_ROWS", 1)
    with pytest.raises(ValueError, match="claims to have 2 rows, more than 1"):
        open_source(write(tmp_path / "lines.parquet", [png(), png(1)], text=pa.array(["a", "b"])))


def test_a_saved_dataset_that_is_damaged_is_named(tmp_path):
    (tmp_path / "dataset_info.json").write_text("{")
    with pytest.raises(ValueError, match=r"`source`: .* cannot be loaded as a saved dataset"):
        open_source(tmp_path)


def test_a_letter_that_changed_on_the_disk_is_not_read(tmp_path):
    path = compile_lines(lines_in_memory(["the first line"]), tmp_path / "lines.parquet").path
    path.write_bytes(path.read_bytes().replace(b"the first line", b"the fxrst line", 1))
    with pytest.raises(ValueError, match=r"lines\.parquet is damaged .*checksum"):
        open_source(path)


def test_a_long_text_that_a_small_file_repeats_is_in_memory_once(tmp_path):
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), pa.array(["x" * 10_000_000]))
    path = write(tmp_path / "lines.parquet", [png()] * 5000, text=text)
    assert path.stat().st_size < 30_000_000
    values = _values(path, "text")  # 50 GB, if each were its own
    assert len(values) == 5000
    assert len({id(value) for value in values}) < 10


@pytest.mark.parametrize("twice", ["image", "text", "document"])
def test_a_table_with_two_columns_of_one_name_is_refused(tmp_path, twice):
    columns = {"image": pa.array([png()]), "text": pa.array(["a"]), "document": pa.array(["b"])}
    names = [*columns, twice]
    pq.write_table(pa.table([columns[name] for name in names], names=names), tmp_path / "lines.parquet")
    with pytest.raises(ValueError, match=f"has several columns '{twice}'. Rename all but one"):
        open_source(tmp_path / "lines.parquet")


def test_a_folder_that_cannot_be_loaded_says_what_is_wrong_in_it(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise DatasetGenerationError("An error occurred") from ValueError("Invalid file_name '../a.png'\nat line 1")

    monkeypatch.setattr("datasets.load_dataset", fail)
    write(tmp_path / "lines.parquet", [png()], text=pa.array(["a"]))
    with pytest.raises(
        ValueError,
        match=r"could not be loaded as a dataset .*: Invalid .*'\.\./a\.png'\. Give one of its \.parquet files\.$",
    ):
        open_source(tmp_path)
