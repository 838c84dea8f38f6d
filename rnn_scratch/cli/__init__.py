"""The command line: one file for each group of commands, `flags.py` and `shell.py` for all of them."""
