"""The command line: `app` has one file a command; torch and transformers are imported only by the command that runs."""
