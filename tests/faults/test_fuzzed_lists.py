"""Damaged lists, texts and tables of lines: every row is read or named, at once, and nothing outside of the folder."""

import io
import json
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from limits import limited, named, shares
from mutations import ENCODINGS, VALUES, mutated, put
from PIL import Image

from trocr_gsa.data import compile_lines, open_source
from trocr_gsa.data.images import ImageError
from trocr_gsa.data.textfiles import text_rows

FEW, MANY, SHARE = 100, 10_000, 100
TEXTS = ["Mühe", 'er sagte: "Ja"', "drei", "vier, fünf", "sechs", "7"]
NAMES = [
    *VALUES,
    "../secret.png",
    "..\\secret.png",
    "a/../../secret.png",
    "{root}/secret.png",
    "1.PNG",
    "x" * 300,
    "\0",
]
HOSTILE = [
    *('"' * 3, "[" * 3000, '{"a": ' * 3000, "NaN", "1e999", "9" * 5000, "null", "true", '"\\ud800"', '"\\u0000"', "{}"),
    *("[]", '["a"]', "12.50", "\t", "\udce9", '"\u200b"', '"' + "a" * 3000 + '"', "\x85"),
]


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 30), dtype=np.uint8))


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    picture(seed).save(stream, "PNG")
    return stream.getvalue()


def list_seeds() -> dict[str, str]:
    rows = [{"file_name": f"{n}.png", "text": text, "document": "a", "angle": 0} for n, text in enumerate(TEXTS)]
    csv = "".join(f'{n}.png,"{text.replace(chr(34), chr(34) * 2)}"\n' for n, text in enumerate(TEXTS))
    return {
        "metadata.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        "metadata.csv": f"file_name,text\n{csv}",
        "labels.tsv": "".join(f"{n}.png\t{text}\n" for n, text in enumerate(TEXTS)),
    }


SEEDS = list_seeds()


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "lines"
    folder.mkdir()
    for number in range(len(TEXTS)):
        picture(number).save(folder / f"{number}.png")
    picture(99).save(tmp_path / "secret.png")
    return folder


def damaged(name: str, root: Path, random: Random) -> bytes:
    """Damage the bytes of a list, or exchange names, values, rows and encodings."""
    text = SEEDS[name]
    if random.random() < 0.4:
        return mutated(text.encode(), random, is_xml=False)
    for _ in range(random.choice((1, 1, 2, 5))):
        number = random.randrange(len(TEXTS))
        old, new = random.choice(
            [
                (f"{number}.png", random.choice(NAMES).replace("{root}", str(root))),
                (f"{number}.png", json.dumps(random.choice(NAMES))[1:-1]),
                (TEXTS[number], random.choice(HOSTILE)),
                (f'"{TEXTS[number]}"', random.choice(HOSTILE)),
                ("\n", random.choice(["\r\n", "\r", "\n\n", "", "\0"])),
            ]
        )
        text = text.replace(old, new, random.choice((1, 1, 6)))
    encoding = random.choice(ENCODINGS) if random.random() < 0.2 else "utf-8"
    return text.encode(
        encoding, errors=random.choice(["replace", "surrogateescape"]) if encoding == "utf-8" else "replace"
    )


def outcome(folder: Path, path: Path) -> str:
    """Open and pack the lines, and say what became of the list."""
    out = folder.parent / "out.parquet"
    try:
        lines = open_source(folder)
    except ValueError as error:
        return named(error)
    rows = sum(bool(row.strip()) for _, row in text_rows(path))
    has_heading = path.suffix == ".csv" or len(lines) + len(lines.problems) < rows
    assert len(lines) + len(lines.problems) == rows - has_heading
    assert all(len(problem) < 1000 for problem in lines.problems)
    assert all(Path(record.key).resolve().parent == folder.resolve() for record in lines.records)
    report = compile_lines(lines, out)
    assert list(report.problems) == list(lines.problems)
    assert open_source(out).texts() == lines.texts()
    return "named in part" if lines.problems else "read"


@pytest.mark.parametrize("name", SEEDS)
@pytest.mark.parametrize("start", shares(FEW, MANY, SHARE))
def test_every_row_of_a_damaged_list_is_read_or_named(folder, name, start):
    outcomes: Counter[str] = Counter()
    for seed in range(start, start + SHARE):
        (folder / name).write_bytes(damaged(name, folder.parent, Random(f"{name} {seed}")))
        with limited(f"{name} {seed}"):
            outcomes[outcome(folder, folder / name)] += 1
    print(f"{name} {start} to {start + SHARE}: {dict(outcomes)}")
    assert min(outcomes["read"], outcomes["named in part"]) > 0


@pytest.mark.parametrize("name", SEEDS)
def test_an_undamaged_list_is_read_whole(folder, name):
    """The control."""
    (folder / name).write_text(SEEDS[name])
    assert outcome(folder, folder / name) == "read"


@pytest.mark.parametrize("start", shares(FEW, MANY, SHARE))
def test_a_damaged_text_beside_its_picture_is_read_or_named(folder, start):
    outcomes: Counter[str] = Counter()
    for number, text in enumerate(TEXTS):
        (folder / f"{number}.gt.txt").write_text(text)
    for seed in range(start, start + SHARE):
        random = Random(f"text {seed}")
        content = random.choice([TEXTS[0], *HOSTILE]).encode(random.choice([*ENCODINGS, "utf-8"]), "replace")
        (folder / "0.gt.txt").write_bytes(mutated(content, random, is_xml=False) if random.random() < 0.8 else content)
        with limited(f"text {seed}"):
            lines = open_source(folder)
            assert len(lines) + len(lines.problems) == len(TEXTS)
            assert lines.texts()[-5:] == [text.replace("  ", " ") for text in TEXTS[1:]]
            assert all(problem.startswith("0.") for problem in lines.problems)
            outcomes["named" if lines.problems else "read"] += 1
    print(f"texts {start} to {start + SHARE}: {dict(outcomes)}")
    assert min(outcomes["read"], outcomes["named"]) > 0


def table_seeds(folder: Path) -> list[bytes]:
    texts = pa.array(TEXTS)
    plain = {"image": pa.array(map(png, range(6)), pa.binary()), "text": texts, "document": pa.array(["a", None] * 3)}
    plain |= {"name": pa.array([f"{n}.png" for n in range(6)]), "angle": pa.array([0.0, 90.0] * 3)}
    struct = {"image": pa.array([{"bytes": png(n), "path": "/etc/passwd"} for n in range(6)])}
    struct["text"] = texts.dictionary_encode()
    found = []
    for columns, compression in ((plain, "none"), (plain, "snappy"), (struct, "zstd"), (struct, "gzip")):
        path = folder / "seed.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=4, compression=compression, write_page_checksum=True)
        found.append(path.read_bytes())
    return found


def table_outcome(path: Path) -> str:
    try:
        lines = open_source(path)
    except ValueError as error:
        return named(error)
    assert set(lines.texts()) <= set(TEXTS)  # checksums: no text is read that was not written
    problems = list(lines.problems)
    for index in range(len(lines)):
        try:
            assert lines[index].image.mode in ("L", "RGB")
        except ImageError as error:
            problems.append(str(error))
    return "named in part" if problems else "read"


@pytest.mark.parametrize("start", shares(FEW, MANY, SHARE))
def test_a_damaged_table_is_read_or_named(tmp_path, start):
    found, path = table_seeds(tmp_path), tmp_path / "lines.parquet"
    outcomes: Counter[str] = Counter()
    for seed in range(start, start + SHARE):
        random = Random(f"table {seed}")
        put(path, mutated(random.choice(found), random, is_xml=False))
        with limited(f"table {seed}"):
            outcomes[table_outcome(path)] += 1
    print(f"tables {start} to {start + SHARE}: {dict(outcomes)}")
    assert min(outcomes["named"], outcomes["read"] + outcomes["named in part"]) > 0


def test_an_undamaged_table_is_read_whole(tmp_path):
    """The control."""
    for content in table_seeds(tmp_path):
        put(tmp_path / "lines.parquet", content)
        assert table_outcome(tmp_path / "lines.parquet") == "read"
