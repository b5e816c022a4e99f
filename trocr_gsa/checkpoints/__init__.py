"""Checkpoints and adapters: their files, looked at before anything is built of them, loading and results."""
