"""`python -m trocr_gsa`: the command line, also for `accelerate launch -m` and `torchrun -m`."""

from trocr_gsa.cli.app import app

if __name__ == "__main__":
    app(prog_name="trocr-gsa")
