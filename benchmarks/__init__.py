"""Measurements of speed and memory: `python -m benchmarks` lists them, and results/ contains their results."""
