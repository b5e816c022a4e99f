"""Tables on pages come from programs of this project, and stand where these would write them again."""

import re
from functools import cache
from pathlib import Path

import pytest

from benchmarks.runner import programs, run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "trocr_gsa" / "checkpoint" / "README.md"]
WRITTEN = re.compile(r"<!-- ([\w-]+): written by (.*?) -->")
TABLES = [(page, *found) for page in PAGES for found in WRITTEN.findall(page.read_text(encoding="utf-8"))]

programs_in = cache(programs)  # parses every file of a folder


def test_there_are_tables():
    assert len(TABLES) > 20


@pytest.mark.parametrize(
    ("page", "name", "path"), TABLES, ids=[f"{page.relative_to(ROOT)}: {name}" for page, name, _ in TABLES]
)
def test_a_table_names_a_program_that_writes_it_between_its_marks(page, name, path):
    folder, _, file = path.partition("/")
    assert Path(file).stem in programs_in(folder)
    program = (ROOT / path).read_text(encoding="utf-8")
    assert name == Path(file).stem or f'"{name}"' in program
    _, written = page.read_text(encoding="utf-8").split(f"<!-- {name}: written by {path} -->")
    assert written.count(f"<!-- /{name} -->") == 1


@pytest.mark.parametrize("folder", ["benchmarks", "experiments"])
def test_results_are_those_of_programs(folder):
    results = {path.stem for path in (ROOT / folder / "results").iterdir()}
    assert results
    assert results <= set(programs_in(folder))


@pytest.mark.parametrize("folder", ["benchmarks", "experiments"])
def test_programs_are_listed_with_what_they_do(folder, capsys):
    run(folder, [])
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in programs(folder))
    assert all(programs(folder).values())


def test_a_program_is_run_with_its_own_options(capsys):
    with pytest.raises(SystemExit, match="0"):
        run("benchmarks", ["scale", "--help"])
    assert "python -m benchmarks scale" in capsys.readouterr().out


def test_a_program_that_there_is_not_is_refused_with_the_nearest():
    with pytest.raises(SystemExit, match=r"there is no program `readnig`\. Did you mean `reading`"):
        run("benchmarks", ["readnig"])


@pytest.mark.parametrize("program", ["rotated_mnist --size short", "less_data", "angles", "encoder_size", "adapters"])
def test_a_program_without_its_data_says_so_in_one_line(program, tmp_path):
    name, *options = program.split()
    with pytest.raises(SystemExit, match=r"^error: `\w+`.*(must contain|there is no folder).*\.$"):
        run("experiments", [name, str(tmp_path / "runs"), str(tmp_path / "none"), *options])


def test_a_fault_of_a_program_is_not_taken_for_bad_input(monkeypatch):
    def fails():
        raise ValueError("too many values to unpack")

    monkeypatch.setattr("experiments.verdicts.main", fails)
    with pytest.raises(ValueError, match="too many values"):
        run("experiments", ["verdicts"])


def test_docs_hold_prose_and_pictures_alone():
    kinds = {path.suffix for path in (ROOT / "docs").rglob("*") if path.is_file()}
    assert kinds - {".pyc"} <= {".md", ".png", ".svg", ".css", ".py"}
