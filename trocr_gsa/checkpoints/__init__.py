"""Checkpoints and adapters: checking, loading and saving their files, and their results."""
