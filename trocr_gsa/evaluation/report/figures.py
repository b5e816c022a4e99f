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
BAR_WIDTH, BAR_MARGIN = 140.0, 16.0  # pixels; the labels of the axis need the margin


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
    """Draw a calibration plot: the share of correct lines and of correct characters by confidence.

    Both axes have the same scale, so that the diagonal is at 45°.
    """
    left, top, side = 46.0, 12.0, 240.0
    rows = ([each.right for each in trust.bins], [max(0.0, 1 - each.cer) for each in trust.bins])
    lowest = min(min(each.confidence for each in trust.bins), *map(min, rows))
    start = min(0.9, math.floor(10 * lowest) / 10)

    def place(confidence: float, share: float) -> tuple[float, float]:
        return left + side * (confidence - start) / (1 - start), top + side * (1 - share) / (1 - start)

    drawn = [_frame(left, top, side, side)]
    for value in _ticks(start):
        label, (x, y) = f"{100 * value:.3g} %", place(value, value)
        drawn.append(element("line", x1=left, y1=y, x2=left + side, y2=y, class_="grid"))
        drawn.append(element("line", x1=x, y1=top, x2=x, y2=top + side, class_="grid"))
        drawn.append(element("text", label, x=left - 5, y=y + 4, class_="tick end"))
        drawn.append(element("text", label, x=x, y=top + side + 16, class_="tick middle"))
    drawn.append(element("text", "confidence", x=left + side / 2, y=top + side + 34, class_="tick middle"))
    (x1, y1), (x2, y2) = place(start, start), place(1, 1)
    drawn.append(element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="ideal"))
    for number, shares in enumerate(rows):
        places = [place(each.confidence, share) for each, share in zip(trust.bins, shares, strict=True)]
        drawn.append(element("polyline", points=points(places), class_=f"line l{number}"))
        drawn += [marker(x, y, number) for x, y in places]
    drawn.append(legend(["lines without errors", "correct characters (1 − CER)"], left + 4, top + side + 58))
    text = ", ".join(
        f"of lines with confidence {100 * e.confidence:.0f} % {100 * e.right:.0f} % are correct" for e in trust.bins
    )
    return figure(310, 340, title, text, *drawn)


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
    """Draw a rate and its interval on the scale that `axis` labels; the table has the numbers."""
    ticks = [_along(value, lowest, highest) for value in (lowest, (lowest + highest) / 2, highest)]
    drawn = [element("line", x1=x, y1=1, x2=x, y2=15, class_="axis") for x in ticks]
    if rate.low is not None and rate.high is not None:
        ends = _along(rate.low, lowest, highest), _along(rate.high, lowest, highest)
        drawn.append(element("line", x1=ends[0], y1=8, x2=ends[1], y2=8, class_="interval"))
    drawn.append(element("circle", cx=_along(rate.value, lowest, highest), cy=8, r=4, class_="dot"))
    return element("svg", *drawn, viewBox=f"0 0 {BAR_WIDTH:g} 16", width=BAR_WIDTH, height=16, aria_hidden="true")


def axis(highest: float, lowest: float = 0.0) -> Markup:
    """Draw the axis above a column of bars: its ends and its middle, in per cent."""
    sign = "+" if lowest < 0 else ""
    drawn = []
    for value in (lowest, (lowest + highest) / 2, highest):
        x = _along(value, lowest, highest)
        label = f"{100 * value:{sign if value else ''}.3g} %"
        drawn.append(element("text", label, x=x, y=10, class_="tick middle"))
        drawn.append(element("line", x1=x, y1=13, x2=x, y2=16, class_="axis"))
    return element("svg", *drawn, viewBox=f"0 0 {BAR_WIDTH:g} 16", width=BAR_WIDTH, height=16, aria_hidden="true")


def _along(value: float, lowest: float, highest: float) -> float:
    """Return the place of a value on the scale of a bar; values outside are drawn at its ends."""
    share = (value - lowest) / max(highest - lowest, 1e-9)
    return BAR_MARGIN + (BAR_WIDTH - 2 * BAR_MARGIN) * min(max(share, 0.0), 1.0)


def _ticks(start: float) -> list[float]:
    """Return round values from `start`, in tenths, to 1: at most six of them."""
    step = next(step for step in (0.02, 0.05, 0.1, 0.2) if 1 - start <= 5 * step + 1e-9)
    return [1 - step * number for number in range(int((1 - start) / step + 1e-9) + 1)]


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
