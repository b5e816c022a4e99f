"""Error rates with intervals, and how far a confidence can be trusted."""
