"""Lists of lines as people have them: whatever wrote them, each row is read or named."""

import json
import unicodedata

import pytest
from line_makers import picture

from trocr_gsa.data import open_source

TEXTS = ["Mühe", 'er sagte: "Ja"', "drei"]
ROWS = [{"file_name": f"{number}.png", "text": text} for number, text in enumerate(TEXTS)]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
TSV = "".join(f"{number}.png\t{text}\n" for number, text in enumerate(TEXTS))
CSV = 'file_name,text\n0.png,Mühe\n1.png,"er sagte: ""Ja"""\n2.png,drei\n'


@pytest.fixture
def folder(tmp_path):
    for number in range(len(TEXTS)):
        picture(seed=number).save(tmp_path / f"{number}.png")
    return tmp_path


def all_quoted(table: str) -> str:
    """Return a table at whose cells a program has put quotation marks."""
    rows = (row.split("\t") for row in table.splitlines())
    return "".join("\t".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.jsonl", JSONL),
        ("METADATA.jsonl", JSONL),
        ("metadata.csv", CSV),
        ("metadata.csv", 'text;page;file_name\nMühe;7;0.png\n"er sagte: ""Ja""";8;1.png\ndrei;9;2.png'),
        ("metadata.csv", CSV.replace("file_name,text", "image,text")),
        ("metadata.csv", CSV.replace("file_name,text", "path,text")),
        ("labels.tsv", f"filename\ttext\n{TSV}"),
        ("lines.csv", CSV),
        ("labels.tsv", TSV),
        ("metadata.tsv", f"file_name\ttext\n{TSV}"),
        ("labels.TSV", "text\timage\n" + "".join(f"{text}\t{number}.png\n" for number, text in enumerate(TEXTS))),
        ("all_quoted.tsv", all_quoted(f"filename\ttext\n{TSV}")),
        ("all_quoted.tsv", all_quoted(TSV)),
        ("quoted.tsv", TSV.replace('er sagte: "Ja"', '"er sagte: ""Ja"""')),
    ],
)
def test_a_list_is_read_whatever_wrote_it(folder, name, content, encoding, ending):
    (folder / name).write_bytes(content.replace("\n", ending).encode(encoding))
    for source in (folder, folder / name):
        lines = open_source(source)
        assert (lines.texts(), list(lines.problems), list(lines.notes)) == (TEXTS, [], [])


def test_what_somebody_says_keeps_its_quotation_marks(folder):
    (folder / "labels.tsv").write_text('0.png\t"Ja"\n1.png\t"Ja", sagte "sie"\n2.png\t""\n')
    assert open_source(folder).texts() == ['"Ja"', '"Ja", sagte "sie"', '""']


@pytest.mark.parametrize(("name", "content"), [("metadata.jsonl", JSONL), ("labels.tsv", TSV), ("metadata.csv", CSV)])
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "mac-roman"])
def test_a_row_in_another_encoding_is_named_with_the_remedy_and_the_rest_read(folder, name, content, encoding):
    (folder / name).write_bytes(content.encode(encoding))
    lines = open_source(folder)
    assert lines.texts() == TEXTS[1:]
    (problem,) = lines.problems
    assert problem.startswith(f"{name} line {2 if name.endswith('csv') else 1}: is not UTF-8. Save it as UTF-8")


def test_a_list_in_utf16_without_a_mark_or_cut_short_is_named(folder):
    (folder / "metadata.jsonl").write_bytes(JSONL.encode("utf-16-le"))
    with pytest.raises(ValueError, match=r"metadata\.jsonl line 1: .*UTF-16 without a byte order mark"):
        open_source(folder)
    (folder / "metadata.jsonl").write_bytes(JSONL.encode("utf-16")[:-1])
    with pytest.raises(ValueError, match=r"`source`: .*metadata\.jsonl: is damaged UTF-16.*truncated"):
        open_source(folder)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("[" * 100_000, "is nested too deep"),
        ('{"file_name": ' + "[" * 50_000, "is nested too deep"),
        ('{"file_name": "1.png", "text": ["a"]}', "`text` must be a text, found a list. Write one text in quotes."),
        ('{"file_name": "1.png", "text": "a", "text": "b"}', "`text` is given twice. Remove one of them."),
        ('{"file_name": "1.png", "text": "a", "x": {"y": 1, "y": 2}}', "`y` is given twice"),
        ('{"file_name": "1.png", "text": true}', "`text` must be a text, found true"),
        ('{"file_name": "1.png", "text": NaN}', "NaN is neither a text"),
        ('{"file_name": {"a": 1}, "text": "a"}', "`file_name` must be a text"),
        ('{"file_name": "1.png", "text": "a", "document": ["x", {"a": 1}]}', "`document` must be a text"),
        ('{"file_name": "1.png", "text": "a", "angle": 1e999}', "`angle` must be degrees"),
        ('{"file_name": "1.png", "text": "a", "angle": true}', "`angle` must be degrees"),
        ('{"file_name": "1.png", "text": "a", "angle": 1e30}', "`angle` must be degrees, from -360 to 360"),
        ('{"file_name": "1.png", "text": "\\ud800"}', "half a character"),
        ('{"file_name": "1.png", "text": "\\u200b\\ufeff"}', "the text is empty"),
        ('{"file_name": "\\ud800.png", "text": "a"}', r"\ud800.png: no such file"),
        ('{"file_name": "\\u0000.png", "text": "a"}', r"\x00.png: no such file"),
        ('{"file_name": "%s.png", "text": "a"}' % ("x" * 5000), "no such file"),
        ('{"file_name": "../1.png", "text": "a"}', "leads outside of"),
        ('{"file_name": "/etc/passwd", "text": "a"}', "leads outside of"),
        ('{"file_name": "", "text": "a"}', "a picture without a name: no such file"),
        ('{"file_name": null, "image": null, "text": "a"}', "no such file"),
        ('{"text": "a"}', "the field 'file_name' is missing"),
        ('["a.png", "a"]', "expected an object such as"),
        ('{"file_name": "1.png", "text": "%s"}' % ("a" * 1_000_000), "is longer than 1,000,000 characters"),
        ('"' + "a" * 3_000_000 + '"', "is longer than 1,000,000 characters"),
        ("nul\0", "has NUL characters"),
        ("\x1b[2J", "expected an object"),
    ],
)
def test_a_bad_row_is_named_in_one_short_line_and_the_rest_read(folder, row, complaint):
    first, _, last = JSONL.splitlines()
    (folder / "metadata.jsonl").write_text(f"{first}\n{row}\n{last}\n")
    lines = open_source(folder)
    assert lines.texts() == [TEXTS[0], TEXTS[2]]
    (problem,) = lines.problems
    assert complaint in problem
    assert len(problem) < 400
    assert problem.isprintable()


@pytest.mark.parametrize(
    ("name", "row", "complaint"),
    [
        ("metadata.csv", '1.png,"never closed', "metadata.csv line 3: its quotation marks do not match"),
        ("metadata.csv", "1.png", "metadata.csv line 3: expected 2 columns (file_name, text), found 1"),
        ("metadata.csv", f'1.png,"{"a" * 200_000}"', "metadata.csv line 3: its quotation marks do not match (field"),
        ("labels.tsv", "1.png\ta\tb", "labels.tsv line 2: expected 2 columns (file_name, text), found 3"),
        ("labels.tsv", "1.png", "labels.tsv line 2: expected 2 columns (file_name, text), found 1"),
        ("labels.tsv", "gone.png\ta", "gone.png: no such file"),
    ],
)
def test_a_bad_row_of_a_table_is_named_and_the_rest_read(folder, name, row, complaint):
    first, last = ("0.png\ta\n", "2.png\tb\n") if name == "labels.tsv" else ("file_name,text\n0.png,a\n", "2.png,b\n")
    (folder / name).write_text(f"{first}{row}\n{last}")
    lines = open_source(folder)
    assert lines.texts() == ["a", "b"]
    (problem,) = lines.problems
    assert complaint in problem


@pytest.mark.parametrize("name", ["lines.csv", "lines.tsv"])
@pytest.mark.parametrize(
    ("heading", "twice"),
    [("file_name,text,text", "text"), ("file_name,file_name,text", "file_name"), ("path,text,angle,angle", "angle")],
)
def test_a_heading_that_names_a_column_twice_is_refused(folder, name, heading, twice):
    rows = f"{heading}\n0.png,{','.join('a' * heading.count(','))}\n"
    (folder / name).write_text(rows if name == "lines.csv" else rows.replace(",", "\t"))
    with pytest.raises(ValueError, match=f"the heading names {twice} twice"):
        open_source(folder)


def test_columns_that_are_not_read_may_have_the_same_name(folder):
    (folder / "lines.csv").write_text("file_name,text,,\n0.png,a,x,y\n")
    assert open_source(folder).texts() == ["a"]


def test_a_csv_without_a_heading_and_two_tables_are_refused(folder):
    (folder / "lines.csv").write_text("0.png,a\n")
    with pytest.raises(ValueError, match=r"lines\.csv: the first row must be a heading .* found 0\.png,a"):
        open_source(folder)
    (folder / "more.tsv").write_text("0.png\ta\n")
    with pytest.raises(ValueError, match=r"holds lines\.csv and more\.tsv\. Give one of them"):
        open_source(folder)


def test_numbers_are_texts_as_they_are_written(folder):
    rows = ['{"file_name": "0.png", "text": 12.50}', '{"file_name": "1.png", "text": 1848, "document": 7}']
    (folder / "metadata.jsonl").write_text("\n".join([*rows, '{"file_name": "2.png", "text": 1%s}' % ("0" * 5000)]))
    lines = open_source(folder)
    assert lines.texts()[:2] == ["12.50", "1848"]
    assert len(lines.texts()[2]) == 5001
    assert lines[1].document == "7"


def test_pictures_are_found_by_names_of_other_systems(folder):
    (folder / "Bilder").mkdir()
    picture(seed=9).save(folder / "Bilder" / (unicodedata.normalize("NFD", "Müller") + ".PNG"))
    (folder / "metadata.jsonl").write_text(json.dumps({"file_name": "bilder\\Müller.png", "text": "a"}))
    assert open_source(folder).texts() == ["a"]


def test_one_picture_under_two_names_is_used_once(folder):
    (folder / "labels.tsv").write_text("0.png\ta\n0.PNG\tb\n")
    lines = open_source(folder)
    assert lines.texts() == ["a"]
    assert "0.PNG: named twice" in lines.problems[0]


def test_a_split_may_use_pictures_of_the_folder_that_was_given(folder):
    (folder / "train").mkdir()
    (folder / "train" / "metadata.jsonl").write_text('{"file_name": "../0.png", "text": "a"}')
    assert open_source(folder).texts() == ["a"]
    with pytest.raises(ValueError, match="leads outside of"):
        open_source(folder / "train")


def test_a_list_that_is_a_link_to_elsewhere_is_refused(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "list.jsonl"
    elsewhere.write_text(JSONL)
    (folder / "metadata.jsonl").symlink_to(elsewhere)
    with pytest.raises(ValueError, match="is a link that leads outside"):
        open_source(folder)


def test_letters_that_nobody_sees_are_told_once_for_a_set(folder):
    texts = ["a\u200bb", "c\u200b\ufeffd", "e\ufffd"]
    (folder / "labels.tsv").write_text("".join(f"{number}.png\t{text}\n" for number, text in enumerate(texts)))
    lines = open_source(folder)
    assert lines.texts() == texts
    assert list(lines.problems) == []
    (note,) = lines.notes
    for kind in ("in 3 lines, the first of which is 0.png", "U+200B ZERO WIDTH SPACE (2)", "U+FEFF", "U+FFFD"):
        assert kind in note


def test_letters_that_are_seen_are_not_told(folder):
    (folder / "labels.tsv").write_text("0.png\ta\u00a0b e\u0301 𝔄 ſ ½ —\n")
    assert list(open_source(folder).notes) == []


def test_a_list_of_too_many_rows_is_refused(folder, monkeypatch):
    monkeypatch.setattr("trocr_gsa.data.lists.MAX_ROWS", 2)
    (folder / "labels.tsv").write_text(TSV)
    with pytest.raises(ValueError, match=r"labels\.tsv: has more than 2 rows\. Split it"):
        open_source(folder)
