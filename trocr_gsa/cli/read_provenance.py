"""The part of `trocr-gsa read` that records in the output how it was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trocr_gsa.data.provenance import Provenance

PACKAGED = "packaged"  # the recorded name of the packaged checkpoint


def provenance_of(
    model: str | None,
    adapters: str | dict[str, str] | None,
    settings: Mapping[str, object],
    also: Sequence[str] = (),
) -> Callable[[str | None], Provenance]:
    """Return a function from the name of a page's adapter to the provenance of the page's text.

    Args:
        model: the value of `--model`.
        adapters: one for all pages, or several by name.
        settings: of the reading, by name.
        also: names of the adapters that read every line too.

    Raises:
        ValueError: if SOURCE_DATE_EPOCH is not a date.
    """
    from trocr_gsa.checkpoints.loading import find_adapter
    from trocr_gsa.checkpoints.models import PACKAGED_CHECKPOINT
    from trocr_gsa.checkpoints.weights_digest import weights_digest
    from trocr_gsa.data.provenance import Provenance, Weights, current_date, own_version

    date, settings_text = current_date(), {name: str(value) for name, value in settings.items()}

    named = adapters if isinstance(adapters, dict) else {}

    @cache
    def of_adapter(source: str) -> Weights:
        return Weights(source, weights_digest(find_adapter(source)))

    @cache
    def made_with(name: str | None) -> Provenance:
        source = adapters if isinstance(adapters, str) else named.get(name or "")
        digest = weights_digest(PACKAGED_CHECKPOINT if model is None else model)
        adapter = None if source is None else of_adapter(source)
        others = {name: of_adapter(source) for name, source in named.items() if name in also}
        return Provenance(own_version(), Weights(model or PACKAGED, digest), adapter, date, settings_text, others)

    return made_with
