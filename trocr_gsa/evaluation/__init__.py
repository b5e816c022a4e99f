"""Evaluation on labelled lines: `evaluate`, and the report."""
