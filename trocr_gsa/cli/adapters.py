"""`trocr-gsa adapters`: lists adapters with their training data and error rates."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from trocr_gsa.data.numbers import to_json

from . import options
from .messages import LEFT_OUT, report_left_out, show, silence_libraries, user_errors

if TYPE_CHECKING:
    from trocr_gsa.metrics.summary_row import SummaryRow
    from trocr_gsa.reader import ListedAdapter

NOT_MEASURED = "not measured"


@user_errors()
def adapters(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder to search, with its subfolders.", show_default="the packaged adapters"),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Folder or Hub id of a checkpoint: show which adapters fit.", show_default=False)
    ] = None,
    trust_remote_code: options.TrustRemoteCode = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of a table.")] = False,
) -> None:
    """List every adapter in a folder and its subfolders; exit code 1 if one of them cannot be read."""
    from trocr_gsa.checkpoints.models import PACKAGED_ADAPTERS
    from trocr_gsa.reader import list_adapters

    silence_libraries()
    folder = folder or PACKAGED_ADAPTERS
    found, problems = list_adapters(folder, model, trust_remote_code)
    if as_json:
        typer.echo(to_json([_plain(adapter) for adapter in found], indent=2, ensure_ascii=False))
    elif found:
        show(table(folder, found))
    report_left_out(problems)
    if problems:
        raise typer.Exit(LEFT_OUT)


def table(folder: Path, found: Sequence["ListedAdapter"]) -> Table:
    """Return the adapters as a table to print."""
    shows_fit = any(adapter.fits is not None for adapter in found)
    printed = Table("adapter", "base", "changes", "MB", "trained on", "steps", "CER %", *["fits"] * shows_fit)
    for column in printed.columns:
        column.overflow = "fold"
    for adapter in found:
        results = adapter.results
        printed.add_row(
            str(adapter.path.relative_to(folder)),
            adapter.base or "not named",
            adapter.targets if adapter.rank is None else f"{adapter.targets}, rank {adapter.rank}",
            f"{adapter.size_in_mb:.2f}",
            "\n".join(results.train) if results else "not known",
            f"{results.steps} in {results.minutes:.1f} min" if results else "not known",
            "\n".join(_rates(results.rows)) if results and results.rows else NOT_MEASURED,
            *["yes" if adapter.fits else "no"] * shows_fit,
            end_section=True,
        )
    return printed


def _rates(rows: Sequence["SummaryRow"]) -> Iterator[str]:
    """Yield the error rate of each set with its interval: one line if all angles agree, otherwise one per angle."""
    for name, measured in groupby(rows, key=lambda row: row.name):
        at_angles = {f"{row.angle:g}°": _with_interval(row) for row in measured}
        if len(set(at_angles.values())) == 1:
            yield f"{name}: {next(iter(at_angles.values()))}"
        else:
            yield from (f"{name} at {angle}: {rate}" for angle, rate in at_angles.items())


def _with_interval(row: "SummaryRow") -> str:
    return f"{100 * row.cer:.2f} ({100 * row.cer_low:.1f}–{100 * row.cer_high:.1f})"


def _plain(adapter: "ListedAdapter") -> dict[str, Any]:
    return asdict(adapter) | {"path": str(adapter.path)}
