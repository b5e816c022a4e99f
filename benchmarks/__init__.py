"""Measurements of speed and memory: `python -m benchmarks` lists them; results/ holds what they found."""
