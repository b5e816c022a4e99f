"""The part of `trocr-gsa read` that says in its outputs what made them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trocr_gsa.data.provenance import Provenance

PACKAGED = "packaged"  # what the checkpoint is called that comes with the software


def provenance_of(
    model: str | None, adapters: str | dict[str, str] | None, settings: Mapping[str, object]
) -> Callable[[str | None], Provenance]:
    """Return what tells, by the name of the adapter that read a page, what made its text.

    Args:
        model: as it was asked for.
        adapters: one, which reads all; or several by name.
        settings: of the reading, by name.

    Raises:
        ValueError: if SOURCE_DATE_EPOCH is no date.
    """
    from trocr_gsa.checkpoints.loading import find_adapter
    from trocr_gsa.checkpoints.models import PACKAGED_CHECKPOINT
    from trocr_gsa.checkpoints.weights_digest import weights_digest
    from trocr_gsa.data.provenance import Provenance, Weights, current_date, own_version

    date, said = current_date(), {name: str(value) for name, value in settings.items()}

    @cache
    def made_with(name: str | None) -> Provenance:
        source = adapters if isinstance(adapters, str) else (adapters or {}).get(name or "")
        digest = weights_digest(PACKAGED_CHECKPOINT if model is None else model)
        adapter = None if source is None else Weights(source, weights_digest(find_adapter(source)))
        return Provenance(own_version(), Weights(model or PACKAGED, digest), adapter, date, said)

    return made_with
