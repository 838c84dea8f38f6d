"""What a step costs with several workers, counted and measured: it writes tables of docs/distributed.md.

    python benchmarks/distributed.py            some five minutes; leave the machine alone meanwhile
    python benchmarks/distributed.py --quick    one epoch of the smallest sizes, to see that it runs; writes nothing

Bytes are counted in a network of its own (a namespace), where nothing else is sent; without the right to make one, that
line is left as it is.
"""
import os
import re
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from rnn_scratch._platform import count_cores
from rnn_scratch.data import read_text, shipped_archive

import report

PAGE = Path(__file__).resolve().parent.parent / 'docs/distributed.md'
VOCABULARY, NUM_STEPS = 1027, 35
LENGTH = 20000


def text_of(vocabulary):
    """The shipped text twice, for an epoch is printed in hundredths of a second; or each of 20,000 characters once, so
    that a mini-batch has no character twice, which is the most that can be to send."""
    if vocabulary == VOCABULARY:
        return 2 * read_text(shipped_archive()).replace('\n', ' ')[:LENGTH // 2]
    return ''.join(chr(0x4e00 + number) for number in range(vocabulary))


def run(hidden, batch_size, workers=None, epochs=12, prefix=(), vocabulary=VOCABULARY):
    """Seconds a step in the fastest epoch, as the program itself prints them: the machine may have other work, too."""
    command = [*prefix, sys.executable, '-m', 'rnn_scratch', 'train', '--corpus', 'text', '--num-chars', 0, '--hidden',
               hidden, '--batch-size', batch_size, '--sampling', 'random', '--epochs', epochs, '--pred-period', 1,
               '--pred-len', 0, '--out', 'run']
    if workers:
        command += ['--workers', workers]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, 'text').write_text(text_of(vocabulary), 'utf-8')
        done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, encoding='utf-8',
                              env={**os.environ, 'PYTHONIOENCODING': 'utf-8', 'PYTHONUNBUFFERED': '1'})
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds = [float(number) for number in re.findall(r'time (\S+) sec', done.stdout)]
    return min(seconds) / num_steps(batch_size)


def num_steps(batch_size):
    """Mini-batches of an epoch."""
    return (LENGTH - 1) // NUM_STEPS // batch_size


def num_bytes(hidden, vocabulary=VOCABULARY):
    """All gradients, four bytes each."""
    return 4 * (2 * vocabulary * hidden + hidden ** 2 + hidden + vocabulary)


def count_bytes(hidden, workers, vocabulary=VOCABULARY):
    """The bytes that cross the network in a step: of a run with 3 epochs less those of a run with 1."""
    name = f'rnn{uuid.uuid4().hex[:8]}'
    inside = ['ip', 'netns', 'exec', name]

    def counted(epochs):
        before = received()
        run(hidden, 32, workers, epochs, inside, vocabulary)
        return received() - before

    def received():
        lines = subprocess.run([*inside, 'cat', '/proc/net/dev'], capture_output=True, text=True, check=True).stdout
        return int(re.search(r'lo:\s*(\d+)', lines).group(1))

    if subprocess.run(['ip', 'netns', 'add', name], capture_output=True).returncode:
        return None
    try:
        subprocess.run([*inside, 'ip', 'link', 'set', 'lo', 'up'], check=True)
        return (counted(3) - counted(1)) / 2 / num_steps(32)
    finally:
        subprocess.run(['ip', 'netns', 'delete', name], check=True)


def load():
    return f'{os.getloadavg()[0]:.1f}'


def main(is_quick):
    hiddens, batch_sizes, workers = ([8], [32, 16], [2]) if is_quick else ([64, 256, 512], [32, 16, 8], [1, 2, 4])
    epochs = 2 if is_quick else 12
    before, rows = load(), []
    for hidden in hiddens:
        times = [run(hidden, n, epochs=epochs) for n in batch_sizes]
        times += [run(hidden, 32, count, epochs) for count in workers]
        rows.append([hidden, f'{num_bytes(hidden) / 1e6:.2f}', *(f'{1000 * seconds:.1f}' for seconds in times)])
        print(rows[-1], flush=True)
    head = ['h', 'MB of gradients', *(f'one process, n = {n}' for n in batch_sizes), *(f'K = {k}' for k in workers)]
    text = (table(head, rows) + f'\n\nBefore it began, {before} processes wanted a core of this machine, on average '
            'over a minute.')
    if float(before) > count_cores():
        text += (' That is more than it has: all times are too long, and rough. Measure on a quiet machine before '
                 'you believe them.')
    texts = {'steps': text}
    hidden, asked = (8, [(2, VOCABULARY)]) if is_quick else (256, [(1, VOCABULARY), (2, VOCABULARY), (4, VOCABULARY),
                                                                   (2, 20000)])
    counts = [(*what, count_bytes(hidden, *what)) for what in asked]
    if counts[0][-1]:
        head = ['workers', 'vocabulary', 'counted, MB a step', 'all rows of W_xh, 2 K B, MB a step']
        texts['bytes'] = table(head, [
            [count, f'{vocabulary:,}', f'{found / 1e6:.2f}', f'{2 * count * num_bytes(hidden, vocabulary) / 1e6:.2f}']
            for count, vocabulary, found in counts])
    print('\n\n'.join(texts.values()))
    if not is_quick:
        report.fill(PAGE, texts)


def table(head, rows):
    lines = [head, ['---:'] * len(head), *rows]
    return '\n'.join(f'| {" | ".join(map(str, line))} |' for line in lines)


if __name__ == '__main__':
    main('--quick' in sys.argv[1:])
