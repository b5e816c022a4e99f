"""What the site shows runs, what it names is there, and its equations are those of the code."""

import ast
import re
import shlex
import textwrap
import tomllib
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest
from tiny_adapters import save_adapter
from tiny_checkpoint import draw_line, save_checkpoint
from typer.exceptions import TyperException
from typer.main import get_command

from benchmarks.runner import programs
from trocr_gsa.cli.app import app
from trocr_gsa.data.formats import find_format
from trocr_gsa.train.arguments import TrainingArguments

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
FENCE = re.compile(r"^( *)```([\w{}]*)[^\n]*\n(.*?)^\1```$", flags=re.DOTALL | re.MULTILINE)
CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
ELSEWHERE = re.compile(r'"(?:OWNER|microsoft)/')  # Python that needs the Hub
PROGRAM = get_command(app)
COMMANDS = PROGRAM.commands  # pyright: ignore[reportAttributeAccessIssue]
KEYS = {field.name for field in fields(TrainingArguments)}
OF_OTHERS = {"cat", "curl", "docker", "pip", "pipx", "python3", "sudo"}  # programs whose options are not checked
PROGRAMS = {folder: programs(folder) for folder in ("benchmarks", "experiments")}
FINETUNE = "scripts/finetune.py"


class Block(NamedTuple):
    kind: str
    code: str
    end: int


def blocks(page: str, kind: str) -> list[Block]:
    found = (Block(m[2], textwrap.dedent(m[3]), m.end()) for m in FENCE.finditer(PAGES[page]))
    return [block for block in found if block.kind == kind]


def shell_lines(page: str) -> list[list[str]]:
    lines = [line for block in blocks(page, "sh") for line in block.code.replace("\\\n", " ").splitlines()]
    split = (shlex.split(line, comments=True) for line in lines)
    bare = [words[next((i for i, word in enumerate(words) if "=" not in word), 0) :] for words in split]
    return [words for words in bare if words]


def with_siblings(program: Path) -> str:
    """Return a program's text, and that of the modules that it imports: options may be theirs."""
    source = program.read_text(encoding="utf-8")
    imported = re.findall(r"^from ((?:benchmarks|experiments)\.\w+) import", source, re.MULTILINE)
    paths = [ROOT / f"{name.replace('.', '/')}.py" for name in imported]
    return "".join([source, *(path.read_text(encoding="utf-8") for path in paths)])


def check_words(words: list[str]) -> None:
    """Refuse a command, option, configuration or key that there is not; nothing is run."""
    if words[0] == "trocr-gsa":
        context = COMMANDS[words[1]].make_context(words[1], words[2:])
        find_format(context.params.get("format") or "text")
        if words[1] == "finetune":
            TrainingArguments.from_command_line(words[2:])
    elif words[:2] == ["python", "-m"] and words[2] in PROGRAMS:
        assert words[3] in PROGRAMS[words[2]]
        source = with_siblings(ROOT / words[2] / f"{words[3]}.py")
        assert [word for word in words[4:] if word.startswith("--") and f'"{word}"' not in source] == []
    elif FINETUNE in words:
        TrainingArguments.from_command_line(words[words.index(FINETUNE) + 1 :])
    elif "trocr_gsa" in words:
        check_words(["trocr-gsa", *words[words.index("trocr_gsa") + 1 :]])
    else:
        assert words[0] in OF_OTHERS


EVERY_LINE = [pytest.param(words, id=f"{page}: {' '.join(words)}") for page in PAGES for words in shell_lines(page)]


@pytest.mark.parametrize("words", EVERY_LINE)
def test_a_command_that_is_shown_exists_with_its_options_and_keys(words, monkeypatch):
    monkeypatch.chdir(ROOT)
    check_words(words)


@pytest.mark.parametrize(
    "line",
    [
        "trocr-gsa raed scans/",
        "trocr-gsa read scans/ --fromat csv",
        "trocr-gsa finetune lora_hand rnak=8",
        "trocr-gsa finetune lora_foot",
        "accelerate launch scripts/finetune.py lora_hand rnak=8",
        "accelerate launch --num_processes 2 -m trocr_gsa read scans/ --fromat csv",
        "python -m experiments calibrate_confidence my_model my_lines/ --spilt validation",
        "python -m benchmarks readnig --page docs/speed.md",
        "rm -rf runs/",
    ],
)
def test_a_command_that_does_not_exist_would_be_seen(line, monkeypatch):
    """The control."""
    monkeypatch.chdir(ROOT)
    with pytest.raises((KeyError, AssertionError, ValueError, TyperException)):
        check_words(line.split())


@pytest.mark.parametrize("page", PAGES)
def test_an_option_or_key_named_in_the_text_exists(page):
    named = CODE.findall(FENCE.sub("", PAGES[page]))
    commands = [PROGRAM, *COMMANDS.values()]
    options = {option for command in commands for parameter in command.params for option in parameter.opts}
    options |= {f"--{key.replace('_', '-')}" for key in KEYS} | {"--constraint"}
    assert {word for span in named for word in span.split() if word.startswith("--")} <= options
    named = [span for span in named if span != "key=value"]
    pairs = [span.split() for span in named if all(re.fullmatch(r"[a-z_]+=[\w.]+", word) for word in span.split())]
    for words in pairs:
        TrainingArguments.from_command_line(["train=lines/", *words])


@pytest.mark.parametrize("page", PAGES)
def test_a_file_or_an_extra_named_in_a_page_is_there(page):
    folders = "benchmarks|examples|experiments|scripts|spaces|tests|trocr_gsa"
    named = re.findall(rf"(?<!runs/)\b(?:{folders})/[\w/]+\.\w+", PAGES[page])
    assert [path for path in named if not (ROOT / path).is_file()] == []
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(re.findall(r"'\.\[(\w+)\]'", PAGES[page])) <= set(extras)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    """A folder with the pictures, texts and adapters that the pages speak of."""
    folder = tmp_path_factory.mktemp("site")
    checkpoint = save_checkpoint(folder / "checkpoint", ctc_steps_per_patch=2)  # as the packaged one has a CTC head
    (folder / "docs").mkdir()
    for name in ("docs/line.png", "a.png", "b.png", "c.png"):
        draw_line("read me").save(folder / name)
    (folder / "letters_1850.txt").write_text("Read me, and read me again.\n" * 50)
    for seed, name in enumerate(("fr", "de", "date")):
        save_adapter(checkpoint, folder / "runs" / name / "best", seed=seed)
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_the_python_of_a_page_runs_from_top_to_bottom(page, workplace, monkeypatch):
    monkeypatch.chdir(workplace)
    monkeypatch.setattr("trocr_gsa.checkpoints.models.PACKAGED_CHECKPOINT", workplace / "checkpoint")
    monkeypatch.setattr("trocr_gsa.model.groups._registered", {})  # another test's page may show the same group
    names: dict = {}
    for block in blocks(page, "python"):
        if ELSEWHERE.search(block.code):
            check_names(ast.parse(block.code), names)
        else:
            exec(block.code, names)


def check_names(tree: ast.AST, names: dict) -> None:
    """Import what a block imports, and look up what it asks of these."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name: getattr(import_module(node.module or ""), alias.name) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id[0].isupper():
            assert hasattr(names[node.value.id], node.attr), f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("block", blocks("how_it_works", "text"), ids=lambda block: block.code.splitlines()[0])
def test_an_equation_stands_in_the_file_that_is_linked_below_it(block):
    linked = re.search(r"\]\(\.\./(trocr_gsa/[\w/]+\.py)\)", PAGES["how_it_works"][block.end :])
    assert linked is not None
    code = " ".join((ROOT / linked[1]).read_text(encoding="utf-8").split())
    assert [line for line in block.code.splitlines() if " ".join(line.split()) not in code] == []
