"""Evidence, accuracy, and the making of the packaged reader: `python -m experiments` lists the programs."""
