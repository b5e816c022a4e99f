"""Shows a training: its progress with loss and error rates, and what is kept when it is stopped."""

from pathlib import Path

from trocr_gsa.checkpoints.results import Results
from trocr_gsa.train.watcher import TrainingWatcher

from .messages import remark
from .progress import Meter


class ShownTraining(TrainingWatcher):
    """Shows a training on a meter.

    Args:
        meter: with a total of 1, the whole training.
        max_steps: maximum number of steps; None: the training ends by time.
    """

    def __init__(self, meter: Meter, max_steps: int | None) -> None:
        self.meter, self.max_steps = meter, max_steps
        self.numbers: dict[str, str] = {}

    def note(self, message: str) -> None:
        """Print a remark."""
        remark(message)

    def begin(self, share: float) -> None:
        """Start the clock."""
        self.meter.begin(share)

    def step(self, step: int, share: float, lines: int) -> None:
        """Show a step, with the latest numbers."""
        steps = f"step {step:,}" if self.max_steps is None else f"step {step:,} of {self.max_steps:,}"
        numbers = (f"{name} {value}" for name, value in self.numbers.items())
        self.meter.update(share, lines, ", ".join([steps, *numbers]))

    def measured(self, loss: float | None = None, cer: float | None = None, best_cer: float | None = None) -> None:
        """Keep the latest numbers for the next step."""
        found = {
            "loss": None if loss is None else f"{loss:.3f}",
            "CER": None if cer is None else f"{cer:.2%}",
            "best": None if best_cer is None else f"{best_cer:.2%}",
        }
        self.numbers |= {name: value for name, value in found.items() if value is not None}


def what_is_kept(output: str) -> str:
    """Return what is kept of a stopped training, and how it continues."""
    last = Path(output) / "last"
    if not last.is_dir():
        return "no checkpoint was saved yet. The same command starts again."
    results = Results.read(str(last))
    step = "" if results is None else f" of step {results.steps:,}"
    return (
        f"the checkpoint{step} is in {last}, the best one in {last.with_name('best')}. "
        "The same command with --resume continues."
    )
