"""Where a user outgrows the chapter: a large vocabulary, a long text, many hidden units. `python benchmarks/sizes.py`

The fused engine beside PyTorch and NumPy: milliseconds a step (one mini-batch), by the clock and of all threads
together, and the most memory that a process ever held. It writes a table of docs/speed.md. Texts are made up: a
character's frequency falls with its rank, as 1 / rank. Each peer is first checked, as for run.py; then it begins anew.
"""
import argparse
import tempfile
import time
from statistics import median

import numpy as np
import report
import run
import task

# What, V, h, T, n, and the mini-batches of an epoch
CASES = [
    ('the chapter', 1_027, 256, 35, 32, 40),
    ('V = 6,000, 2 MB of text', 6_000, 256, 35, 32, 600),
    ('V = 20,000', 20_000, 256, 35, 32, 8),
    ('h = 1,024', 1_027, 1024, 35, 32, 12),
    ('T = 200', 1_027, 256, 200, 32, 8),
    ('n = 1', 1_027, 256, 35, 1, 200),
    ('n = 256', 1_027, 256, 35, 256, 8),
]
# PyTorch's norm adds up in 32 bits, one after the other: it is up to 2.8e-4 off for 20,000 rows (NumPy's: 1e-7).
AFTER_STEP = 1e-3
PEERS = [
    run.FUSED,
    run.Peer('PyTorch, look-up and nn.RNN', run.PEERS_PYTHON, 'pytorch', 'FusedRNN'),
    run.Peer('PyTorch, look-up and nn.RNN, sparse', run.PEERS_PYTHON, 'pytorch', 'Sparse'),
    run.Peer('PyTorch, look-up', run.PEERS_PYTHON, 'pytorch', 'LookUp'),
    run.Peer('NumPy, gradients by hand', run.PEERS_PYTHON, 'numpy_alone', 'Peer'),
]


def measure(case, set_threads, rounds, folder):
    """{peer: [its answers]}, each of a whole epoch; and the versions."""
    _, V, h, T, n, steps = case
    ranks = np.arange(1, V + 1)
    text = np.random.RandomState(0).choice(V, n * T * steps + 1, p=1 / ranks / (1 / ranks).sum())
    vocabulary = [chr(0x4e00 + i) for i in range(V)]
    task.save(folder, text, vocabulary, T, h, n)
    for worker in run.start(PEERS, [], set_threads, folder, after_step=AFTER_STEP):
        worker.close()
    workers = [run.Worker(peer, set_threads, folder) for peer in PEERS]     # what was checked has held more memory
    for worker in workers:
        worker.ask('step')                      # in which memory is laid out
    answers = {worker.peer.name: [] for worker in workers}
    for number in range(rounds):
        for worker in workers[::-1] if number % 2 else workers:
            time.sleep(run.PAUSE)
            answers[worker.peer.name].append(worker.ask('epochs', 1))
    for worker in workers:
        worker.close()
    return answers, {worker.versions for worker in workers}


def rows(case, unset, spinning):
    """The lines of a case in the table."""
    name, *_, steps = case

    def ms(found, key):
        return median(answer[key] for answer in found) / steps * 1e3

    best = {key: min(ms(found, key) for peer, found in unset.items() if peer.startswith('PyTorch'))
            for key in ['seconds', 'busy']}
    for i, (peer, found) in enumerate(unset.items()):
        by_key = [[f'{ms(found, key):.1f}', f'{ms(found, key) / best[key]:.2f}'] for key in best]
        yield [name if i == 0 else '', peer, *by_key[0], *by_key[1], f'{ms(spinning[peer], "seconds"):.1f}',
               f'{found[-1]["megabytes"]:.0f}']


def main(argv=None):
    parser = argparse.ArgumentParser(description='Measure larger models and texts.')
    parser.add_argument('--rounds', type=int, default=3, help='how many turns each peer has (3)')
    parser.add_argument('--cases', type=int, nargs='*', default=range(len(CASES)), help='which ones, from 0 on (all)')
    parser.add_argument('--quick', action='store_true', help='three steps of a small model; writes nothing')
    args = parser.parse_args(argv)
    cases = [('quick', 50, 8, 5, 4, 3)] if args.quick else [CASES[i] for i in args.cases]
    begun, table, versions = report.Begun(), [], set()
    for case in cases:
        print(case[0], flush=True)
        with tempfile.TemporaryDirectory() as folder:
            (unset, _), (spinning, seen) = [measure(case, is_set, args.rounds, folder) for is_set in [False, True]]
        table += rows(case, unset, spinning)
        versions |= seen
    tables = {'sizes': report.as_table(
        ['', '', 'ms a step', '/ best', 'of the processors', '/ best', 'threads spin', 'MB'], table),
        'sizes-run': report.about(versions, run.CORES, args.rounds, *begun.until_now())}
    print('\n\n'.join(['', *tables.values()]))
    if len(cases) == len(CASES):
        report.fill(run.DOCS / 'speed.md', tables)


if __name__ == '__main__':
    main()
