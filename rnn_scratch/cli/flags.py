"""The flags of all commands: a text that was typed becomes a value, or one line that names the flag."""
import argparse
import os
import sys
from dataclasses import fields
from pathlib import Path

from ..beyond.settings import path_name


class Parser(argparse.ArgumentParser):
    def print_help(self, file=None):
        """argparse says nothing where this cannot be written."""
        (file or sys.stdout).write(self.format_help())

    def error(self, message):
        super().error(message + ': a flag takes one value; put a name with spaces in quotes' *
                      message.startswith('unrecognized arguments'))


def add_command(commands, run, help, description=None, **others):
    """A command with the name of the function that runs it."""
    parser = commands.add_parser(run.__name__, help=help, description=description or f'{help[0].upper()}{help[1:]}.',
                                 **others)
    parser.set_defaults(run=run)
    return parser


def add_setting(parser, kind, name, read=None, **others):
    """A flag for a field of `Settings` or `Plan`, which has its default, type, rule and help; see `given`."""
    setting, = [setting for setting in fields(kind) if setting.name == name]
    default, help = setting.default, setting.metadata['help']
    if setting.type is bool:
        parser.add_argument(f'--{name.replace("_", "-")}', action='store_true', default=argparse.SUPPRESS, help=help)
        return
    if default not in (None, ()) and '(default: ' not in help:
        help += f' (default: {default if isinstance(default, str) else format(default, "g")})'
    add(parser, name, read or setting.type, setting.metadata['rule'], default=argparse.SUPPRESS, help=help, **others)


def given(args, kind):
    """Those fields of `Settings` or `Plan` that were given as flags: Settings(**given(args, Settings))."""
    return {setting.name: vars(args)[setting.name] for setting in fields(kind) if setting.name in args}


def add(parser, name, read, rule, **others):
    """A flag whose text `read` makes a value of; `rule(name=value)` raises a sentence where that does not fit."""
    def value(text):
        try:
            found = read(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f'{text!r} is not a {"whole " if read is int else ""}number') from None
        check(rule, **{name: found})
        return found
    parser.add_argument(f'--{name.replace("_", "-")}', **{'type': value, **others})


def check(rule, **values):
    try:
        rule(**values)
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def song(text):
    """What was typed in UTF-8, also where the language settings of the terminal say something else."""
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(text).decode('utf-8')
        except UnicodeDecodeError:
            raise argparse.ArgumentTypeError(f'{text!a} is not a text in UTF-8') from None
    return text


def path(text):
    """The name of a file or folder to write to."""
    check(path_name, path=text)
    return Path(text)


def names_of(paths):
    """What models are called in a picture or a page: by their files or, where these have equal names, folders, too."""
    names = [path.stem for path in paths]
    if len(set(names)) == len(names):
        return names
    # Random of one folder beside random of another. What they share of their paths may tell who draws this.
    shared = os.path.commonpath([path.absolute().parent for path in paths])
    return [os.path.relpath(path.with_suffix(''), shared) for path in paths]


def add_model(parser):
    parser.add_argument('model', nargs='?', type=Path, metavar='MODEL',
                        help='the .safetensors file (default: the newest one under runs/)')
