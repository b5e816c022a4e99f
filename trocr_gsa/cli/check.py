"""`trocr-gsa check`: measures whether a reader, with its adapter, is equivariant."""

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
    """Measure the equivariance of each layer and the invariance of the text; exit code 1 if one does not hold."""
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
    """Return a table of the claims, each with the group element of the largest error."""
    printed = Table(
        "claim", "worst element", "64 bit", "32 bit", "verdict", title="largest relative error over all group elements"
    )
    for claim, same in groupby(checks, key=lambda check: check.claim):
        worst = max(same, key=lambda check: (not check.holds, check.error_float64))
        errors = (f"{error:.0e}" for error in (worst.error_float64, worst.error_float32))
        printed.add_row(claim, worst.element, *errors, worst.verdict)
    return printed


def verdict(checks: list["Check"], group: "PointGroup") -> str:
    """Return the result of the checks as one sentence."""
    if not checks:
        return "Group C1 has no turns: this reader is not equivariant and reads upright lines only."
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
