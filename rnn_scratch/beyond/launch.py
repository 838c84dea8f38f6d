"""Processes of one machine that are started, watched and ended together: scheduler, server and K workers.

The supervisor is `launch`, in the process that the user starts; it computes nothing. The others run member.py, whose
standard input is a connection with the supervisor. A dead process closes its connection; one that only stands still
is silent. The server adds up; worker 0 prints and saves.
"""
import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .._platform import count_cores, python
from .member import BEAT, LAST_WORDS, NUMBER
from .run import NOTES
from .stop import STOP_SIGNALS

SILENCE = 5             # seconds without a sign of life, after which a process counts as dead
ADDRESS = '127.0.0.1'   # of this machine, for itself: nobody else can connect


class Lost(Exception):  # noqa: N818
    """Who is dead, and why: the end of all others. And whether it may go better with new processes."""


def launch(arguments, count, restarts=0):
    """在这台机器上启动几个 worker，看着它们，一起结束。

    Let `count` workers run `python -m rnn_scratch` with these arguments, until they are done or one of them is dead. If
    it was killed or stands still, all begin again, up to `restarts` times, from what worker 0 has saved; what ended by
    itself, with a word of its own, would do so again. Returns the exit status for this process. ValueError: a variable
    says something else about the workers.
    """
    for name in ['DMLC_PS_ROOT_URI', 'DMLC_PS_ROOT_PORT', 'DMLC_NUM_WORKER', 'DMLC_NUM_SERVER']:
        if name in os.environ:
            raise ValueError(f'{name} is set ({os.environ[name]}), but --workers starts all processes on this machine: '
                             'unset it or, for several machines, set DMLC_ROLE, too (docs/distributed.md).')
    signals, again = [], True
    with contextlib.ExitStack() as stack:
        notes = stack.enter_context(tempfile.TemporaryFile())       # what worker 0 has printed, by title: `run.show`
        for number in STOP_SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                stack.callback(signal.signal, number, signal.signal(number, lambda number, _: signals.append(number)))
        while again and not signals:
            members, lost, restarts = [], ('there was an error in this program.', False), restarts - 1
            # A free port, held without listening until the scheduler listens there: no other process can get it.
            with socket.socket() as holder:
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                holder.bind((ADDRESS, 0))
                try:
                    for name, variables in roles(count, holder.getsockname()[1]):
                        members.append(Member(name, arguments, variables, notes.fileno()))
                    watch(members, signals)
                    lost = None
                except Lost as error:
                    lost = error.args
                finally:
                    code, again = end(members, lost, restarts, notes)
    if again:       # and a signal to stop, after the last words of worker 0 were held back
        print(f'Stopped by {signal.Signals(signals[0]).name}: nothing begins again. To go on: --resume.',
              file=sys.stderr)
    return 128 + signals[0] if signals else code


def roles(count, port):
    """The name of each process, and the variables that tell it what it is."""
    def variables(role, threads, **more):
        # The cores are shared out, unless the user has said how many each process takes.
        return {'OMP_NUM_THREADS': os.environ.get('OMP_NUM_THREADS', '').strip() or str(threads), **more,
                'DMLC_ROLE': role, 'DMLC_NUM_WORKER': str(count), 'DMLC_NUM_SERVER': '1', 'DMLC_PS_ROOT_URI': ADDRESS,
                'DMLC_PS_ROOT_PORT': str(port), 'DMLC_NODE_HOST': ADDRESS}

    yield 'the scheduler', variables('scheduler', 1)
    yield 'the server', variables('server', 1)
    for k in range(count):
        yield f'worker {k}', variables('worker', max(1, count_cores() // count), **{NUMBER: str(k)})


class Member:
    """A process of ours, with the connection that it gives its signs of life on."""

    def __init__(self, name, arguments, variables, notes):
        self.name, self.seen, self.is_done = name, time.monotonic(), False
        # What worker 0 prints is what one process would print. Of the others only the errors are kept.
        speaks = name == 'worker 0'
        self.errors = None if speaks else tempfile.TemporaryFile()
        self.connection, theirs = socket.socketpair()
        with theirs:
            # In a session of its own: Ctrl-C in the terminal reaches only the supervisor.
            self.process = subprocess.Popen(
                python(str(Path(__file__).with_name('member.py')), *arguments), stdin=theirs,
                stdout=None if speaks else subprocess.DEVNULL, stderr=self.errors, start_new_session=True,
                pass_fds=[notes], env={**os.environ, **variables, NOTES: str(notes)})

    def why(self):
        """How it ended, with what it wrote as an error."""
        code = self.process.wait()
        what = (f'was killed by {signal.Signals(-code).name}' if code < 0 else
                f'ended with exit status {code}' if code else 'ended too early')
        written = ''
        if self.errors:
            self.errors.seek(0)
            lines = self.errors.read().decode('utf-8', 'replace').strip().splitlines()
            written = '\n'.join([*lines[:2], '…', *lines[-3:]] if len(lines) > 6 else lines)
        return f'{self.name} (process {self.process.pid}) {what}' + (f':\n{written}' if written else '.')


def watch(members, signals):
    """Until all workers are done; raises Lost when one of the processes is dead or silent, or a signal to stop came."""
    workers = members[2:]
    with selectors.DefaultSelector() as selector:
        for member in members:
            selector.register(member.connection, selectors.EVENT_READ, member)
        while not all(worker.is_done for worker in workers):
            before = time.monotonic()
            for key, _ in selector.select(BEAT / 2):
                member, said = key.data, b''
                with contextlib.suppress(OSError):
                    said = member.connection.recv(4096)
                member.seen = time.monotonic()
                if not said:
                    selector.unregister(member.connection)
                    member.is_done = True
                    if member.process.wait() != 0:
                        raise Lost(member.why(), member.process.returncode < 0)
            if signals:
                workers[0].process.send_signal(signals[0])      # it saves and ends as a single process would
                with contextlib.suppress(subprocess.TimeoutExpired):
                    workers[0].process.wait(LAST_WORDS)
                raise Lost(f'Stopped by {signal.Signals(signals[0]).name}.', False)
            now = time.monotonic()
            for member in members:
                if now - before > 2 * BEAT:         # this process stood still (Ctrl-Z, a machine that slept)
                    member.seen = now
                if now - member.seen > SILENCE:     # all are done within moments of each other, or none is
                    raise Lost(member.why() if member.is_done else
                               f'{member.name} has not answered for {SILENCE} seconds.', not member.is_done)


def end(members, lost, restarts, notes):
    """End all that is left, say who was lost. Returns the exit status, worker 0's own if it has one; and: again?"""
    speaker = next((member for member in members if member.name == 'worker 0'), None)
    if lost and speaker:            # it may be about to end for the same reason, and has its own words for it
        with contextlib.suppress(subprocess.TimeoutExpired):
            speaker.process.wait(BEAT)
    own = max(0, speaker.process.poll() or 0) if speaker else 0
    text, may_go_on = lost or ('', False)
    again = may_go_on and restarts >= 0 and not own
    if again:                       # as if worker 0 had said so: its last words are not for the user
        with contextlib.suppress(OSError):          # no room
            os.write(notes.fileno(), f'stopped {speaker.process.pid}\n'.encode())
    if lost and not own:
        with contextlib.suppress(OSError):          # the terminal may be gone
            print(f'\nThe run goes on with new processes (restarts left: {restarts}): {text}' if again else
                  f'\n{text[0].upper()}{text[1:]}\nAll processes are ended.', file=sys.stderr, flush=True)
    for member in members:
        if member is not speaker and lost:
            member.process.kill()
    for member in members:
        if lost:
            member.connection.close()               # worker 0 saves, and ends
        try:
            member.process.wait(LAST_WORDS)
        except subprocess.TimeoutExpired:
            member.process.kill()
            member.process.wait()
        member.connection.close()
        if member.errors:
            member.errors.close()
    return (own or 1) if lost else 0, again
