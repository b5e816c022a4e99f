"""Builds SVG from elements; all texts and attributes are escaped."""

from markupsafe import Markup, escape


def element(tag: str, *children: str | Markup, **attributes: str | float | None) -> Markup:
    """Return one SVG element; `class_` is `class`, `stroke_width` is `stroke-width`, None leaves an attribute out."""
    words = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _shortly(value))
        for name, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{}{}>{}</{}>").format(Markup(tag), words, inside, Markup(tag))


def figure(width: float, height: float, title: str, description: str, *children: Markup) -> Markup:
    """Return an SVG image with a text alternative."""
    words, box = f"{title}. {description}", f"0 0 {width:g} {height:g}"
    inside = (element("title", title), *children)
    return element("svg", *inside, viewBox=box, width=width, height=height, role="img", aria_label=words)


def points(places: list[tuple[float, float]]) -> str:
    """Format coordinates as the points of a polygon or polyline."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def marker(x: float, y: float, number: int, radius: float = 4) -> Markup:
    """Return a marker for the curve with this number; curves differ in colour and shape."""
    style = f"curve c{number % 6}"
    shape = number % 3
    if shape == 0:
        return element("circle", cx=x, cy=y, r=radius, class_=style)
    if shape == 1:
        return element("rect", x=x - radius, y=y - radius, width=2 * radius, height=2 * radius, class_=style)
    corners = [(x, y - 1.2 * radius), (x + 1.2 * radius, y + radius), (x - 1.2 * radius, y + radius)]
    return element("polygon", points=points(corners), class_=style)


def legend(labels: list[str], left: float, top: float) -> Markup:
    """Return a legend: the labels of the curves, each with its marker."""
    rows = [
        marker(left, top + 18 * number - 4, number) + element("text", label, x=left + 12, y=top + 18 * number)
        for number, label in enumerate(labels)
    ]
    return Markup("").join(rows)


def round_up(value: float) -> float:
    """Round up to 1, 2, 2.5 or 5 times a power of ten, at least 0.01."""
    step = 0.01
    while True:
        for factor in (1, 2, 2.5, 5):
            if value <= step * factor * (1 + 1e-9):
                return step * factor
        step *= 10


def _shortly(value: str | float) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
