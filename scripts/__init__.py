"""Entry points for accelerate, the demo, and programs that create package files and images of the documentation."""
