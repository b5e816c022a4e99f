"""Rendered lines: texts, fonts, ink, paper, and the augmentation of real ones."""
