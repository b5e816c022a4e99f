"""What a training tells about itself while it runs, to whoever shows it."""


class TrainingWatcher:
    """Is told about a training, and does nothing; subclasses show it. Only the main process tells."""

    def note(self, message: str) -> None:
        """A remark of one line, such as a finding of the ground-truth check."""

    def begin(self, share: float) -> None:
        """The training begins, or continues, with this share of it done, in [0, 1]."""

    def step(self, step: int, share: float, lines: int) -> None:
        """A step is done: its number, the share of the training that is done, and the number of its lines."""

    def measured(self, loss: float | None = None, cer: float | None = None, best_cer: float | None = None) -> None:
        """New numbers: the mean loss, or the error rate on the validation lines and the lowest one so far."""
