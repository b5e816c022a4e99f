"""The commands of `trocr-gsa`, one a file; torch and transformers are imported only by the command that runs."""
