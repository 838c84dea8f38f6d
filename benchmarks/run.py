"""Measure every peer in one run: `make bench`, or `make bench ARGS="--rounds 3"`.

Each peer is a process of its own (worker.py) with the same parameters. It is first checked: from one mini-batch it
must compute the tutorial engine's loss and gradients. Then they take turns, round after round, each second round in
the opposite order, so that a machine that grows slower or faster does so for all. Peers run with the threads set to
the cores, spinning while they wait for each other, and once more with nothing set.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import rnn_scratch as d2l
from rnn_scratch._platform import count_cores

import numpy as np
import report
from chapter import NAMES, H, N, T

HERE = Path(__file__).resolve().parent
MXNET_PYTHON = sys.executable
PEERS_PYTHON = HERE.parent / f'.venv-peers-{sys.version_info[0]}.{sys.version_info[1]}' / 'bin' / 'python'
CORES = count_cores()
# What may have been set about threads, by whoever runs this or by a package, does not count here.
THREAD_VARIABLES = ('OMP_', 'GOMP_', 'KMP_', 'MKL_', 'OPENBLAS_', 'MXNET_')
SPIN = '300000'         # turns of a loop in which a thread waits for the others: GNU OpenMP's default, some 10 ms
TOLERANCE = 1e-5        # of the largest entry of an array
PAUSE = 0.15            # seconds before a turn: OpenBLAS's threads spin on for 0.1 after their last product
TURN = 0.6              # seconds: in a turn a quick peer takes several epochs
CHARACTERS = 200        # that a peer writes in a turn
GFLOP = 17.7            # of matrix products in an epoch (gemm.py)


class Peer(NamedTuple):
    name: str
    python: str
    module: str
    class_name: str
    writes: bool = False


TUTORIAL = Peer('tutorial engine', MXNET_PYTHON, 'ours', 'Tutorial', writes=True)
D2LZH = Peer('d2lzh 1.0.0 as shipped', MXNET_PYTHON, 'book', 'D2lzh', writes=True)
PEERS = [
    TUTORIAL,       # first, because all others are compared with it
    D2LZH,
    Peer("the book's gluon version", MXNET_PYTHON, 'book', 'Gluon', writes=True),
    Peer('fused engine', MXNET_PYTHON, 'ours', 'Fused', writes=True),
    Peer('NumPy, gradients by hand', PEERS_PYTHON, 'numpy_by_hand', 'Peer'),
    Peer("PyTorch, the chapter's loop", PEERS_PYTHON, 'pytorch', 'ChapterLoop'),
    Peer('PyTorch, look-up', PEERS_PYTHON, 'pytorch', 'LookUp'),
    Peer('PyTorch, look-up and nn.RNN', PEERS_PYTHON, 'pytorch', 'FusedRNN'),
    Peer('PyTorch, look-up, compiled', PEERS_PYTHON, 'pytorch', 'Compiled'),
]
FLOORS = [
    Peer('matrix products alone, NumPy', PEERS_PYTHON, 'gemm', 'NumPy'),
    Peer('matrix products alone, PyTorch', PEERS_PYTHON, 'gemm', 'PyTorch'),
    Peer('matrix products alone, MXNet', MXNET_PYTHON, 'gemm', 'MXNet'),
]


class Worker:
    """The process of a peer. `skipped` says why the peer cannot run here, or is None."""

    def __init__(self, peer, set_threads, folder):
        self.peer, self.set_threads, self.folder, self.times = peer, set_threads, folder, 1
        environment = {name: value for name, value in os.environ.items() if not name.startswith(THREAD_VARIABLES)}
        environment['TORCHINDUCTOR_CACHE_DIR'] = os.path.join(folder, 'compiled')
        if set_threads:
            environment['OMP_NUM_THREADS'] = str(CORES)     # MXNet, PyTorch and NumPy's OpenBLAS all go by it
            environment['GOMP_SPINCOUNT'] = SPIN            # each peer has the machine for itself in its turn
        self.errors = open(os.path.join(folder, f'{peer.module}-{peer.class_name}-{set_threads}.txt'), 'w+')
        self.process = subprocess.Popen(
            [peer.python, HERE / 'worker.py', peer.module, peer.class_name, folder], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        begun = self.answer()
        self.skipped, self.versions = begun.get('skipped'), begun.get('versions')

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            sys.exit(f'{self.peer.name} has stopped:\n{self.errors.read()[-2000:]}')
        return json.loads(line)

    def ask(self, **order):
        print(json.dumps(order), file=self.process.stdin, flush=True)
        return self.answer()

    def check(self):
        """What the peer computes from the mini-batch of the task: arrays by name."""
        path = os.path.join(self.folder, 'check.npz')
        self.ask(do='check', path=path)
        with np.load(path) as found:
            return dict(found)

    def epoch(self):
        """Seconds an epoch, in this turn. The first epoch, in which caches fill and threads wake up, is not timed."""
        self.ask(do='epochs', times=1)
        seconds = self.ask(do='epochs', times=self.times)['seconds'] / self.times
        self.times = max(1, round(TURN / seconds))
        return seconds

    def character(self):
        """Seconds a character, in this turn."""
        self.ask(do='write', times=20)
        return self.ask(do='write', times=CHARACTERS)['seconds'] / CHARACTERS

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()


def make_task(path):
    """The corpus, five parameters and one mini-batch. The parameters are larger than the chapter's first ones, so that
    each gradient has something to show."""
    corpus, _, idx_to_char, vocab_size = d2l.load_data_jay_lyrics()
    generator = np.random.RandomState(0)
    shapes = [(vocab_size, H), (H, H), (H,), (H, vocab_size), (vocab_size,)]
    params = [generator.normal(scale=0.05, size=shape).astype(np.float32) for shape in shapes]
    starts = generator.choice((len(corpus) - 1) // T, N, replace=False) * T
    at = starts[:, None] + np.arange(T)
    corpus = np.array(corpus)
    np.savez(path, corpus=corpus, vocabulary=idx_to_char, X=corpus[at], labels=corpus[at + 1], prefix=list('分开'),
             **dict(zip(NAMES, params)))


def compare(name, found, expected):
    """Stop unless the peer computes the same."""
    for key in [key for key in expected if key in found]:
        if key == 'text':
            same, problem = found[key] == expected[key], f'it writes {found[key]}, not {expected[key]}'
        else:
            largest = abs(expected[key]).max()
            distance = abs(found[key] - expected[key]).max() / largest
            same, problem = distance <= TOLERANCE, f'{distance:.1e} of the largest entry away'
        if not same:
            sys.exit(f'{name} does not compute what {TUTORIAL.name} computes; the {key}: {problem}.')


def start(folder):
    """Start all peers that can run here, and stop unless they compute the same."""
    workers, expected = [], None
    print('Starting the peers and checking that they compute the same', flush=True)
    make_task(os.path.join(folder, 'task.npz'))
    for set_threads in [True, False]:
        for peer in PEERS + (FLOORS if set_threads else []):
            worker = Worker(peer, set_threads, folder)
            if worker.skipped:
                print(f'  {peer.name}: skipped ({worker.skipped})', flush=True)
                worker.close()
                continue
            workers.append(worker)
            if peer not in FLOORS:
                found = worker.check()
                expected = expected or found
                compare(peer.name, found, expected)
    return workers


def measure(workers, rounds):
    """Let all take turns. Returns the seconds of every round, by (kind, name of the peer, set_threads)."""
    turns = {('epoch', worker.peer.name, worker.set_threads): worker.epoch for worker in workers}
    turns.update({('character', worker.peer.name, worker.set_threads): worker.character
                  for worker in workers if worker.peer.writes})
    seconds = {turn: [] for turn in turns}
    for number in range(rounds + 1):
        print(f'Round {number} of {rounds}' if number else 'Warming up', flush=True)
        for turn in list(turns) if number % 2 else list(reversed(turns)):
            time.sleep(PAUSE)
            taken = turns[turn]()
            if number:
                seconds[turn].append(taken)
    return seconds


def busy_seconds():
    """How long the processors of this machine have worked, all of them together; 0 where that cannot be seen."""
    try:
        user, nice, system = Path('/proc/stat').read_text().split()[1:4]
    except OSError:
        return 0
    return (int(user) + int(nice) + int(system)) / os.sysconf('SC_CLK_TCK')


def main(argv=None):
    parser = argparse.ArgumentParser(description='Measure d2lzh, this package, NumPy and PyTorch side by side.',
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--rounds', type=int, default=10, help='how many turns each peer has')
    parser.add_argument('--out', type=Path, default=HERE.parent / 'docs', help='the folder for the report')
    args = parser.parse_args(argv)
    if args.rounds < 1:
        parser.error('--rounds must be 1 or more.')
    if not PEERS_PYTHON.exists():
        sys.exit(f'{PEERS_PYTHON} is missing: start with `make bench`, which makes it.')
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f'Something else runs on this machine (load {load:.1f}): peers that use all cores will seem far slower.')
    begun, busy = time.time(), busy_seconds()
    with tempfile.TemporaryDirectory() as folder:
        workers = start(folder)
        seconds = measure(workers, args.rounds)
        for worker in workers:
            worker.close()
    used = sum(os.times()[:4])          # by this program and by the peers, which have ended
    others = max(0, busy_seconds() - busy - used) / (time.time() - begun)
    report.write(seconds, sorted({worker.versions for worker in workers}), CORES, others, GFLOP, args.out)


if __name__ == '__main__':
    main()
