"""What stands around each command: the streams, the signals, and the exit status."""
import contextlib
import io
import os
import signal
import sys
import warnings

from .._platform import INSTALL, sentence, start_is_over
from ..beyond.corpus import printable
from ..beyond.stop import STOP_SIGNALS, StopSignals, stop_signals


def run(parse_arguments):
    """Run the command that the arguments name; a mistake is one sentence on standard error."""
    open_streams()
    status, lost, stop = 0, None, StopSignals(once=False)
    try:
        start_is_over()
        with stop_signals(stop), warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: note(message)
            args = parse_arguments()
            try:
                args.run(args)
            except BaseException:
                if not stop.number:
                    raise
            stop.check()        # out here, the exception and what it held are gone
    except SystemExit as end:
        status = end.code
    except BaseException as error:
        status = why(error, stop)
        # What the system says of a file has the file's name with it; of a stream, no name.
        lost = error if isinstance(error, OSError) and error.errno and error.filename is None else None
    unwritten = lost_output(sys.stdout)
    lost_output(sys.stderr)
    if lost or unwritten and not status:
        # As with `… | head -1`, where whoever read has gone away and knows; or as on a full disk.
        status = 1 if isinstance(lost or unwritten, BrokenPipeError) else (
            f'Standard output cannot be written ({(lost or unwritten).strerror}): send it to another place.')
    if status:
        sys.exit(printable(status) if isinstance(status, str) else status)


def open_streams():
    """A stream that is closed becomes an empty one, and a character that the terminal does not know is shown as ?."""
    sys.stdin = sys.stdin or open(os.devnull)
    sys.stdout, sys.stderr = sys.stdout or open(os.devnull, 'w'), sys.stderr or open(os.devnull, 'w')
    for stream in [sys.stdin, sys.stdout]:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='replace')
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)     # a line is seen, and fails, when it is printed; in a pipe, too


def why(error, stop):
    """The exit status of a command that an exception ended or, as for `sys.exit`, the sentence to end with."""
    if stop.number or isinstance(error, KeyboardInterrupt):
        note('\nstopped' if sys.stderr.isatty() else 'stopped')        # a terminal may be in the middle of a line
        return 128 + (stop.number or signal.SIGINT)
    if isinstance(error, MemoryError):
        return 'There is not enough memory for this: take a smaller text or model.'
    if isinstance(error, ModuleNotFoundError) and error.name:
        return sentence(f'The package {error.name} is not installed', INSTALL)
    if isinstance(error, (OSError, ValueError, FloatingPointError, ModuleNotFoundError)):
        return str(error)
    raise error


def lost_output(stream):
    """What keeps a stream from being written, or None. From then on it goes nowhere: Python tries both once more."""
    try:
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error


def say(text, streams=()):
    """To the user, who is at standard error where standard output is closed or full; or has gone."""
    for stream in streams or [sys.stdout, sys.stderr]:
        with contextlib.suppress(OSError):
            print(printable(str(text)), file=stream, flush=True)
            return


def note(text):
    """On standard error, for a reader; if there is none, nothing is lost."""
    say(text, [sys.stderr])


def ignore_signals():
    """While Python closes down, there is nothing to stop any more."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
