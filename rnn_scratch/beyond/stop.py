"""Beyond the chapter: the signals that ask a program to stop, so that a training run can save before it ends."""
import contextlib
import signal
import sys
import threading

from .._platform import once_more

# Ctrl-C; a system that shuts down; a closed terminal; Ctrl-\; the two with which a batch system (Slurm, Grid Engine, …)
# says that time is over soon; Ctrl-Break, on Windows. Neither Python nor MXNet has a use of its own for any of them.
STOP_SIGNALS = tuple(number for number in signal.Signals if number.name in {
    'SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGXCPU', 'SIGBREAK'})


class StopSignals:
    """让训练停下的信号（`STOP_SIGNALS`）：记下第一个，抛出 KeyboardInterrupt。

    The signals that ask to stop raise KeyboardInterrupt, and `number` is the first one that came. While a file is
    written they wait, and `check` finds them afterwards. With `once`, none after the first disturbs the last save.
    """
    def __init__(self, once=True):
        self.number, self.once, self.waiting, self.is_lost = None, once, False, False

    def receive(self, number, frame):
        is_due = self.is_lost or self.number is None or not self.once
        self.number = self.number or number
        if is_due and not self.waiting:
            self.is_lost = False
            raise KeyboardInterrupt

    def swallowed(self, unraisable):
        """Python calls this where it cannot raise an exception, as in `__del__`: raise it a moment later."""
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            self.is_lost = True
            once_more(self.number or signal.SIGINT, lambda: self.is_lost)
        elif self.number is None:       # after a signal it is of an array that was left half made
            sys.__unraisablehook__(unraisable)

    def check(self):
        if self.number is not None:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def wait(self):
        self.waiting = True
        try:
            yield
        finally:
            self.waiting = False


@contextlib.contextmanager
def stop_signals(stop):
    """在一段时间里接收这些信号。

    Receive the signals for a while; not those that are ignored, as they are in the background (nohup), nor those that
    code in C has received since before Python began: Python calls its handler None, and cannot give it back.
    """
    if threading.current_thread() is not threading.main_thread():       # Python gives signals to that one only
        yield
        return
    received = [number for number in STOP_SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, stop.receive) for number in received}
    hook, sys.unraisablehook = sys.unraisablehook, stop.swallowed
    try:
        yield
    finally:
        stop.waiting, stop.is_lost = True, False
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
