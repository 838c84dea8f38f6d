"""How cost grows with vocabulary, hidden units, time steps and text: `make growth`, a quarter of an hour.

One setting of the chapter is changed at a time. Each row is a process of its own, so that its memory is its own.
"""
import argparse
import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

import rnn_scratch as d2l
from rnn_scratch import fused

import mxnet as mx
import numpy as np
from chapter import LR, THETA, H, N, T
from mxnet import nd

CHAPTER = {'vocabulary': 1027, 'hidden': H, 'steps': T, 'length': 10_000, 'is_random': True, 'engine': 'fused'}
ENGINES = {'tutorial': d2l.rnn, 'fused': fused.rnn}
TABLES = [
    ('Vocabulary', 'vocabulary', [1027, 2500, 5000, 10_000], ['fused', 'tutorial']),
    ('Hidden units', 'hidden', [64, 128, 256, 512, 1024], ['fused', 'tutorial']),
    ('Time steps', 'steps', [10, 35, 100, 300], ['fused', 'tutorial']),
    ('Characters of the text', 'length', [10_000, 100_000, 1_000_000, 10_000_000], ['fused']),
]
PAGE = '''# Growth

Written by `make growth`; every row is one process, on the machine of [benchmarks.md](benchmarks.md). One setting of
the chapter (1,027 characters, 256 hidden units, 35 time steps, a text of 10,000) is changed at a time, on synthetic
text. *µs a character* are the microseconds of an epoch for each character of the text: the fastest of four epochs,
and from a million characters on the only one. *Data alone* is the part of it that goes to making the mini-batches.
*Memory* is the most that the process ever held, Python, MXNet, the model and the text together.

{tables}

## Why

The matrix products of the model take 6 h (h + q) operations for each character: H W_hh and H W_hq, and on the way
back two products for each. So the cost grows in proportion to the vocabulary q, and with the square of the hidden
units h once h is as large as q; the length of the text and the time steps are not in the formula. The tutorial engine
multiplies one-hot vectors too, 4 h q operations more, and adds up an array of the size of each weight matrix at every
time step. Below some size the operators cost more than the products: then a larger model costs nothing extra.

More time steps mean fewer mini-batches, each in need of more memory: all T matrices of scores, (n, q), are there at
once, and again as gradients. With few time steps the calls of the operators cost more than their products.

The length of the text costs only its list of indices, eight bytes a character, and what the iterators of d2lzh make of
it once an epoch: with random sampling a list of the numbers of the examples, one for each {T} characters; with
consecutive sampling the whole text as an array, some 20 bytes a character with the copies on the way. Mini-batches
are made as they are needed, 64 at a time, so the rest of the memory stays what it was.
'''


def synthetic(length, vocabulary):
    """Indices as `load_data_jay_lyrics` gives them: a list whose equal entries are one object."""
    numbers = list(range(vocabulary))
    return [numbers[i] for i in np.random.default_rng(0).integers(vocabulary, size=length)]


def measure(vocabulary, hidden, steps, length, is_random, engine):
    """One row: microseconds a character for an epoch and for its mini-batches alone, and megabytes."""
    ctx, rnn = mx.cpu(), ENGINES[engine]
    corpus = synthetic(length, vocabulary)
    params = d2l.get_params(vocabulary, hidden, vocabulary, ctx)
    data_iter = d2l.data_iter_random if is_random else d2l.data_iter_consecutive

    def epoch():
        d2l.train_epoch(rnn, params, d2l.init_rnn_state, hidden, vocabulary, ctx, corpus, is_random, steps, LR, THETA,
                        N)
        nd.waitall()

    def data_alone():
        for _ in data_iter(corpus, N, steps, ctx):
            pass
        nd.waitall()

    few = length >= 1_000_000
    seconds = [timed(epoch) for _ in range(1 if few else 4)]
    return {'epoch': min(seconds) / length * 1e6, 'data': timed(data_alone) / length * 1e6,
            'peak': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}      # Linux counts in KiB


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_a_process(**case):
    done = subprocess.run([sys.executable, __file__, '--case', json.dumps({**CHAPTER, **case})], check=True, text=True,
                          stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def table(title, setting, values, engines):
    """A Markdown table; the text also by consecutive sampling, the other settings also by the tutorial engine."""
    kinds = [{'engine': engine} for engine in engines]
    if setting == 'length':
        kinds.append({'engine': 'fused', 'is_random': False})
    lines = [f'### {title}', '', '| | engine, sampling | µs a character | data alone | memory, MB |',
             '| ---: | --- | ---: | ---: | ---: |']
    for kind in kinds:
        for value in values:
            row = in_a_process(**kind, **{setting: value})
            sampling = 'random' if kind.get('is_random', True) else 'consecutive'
            lines.append(f'| {value:,} | {kind["engine"]}, {sampling} | {row["epoch"]:.1f} | {row["data"]:.2f} '
                         f'| {row["peak"]:.0f} |')
            print(lines[-1], flush=True)
    return '\n'.join(lines)


def main(argv=None):
    parser = argparse.ArgumentParser(description='Measure how cost grows with each setting; writes growth.md.')
    parser.add_argument('--out', type=Path, default=Path(__file__).resolve().parent.parent / 'docs')
    parser.add_argument('--case', help='for its own use: measure this one case, in JSON')
    args = parser.parse_args(argv)
    if args.case:
        random.seed(0)
        mx.random.seed(0)
        print(json.dumps(measure(**json.loads(args.case))))
        return
    tables = '\n\n'.join(table(*entry) for entry in TABLES)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / 'growth.md').write_text(PAGE.format(tables=tables, T=T), 'utf-8')


if __name__ == '__main__':
    main()
