"""Rendered lines whose text is not what is drawn, but what that stands for: digits, or modern spelling."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from trocr_gsa.data import Font, LineRenderer, compile_lines, find_fonts
from trocr_gsa.data.samples import LineDataset, LineSample
from trocr_gsa.data.synthetic.render import render_style

STYLE = render_style("hand")
JPEG_QUALITY = 75
DRAWS = 1000  # texts that are tried before a font counts as unable to draw any


@dataclass(frozen=True)
class PairCorpus:
    """Texts to draw, each with what it stands for.

    Args:
        pairs: text → what it stands for.
    """

    pairs: Mapping[str, str]

    @cached_property
    def texts(self) -> list[str]:
        """The texts to draw."""
        return list(self.pairs)

    def line(self, rng: np.random.Generator, charset: Collection[str]) -> str:
        """Return one of the texts of which the font has every character.

        Raises:
            ValueError: if the font can draw none of many.
        """
        for _ in range(DRAWS):
            text = self.texts[rng.integers(len(self.texts))]
            if all(character in charset for character in text):
                return text
        raise ValueError("`pairs`: the font has not all characters of any text. Choose other fonts.")


class PairedLines(LineDataset):
    """Lines drawn by several renderers in turn.

    Args:
        renderers: each with the same corpus.
        corpus: pairs of texts.
        size: number of lines.
        first_seed: seed of the first line.
    """

    def __init__(self, renderers: Sequence[LineRenderer], corpus: PairCorpus, size: int, first_seed: int) -> None:
        self.renderers, self.corpus, self.lines, self.first_seed = renderers, corpus, size, first_seed

    def __len__(self) -> int:
        """Return the number of lines."""
        return self.lines

    def __getitem__(self, index: int) -> LineSample:
        """Draw a line; its text is what the drawn one stands for, and its name ends with the drawn one."""
        drawn = self.renderers[index % len(self.renderers)](self.first_seed + index)
        return replace(drawn, text=self.corpus.pairs[drawn.text], name=f"{drawn.name}: {drawn.text}")


def by_family(fonts: Sequence[Font]) -> dict[str, list[Font]]:
    """Return the fonts of each family."""
    found: dict[str, list[Font]] = {}
    for font in fonts:
        found.setdefault(font.family, []).append(font)
    return found


def split_hands(folders: Sequence[Path], held_out: int, seed: int = 0) -> tuple[list[Font], list[Font]]:
    """Return fonts to train with and fonts to test with, which have no family in common.

    Args:
        folders: folders of fonts.
        held_out: number of families to test with.
        seed: chooses these families.

    Raises:
        ValueError: if no family would be left to train with.
    """
    families = by_family([font for folder in folders for font in find_fonts(folder)])
    if not 0 < held_out < len(families):
        raise ValueError(f"`held_out` must lie in 1 … {len(families) - 1}, the families but one, got {held_out}.")
    names = np.random.default_rng(seed).permutation(sorted(families)).tolist()
    chosen = set(names[:held_out])
    fonts = [font for family in families.values() for font in family]
    return [font for font in fonts if font.family not in chosen], [font for font in fonts if font.family in chosen]


def write_pairs(
    path: Path, fonts: Sequence[Font], pairs: Mapping[str, str], size: int, first_seed: int, evenly: bool
) -> None:
    """Draw lines, and write them to a Parquet file that training and tests read.

    Args:
        path: the file.
        fonts: fonts to draw with; every family has the same probability.
        pairs: text → what it stands for.
        size: number of lines.
        first_seed: seed of the first line.
        evenly: draw with the families in turn, so that each has as many lines as any other.
    """
    corpus, families = PairCorpus(pairs), by_family(fonts)
    weights = dict.fromkeys(families, 1.0)
    groups = list(families.values()) if evenly else [list(fonts)]
    renderers = [LineRenderer(group, corpus, STYLE, weights) for group in groups]
    compile_lines(PairedLines(renderers, corpus, size, first_seed), path, STYLE.height, JPEG_QUALITY)
