"""Evidence, accuracy and the packaged reader's making: `python -m experiments` lists it; results/ holds the numbers."""
