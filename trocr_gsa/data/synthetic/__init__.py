"""Synthetic lines (texts, fonts, ink, paper), and augmentation of real lines."""
