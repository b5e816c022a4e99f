"""`trocr-gsa check`: does this reader, with this adapter, keep its promise?"""

from itertools import groupby
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from . import options
from .messages import LEFT_OUT, show, silence_libraries, user_errors

if TYPE_CHECKING:
    from trocr_gsa.equivariance import Check
    from trocr_gsa.model.groups import PointGroup


@user_errors()
def check(
    model: options.Model = None,
    adapter: options.Adapter = None,
    device: options.Device = None,
    trust_remote_code: options.TrustRemoteCode = False,
) -> None:
    """Measure how exactly turning the picture leaves the text alone, layer by layer; exit code 1 if it does not."""
    from trocr_gsa.equivariance import report
    from trocr_gsa.reader import load_reader

    silence_libraries()
    reader, _ = load_reader(model, adapter, device, trust_remote_code)
    checks = report(reader)
    if checks:
        show(table(checks))
    typer.echo(verdict(checks, reader.encoder.group))
    if not all(check.holds for check in checks):
        raise typer.Exit(LEFT_OUT)


def table(checks: list["Check"]) -> Table:
    """Return a table of the claims, each with its worst element."""
    drawn = Table(
        "what must hold", "worst for", "64 bit", "32 bit", "verdict", title="largest error under any turn, relative"
    )
    for claim, same in groupby(checks, key=lambda check: check.claim):
        worst = max(same, key=lambda check: (not check.holds, check.error_float64))
        errors = (f"{error:.0e}" for error in (worst.error_float64, worst.error_float32))
        drawn.add_row(claim, worst.element, *errors, worst.verdict)
    return drawn


def verdict(checks: list["Check"], group: "PointGroup") -> str:
    """Return what the checks say of a reader, in plain words."""
    if not checks:
        return "Group C1 has no turns: this reader promises nothing but upright lines."
    broken = sorted({check.claim for check in checks if not check.holds})
    if broken:
        return f"Broken: {len(broken)} of {len({check.claim for check in checks})} claims do not hold."
    exact = sorted({angle for angle in group.angles if angle % 90 == 0})
    if len(exact) == 1 and not group.has_mirrors:
        return f"No turn of {group.name} maps pixels to pixels: its layers are exact, its turns of images approximate."
    words = f"A line reads the same turned by {', '.join(f'{angle:g}°' for angle in exact)}"
    words += ", and mirrored" if group.has_mirrors else ""
    if group.is_exact:
        return f"{words}: group {group.name}, exact up to rounding."
    return f"{words}: exact up to rounding. The other turns of {group.name} fall between pixels and are approximate."
