"""The network itself; flat, importing only torch, transformers and its own siblings, so that it can travel with the weights."""
