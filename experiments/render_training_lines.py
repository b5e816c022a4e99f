"""Render the sets of training lines that a config describes, a parquet file each; the config says what they need.

    python -m experiments render_training_lines trocr_gsa/configs/rendering/lines.yaml --output rendered/ \
        --folder fonts=fonts …

A set that is there already is left alone. Where a set's name appears in the output folder, its file is complete.
"""

import argparse
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from glob import glob
from itertools import chain, product
from pathlib import Path
from typing import Any

import yaml

from trocr_gsa.data import (
    CompileReport,
    Corpus,
    Font,
    LineRenderer,
    RenderedLines,
    compile_lines,
    find_fonts,
    open_source,
)
from trocr_gsa.data.synthetic.corpus import TextCorpus, TextSource
from trocr_gsa.data.synthetic.passages import MixedCorpus, PassageCorpus
from trocr_gsa.data.synthetic.render import render_style

MARKS = str.maketrans({"^": None, "¬": "-"})  # of transcribers, which no font draws
JPEG_QUALITY = 75  # a line of 56 × 800 pixels is 8 KB


def alternatives(pattern: str) -> Iterator[str]:
    """The patterns that {a,b} in one stands for, as a shell has it."""
    parts = [
        part.strip("{}").split(",") if part.startswith("{") else [part] for part in re.split(r"(\{[^}]*\})", pattern)
    ]
    return map("".join, product(*parts))


def named_files(patterns: list[str], folders: Mapping[str, Path]) -> list[str]:
    """Every file or folder that patterns name, in their order, {name} standing for a folder.

    Raises:
        ValueError: if a pattern names none.
    """
    found = []
    for pattern in patterns:
        for name, folder in folders.items():
            pattern = pattern.replace(f"{{{name}}}", str(folder))
        for alternative in alternatives(pattern):
            if not (files := sorted(glob(alternative))):
                raise ValueError(f"`texts`: there is no {alternative}. Install or make it, or take it off the config.")
            found += files
    return found


def text_source(entry: Mapping[str, Any], folders: Mapping[str, Path]) -> TextSource:
    """The source of texts that an entry of `texts` describes."""
    if "passages" in entry:
        files = named_files(entry["passages"], folders)
        return PassageCorpus.from_files(files, entry.get("long_s", 0.0), entry.get("umlauts_above", False))
    if "words" in entry:
        return Corpus(tuple(entry["words"]))
    texts = (text for file in named_files(entry["lines"], folders) for text in open_source(file).texts())
    return TextCorpus(tuple(dict.fromkeys(text.translate(MARKS) for text in texts)))


def section_fonts(section: str, system: Mapping[str, list[str]], folder: Path) -> list[Font]:
    """The fonts of a section, Fontsource's and the system's."""
    fonts = find_fonts(folder / section) if (folder / section).is_dir() else []
    families = system.get(section, [])
    return fonts + (find_fonts(only_families=families) if families else [])


def render_set(
    name: str, config: Mapping[str, Any], folders: Mapping[str, Path], out: Path, first_seed: int, scale: float
) -> CompileReport:
    """Render one of the config's sets into the file `out`.

    Args:
        name: of the set.
        config: with `texts`, `system` and `sets`.
        folders: what names in braces stand for; `fonts` has a folder for each section of fonts.
        out: a .parquet file.
        first_seed: other seeds give other lines.
        scale: so many times as many lines.
    """
    entry = config["sets"][name]
    corpus = MixedCorpus([(text_source(config["texts"][text], folders), part) for text, part in entry["texts"].items()])
    sections = {name: section_fonts(name, config["system"], folders["fonts"]) for name in entry["fonts"]}
    shares = {font.family: entry["fonts"][name] for name, fonts in sections.items() for font in fonts}
    renderer = LineRenderer([*chain(*sections.values())], corpus, render_style(entry["style"]), shares)
    seed = first_seed + (zlib.crc32(name.encode()) << 20)  # sets share no seed
    lines = RenderedLines(renderer, round(entry["lines"] * scale), seed, fresh=False)
    return compile_lines(lines, out, renderer.style.height, JPEG_QUALITY)


def main(words: Sequence[str] | None = None) -> None:
    """Read the arguments and render every set that is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--folder", action="append", default=[], metavar="NAME=FOLDER", help="what {NAME} stands for")
    parser.add_argument("--scale", type=float, default=1.0, help="so many times as many lines")
    parser.add_argument("--first-seed", type=int, default=0, help="other seeds give other lines")
    arguments = parser.parse_args(words)
    folders = {name: Path(folder) for name, _, folder in (item.partition("=") for item in arguments.folder)}
    if "fonts" not in folders:
        parser.error("--folder fonts=FOLDER is needed: what experiments/font_folder.py wrote")
    config = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    for name in config["sets"]:
        out = arguments.output / f"{name}.parquet"
        try:
            if not out.exists():
                print(render_set(name, config, folders, out, arguments.first_seed, arguments.scale), flush=True)
        except ValueError as error:
            parser.error(f"{name}: {error}")
