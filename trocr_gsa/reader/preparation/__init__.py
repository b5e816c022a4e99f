"""Preparation of line images for the encoder: polarity, levelling, trimming."""
