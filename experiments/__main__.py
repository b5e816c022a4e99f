"""Run a program from this folder: `python -m experiments NAME [options]`."""

import sys

from benchmarks.runner import run

if __name__ == "__main__":
    run("experiments", sys.argv[1:])
