"""The command line: python -m rnn_scratch train · write · trace · plot · show · export · download · doctor.

`cli/` has the commands, a file for each group, and in `cli/shell.py` what stands around them.
"""
import argparse
import sys

from .cli import look, shell, take, train, write
from .cli.flags import Parser


def parse_arguments(argv=None):
    parser = Parser(
        prog='python -m rnn_scratch', description='A recurrent network from scratch that writes songs: train it, let '
        'it write, look inside.', epilog='python -m rnn_scratch COMMAND --help tells more of each command.')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for add in [train.add_train, write.add_write, look.add_trace, look.add_plot, look.add_show, take.add_export,
                take.add_download, take.add_doctor]:
        add(commands)
    return parser.parse_args(argv, argparse.Namespace(argv=sys.argv[1:] if argv is None else argv))


def main(argv=None):
    """Run one command; a mistake is one sentence on standard error, and the exit status is not 0."""
    shell.run(lambda: parse_arguments(argv))


if __name__ == '__main__':
    try:
        main()
    finally:
        shell.ignore_signals()
