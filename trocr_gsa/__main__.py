"""`python -m trocr_gsa`: the command line, in the form that `accelerate launch -m` and `torchrun -m` start."""

from trocr_gsa.cli.app import app

if __name__ == "__main__":
    app(prog_name="trocr-gsa")
