"""Folders of lines to correct, and readers that read what they are told, for tests of what is around them."""

import csv
from pathlib import Path

from page_makers import alto_line, alto_xml, draw_page, page_equiv, page_line, page_xml
from PIL import Image
from tiny_checkpoint import draw_line

from trocr_gsa.data.images import load_image
from trocr_gsa.demo.correct_page import Corrections
from trocr_gsa.demo.corrections import open_lines
from trocr_gsa.demo.teaching import Teacher
from trocr_gsa.reader import Line


class Pupil:
    """Stands in for a `LineReader`: it is less sure of shorter pictures, and wrong unless it was taught."""

    def __init__(self, is_taught: bool = False) -> None:
        self.is_taught = is_taught

    def read(self, images, *_, **__):
        return [self.line(image) for image in images]

    def line(self, image) -> Line:
        source = str(image if isinstance(image, Path) else getattr(image, "filename", ""))
        if not isinstance(image, Image.Image):
            image = load_image(image)
        return Line("learned" if self.is_taught else "read", image.width / 1000, 0.0, source)


def make_queue(folder: Path, count: int = 3) -> Path:
    """A folder as `read --queue` writes it; its last lines are the least certain."""
    folder.mkdir()
    rows = [["file", "confidence", "source", "text"]]
    for number in range(1, count + 1):
        draw_line(f"line {number}").save(folder / f"{number:04}.png")
        (folder / f"{number:04}.gt.txt").write_text(f"draft {number}\n")
        rows.append([f"{number:04}.png", f"{1 - number / 100}", "scan.png", f"draft {number}"])
    with (folder / "queue.csv").open("w") as file:
        csv.writer(file).writerows(rows)
    return folder


def make_page(folder: Path, kind: str, texts: list[str]) -> Path:
    folder.mkdir()
    picture, drawn = draw_page(texts)
    picture.save(folder / "0001.png")
    if kind == "PAGE":
        lines = [page_line(number, line, page_equiv(line.text)) for number, line in enumerate(drawn, 1)]
        (folder / "0001.xml").write_text(page_xml("\n".join(lines)))
    else:
        lines = [alto_line(number, line) for number, line in enumerate(drawn, 1)]
        (folder / "0001.xml").write_text(alto_xml("\n".join(lines)))
    return folder


def corrections_of(folder: Path, pictures: Path, teacher: Teacher | None = None) -> Corrections:
    pictures.mkdir(exist_ok=True)
    lines, readings, problems = open_lines(folder, pictures, Pupil())
    assert problems == []
    teacher = teacher or Teacher(Pupil(), lambda path: Pupil(is_taught=True), pictures / "learned", {})
    return Corrections(lines, readings, teacher)
