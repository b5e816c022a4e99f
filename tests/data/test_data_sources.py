import json
import os
import pickle

import numpy as np
import pytest
from line_makers import lines_in_memory, picture, write_imagefolder

from trocr_gsa.data import ImageError, compile_lines, open_source, pages_of

GOOD = {"file_name": "good.png", "text": "a good line"}


def problems_of(tmp_path, *rows):
    folder = write_imagefolder(tmp_path, [GOOD, *rows], {"good.png": picture(), "other.png": picture(seed=1)})
    lines = open_source(folder)
    assert lines.texts() == ["a good line"]
    assert len(lines.problems) == len(rows)
    return lines.problems


def write_pairs(folder, **texts):
    folder.mkdir(exist_ok=True)
    for number, (stem, text) in enumerate(texts.items()):
        picture(seed=number).save(folder / f"{stem}.png")
        (folder / f"{stem}.gt.txt").write_text(text, encoding="utf-8")
    return folder


def test_an_imagefolder_gives_its_lines(imagefolder):
    lines = open_source(imagefolder, split="train")
    assert [sample.text for sample in lines] == [f"line {i}" for i in range(6)]
    assert [sample.name for sample in lines][:2] == ["0.png", "1.png"]
    assert {sample.document for sample in lines} == {"book 0", "book 1"}
    assert lines.sizes() == [(200, 48)] * 6
    assert [len(text) for text in lines.texts()] == [6] * 6
    assert list(lines.problems) == []
    np.testing.assert_array_equal(np.asarray(lines[3].image), np.asarray(picture(seed=3)))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", ""])
def test_the_end_of_a_text_file_is_no_character_of_its_line(tmp_path, end):
    folder = write_pairs(tmp_path / "pairs", one=f"first{end}", two=f"second{end}")
    lines = open_source(folder)
    assert lines.texts() == ["first", "second"]
    assert list(lines.notes) == []


def test_pages_beside_pairs_of_picture_and_text_are_noted(tmp_path):
    folder = write_pairs(tmp_path / "pairs", one="first")
    (folder / "page.xml").write_text('<PcGts xmlns="x"/>')
    lines = open_source(folder)
    assert lines.texts() == ["first"]
    assert list(lines.notes) == [f"{folder} also has pages (PAGE, ALTO), which are not read. Give one of their files."]


def test_pairs_beside_a_list_are_noted(tmp_path):
    folder = write_imagefolder(tmp_path / "lines", [GOOD], {"good.png": picture()})
    write_pairs(folder, one="first", two="second")
    lines = open_source(folder)
    assert lines.texts() == ["a good line"]
    (note,) = lines.notes
    assert note.startswith(f"{folder}: 2 .gt.txt files are not read, because there is metadata.jsonl; the first is ")


def test_hidden_copies_are_not_read_unless_their_folder_is_named(tmp_path):
    write_pairs(tmp_path, one="first")
    write_pairs(tmp_path / ".ipynb_checkpoints", two="second")
    write_pairs(tmp_path, **{"._one": "x"})
    assert open_source(tmp_path).texts() == ["first"]
    assert open_source(tmp_path / ".ipynb_checkpoints").texts() == ["second"]


def test_two_pictures_of_one_text_are_reported(tmp_path):
    folder = write_pairs(tmp_path, one="first", two="second")
    picture().save(folder / "two.JPG")
    picture().save(folder / "one.bin.png")  # another form of the same picture
    lines = open_source(folder)
    assert [line.name for line in lines] == ["one.png"]
    (problem,) = lines.problems
    assert problem.startswith("two.gt.txt: two.png and two.JPG are both pictures of this text. ")


def test_a_text_file_of_several_lines_is_reported(tmp_path):
    folder = write_pairs(tmp_path, good="first\n\n", bad="first\nsecond\n")
    lines = open_source(folder)
    assert lines.texts() == ["first"]
    assert list(lines.problems) == [
        "bad.gt.txt: has 2 lines of text, expected 1. Cut the picture into lines, or join the text."
    ]


def test_line_breaks_in_a_list_are_noted_as_the_spaces_that_they_become(tmp_path):
    rows = [{"file_name": "a.png", "text": "one\ntwo\tthree"}]
    lines = open_source(write_imagefolder(tmp_path, rows, {"a.png": picture()}))
    assert lines.texts() == ["one two three"]
    (note,) = lines.notes
    assert note.startswith("line breaks in the texts of 1 lines, the first of which is a.png: each is read as a space.")


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 42\n"


@pytest.mark.parametrize("name", ["two.gt.txt", "two.png"])
def test_a_pointer_of_git_lfs_is_no_text_and_no_picture(tmp_path, name):
    folder = write_pairs(tmp_path / "pairs", one="first", two="second")
    (folder / name).write_text(POINTER)
    lines = open_source(folder)
    assert lines.texts() == ["first"]
    (problem,) = lines.problems
    assert problem == f"{name}: is a Git LFS pointer, not the file itself. Run git lfs pull in its repository."


@pytest.mark.parametrize("name", ["metadata.jsonl", "lines.tsv", "lines.parquet", "page.xml"])
def test_a_set_that_is_a_pointer_of_git_lfs_is_named(tmp_path, name):
    (tmp_path / name).write_text(POINTER)
    with pytest.raises(ValueError, match=rf"{name}.* is a Git LFS pointer, not the file itself\. Run git lfs pull"):
        open_source(tmp_path / name)


def test_named_pipes_are_named_and_not_waited_for(tmp_path):
    folder = write_pairs(tmp_path / "pairs", one="first", two="second", three="third")
    (folder / "two.gt.txt").unlink()
    (folder / "three.png").unlink()
    os.mkfifo(folder / "two.gt.txt")
    os.mkfifo(folder / "three.png")
    lines = open_source(folder)
    assert lines.texts() == ["first"]
    assert sorted(lines.problems) == [
        "three.gt.txt: there is no picture three.png, .jpg, .tif … beside it.",
        "two.gt.txt: is not a file with a text. Put a file there, or remove it.",
    ]
    assert pages_of(folder / "three.png") == [folder / "three.png"]


def test_an_index_runs_on_into_the_next_epoch(imagefolder):
    lines = open_source(imagefolder)
    assert lines[6 + 2].name == lines[2].name


def test_a_missing_split_says_which_there_are(imagefolder):
    with pytest.raises(ValueError, match=r"`split`: .* has no 'test'\. It has train"):
        open_source(imagefolder, split="test")


def test_a_folder_without_splits_is_opened_as_it_is(imagefolder):
    assert len(open_source(imagefolder / "train", split="validation")) == 6


def test_other_column_names_can_be_given(tmp_path):
    write_imagefolder(tmp_path, [{"scan": "a.png", "words": "hello", "hand": "anna"}], {"a.png": picture()})
    sample = open_source(tmp_path, image_column="scan", text_column="words", document_column="hand")[0]
    assert (sample.text, sample.document) == ("hello", "anna")


def test_a_missing_picture_is_reported_and_left_out(tmp_path):
    (problem,) = problems_of(tmp_path, {"file_name": "gone.png", "text": "text"})
    assert problem.startswith("gone.png: no such file")


def test_a_file_name_used_twice_is_reported_and_used_once(tmp_path):
    (problem,) = problems_of(tmp_path, {"file_name": "good.png", "text": "another line"})
    assert "good.png: named twice" in problem


@pytest.mark.parametrize("text", ["", "  ", None])
def test_an_empty_text_is_reported_and_left_out(tmp_path, text):
    (problem,) = problems_of(tmp_path, {"file_name": "other.png", "text": text})
    assert "other.png: the text is empty" in problem


def test_a_missing_field_names_line_and_field(tmp_path):
    (problem,) = problems_of(tmp_path, {"file_name": "other.png"})
    assert "metadata.jsonl line 2: the field 'text' is missing" in problem


def test_a_turned_line_says_so(tmp_path):
    turned = {"file_name": "turned.png", "text": "turned", "angle": 90}
    folder = write_imagefolder(tmp_path, [GOOD, turned], {"good.png": picture(), "turned.png": picture(seed=1)})
    assert [line.angle for line in open_source(folder)] == [0.0, 90.0]


@pytest.mark.parametrize("angle", ["left", [90]])
def test_an_angle_that_is_none_names_its_line(tmp_path, angle):
    (problem,) = problems_of(tmp_path, {"file_name": "other.png", "text": "text", "angle": angle})
    assert problem.startswith("metadata.jsonl line 2: ")


def test_a_line_that_is_no_json_is_named(tmp_path):
    folder = write_imagefolder(tmp_path, [GOOD], {"good.png": picture()})
    with open(folder / "metadata.jsonl", "a") as metadata:
        metadata.write("\n\n{broken\n[1]\n")
    lines = open_source(folder)
    assert len(lines) == 1
    assert [problem.split(":")[0] for problem in lines.problems] == ["metadata.jsonl line 3", "metadata.jsonl line 4"]


def test_an_empty_picture_is_reported_and_left_out(tmp_path):
    (tmp_path / "zero.png").touch()
    (problem,) = problems_of(tmp_path, {"file_name": "zero.png", "text": "text"})
    assert "zero.png: the file is empty" in problem


def test_when_no_line_can_be_used_the_error_says_why(tmp_path):
    write_imagefolder(tmp_path, [{"file_name": "gone.png", "text": "text"}], {})
    with pytest.raises(ValueError, match=r"no line that can be used\. First problem: gone\.png"):
        open_source(tmp_path)


def test_texts_are_composed_and_trimmed(tmp_path):
    write_imagefolder(tmp_path, [{"file_name": "a.png", "text": " Mu\u0308he\n und  Not "}], {"a.png": picture()})
    assert open_source(tmp_path)[0].text == "Mühe und Not"


def test_a_folder_of_pairs_gives_its_lines(tmp_path):
    folder = write_pairs(tmp_path, b="second\n", a="\ufefffirst")
    lines = open_source(folder)
    assert [(sample.name, sample.text) for sample in lines] == [("a.png", "first"), ("b.png", "second")]


def test_the_binarised_picture_of_a_pair_is_found(tmp_path):
    picture().save(tmp_path / "010001.bin.png")
    (tmp_path / "010001.gt.txt").write_text("text")
    assert open_source(tmp_path)[0].name == "010001.bin.png"


def test_a_pair_without_its_picture_is_reported(tmp_path):
    folder = write_pairs(tmp_path, a="first")
    (folder / "lonely.gt.txt").write_text("text")
    (folder / "latin1.gt.txt").write_bytes("Mühe".encode("latin-1"))
    picture().save(folder / "latin1.png")
    lines = open_source(folder)
    assert len(lines) == 1
    assert [problem.split(":")[0] for problem in lines.problems] == ["latin1.gt.txt", "lonely.gt.txt"]


def test_pairs_in_folders_belong_to_documents(tmp_path):
    write_pairs(tmp_path / "letters", a="first")
    assert open_source(tmp_path)[0].document == "letters"


def test_a_folder_of_nothing_says_what_to_write(tmp_path):
    with pytest.raises(
        ValueError, match=r"has neither metadata\.jsonl nor \.gt\.txt.* or a \.csv or \.tsv file .*row;"
    ):
        open_source(tmp_path)


@pytest.mark.parametrize("name", ["labels.txt", "GT.TXT"])
def test_a_table_with_the_ending_of_a_text_says_how_to_name_it(tmp_path, name):
    (tmp_path / name).write_text("a.png\tfirst\n")
    with pytest.raises(ValueError, match=rf"if {name} is such a table, name it \.tsv"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    "word",
    ["/no/where", "./lines", "~/lines", "lines/", "lnes", "lines.parquet", "a/b/c", "here/lnes", "x" * 300, "a\0b"],
)
def test_what_can_only_be_a_folder_and_is_none_is_named_at_once(tmp_path, monkeypatch, word):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.load_dataset", None)  # not asked
    with pytest.raises(ValueError, match=r"^`source`: there is no folder or file .*Check the path") as raised:
        open_source(word)
    assert "\0" not in str(raised.value)


def test_what_may_be_a_dataset_of_the_hub_is_asked_for(monkeypatch):
    def offline(spec, split):
        raise ConnectionError("no network")

    monkeypatch.setattr("datasets.load_dataset", offline)
    with pytest.raises(ValueError, match=r"there is no folder owner/lines here, and the name could not .*no network"):
        open_source("owner/lines")


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    (tmp_path / "lines.parquet").write_text("no table")
    with pytest.raises(ValueError, match=r"`source`: .*lines\.parquet is not a Parquet file"):
        open_source(tmp_path / "lines.parquet")


def test_a_picture_damaged_behind_its_header_leaves_the_batch_going(imagefolder, caplog):
    path = imagefolder / "train" / "2.png"
    path.write_bytes(path.read_bytes()[:3000])
    lines = open_source(imagefolder)
    assert [sample.name for sample in lines.__getitems__([1, 2, 3])] == ["1.png", "3.png"]
    assert "Skipped: 2.png: the picture is damaged" in caplog.text
    with pytest.raises(ImageError, match=r"2\.png"):
        lines.__getitems__([2])


def test_lines_travel_to_other_processes(imagefolder):
    lines = pickle.loads(pickle.dumps(open_source(imagefolder)))
    assert lines[1].text == "line 1"


@pytest.fixture
def table(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    features = datasets.Features({"image": datasets.Image(), "text": datasets.Value("string")})
    rows = {"image": [picture(seed=i) for i in range(3)], "text": ["one", "", "three"]}
    return datasets.Dataset.from_dict(rows, features=features)


def test_a_saved_dataset_gives_its_lines(table, tmp_path):
    import datasets

    datasets.DatasetDict({"train": table}).save_to_disk(str(tmp_path / "saved"))
    lines = open_source(tmp_path / "saved")
    assert lines.texts() == ["one", "three"]
    assert len(lines.problems) == 1
    np.testing.assert_array_equal(np.asarray(lines[1].image), np.asarray(picture(seed=2)))
    with pytest.raises(ValueError, match=r"has no 'test'\. It has train"):
        open_source(tmp_path / "saved", split="test")
    with pytest.raises(ValueError, match=r"`text_column`: .* has no column 'words'\. It has image, text"):
        open_source(tmp_path / "saved", text_column="words")


def test_the_parquet_file_of_a_dataset_gives_its_lines(table, tmp_path):
    table.to_parquet(str(tmp_path / "hub" / "train.parquet"))
    lines = open_source(tmp_path / "hub" / "train.parquet")
    assert lines.texts() == ["one", "three"]
    np.testing.assert_array_equal(np.asarray(lines[0].image), np.asarray(picture(seed=0)))


def test_a_dataset_is_loaded_by_name(table, tmp_path):
    table.to_parquet(str(tmp_path / "hub" / "data" / "train-00000-of-00001.parquet"))
    assert open_source(tmp_path / "hub").texts() == ["one", "three"]


def test_lines_can_be_turned(tmp_path):
    assert lines_in_memory(["one"], angle=90.0)[0].angle == 90.0


def test_metadata_is_read_as_utf8(tmp_path):
    picture().save(tmp_path / "a.png")
    row = json.dumps({"file_name": "a.png", "text": "Geiſt"}, ensure_ascii=False)
    (tmp_path / "metadata.jsonl").write_bytes(row.encode("utf-8"))
    assert open_source(tmp_path)[0].text == "Geiſt"


def test_pairs_are_found_whatever_the_case_and_the_accents_of_their_names(tmp_path):
    for truth, image in (("a.gt.txt", "a.PNG"), ("B.GT.TXT", "b.jpg"), ("cafe\u0301.gt.txt", "café.Tif")):
        (tmp_path / truth).write_text(truth[0])
        picture().convert("L").save(tmp_path / image)
    lines = open_source(tmp_path)
    assert sorted(lines.texts()) == ["B", "a", "c"]
    assert lines.problems == []


def test_pairs_whose_names_are_not_utf8_are_read_and_compiled(tmp_path):
    folder = tmp_path / os.fsdecode(b"B\xfccher")
    folder.mkdir()
    picture().save(folder / "plain.png")
    os.rename(folder / "plain.png", folder / os.fsdecode(b"caf\xe9.png"))
    (folder / os.fsdecode(b"caf\xe9.gt.txt")).write_text("text")
    report = compile_lines(open_source(tmp_path), tmp_path / "lines.parquet")
    (line,) = open_source(report.path)
    assert (line.name, line.document) == (r"B\udcfccher/caf\udce9.png", r"B\udcfccher")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_text_with_a_byte_order_mark_is_read(tmp_path, encoding):
    picture().save(tmp_path / "a.png")
    (tmp_path / "a.gt.txt").write_bytes("Mühe\r\n".encode(encoding))
    assert open_source(tmp_path).texts() == ["Mühe"]


def test_texts_that_cannot_be_read_are_named_and_the_others_read(tmp_path):
    write_pairs(tmp_path, good="good", long="x" * 2_000_000, nuls="a\0b")
    (tmp_path / "folder.gt.txt").mkdir()
    (tmp_path / "gone.gt.txt").symlink_to(tmp_path / "nowhere")
    for stem in ("folder", "gone", "utf16"):
        picture().save(tmp_path / f"{stem}.png")
    (tmp_path / "utf16.gt.txt").write_bytes("ab".encode("utf-16")[:-1])
    lines = open_source(tmp_path)
    assert lines.texts() == ["good"]
    said = dict(problem.split(".gt.txt: ") for problem in lines.problems)
    assert set(said) == {"folder", "gone", "long", "nuls", "utf16"}
    assert "is longer than" in said["long"]
    assert "has NUL characters" in said["nuls"]
    assert "is damaged UTF-16" in said["utf16"]


def test_pairs_that_link_to_elsewhere_are_refused(tmp_path):
    folder = write_pairs(tmp_path / "lines", good="good")
    picture().save(tmp_path / "secret.png")
    (tmp_path / "secret.txt").write_text("secret")
    for stem in ("a", "b"):
        (folder / f"{stem}.png").symlink_to(tmp_path / "secret.png" if stem == "a" else folder / "good.png")
        (folder / f"{stem}.gt.txt").symlink_to(tmp_path / "secret.txt" if stem == "b" else folder / "good.gt.txt")
    lines = open_source(folder)
    assert lines.texts() == ["good"]
    assert ["leads outside" in problem or "link" in problem for problem in lines.problems] == [True, True]
