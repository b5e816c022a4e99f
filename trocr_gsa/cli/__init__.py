"""The command line: one file per command; torch and transformers are imported only by the command that runs."""
