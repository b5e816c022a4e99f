"""Writes the provenance of a text into PAGE and ALTO files.

What is unusual: PAGE has no element for it in versions before 2019, so it is written as a comment in the metadata. ALTO
has another element for it in versions before 4.
"""

from __future__ import annotations

import re
from typing import Any

from ..names import writable
from ..provenance import SOFTWARE, Provenance
from .xml_files import add_child, append_child, children, namespace_of

PAGE_YEAR = re.compile(r"/pagecontent/(\d{4})-")
ALTO_VERSION = re.compile(r"/ns-v(\d)#$")
WITH_ITEMS = 2019  # PAGE has elements for processing steps
WITH_PROCESSING = 4  # ALTO has an element for any processing
STEP = "recognition/text-recognition"  # OCR-D's name of this processing step
AFTER_COMMENTS = frozenset({"UserDefined", "MetadataItem", "TranskribusMetadata"})


def add_to_page(root: Any, made: Provenance) -> None:
    """Write provenance and date of change into the Metadata of a PAGE file."""
    metadata = next(iter(children(root, "Metadata")), None)
    if metadata is None:
        metadata = add_child(root, "Metadata", frozenset({"Page"}))
        for name, text in (("Creator", made.software), ("Created", made.date), ("LastChange", made.date)):
            append_child(metadata, name).text = text
    for change in children(metadata, "LastChange"):
        change.text = made.date
    year = PAGE_YEAR.search(namespace_of(root))
    if year is None or int(year[1]) < WITH_ITEMS:
        _add_comment(metadata, made)
        return
    item = add_child(metadata, "MetadataItem")
    for name, value in (("type", "processingStep"), ("name", STEP), ("value", made.software), ("date", made.date)):
        item.set(name, value)
    labels = append_child(item, "Labels")
    labels.set("externalModel", SOFTWARE)
    for name, value in made.facts.items():
        label = append_child(labels, "Label")
        label.set("type", name)
        label.set("value", writable(value))


def add_to_alto(root: Any, made: Provenance) -> None:
    """Write the provenance into the Description of an ALTO file."""
    description = next(iter(children(root, "Description")), None)
    if description is None:
        description = add_child(root, "Description", frozenset({"Styles", "Tags", "ReadingOrder", "Layout"}))
        append_child(description, "MeasurementUnit").text = "pixel"
    found = ALTO_VERSION.search(namespace_of(root))
    has_processing = found is not None and int(found[1]) >= WITH_PROCESSING
    if has_processing:
        step = processing = add_child(description, "Processing")
        append_child(step, "processingCategory").text = "contentGeneration"
    else:
        processing = add_child(description, "OCRProcessing", frozenset({"Processing"}))
        step = append_child(processing, "ocrProcessingStep")
    processing.set("ID", _new_id(root))
    append_child(step, "processingDateTime").text = made.date
    append_child(step, "processingStepDescription").text = STEP
    append_child(step, "processingStepSettings").text = _settings(made)
    software = append_child(step, "processingSoftware")
    append_child(software, "softwareName").text = SOFTWARE
    append_child(software, "softwareVersion").text = made.version


def _add_comment(metadata: Any, made: Provenance) -> None:
    comments = next(iter(children(metadata, "Comments")), None)
    if comments is None:
        comments = add_child(metadata, "Comments", AFTER_COMMENTS)
    comment = f"{made.date} {writable(str(made))}"
    comments.text = f"{comments.text}\n{comment}" if (comments.text or "").strip() else comment


def _settings(made: Provenance) -> str:
    return writable("; ".join(f"{name}: {value}" for name, value in made.facts.items()))


def _new_id(root: Any) -> str:
    """Return an id that the file does not use yet."""
    used = {element.get("ID") for element in root.iter() if isinstance(element.tag, str)}
    number = 1
    while f"{SOFTWARE}_{number}" in used:
        number += 1
    return f"{SOFTWARE}_{number}"
