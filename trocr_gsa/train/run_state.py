"""Where a run stands, between two steps."""

from dataclasses import dataclass


@dataclass
class RunState:
    """With the weights and the optimizer's moments, all that a run needs to continue.

    Attributes:
        step: taken or skipped.
        seconds: that these took.
        best_cer: of all evaluations.
        evaluations_without_gain: since that one.
        skipped: steps whose loss or gradient was not finite.
        skipped_in_a_row: how many of them were the last steps.
    """

    step: int = 0
    seconds: float = 0.0
    best_cer: float | None = None
    evaluations_without_gain: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0

    def summary(self) -> str:
        """Return the run in a few words."""
        cer = "" if self.best_cer is None else f", best CER {self.best_cer:.2%}"
        skipped = f", {self.skipped} skipped as not finite" if self.skipped else ""
        return f"{self.step} steps in {self.seconds / 60:.1f} minutes{skipped}{cer}"
