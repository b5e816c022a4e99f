"""Error rates with intervals, and calibration of confidences."""
