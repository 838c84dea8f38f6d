"""Faults at random moments: kill -9, signals, a reader that goes away, a full disk. Nothing that was saved is lost.

    python tools/faults.py                  200 rounds, some ten minutes
    python tools/faults.py 20 --seed 3      fewer, and at other moments

A round starts a training run, or goes on with the one before, and does something bad to its process. Then the last
good checkpoint must load, and be, to the bit, what a run has after so many epochs that nothing happens to.
"""
import argparse
import hashlib
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rnn_scratch.beyond.checkpoint import load_checkpoint
from rnn_scratch.beyond.corpus import Corpus
from rnn_scratch.beyond.run import Run
from rnn_scratch.beyond.settings import Plan, Settings
from rnn_scratch.beyond.stop import STOP_SIGNALS

# An epoch takes some milliseconds, and the files are large enough to be met half written.
SETTINGS = {'num_chars': 100, 'hidden': 64, 'batch_size': 2, 'num_steps': 10, 'holdout': 0.1}
ROUNDS, A_RUN, PATIENCE = 200, 8, 120       # rounds; how many of them a run has; seconds until a process hangs


def receive_all():
    """A shell lets what runs in the background ignore Ctrl-C and Ctrl-\\: here they are to be received."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in set(STOP_SIGNALS) - {signal.SIGINT}:
        signal.signal(number, signal.SIG_DFL)


def start(folder, *arguments):
    """A training run in a process of its own."""
    return subprocess.Popen(
        [sys.executable, '-m', 'rnn_scratch', 'train', *map(str, arguments), '--epochs', str(10 ** 6)], cwd=folder,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding='utf-8', errors='replace',
        preexec_fn=receive_all, env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONIOENCODING': 'utf-8'})


# What happens to a process.

def send(*numbers):
    def fault(process, generator):
        for number in numbers:
            process.send_signal(number)
            time.sleep(generator.uniform(0, 0.02))
    return fault


def close_the_pipe(process, generator):
    """As `… | head` does."""
    process.stdout.close()
    process.stdout = None


def fill_the_disk(process, generator):
    """No file may grow beyond some bytes any more; a model has 47,000."""
    room = generator.randrange(40_000)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (room, room))


FAULTS = {
    'kill -9': send(signal.SIGKILL),
    'Ctrl-C': send(signal.SIGINT),
    'SIGTERM': send(signal.SIGTERM),
    'full disk': fill_the_disk,
    'SIGHUP': send(signal.SIGHUP),
    'Ctrl-C five times': send(*[signal.SIGINT] * 5),
    'closed pipe': close_the_pipe,
    'kill -9, again': send(signal.SIGKILL),
    'SIGQUIT': send(signal.SIGQUIT),
    'SIGUSR1': send(signal.SIGUSR1),
    'SIGXCPU': send(signal.SIGXCPU),
}
STATUS = {'kill -9': -9, 'kill -9, again': -9, 'Ctrl-C': 130, 'Ctrl-C five times': 130, 'SIGTERM': 143, 'SIGHUP': 129,
          'SIGQUIT': 131, 'SIGUSR1': 138, 'SIGXCPU': 152, 'full disk': 1, 'closed pipe': 1}


def digest(checkpoint):
    """What must be the same: every bit of the parameters, the history, and where the shuffling stands."""
    content = hashlib.sha256(repr((checkpoint.perplexities, checkpoint.held_out, checkpoint.random_state)).encode())
    for param in checkpoint.params:
        content.update(param.asnumpy().tobytes())
    return content.hexdigest()


class Straight(Run):
    """A run that nothing happens to, and that writes no file: `found` receives the digest of each epoch."""

    def __init__(self, settings, epochs, found):
        corpus = Corpus.read(settings.corpus, settings.num_chars, settings.holdout)
        plan = Plan(epochs=epochs, pred_period=10 ** 6, save_every=1)
        super().__init__(settings, corpus, plan, 'none.safetensors')
        self.found = found

    def save(self):
        if self.last:
            self.found[self.last.epoch] = digest(self.last)


class Chain:
    """Round after round, in a folder."""

    def __init__(self, folder, seed=0):
        self.folder, self.generator, self.number, self.found = Path(folder), random.Random(seed), 0, {}
        self.counts = Counter()
        self.path = self.folder / 'none.safetensors'

    def new_run(self):
        """The engines and samplings in turn."""
        sampling, engine = [('random', 'fused'), ('consecutive', 'tutorial')][len(self.found) % 2]
        self.settings = {**SETTINGS, 'sampling': sampling, 'engine': engine}
        self.found[self.number] = {}
        self.path = self.folder / f'run-{self.number}' / f'{sampling}.safetensors'

    def straight(self, epoch):
        """The digest that an epoch must have: computed anew, with room to spare, when a later one is asked for."""
        found = list(self.found.values())[-1]
        if epoch not in found:
            Straight(Settings(**self.settings), max(10, 2 * epoch), found).train()
        return found[epoch]

    def load(self, path):
        """The epoch of a checkpoint, which must be that of the straight run; 0 where there is none."""
        if not path.exists():
            return 0
        checkpoint = load_checkpoint(path)
        assert digest(checkpoint) == self.straight(checkpoint.epoch), f'{path}, epoch {checkpoint.epoch}, is another'
        return checkpoint.epoch

    def round(self):
        """One fault; the name of it, and how far the run has come."""
        name = list(FAULTS)[self.number % len(FAULTS)]
        before = self.load(self.path)
        # A kill between the two files of the first save leaves the best epoch alone: that is no run to go on with.
        if self.number % A_RUN == 0 or self.path.parent.exists() and not before:
            self.new_run()
            before = 0
        self.number += 1
        flags = [word for name, value in self.settings.items() for word in (f'--{name.replace("_", "-")}', value)]
        where = ['--resume', self.path] if before else [*flags, '--out', self.path.parent]
        with start(self.folder, *where, '--pred-period', 1, '--pred-len', 1, '--save-every', 1) as process:
            try:
                is_early, printed = self.generator.random() < 0.2, ''
                if is_early:        # while it starts
                    time.sleep(self.generator.uniform(0, 1))
                else:
                    while 'epoch' not in printed:
                        line = process.stdout.readline()
                        assert line, process.stderr.read()
                        printed += line
                    time.sleep(self.generator.uniform(0, 0.3))
                FAULTS[name](process, self.generator)
                rest, errors = process.communicate(timeout=PATIENCE)
            finally:
                process.kill()
        self.check(name, is_early, before, process.returncode, printed + (rest or ''), errors)
        self.counts[name] += 1
        return name, self.load(self.path)

    def check(self, name, is_early, before, status, printed, errors):
        """How the process ended, what it said, and what there is now."""
        said = f'{name}{", early" if is_early else ""}: {status}\n{printed[-500:]}\n{errors}'
        # Python itself receives a signal that comes before the package has begun, and has a traceback for Ctrl-C.
        is_unready = is_early and (status == 128 - STATUS[name] or (STATUS[name], status) == (130, 1))
        assert status == STATUS[name] or is_unready and 'mxnet' not in errors, said
        assert is_unready or 'Traceback' not in errors and 'ignored' not in errors, said
        after, best = self.load(self.path), self.load(self.path.with_name(f'{self.path.stem}-best.safetensors'))
        shown = [int(epoch) for epoch in re.findall(r'^epoch (\d+),', printed, re.MULTILINE)]
        assert after >= before and (best > 0 or not after), said
        # Of kill -9 and of a full disk, the epoch that is printed may be the one whose file is being written.
        slack = name.startswith('kill') or name == 'full disk'
        assert not shown or after >= shown[-1] - slack, said
        stopped = re.search(r'stopped after epoch (\d+)(?: and saved|.*; epoch (\d+) is in|.*; (no epoch) before)',
                            printed + errors)
        if stopped:
            assert after == (0 if stopped[3] else int(stopped[2] or stopped[1])), said
        else:
            assert name.startswith('kill') or is_early or not shown, said
        if name == 'full disk' and not is_early:
            assert 'File too large' in errors.splitlines()[-1], said
        left = [file.name for file in self.path.parent.glob('*') if file.suffix != '.safetensors']
        assert all(re.fullmatch(r'\.lock|\.\w+(-best)?\.safetensors-[0-9a-f]{32}\.tmp', file) for file in left), left


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('rounds', nargs='?', type=int, default=ROUNDS)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    began, folder = time.time(), tempfile.mkdtemp()
    chain = Chain(folder, args.seed)
    for number in range(1, args.rounds + 1):
        name, epoch = chain.round()
        print(f'round {number}: {name}, epoch {epoch}', flush=True)
    shutil.rmtree(folder)       # kept where a round fails
    print(', '.join(f'{name}: {count}' for name, count in sorted(chain.counts.items())))
    print(f'{args.rounds} rounds, {len(chain.found)} runs, {time.time() - began:.0f} seconds: nothing was lost')


if __name__ == '__main__':
    main()
