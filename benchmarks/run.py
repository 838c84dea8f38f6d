"""Measure d2lzh, this package, NumPy and PyTorch side by side: `make bench`.

    make bench ARGS="--rounds 3"        writes the tables and the picture of docs/speed.md
    make bench ARGS=--quick             one short round, to see that all of it runs; writes nothing

Each peer is a process of its own (worker.py) with the same parameters. It is first checked: from one mini-batch it
must compute the tutorial engine's loss and gradients. Then they take turns, round after round, each second round in
the opposite order, so that a machine that grows slower or faster does so for all. The page says what is measured.
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
import task

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / 'docs'
MXNET_PYTHON = sys.executable
PEERS_PYTHON = HERE.parent / f'.venv-peers-{sys.version_info[0]}.{sys.version_info[1]}' / 'bin' / 'python'
CORES = count_cores()
# What may have been set about threads, by whoever runs this or by a package, does not count here.
THREAD_VARIABLES = ('OMP_', 'GOMP_', 'KMP_', 'MKL_', 'OPENBLAS_', 'MXNET_')
SPIN = '300000'         # turns of a loop in which a thread waits for the others: GNU OpenMP's default, some 10 ms
TOLERANCE = 1e-5        # of the largest entry of an array
PAUSE = 0.15            # seconds before a turn: OpenBLAS's threads spin on for 0.1 after their last product

CHAPTER = {'vocabulary': 1027, 'hidden': 256, 'steps': 35, 'text': 10_000}


class Peer(NamedTuple):
    name: str
    python: str
    module: str
    class_name: str
    writes: bool = False


TUTORIAL = Peer('tutorial engine', MXNET_PYTHON, 'ours', 'Tutorial', writes=True)
FUSED = Peer('fused engine', MXNET_PYTHON, 'ours', 'Fused', writes=True)
PEERS = [
    TUTORIAL,       # first, because all others are compared with it
    Peer(report.D2LZH, MXNET_PYTHON, 'book', 'D2lzh', writes=True),
    Peer("the book's gluon version", MXNET_PYTHON, 'book', 'Gluon', writes=True),
    FUSED,
    Peer('NumPy, gradients by hand', PEERS_PYTHON, 'numpy_alone', 'Peer', writes=True),
    Peer("PyTorch, the chapter's loop", PEERS_PYTHON, 'pytorch', 'ChapterLoop'),
    Peer('PyTorch, look-up', PEERS_PYTHON, 'pytorch', 'LookUp'),
    Peer('PyTorch, look-up and nn.RNN', PEERS_PYTHON, 'pytorch', 'FusedRNN'),
    Peer('PyTorch, look-up, compiled', PEERS_PYTHON, 'pytorch', 'Compiled'),
]
FLOORS = [
    Peer(f'{report.FLOOR}, NumPy', PEERS_PYTHON, 'floor', 'NumPy'),
    Peer(f'{report.FLOOR}, PyTorch', PEERS_PYTHON, 'floor', 'PyTorch'),
    Peer(f'{report.FLOOR}, MXNet', MXNET_PYTHON, 'floor', 'MXNet'),
]


class Worker:
    """The process of a peer. `skipped` says why the peer cannot run here, or is None."""

    turn = 0.6              # seconds: in a turn a quick peer takes several epochs
    characters = 200        # that a peer writes in a turn

    def __init__(self, peer, set_threads, folder):
        self.peer, self.set_threads, self.folder = peer, set_threads, folder
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

    def ask(self, order, *arguments):
        """Returns what it took: `seconds` by the clock, and `busy` ones of all its threads; and `megabytes`."""
        print(json.dumps([order, arguments]), file=self.process.stdin, flush=True)
        return self.answer()

    def check(self):
        """What the peer computes from the mini-batch of the task: arrays by name."""
        path = os.path.join(self.folder, 'check.npz')
        self.ask('check', path)
        with np.load(path) as found:
            return dict(found)

    def epoch(self):
        """Seconds an epoch, in this turn. The first epoch, in which caches fill and threads wake up, does not count."""
        times = max(1, round(self.turn / self.ask('epochs', 1)['seconds']))
        return self.ask('epochs', times)['seconds'] / times

    def character(self):
        """Seconds a character, in this turn."""
        self.ask('write', 20)
        return self.ask('write', self.characters)['seconds'] / self.characters

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def compare(name, found, first, expected, after_step=TOLERANCE):
    """Stop unless the peer computes the same as the first one; `after_step` is the tolerance for its step."""
    for key in [key for key in expected if key in found]:
        tolerance = after_step if key.endswith('after a step') else TOLERANCE
        if key == 'text':
            same, problem = found[key] == expected[key], f'it writes {found[key]}, not {expected[key]}'
        else:
            distance = abs(found[key] - expected[key]).max() / abs(expected[key]).max()
            same, problem = distance <= tolerance, f'{distance:.1e} of the largest entry away'
        if not same:
            sys.exit(f'{name} does not compute what {first} computes; the {key}: {problem}.')


def start(peers, floors, set_threads, folder, **tolerance):
    """Start the peers that can run here, and stop unless they compute the same as the first one."""
    workers, expected = [], None
    for peer in peers + floors:
        worker = Worker(peer, set_threads, folder)
        if worker.skipped:
            print(f'  {peer.name}: skipped ({worker.skipped})', flush=True)
            worker.close()
            continue
        workers.append(worker)
        if peer in peers:
            found = worker.check()
            expected = expected or found
            compare(peer.name, found, peers[0].name, expected, **tolerance)
    return workers


def measure(turns, rounds):
    """Let all take turns: {anything: a function that returns seconds} -> {the same: the seconds of every round}."""
    seconds = {turn: [] for turn in turns}
    for number in range(1, rounds + 1):
        print(f'  round {number} of {rounds}', flush=True)
        for turn in list(turns) if number % 2 else list(reversed(turns)):
            time.sleep(PAUSE)
            seconds[turn].append(turns[turn]())
    return seconds


def bench(rounds, folder):
    """All peers, in training and in writing, with the threads set and with nothing set."""
    corpus, _, idx_to_char, _ = d2l.load_data_jay_lyrics()
    task.save(folder, corpus, idx_to_char, CHAPTER['steps'], CHAPTER['hidden'])
    print('Starting the peers and checking that they compute the same', flush=True)
    workers = start(PEERS, FLOORS, True, folder) + start(PEERS, [], False, folder)
    turns = {('epoch', worker.set_threads, worker.peer.name): worker.epoch for worker in workers}
    turns.update({('character', worker.set_threads, worker.peer.name): worker.character
                  for worker in workers if worker.peer.writes})
    seconds = measure(turns, rounds)
    for worker in workers:
        worker.close()
    by_table = {}
    for (kind, is_set, name), values in seconds.items():
        by_table.setdefault((kind, is_set), {})[name] = values
    an_epoch = (CHAPTER['text'] - 1) // CHAPTER['steps'] // task.N * task.N * CHAPTER['steps']     # characters
    operations = an_epoch * 6 * CHAPTER['hidden'] * (CHAPTER['hidden'] + CHAPTER['vocabulary'])
    return report.bench_tables(by_table, operations), {worker.versions for worker in workers}, by_table


def main(argv=None):
    parser = argparse.ArgumentParser(description='Measure d2lzh, this package, NumPy and PyTorch side by side.')
    parser.add_argument('--rounds', type=int, help='how many turns each peer has (10)')
    parser.add_argument('--quick', action='store_true', help='one short round, to see that it runs; writes nothing')
    args = parser.parse_args(argv)
    rounds = args.rounds if args.rounds is not None else 1 if args.quick else 10
    if rounds < 1:
        parser.error('--rounds must be 1 or more.')
    if not PEERS_PYTHON.exists():
        sys.exit(f'{PEERS_PYTHON} is missing: start with `make bench`, which makes it.')
    if args.quick:
        Worker.turn, Worker.characters = 0, 20
    begun = report.Begun()
    with tempfile.TemporaryDirectory() as folder:
        tables, versions, by_table = bench(rounds, folder)
    tables = {'run': report.about(versions, CORES, rounds, *begun.until_now()), **tables}
    print('\n\n'.join(['', *tables.values()]))
    if not args.quick:
        report.draw(by_table, DOCS / 'speed.png')
        report.fill(DOCS / 'speed.md', tables)


if __name__ == '__main__':
    main()
