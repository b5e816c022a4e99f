"""Figures of the report: error rate by angle, calibration, error rate when lines are set aside, intervals.

What is unusual: in the polar plot 0° is up and degrees run counter-clockwise, so a direction is where the tops of the
letters point.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .statistics import Rate, Trust
from .svg import element, figure, legend, marker, points, round_up

MAX_LABELLED_ANGLES = 12  # with more angles, not every angle is labelled


@dataclass(frozen=True)
class Curve:
    """A curve with a label: pairs of (angle in degrees, rate)."""

    label: str
    rates: Sequence[tuple[float, Rate]]


def polar(title: str, curves: Sequence[Curve]) -> Markup:
    """Draw error rates by angle as a polar plot; the error rate is 0 at the centre and largest at the rim.

    Args:
        title: title of the figure.
        curves: at least one curve, each with at least one angle.
    """
    centre, radius = 180.0, 115.0
    highest = round_up(max(rate.top for curve in curves for _, rate in curve.rates))
    angles = sorted({angle % 360 for curve in curves for angle, _ in curve.rates})

    def place(angle: float, rate: float) -> tuple[float, float]:
        distance, turn = radius * min(rate / highest, 1.0), math.radians(angle)
        return centre - distance * math.sin(turn), centre - distance * math.cos(turn)

    drawn = [element("circle", cx=centre, cy=centre, r=radius * part / 4, class_="grid") for part in range(1, 5)]
    for angle in angles if len(angles) <= MAX_LABELLED_ANGLES else range(0, 360, 30):
        x, y = place(angle, highest)
        drawn.append(element("line", x1=centre, y1=centre, x2=x, y2=y, class_="grid"))
        drawn.append(_turned_letter(angle, centre, radius + 16))
    for number, curve in enumerate(curves):
        drawn += _around(number, curve, place)
    for part in (2, 4):
        y = centre - radius * part / 4 + 11
        drawn.append(element("text", f"{100 * highest * part / 4:.3g} %", x=centre + 4, y=y, class_="tick"))
    drawn.append(legend([curve.label for curve in curves], 20, 380))
    text = "; ".join(
        f"{curve.label}: " + ", ".join(f"{100 * rate.value:.1f} % at {angle:g}°" for angle, rate in curve.rates)
        for curve in curves
    )
    return figure(2 * centre, 372 + 18 * len(curves), title, text, *drawn)


def calibration(title: str, trust: Trust) -> Markup:
    """Draw a calibration plot: the share of correct lines and of correct characters by confidence."""
    left, top, width, height = 46.0, 12.0, 270.0, 230.0
    start = min(0.9, math.floor(10 * trust.bins[0].confidence) / 10)

    def place(confidence: float, share: float) -> tuple[float, float]:
        return left + width * (confidence - start) / (1 - start), top + height * (1 - max(0.0, share))

    drawn = [_frame(left, top, width, height), *_shares(left, top, width, height)]
    for step in range(5):
        confidence = start + (1 - start) * step / 4
        x, _ = place(confidence, 0)
        drawn.append(element("text", f"{100 * confidence:.3g} %", x=x, y=top + height + 16, class_="tick middle"))
    drawn.append(element("text", "confidence", x=left + width / 2, y=top + height + 34, class_="tick middle"))
    (x1, y1), (x2, y2) = place(start, start), place(1, 1)
    drawn.append(element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="ideal"))
    rows = ([each.right for each in trust.bins], [1 - each.cer for each in trust.bins])
    for number, shares in enumerate(rows):
        places = [place(each.confidence, share) for each, share in zip(trust.bins, shares, strict=True)]
        drawn.append(element("polyline", points=points(places), class_=f"line l{number}"))
        drawn += [marker(x, y, number) for x, y in places]
    drawn.append(legend(["lines without errors", "correct characters (1 − CER)"], left + 4, top + height + 58))
    text = ", ".join(
        f"of lines with confidence {100 * e.confidence:.0f} % {100 * e.right:.0f} % are correct" for e in trust.bins
    )
    return figure(340, 330, title, text, *drawn)


def set_aside(title: str, curves: Sequence[tuple[str, Trust]]) -> Markup:
    """Draw the error rate of the other lines when the least confident lines are set aside, one curve per set."""
    left, top, width, height = 46.0, 12.0, 270.0, 230.0
    highest = round_up(max(rate for _, trust in curves for _, rate in trust.left))
    most = max(aside for _, trust in curves for aside, _ in trust.left)

    def place(aside: float, rate: float) -> tuple[float, float]:
        return left + width * aside / most, top + height * (1 - rate / highest)

    drawn = [_frame(left, top, width, height), *_shares(left, top, width, height, highest)]
    for step in range(6):
        x, _ = place(most * step / 5, 0)
        drawn.append(element("text", f"{100 * most * step / 5:.3g} %", x=x, y=top + height + 16, class_="tick middle"))
    words = "lines set aside, the least confident first"
    drawn.append(element("text", words, x=left + width / 2, y=top + height + 34, class_="tick middle"))
    for number, (_, trust) in enumerate(curves):
        places = [place(*pair) for pair in trust.left]
        drawn.append(element("polyline", points=points(places), class_=f"line l{number % 6}"))
        drawn += [marker(x, y, number, 3) for x, y in places]
    drawn.append(legend([name for name, _ in curves], left + 4, top + height + 58))
    text = "; ".join(
        f"{name}: " + ", ".join(f"{100 * rate:.1f} % with {100 * aside:.0f} % set aside" for aside, rate in trust.left)
        for name, trust in curves
    )
    return figure(340, 294 + 18 * len(curves), title, text, *drawn)


def bar(rate: Rate, highest: float, lowest: float = 0.0) -> Markup:
    """Draw a rate and its interval on a scale from `lowest` to `highest`; the table has the numbers."""
    width, span = 120.0, max(highest - lowest, 1e-9)

    def place(value: float) -> float:
        return 4 + (width - 8) * min(max((value - lowest) / span, 0.0), 1.0)

    zero = place(0)
    drawn = [element("line", x1=zero, y1=1, x2=zero, y2=15, class_="axis")]
    if rate.low is not None and rate.high is not None:
        drawn.append(element("line", x1=place(rate.low), y1=8, x2=place(rate.high), y2=8, class_="interval"))
    drawn.append(element("circle", cx=place(rate.value), cy=8, r=4, class_="dot"))
    return element("svg", *drawn, viewBox=f"0 0 {width:g} 16", width=width, height=16, aria_hidden="true")


def _around(number: int, curve: Curve, place: Callable[[float, float], tuple[float, float]]) -> list[Markup]:
    """Return one curve: its outline if it has at least three angles, with an interval and a marker at each angle."""
    rates = sorted(curve.rates, key=lambda pair: pair[0] % 360)
    places = [place(angle, rate.value) for angle, rate in rates]
    drawn = [element("polygon", points=points(places), class_=f"line l{number % 6}")] if len(places) > 2 else []
    for (angle, rate), (x, y) in zip(rates, places, strict=True):
        if rate.low is not None and rate.high is not None:
            (x1, y1), (x2, y2) = place(angle, rate.low), place(angle, rate.high)
            drawn.append(element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=f"line l{number % 6} whisker"))
        drawn.append(marker(x, y, number))
    return drawn


def _turned_letter(angle: float, centre: float, distance: float) -> Markup:
    """Return the letter R rotated by `angle`, and the angle in degrees outside of it."""
    turn = math.radians(angle)
    x, y = centre - distance * math.sin(turn), centre - distance * math.cos(turn)
    far = distance + 28
    letter = element("text", "R", x=0, y=6, class_="turned", transform=f"translate({x:.1f} {y:.1f}) rotate({-angle:g})")
    label = element("text", f"{angle:g}°", x=centre - far * math.sin(turn), y=centre - far * math.cos(turn) + 4,
                    class_="tick middle")  # fmt: skip
    return letter + label


def _frame(left: float, top: float, width: float, height: float) -> Markup:
    return element("rect", x=left, y=top, width=width, height=height, class_="frame")


def _shares(left: float, top: float, width: float, height: float, highest: float = 1.0) -> list[Markup]:
    """Return horizontal grid lines from 0 to `highest`, labelled in per cent."""
    drawn = []
    for step in range(5):
        y = top + height * (1 - step / 4)
        drawn.append(element("line", x1=left, y1=y, x2=left + width, y2=y, class_="grid"))
        drawn.append(element("text", f"{100 * highest * step / 4:.3g} %", x=left - 5, y=y + 4, class_="tick end"))
    return drawn
