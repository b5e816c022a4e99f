"""The network itself: flat, importing only torch, transformers and siblings, so that it can travel with weights."""
