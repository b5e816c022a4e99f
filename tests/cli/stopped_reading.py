"""`trocr-gsa` whose process KILLED kills itself in its second window of two files, as if its machine went down."""

import os
import signal

import trocr_gsa.commands.read_lines
from trocr_gsa.cli import app
from trocr_gsa.reader import LineReader

trocr_gsa.commands.read_lines.WINDOW = 2
read, windows = LineReader.read, []


def read_or_die(reader, files, *args, **kwargs):
    windows.append(files)
    if len(windows) == 2 and os.environ["RANK"] == os.environ["KILLED"]:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(reader, files, *args, **kwargs)


LineReader.read = read_or_die
app()
