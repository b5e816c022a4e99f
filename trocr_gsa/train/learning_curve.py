"""Draws the learning curve of a run from its log: losses and error rates by step, as one SVG file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from trocr_gsa.atomic import write_text
from trocr_gsa.evaluation.report.svg import element, points, round_up

FILE = "learning_curve.svg"  # beside log.jsonl
WIDTH, HEIGHT = 460.0, 210.0  # of a plot
LEFT, TOP, GAP = 52.0, 34.0, 66.0
COLOURS = ("#0b6cb3", "#c2410c", "#15803d", "#7e22ce", "#854d0e", "#0f766e")
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of an axis, where it is labelled

Curve = Sequence[tuple[int, float]]  # pairs of step and value


def write_learning_curve(log_file: Path) -> None:
    """Write the learning curve beside a log; nothing if the log has no numbers yet."""
    entries = read_log(log_file)
    losses = curves(entries, lambda name: name.endswith("_loss"))
    rates = curves(entries, lambda name: name == "cer" or name.startswith("cer/"))
    plots = {
        title: found
        for title, found in {"loss": losses, "CER on the validation lines, %": rates}.items()
        if any(found.values())
    }
    if plots:
        write_text(log_file.with_name(FILE), draw(plots))


def read_log(log_file: Path) -> list[dict[str, Any]]:
    """Return the entries of a log; an incomplete line of a killed run is ignored."""
    entries = []
    for line in log_file.read_text(encoding="utf-8").splitlines() if log_file.is_file() else ():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def curves(entries: Sequence[Mapping[str, Any]], is_wanted: Any) -> dict[str, Curve]:
    """Return the curves of the wanted keys by their names; rates are in per cent."""
    names = sorted({name for entry in entries for name in entry if is_wanted(name)})
    return {
        name: [
            (entry["step"], entry[name] * (100 if name.startswith("cer") else 1))
            for entry in entries
            if isinstance(entry.get(name), (int, float))
        ]
        for name in names
    }


def draw(plots: Mapping[str, Mapping[str, Curve]]) -> str:
    """Return an SVG document with one plot below the other, each with its curves and their last values."""
    last = max(step for found in plots.values() for curve in found.values() for step, _ in curve)
    tall = [HEIGHT + GAP + 16 * len(found) for found in plots.values()]
    drawn, top = [], TOP
    for (title, found), height in zip(plots.items(), tall, strict=True):
        drawn += _plot(title, found, last, top)
        top += height
    style = "text { font: 12px sans-serif; fill: #222 } .middle { text-anchor: middle } .end { text-anchor: end }"
    width = LEFT + WIDTH + 20
    box = f"0 0 {width:g} {top:g}"
    background = element("rect", width=width, height=top, fill="#fff")
    root = element("svg", element("style", style), background, *drawn, xmlns="http://www.w3.org/2000/svg", viewBox=box)
    return f"{root}\n"


def _plot(title: str, found: Mapping[str, Curve], last: int, top: float) -> list[Markup]:
    highest = round_up(max(value for curve in found.values() for _, value in curve))

    def place(step: float, value: float) -> tuple[float, float]:
        return LEFT + WIDTH * step / max(1, last), top + HEIGHT * (1 - value / highest)

    drawn = [element("text", title, x=LEFT, y=top - 12, font_weight="bold")]
    for share in SHARES:
        x, y = place(share * last, share * highest)
        drawn.append(element("line", x1=LEFT, x2=LEFT + WIDTH, y1=y, y2=y, stroke="#ddd"))
        drawn.append(element("text", f"{share * highest:.3g}", x=LEFT - 6, y=y + 4, class_="end"))
        drawn.append(element("text", f"{share * last:.0f}", x=x, y=top + HEIGHT + 16, class_="middle"))
    drawn.append(element("text", "step", x=LEFT + WIDTH / 2, y=top + HEIGHT + 32, class_="middle"))
    for number, (name, curve) in enumerate(found.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [place(*each) for each in curve]
        drawn.append(element("polyline", points=points(places), fill="none", stroke=colour, stroke_width=2))
        drawn += [element("circle", cx=x, cy=y, r=2.5, fill=colour) for x, y in places]
        lowest = min(value for _, value in curve)
        label = f"{name}: {curve[-1][1]:.3g} at the end, {lowest:.3g} at best"
        drawn.append(element("text", label, x=LEFT, y=top + HEIGHT + 50 + 16 * number, style=f"fill: {colour}"))
    return drawn
