"""The command line: python -m rnn_scratch train · write · trace · plot · show · export · download · doctor.

`cli/` has the commands, a file for each group, and in `cli/shell.py` what stands around them.
"""
from .cli.shell import ignore_signals, main

if __name__ == '__main__':
    try:
        main()
    finally:
        ignore_signals()
