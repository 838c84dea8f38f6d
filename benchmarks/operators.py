"""Where the time of a step goes, by MXNet's own profiler: `python benchmarks/operators.py fused` (or `tutorial`).

It prints milliseconds a step and calls a step of each operator, the longest first. Operators that MXNet runs together
stand in one line.
"""
import json
import sys
import tempfile
import time

import rnn_scratch as d2l
from rnn_scratch.beyond import fused

import mxnet as mx
from mxnet import nd, profiler
from run import CHAPTER
from task import LR, THETA, N

EPOCHS = 20
H, T = CHAPTER['hidden'], CHAPTER['steps']


def main(engine):
    corpus, _, _, vocab_size = d2l.load_data_jay_lyrics()
    params = d2l.get_params(vocab_size, H, vocab_size, mx.cpu())
    steps = EPOCHS * ((len(corpus) - 1) // T // N)

    def train(epochs):
        for _ in range(epochs):
            engine.train_epoch(d2l.rnn, params, d2l.init_rnn_state, H, vocab_size, mx.cpu(), corpus, True, T, LR,
                               THETA, N)
        nd.waitall()

    train(2)        # caches fill and threads wake up
    with tempfile.TemporaryDirectory() as folder:       # the profiler deletes the file of this name, whatever it is
        profiler.set_config(profile_imperative=True, profile_symbolic=True, aggregate_stats=True,
                            filename=f'{folder}/profile.json')
        start = time.perf_counter()
        profiler.set_state('run')
        train(EPOCHS)
        seconds = time.perf_counter() - start
        profiler.set_state('stop')
        profiler.dump(finished=True)        # ends the thread that writes the file, before its folder goes
        operators = json.loads(profiler.dumps(format='json'))['Time']['operator']
    rows = sorted(((row['Total'] / steps, row['Count'] / steps, name) for name, row in operators.items()
                   if name not in ['WaitForVar', 'DeleteVariable']), reverse=True)      # these two compute nothing
    print(f'{seconds / steps * 1e3:8.3f} ms  a step, of which in operators')
    print(f'{sum(milliseconds for milliseconds, _, _ in rows):8.3f}')
    for milliseconds, calls, name in rows:
        print(f'{milliseconds:8.3f} ms  {calls:5.1f} ×', ', '.join(dict.fromkeys(name.split(','))))


if __name__ == '__main__':
    main({'fused': fused, 'tutorial': d2l}[sys.argv[1]])
