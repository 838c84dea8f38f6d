"""Let something go wrong in the middle of `train --workers 2`, see what happens, and write it into docs/distributed.md.

    python tools/build_faults.py 10         each fault ten times (half an hour), then the table
    python tools/build_faults.py 1 Ctrl-C   one fault, once; writes nothing

Each process carries a variable with a name of its own, so that those of one trial are found, and no others.
"""
import contextlib
import fcntl
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import uuid
from pathlib import Path
from typing import Callable, NamedTuple

from rnn_scratch.beyond.checkpoint import load_checkpoint

ROOT = Path(__file__).resolve().parent.parent
TOKEN = 'RNN_SCRATCH_TRIAL'
SMALL = ['--num-chars', '400', '--hidden', '8', '--batch-size', '4', '--num-steps', '10', '--pred-period', '1',
         '--pred-len', '2', '--sampling', 'random', '--out', '.']
LONG = ['--epochs', '1000000', '--save-every', '1000000']
PATIENCE = 60       # seconds after which a trial counts as hung

# Python runs this at the start of each process of a trial: it breaks one of them.
BREAK = '''
import os, random, time
role, number, fault = (os.environ.get(name) for name in ['DMLC_ROLE', 'RNN_SCRATCH_WORKER', 'RNN_SCRATCH_FAULT'])
if fault == 'worker raises' and number == '1':
    shuffle, calls = random.shuffle, []
    def random_shuffle(*arguments):
        calls.append(1)
        if len(calls) == 6:
            raise ValueError('something is wrong with worker 1')
        shuffle(*arguments)
    random.shuffle = random_shuffle
if fault == 'scheduler fails' and role == 'scheduler':
    os.write(2, b'something is wrong with the scheduler')
    os._exit(1)
if fault == 'scheduler hangs' and role == 'scheduler':
    time.sleep(1e6)
'''


class Trial:
    """A training, or one process of it, of which all processes are known."""

    def __init__(self, folder, *arguments, fault='', terminal=False, prefix=(),
                 program=('-m', 'rnn_scratch', 'train'), **variables):
        self.folder, self.token, self.text = Path(folder), uuid.uuid4().hex, ''
        (self.folder / 'sitecustomize.py').write_text(BREAK, 'utf-8')
        self.master, stdin = pty.openpty() if terminal else (None, subprocess.DEVNULL)

        def prepare():
            for number in [signal.SIGINT, signal.SIGHUP]:       # ignored where the tests run in the background
                signal.signal(number, signal.SIG_DFL)
            if terminal:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)            # the terminal of this session

        environment = {name: value for name, value in os.environ.items() if not name.startswith('DMLC_')}
        variables = {name: value for name, value in variables.items() if value is not None}
        self.process = subprocess.Popen(
            [*prefix, sys.executable, *program, *map(str, arguments)], cwd=folder, stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8', start_new_session=True,
            preexec_fn=prepare, env={**environment, TOKEN: self.token, 'RNN_SCRATCH_FAULT': fault,
                                     'PYTHONPATH': f'{folder}:{ROOT}',
                                     'PYTHONIOENCODING': 'utf-8', 'PYTHONUNBUFFERED': '1', **variables})
        if terminal:
            os.close(stdin)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.text += line

    def until(self, pattern):
        """Wait until something is printed; the end of the process ends the waiting, too."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.text) and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        assert re.search(pattern, self.text), self.text

    def processes(self):
        """The processes of this trial by their role: {'supervisor': id, 'scheduler': id, 'worker 0': id, …}."""
        found = {}
        for folder in Path('/proc').glob('[0-9]*'):
            try:
                variables = dict(entry.split('=', 1) for entry in (folder / 'environ').read_text().split('\0')
                                 if '=' in entry)
                is_dead = (folder / 'stat').read_text().rpartition(')')[2].split()[0] in 'ZX'
            except (OSError, UnicodeDecodeError):
                continue
            if variables.get(TOKEN) == self.token and not is_dead:
                role = f'{variables.get("DMLC_ROLE", "supervisor")} {variables.get("RNN_SCRATCH_WORKER", "")}'.strip()
                found[role] = int(folder.name)
        return found

    def wait(self):
        """The exit status, and the processes that are left a moment later."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        left = self.wait_for_all()
        self.reader.join(2)
        return self.process.poll(), left

    def wait_for_all(self, seconds=10):
        end = time.monotonic() + seconds
        while self.processes() and time.monotonic() < end:
            time.sleep(0.05)
        return self.processes()

    def clean_up(self):
        for number in self.processes().values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.stdout.close()


def send(number, role):
    """Send a signal to one process of a trial."""
    return lambda trial: os.kill(trial.processes()[role], number)


def to_all(number):
    """Send a signal to all processes of the terminal, as Ctrl-C does."""
    return lambda trial: os.killpg(trial.process.pid, number)


def close_terminal(trial):
    os.close(trial.master)


class Fault(NamedTuple):
    inject: Callable = lambda trial: None
    code: int = 1
    says: str = ''
    saves: bool = True                  # the last whole epoch is in the file
    after: str = 'epoch 5,'             # when it is injected
    options: dict = {}                  # noqa: RUF012 (for Trial)


FAULTS = {
    'none: the normal end': Fault(code=0, says='picture in', options={'epochs': 8}),
    'Ctrl-C': Fault(to_all(signal.SIGINT), 130, 'stopped after epoch .* and saved to'),
    'Ctrl-C during the start': Fault(to_all(signal.SIGINT), 130, '', saves=False, after='^'),
    'SIGTERM to the supervisor': Fault(send(signal.SIGTERM, 'supervisor'), 143, 'stopped after epoch .* and saved to'),
    'the terminal is closed': Fault(close_terminal, 129, 'stopped after epoch .* and saved to',
                                    options={'terminal': True}),
    'the supervisor is killed': Fault(send(signal.SIGKILL, 'supervisor'), -9, 'saved to'),
    'worker 0 is killed': Fault(send(signal.SIGKILL, 'worker 0'), 1, r'Worker 0 \(process \d+\) was killed by SIGKILL',
                                saves=False),
    'worker 1 is killed': Fault(send(signal.SIGKILL, 'worker 1'), 1, r'Worker 1 \(process \d+\) was killed by SIGKILL'),
    'worker 1 stands still': Fault(send(signal.SIGSTOP, 'worker 1'), 1, 'Worker 1 has not answered for 5 seconds'),
    'worker 1 raises': Fault(code=1, says=r'Worker 1 \(process \d+\) ended with exit status 1:\n'
                             'something is wrong with worker 1', options={'fault': 'worker raises'}),
    'the server is killed': Fault(send(signal.SIGKILL, 'server'), 1,
                                  r'The server \(process \d+\) was killed by SIGKILL'),
    'the scheduler is killed': Fault(send(signal.SIGKILL, 'scheduler'), 1,
                                     r'The scheduler \(process \d+\) was killed by SIGKILL'),
    'the scheduler cannot start': Fault(code=1, says=r'The scheduler \(process \d+\) ended with exit status 1:\n'
                                        'something is wrong with the scheduler',
                                        saves=False, after='^', options={'fault': 'scheduler fails'}),
    'the scheduler hangs at its start': Fault(code=1, says='The scheduler has not answered for 5 seconds', saves=False,
                                              after='^', options={'fault': 'scheduler hangs'}),
    'the port of the scheduler is in use': Fault(code=1, says=r'The scheduler cannot listen on 127.0.0.1, port \d+',
                                                 saves=False, after='^', options={'busy': True}),
}


class Outcome(NamedTuple):
    seconds: float
    code: int
    text: str
    left: dict
    epochs: int


def try_once(name, folder):
    """One trial: the seconds from the fault to the end of the last process, and what was seen."""
    fault = FAULTS[name]
    options, length = dict(fault.options), LONG
    if options.pop('epochs', None):
        length = ['--epochs', 8]
    with contextlib.ExitStack() as stack:
        if options.pop('busy', False):      # `--workers` itself takes a port that is free: here one process, by hand
            other = stack.enter_context(socket.socket())
            other.bind(('127.0.0.1', 0))
            other.listen()
            options = {**variables('127.0.0.1', other.getsockname()[1]), 'DMLC_ROLE': 'scheduler'}
        trial = Trial(folder, *SMALL, *length, *([] if 'DMLC_ROLE' in options else ['--workers', 2]), **options)
        stack.callback(trial.clean_up)
        trial.until(fault.after)
        if fault.after == '^':              # from the moment when all processes are there
            while 'worker 1' not in trial.processes() and trial.process.poll() is None:
                time.sleep(0.02)
        began = time.monotonic()
        fault.inject(trial)
        code, left = trial.wait()
        seconds = time.monotonic() - began
        return Outcome(seconds, code, trial.text, left, epochs_saved(folder))


def epochs_saved(folder):
    saved = Path(folder, 'random.safetensors')
    return load_checkpoint(saved).epoch if saved.exists() else 0


# Processes that are started by hand, each with its role in its environment; on one host or on two

def variables(uri, port):
    return {'DMLC_PS_ROOT_URI': uri, 'DMLC_PS_ROOT_PORT': str(port), 'DMLC_NUM_WORKER': '2', 'DMLC_NUM_SERVER': '1'}


def start_by_hand(folders, arguments, there=(), names=None, uri='127.0.0.1', port=9091, **more):
    """Scheduler, server and worker 0 in the first folder (and host), worker 1 in the other: {role: trial}.

    `there` are the arguments of worker 1 only, `names` the hosts.
    """
    if names is None:
        with socket.socket() as free:
            free.bind((uri, 0))
            port = free.getsockname()[1]
        more['DMLC_NODE_HOST'] = uri
    trials = {}
    for role in ['scheduler', 'server', 'worker 0', 'worker 1']:
        here = int(role == 'worker 1')
        kind, _, number = role.partition(' ')
        environment = {**variables(uri, port), 'DMLC_ROLE': kind}
        if number:
            environment['RNN_SCRATCH_WORKER'] = number
        trials[role] = Trial(folders[here], *arguments, *(there if here else []),
                             prefix=['ip', 'netns', 'exec', names[here]] if names else [], **{**environment, **more})
    return trials


@contextlib.contextmanager
def two_hosts():
    """Two namespaces of the network, with a cable between them: their names and addresses.

    It raises OSError where the machine does not allow it.
    """
    names = [f'rnn{uuid.uuid4().hex[:8]}' for _ in range(2)]
    addresses = ['10.213.7.1', '10.213.7.2']

    def ip(*arguments):
        done = subprocess.run(['ip', *arguments], capture_output=True, text=True)
        if done.returncode:
            raise OSError(f'ip {" ".join(arguments)}: {done.stderr.strip()}')

    try:
        for name in names:
            ip('netns', 'add', name)
        ip('link', 'add', names[0], 'netns', names[0], 'type', 'veth', 'peer', 'name', names[1], 'netns', names[1])
        for name, address in zip(names, addresses):
            ip('-n', name, 'address', 'add', f'{address}/24', 'dev', name)
            ip('-n', name, 'link', 'set', name, 'up')
            ip('-n', name, 'link', 'set', 'lo', 'up')
        yield names, addresses
    finally:
        for name in names:
            with contextlib.suppress(OSError):
                ip('netns', 'delete', name)


def kill_worker_there(trials, names):
    trials['worker 1'].process.kill()


def interrupt_there(trials, names):
    trials['worker 1'].process.send_signal(signal.SIGINT)


def pull_the_cable(trials, names):
    subprocess.run(['ip', '-n', names[1], 'link', 'set', names[1], 'down'], check=True)


# Nobody watches here: all others wait, until each gets a SIGTERM (from a cluster's tool) or a Ctrl-C.
HOST_FAULTS = {
    'two hosts: the worker on the other one is killed; SIGTERM to all others': Fault(kill_worker_there, 1, 'saved to'),
    'two hosts: Ctrl-C on the other one; SIGTERM to all others': Fault(interrupt_there, 1, 'saved to'),
    'two hosts: the cable is pulled; SIGTERM to all': Fault(pull_the_cable, 1, 'saved to'),
}


def try_hosts(name, folder):
    """As `try_once`: the seconds from the SIGTERM to the end of the last process, and what was seen of worker 0."""
    fault = HOST_FAULTS[name]
    folders = [Path(folder, 'first'), Path(folder, 'other')]
    for path in folders:
        path.mkdir()
    with contextlib.ExitStack() as stack:
        names, addresses = stack.enter_context(two_hosts())
        trials = start_by_hand(folders, [*SMALL, *LONG], names=names, uri=addresses[0])
        for trial in trials.values():
            stack.callback(trial.clean_up)
        trials['worker 0'].until(fault.after)
        fault.inject(trials, names)
        time.sleep(3)
        waiting = [role for role in ['scheduler', 'server', 'worker 0'] if trials[role].process.poll() is None]
        assert len(waiting) == 3, waiting
        began = time.monotonic()
        for trial in trials.values():
            if trial.process.poll() is None:
                trial.process.terminate()
        ends = {role: trial.wait() for role, trial in trials.items()}
        seconds = time.monotonic() - began
        left = {role: left for role, (_, left) in ends.items() if left}
        return Outcome(seconds, ends['worker 0'][0], trials['worker 0'].text, left, epochs_saved(folders[0]))


def is_good(name, outcome):
    fault = {**FAULTS, **HOST_FAULTS}[name]
    return (outcome.code == fault.code and not outcome.left and re.search(fault.says, outcome.text) is not None
            and (outcome.epochs >= 5) == fault.saves)


def table(rows):
    lines = ['| fault | times | as it should be | processes left | seconds to the end of all, median and longest | '
             'exit status | what is saved |', '| --- | ---: | ---: | ---: | ---: | ---: | --- |']
    for name, outcomes in rows.items():
        seconds = sorted(outcome.seconds for outcome in outcomes)
        fault = {**FAULTS, **HOST_FAULTS}[name]
        lines.append(f'| {name} | {len(outcomes)} | {sum(is_good(name, outcome) for outcome in outcomes)} | '
                     f'{sum(len(outcome.left) for outcome in outcomes)} | {seconds[len(seconds) // 2]:.1f}, '
                     f'{seconds[-1]:.1f} | {fault.code} | '
                     f'{"the last whole epoch" if fault.saves else "what was saved before"} |')
    return '\n'.join(lines)


def main(times, *names):
    rows = {name: [] for name in names or [*FAULTS, *HOST_FAULTS]}
    for _ in range(int(times)):
        for name, outcomes in rows.items():
            with tempfile.TemporaryDirectory() as folder:
                outcomes.append((try_once if name in FAULTS else try_hosts)(name, folder))
            print(f'{outcomes[-1].seconds:6.1f} {"good" if is_good(name, outcomes[-1]) else "BAD "} {name}', flush=True)
            if not is_good(name, outcomes[-1]):
                print(outcomes[-1]._replace(text=outcomes[-1].text[-1000:]))
    if not names:
        sys.path.insert(0, str(ROOT / 'benchmarks'))
        import report
        report.fill(ROOT / 'docs/distributed.md', {'faults': table(rows)})
    else:
        print(table(rows))


if __name__ == '__main__':
    main(*sys.argv[1:])
