"""Join the fonts of Fontsource into whole font files: its npm packages split each face into subsets.

    npm install @fontsource/NAME …                                   (the names of experiments/rendered_fonts.txt)
    python -m experiments font_folder node_modules/@fontsource fonts/ --names experiments/rendered_fonts.txt

The last command writes fonts/SECTION/NAME-WEIGHT-STYLE.ttf for each section of the list. It needs fonttools and brotli
(`pip install "fonttools[woff]"`). If the subsets of a face cannot be joined, only its Latin subset is written.
"""

import argparse
import io
import tempfile
from pathlib import Path

from fontTools.merge import Merger
from fontTools.ttLib import TTFont

SUBSETS = ("latin", "latin-ext")
FACES = {"cursive": ("400-normal",), "casual": ("400-normal", "700-normal"), "monospaced": ("400-normal",)}
ALL_FACES = ("400-normal", "700-normal", "400-italic")  # faces of every other section


def read_names(path: Path) -> dict[str, list[str]]:
    """Return the names in each [section] of a list; lines that begin with # are comments."""
    sections: dict[str, list[str]] = {}
    names: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            names = sections.setdefault(line.strip("[] "), [])
        elif not line.startswith("#"):
            names += line.split()
    return sections


def join_subsets(files: list[Path]) -> TTFont:
    """Return one font with the characters of all files, named as the first one."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for file in files:
            font = TTFont(file)
            font.flavor = None
            paths.append(str(Path(folder) / f"{file.stem}.ttf"))
            font.save(paths[-1])
        if len(paths) > 1:
            try:
                return Merger().merge(paths)
            except Exception as error:  # fonttools raises errors of many types
                print(f"{files[0].name}: only its first subset is kept ({error})")
        return TTFont(io.BytesIO(Path(paths[0]).read_bytes()))


def write_fonts(packages: Path, target: Path, names: dict[str, list[str]]) -> int:
    """Write every installed face that is missing in `target`, and return their number."""
    written = 0
    for section, families in names.items():
        for family in families:
            for face in FACES.get(section, ALL_FACES):
                parts = [packages / family / "files" / f"{family}-{subset}-{face}.woff2" for subset in SUBSETS]
                out = target / section / f"{family}-{face}.ttf"
                if parts[0].is_file() and not out.exists():
                    out.parent.mkdir(parents=True, exist_ok=True)
                    join_subsets([part for part in parts if part.is_file()]).save(out)
                    written += 1
            if not any((target / section).glob(f"{family}-[0-9]*.ttf")):
                print(f"{family}: not in {packages}; install @fontsource/{family}, or take it off the list")
    return written


def main() -> None:
    """Parse the command line, and write the fonts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", type=Path, help="node_modules/@fontsource")
    parser.add_argument("target", type=Path, help="folder to write to")
    parser.add_argument("--names", type=Path, default=Path(__file__).parent / "rendered_fonts.txt")
    arguments = parser.parse_args()
    print(f"{write_fonts(arguments.packages, arguments.target, read_names(arguments.names))} faces written")
