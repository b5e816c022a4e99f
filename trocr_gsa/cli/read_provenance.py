"""The part of `trocr-gsa read` that records in the output how it was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trocr_gsa.data.provenance import Provenance

PACKAGED = "packaged"  # the recorded name of the packaged checkpoint


def provenance_of(
    model: str | None, adapters: str | dict[str, str] | None, settings: Mapping[str, object]
) -> Callable[[str | None], Provenance]:
    """Return a function from the name of a page's adapter to the provenance of the page's text.

    Args:
        model: the value of `--model`.
        adapters: one for all pages, or several by name.
        settings: of the reading, by name.

    Raises:
        ValueError: if SOURCE_DATE_EPOCH is not a date.
    """
    from trocr_gsa.checkpoints.loading import find_adapter
    from trocr_gsa.checkpoints.models import PACKAGED_CHECKPOINT
    from trocr_gsa.checkpoints.weights_digest import weights_digest
    from trocr_gsa.data.provenance import Provenance, Weights, current_date, own_version

    date, settings_text = current_date(), {name: str(value) for name, value in settings.items()}

    @cache
    def made_with(name: str | None) -> Provenance:
        source = adapters if isinstance(adapters, str) else (adapters or {}).get(name or "")
        digest = weights_digest(PACKAGED_CHECKPOINT if model is None else model)
        adapter = None if source is None else Weights(source, weights_digest(find_adapter(source)))
        return Provenance(own_version(), Weights(model or PACKAGED, digest), adapter, date, settings_text)

    return made_with
