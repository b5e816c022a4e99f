"""Command lines for accelerate, the demo, and what makes the package's files and the pictures of its documentation."""
