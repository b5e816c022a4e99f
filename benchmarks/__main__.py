"""Run a program from this folder: `python -m benchmarks NAME [options]`."""

import sys

from benchmarks.runner import run

if __name__ == "__main__":
    run("benchmarks", sys.argv[1:])
