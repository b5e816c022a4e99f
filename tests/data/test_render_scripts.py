"""The programs that make the rendered training lines, at toy size, and the lists that they keep to."""

import io
from pathlib import Path

import pytest
import yaml
from PIL import ImageFont

from experiments import font_folder, render_training_lines
from trocr_gsa.data import Font, open_source
from trocr_gsa.data.synthetic.corpus import Corpus
from trocr_gsa.data.synthetic.words import LANGUAGES

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "trocr_gsa" / "configs" / "rendering" / "lines.yaml"
TESTED_ON = {"Dancing Script", "DkgHandwriting", "Goudy Bookletter 1911", "Jessen", "Lato", "Vollkorn", "Carlito"}


@pytest.fixture
def fonts(tmp_path):
    """A folder with one section of fonts."""
    (tmp_path / "fonts" / "hands").mkdir(parents=True)
    (tmp_path / "fonts" / "hands" / "one.ttf").write_bytes(ImageFont.load_default(20).font_bytes)
    return tmp_path / "fonts"


@pytest.fixture
def config(tmp_path):
    (tmp_path / "prose.txt").write_text("Some running text that is cut into lines.\n", encoding="utf-8")
    (tmp_path / "verse.txt").write_text("Some verses that are cut into lines.\n", encoding="utf-8")
    values = {
        "texts": {"prose": {"passages": ["{texts}/{prose,verse}.txt"]}, "words": {"words": ["dutch"]}},
        "system": {},
        "sets": {
            name: {"lines": 4, "fonts": {"hands": 1}, "style": "hand", "texts": {"prose": 2, "words": 1}}
            for name in ("first", "second")
        },
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return tmp_path / "config.yaml"


def test_every_set_is_rendered_once_from_seeds_of_its_own(config, fonts, tmp_path):
    folders = ["--folder", f"fonts={fonts}", "--folder", f"texts={tmp_path}"]
    words = [str(config), "--output", str(tmp_path / "out"), *folders, "--scale", "0.5"]
    render_training_lines.main(words)
    first, second = (open_source(tmp_path / "out" / f"{name}.parquet") for name in ("first", "second"))
    assert len(first) == len(second) == 2
    assert first[0].image.height == 56
    assert {line.image.tobytes() for line in first}.isdisjoint(line.image.tobytes() for line in second)
    (tmp_path / "out" / "first.parquet").unlink()
    before = (tmp_path / "out" / "second.parquet").stat().st_mtime_ns
    render_training_lines.main(words)
    again = open_source(tmp_path / "out" / "first.parquet")
    assert [line.image.tobytes() for line in again] == [line.image.tobytes() for line in first]
    assert (tmp_path / "out" / "second.parquet").stat().st_mtime_ns == before


def test_a_text_that_is_not_there_is_named(config, fonts, tmp_path, capsys):
    (tmp_path / "verse.txt").unlink()
    words = [
        str(config),
        "--output",
        str(tmp_path / "out"),
        "--folder",
        f"fonts={fonts}",
        "--folder",
        f"texts={tmp_path}",
    ]
    with pytest.raises(SystemExit, match="2"):
        render_training_lines.main(words)
    assert f"there is no {tmp_path}/verse.txt" in capsys.readouterr().err


def test_texts_of_real_lines_are_taken_without_the_marks_of_transcribers(imagefolder):
    (imagefolder / "train" / "metadata.jsonl").write_text(
        '{"file_name": "0.png", "text": "M^r Du¬"}\n', encoding="utf-8"
    )
    assert render_training_lines.text_source({"lines": [str(imagefolder)]}, {}).lines == ("Mr Du-",)


def test_subsets_are_joined_into_one_font(tmp_path):
    pytest.importorskip("fontTools")
    from fontTools import subset
    from fontTools.ttLib import TTFont

    files = tmp_path / "packages" / "toy" / "files"
    files.mkdir(parents=True)
    for name, letters in (("latin", "abcdefghijklmnopqrstuvwxyzABCDEFGHILMNOR"), ("latin-ext", "«»")):
        font = TTFont(io.BytesIO(ImageFont.load_default(20).font_bytes))
        subsetter = subset.Subsetter()
        subsetter.populate(text=letters)
        subsetter.subset(font)
        font.flavor = "woff2"
        font.save(files / f"toy-{name}-400-normal.woff2")
    assert font_folder.write_fonts(tmp_path / "packages", tmp_path / "fonts", {"hands": ["toy"]}) == 1
    joined = Font(str(tmp_path / "fonts" / "hands" / "toy-400-normal.ttf"), "Toy")
    assert {"a", "z", "»"} <= joined.charset
    assert "±" not in joined.charset  # the control
    assert font_folder.write_fonts(tmp_path / "packages", tmp_path / "fonts", {"hands": ["toy"]}) == 0


def test_a_family_that_is_not_installed_is_named(tmp_path, capsys):
    assert font_folder.write_fonts(tmp_path, tmp_path / "fonts", {"hands": ["absent"]}) == 0
    assert "absent: not in" in capsys.readouterr().out


def test_what_readers_are_tested_on_is_in_no_list_of_what_is_rendered():
    names = font_folder.read_names(ROOT / "experiments" / "rendered_fonts.txt")
    rendered = {name for section, families in names.items() if section != "unseen" for name in families}
    assert len(names["unseen"]) >= 6
    assert rendered.isdisjoint(names["unseen"])
    assert rendered.isdisjoint(name.lower().replace(" ", "-") for name in TESTED_ON)
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    assert TESTED_ON.isdisjoint(family for families in config["system"].values() for family in families)
    assert all("unseen" not in entry["fonts"] for entry in config["sets"].values())


def test_the_config_names_only_what_there_is():
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    sections = set(font_folder.read_names(ROOT / "experiments" / "rendered_fonts.txt")) | set(config["system"])
    for entry in config["sets"].values():
        assert set(entry["fonts"]) <= sections
        assert min(entry["fonts"].values()) > 0
        assert set(entry["texts"]) <= set(config["texts"])
    for entry in config["texts"].values():
        assert set(entry.get("words", ())) <= set(LANGUAGES)
        assert not entry.get("words") or Corpus(tuple(entry["words"]))
