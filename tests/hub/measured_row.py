"""One row of the results that `trocr-gsa evaluate --json` and a training write."""

ROW = {
    "name": "/home/me/lines",
    "angle": 90.0,
    "lines": 40,
    "cer": 0.12345,
    "cer_low": 0.1,
    "cer_high": 0.15,
    "wer": 0.5,
    "wer_low": 0.25,
    "wer_high": 0.75,
    "orientation_accuracy": 0.975,
    "lines_per_second": 7.0,
}
