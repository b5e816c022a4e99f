"""Measure the packaged checkpoint and its adapters, and write the tables of the README and the model card.

    python -m experiments accuracy lines/ README.md trocr_gsa/checkpoint/README.md
    python -m experiments accuracy lines/ --share 1/2 &  python -m experiments accuracy lines/ --share 2/2

`lines/` contains `<set>-test.parquet` and `<set>-train.parquet`; `--runs` is the folder of the runs of
`train_adapters.py`. All readings are stored in `--cache`. So a stopped run continues, and several processes can share
the work (`--share`: make this part of the readings, and write no results). Each Markdown file gets the tables for which
it has marker comments. All numbers are also written to experiments/results/accuracy.json. The temperature of the
confidence is that of the packaged configuration, see calibrate_confidence.py. With five sets of 1,644 lines this takes
about 40 minutes on one CPU core.
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast, get_args

from peft import PeftModel
from safetensors import safe_open

from benchmarks.marked_tables import has_markers, write_between_markers
from experiments import accuracy_tables as tables
from experiments.accuracy_readings import Contestant, Readings
from experiments.line_conditions import CONDITIONS
from experiments.tesseract_peer import tesseract
from experiments.train_adapters import RUNS, Run
from trocr_gsa.checkpoints.models import PACKAGED_ADAPTERS, PACKAGED_CHECKPOINT, load_model
from trocr_gsa.checkpoints.results import Results
from trocr_gsa.data.numbers import to_json
from trocr_gsa.data.sources import open_source
from trocr_gsa.data.transcription import Normalization
from trocr_gsa.reader import load_reader

RENDERED = "rendered, unseen fonts"
SETS = {
    "fraktur-19": "fraktur-19",
    RENDERED: "rendered-unseen",
    "htromance-modern-fr": "htromance-modern-fr",
    "cremma-mss-19": "cremma-mss-19",
    "peraire": "peraire",
}  # name of the set: name of its files
TESSERACT = {"fraktur-19": "frk", RENDERED: "Latin"}
HANDS = "fra"  # Tesseract's language for the other sets
FEW_LINES = 60  # lines per set for the eight tilts and the conditions
CURVE = "peraire"  # the adapter that is also trained on fewer lines


def find_trained(run: Run, runs: Path, lines: Path) -> tables.Trained | None:
    """Return the result of a run, preferably the packaged adapter; None if there is no result."""
    packaged = PACKAGED_ADAPTERS / run.name
    folder = packaged if packaged.is_dir() else runs / run.name / "best"
    results = Results.read(str(folder)) if folder.is_dir() else None
    if results is None:
        return None
    whole = run.method == "full"
    with safe_open(folder / ("model.safetensors" if whole else "adapter_model.safetensors"), "np") as file:
        parameters = sum(math.prod(file.get_slice(name).get_shape()) for name in list(file.keys()))
    available = [len(open_source(lines / f"{name}-train.parquet")) for name in run.sets]
    return tables.Trained(
        adapter=run.adapter,
        method=tables.ALL_WEIGHTS if whole else f"LoRA, rank {results.settings['rank']}",
        sets=run.sets,
        lines=sum(min(count, run.lines or count) for count in available),
        parameters=parameters,
        minutes=run.minutes,  # training time of the run: the best checkpoint can be an earlier one
        contestant=Contestant.of_model(run.name, folder) if whole else Contestant.of_model(run.name, adapter=folder),
    )


def removal_is_exact(adapter: Path) -> bool:
    """Return whether a model has bit-equal weights after an adapter was loaded and removed."""
    before = {name: weight.clone() for name, weight in load_model(None)[0].state_dict().items()}
    adapted, _ = load_reader(adapter={"adapter": adapter}, device="cpu")
    after = cast(PeftModel, adapted).unload().state_dict()
    return before.keys() == after.keys() and all(before[name].equal(after[name]) for name in before)


def required_readings(
    readings: Readings,
    tilted: Readings,
    changed: list[Readings],
    base: Contestant,
    peers: dict[str, Contestant],
    trained: list[tables.Trained],
) -> Iterator[tuple[Readings, Contestant, str, float]]:
    """Yield every (lines, reader, set, angle) that the tables need, the most important ones first."""
    for name in readings.sources:
        yield from ((readings, base, name, angle) for angle in tables.QUARTERS)
    for each in trained:
        with_all_lines = each.lines == _most_lines(trained, each.adapter)
        yield from (
            (readings, each.contestant, name, 0.0) for name in (readings.sources if with_all_lines else each.sets)
        )
    for name, peer in peers.items():
        yield from ((readings, peer, name, angle) for angle in (0.0, 180.0))
    for name in tilted.sources:
        yield from ((tilted, base, name, tilt) for tilt in tables.TILTS)
        yield from ((each, base, name, 0.0) for each in changed)


def all_tables(
    readings: Readings,
    tilted: Readings,
    changed: list[Readings],
    base: Contestant,
    peers: dict[str, Contestant],
    trained: list[tables.Trained],
) -> dict[str, list[list[str]]]:
    """Return the tables by name, except for that of the confidence; those of training only if there are results."""
    whole = [each for each in trained if each.lines == _most_lines(trained, each.adapter)]
    adapted = [each for each in whole if each.method != tables.ALL_WEIGHTS]
    curve = [each for each in trained if each.adapter == CURVE and each.method != tables.ALL_WEIGHTS]
    report = {
        "accuracy": tables.base_table(readings, base, peers, adapted),
        "fonts": tables.document_table(readings, base, RENDERED),
        "tilt": tables.tilt_table(tilted, base),
        "conditions": tables.conditions_table(changed, base),
    }
    if whole:
        report["training"] = tables.training_table(readings, base, whole)
        report["forgetting"] = tables.forgetting_table(readings, base, whole)
        report["curve"] = tables.curve_table(readings, base, curve)
    return report


def write_all(report: dict[str, list[list[str]]], numbers: dict[str, Any], pages: Sequence[Path], path: Path) -> None:
    """Write each table to the pages with its marker comments, and all results to a JSON file."""
    for name, rows in report.items():
        print(f"\n{name}\n{tables.as_markdown(rows)}")
        for page in pages:
            if has_markers(page, name, __file__):
                write_between_markers(page, name, __file__, tables.as_markdown(rows))
    path.write_text(to_json(numbers | {"tables": report}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> None:
    """Read the lines, and write the results; with `--share`, only read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with compiled sets")
    parser.add_argument("pages", type=Path, nargs="*", help="Markdown files with the tables' marker comments")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/adapters"), help="folder of the runs of experiments/train_adapters.py"
    )
    parser.add_argument("--cache", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--json", type=Path, default=Path("experiments/results/accuracy.json"))
    parser.add_argument("--share", metavar="1/2", help="make only this share of the readings; write no results")
    parser.add_argument(
        "--normalize", choices=get_args(Normalization), default="none", help="normalization of texts before comparing"
    )
    parser.add_argument(
        "--lines", type=int, dest="most", help="maximum number of lines per set, except for tilts; by default all"
    )
    arguments = parser.parse_args()
    sources = {name: str(arguments.folder / f"{file}-test.parquet") for name, file in SETS.items()}
    readings = Readings(arguments.cache, sources, most=arguments.most, normalize=arguments.normalize)
    tilted = replace(readings, most=FEW_LINES, lines={})
    changed = [replace(tilted, condition=name, lines={}) for name in CONDITIONS]
    base = Contestant.of_model("packaged")
    found = {name: tesseract(TESSERACT.get(name, HANDS)) for name in readings.sources}
    peers = {name: peer for name, peer in found.items() if peer is not None}
    trained = [each for run in RUNS if (each := find_trained(run, arguments.runs, arguments.folder))]
    part, parts = map(int, (arguments.share or "1/1").split("/"))
    jobs = list(required_readings(readings, tilted, changed, base, peers, trained))
    for lines, reader, name, angle in jobs[part - 1 :: parts]:
        lines.of(reader, name, angle)
    if arguments.share:
        return
    config = json.loads((PACKAGED_CHECKPOINT / "config.json").read_text(encoding="utf-8"))
    confidence = tables.confidence_table(readings, base, config["confidence_temperature"])
    report = all_tables(readings, tilted, changed, base, peers, trained) | {"confidence": confidence}
    numbers = {
        "rows": [asdict(tables.summary(readings, base, name, angle)) for name in SETS for angle in tables.QUARTERS],
        "normalize": arguments.normalize,
        "confidence_temperature": config["confidence_temperature"],
        "removed_adapter_leaves_the_weights_bit_equal": {
            path.name: removal_is_exact(path) for path in sorted(PACKAGED_ADAPTERS.glob("*/"))
        },
        "peers": sorted({peer.name for peer in peers.values()}),
    }
    write_all(report, numbers, arguments.pages, arguments.json)


def _most_lines(trained: list[tables.Trained], adapter: str) -> int:
    return max(each.lines for each in trained if each.adapter == adapter)
