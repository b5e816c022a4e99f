"""Render the sets of training lines that a config describes, one Parquet file per set.

    python -m experiments render_training_lines trocr_gsa/configs/rendering/lines.yaml --output rendered/ \
        --folder fonts=fonts …

The config says which folders are needed. Existing sets are not rendered again. A set's file appears in the output
folder only when it is complete.
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

MARKS = str.maketrans({"^": None, "¬": "-"})  # transcribers' marks, which no font contains
JPEG_QUALITY = 75  # a line of 56 × 800 pixels takes 8 KB


def alternatives(pattern: str) -> Iterator[str]:
    """Return the patterns that a pattern with {a,b} stands for, as in a shell."""
    parts = [
        part.strip("{}").split(",") if part.startswith("{") else [part] for part in re.split(r"(\{[^}]*\})", pattern)
    ]
    return map("".join, product(*parts))


def named_files(patterns: list[str], folders: Mapping[str, Path]) -> list[str]:
    """Return all files and folders that match the patterns, in the order of the patterns.

    Args:
        patterns: patterns; {name} stands for the folder of that name, {a,b} for alternatives.
        folders: folders by name.

    Raises:
        ValueError: if a pattern matches nothing.
    """
    found = []
    for pattern in patterns:
        for name, folder in folders.items():
            pattern = pattern.replace(f"{{{name}}}", str(folder))
        for alternative in alternatives(pattern):
            if not (files := sorted(glob(alternative))):
                raise ValueError(
                    f"`texts`: there is no {alternative}. Install or create it, or remove it from the config."
                )
            found += files
    return found


def text_source(entry: Mapping[str, Any], folders: Mapping[str, Path]) -> TextSource:
    """Return the source of texts that an entry of `texts` describes."""
    if "passages" in entry:
        files = named_files(entry["passages"], folders)
        return PassageCorpus.from_files(files, entry.get("long_s", 0.0), entry.get("umlauts_above", False))
    if "words" in entry:
        return Corpus(tuple(entry["words"]))
    texts = (text for file in named_files(entry["lines"], folders) for text in open_source(file).texts())
    return TextCorpus(tuple(dict.fromkeys(text.translate(MARKS) for text in texts)))


def section_fonts(section: str, system: Mapping[str, list[str]], folder: Path) -> list[Font]:
    """Return the fonts of a section, from Fontsource and from the system."""
    fonts = find_fonts(folder / section) if (folder / section).is_dir() else []
    families = system.get(section, [])
    return fonts + (find_fonts(only=families) if families else [])


def render_set(
    name: str, config: Mapping[str, Any], folders: Mapping[str, Path], out: Path, first_seed: int, scale: float
) -> CompileReport:
    """Render one set of the config, and write it to the file `out`.

    Args:
        name: name of the set.
        config: the config, with `texts`, `system` and `sets`.
        folders: folders by the names that the config has in braces; `fonts` has one subfolder per section of fonts.
        out: .parquet file to write.
        first_seed: seed; other seeds give other lines.
        scale: factor for the number of lines.
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
    """Parse the command line, and render every missing set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument(
        "--folder", action="append", default=[], metavar="NAME=FOLDER", help="folder that {NAME} stands for"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="factor for the number of lines")
    parser.add_argument("--first-seed", type=int, default=0, help="other seeds give other lines")
    arguments = parser.parse_args(words)
    folders = {name: Path(folder) for name, _, folder in (item.partition("=") for item in arguments.folder)}
    if "fonts" not in folders:
        parser.error("--folder fonts=FOLDER is needed: the folder that experiments/font_folder.py has written")
    config = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    for name in config["sets"]:
        out = arguments.output / f"{name}.parquet"
        try:
            if not out.exists():
                print(render_set(name, config, folders, out, arguments.first_seed, arguments.scale), flush=True)
        except ValueError as error:
            parser.error(f"{name}: {error}")
