"""Whether both engines compute on a GPU what they compute on the CPU, and how fast.

    python benchmarks/gpu.py            on a machine with a GPU and a CUDA build of MXNet
    python benchmarks/gpu.py --cpu      small, with two CPUs in place of two GPUs, to see that it runs

The gradients of one mini-batch, the perplexities of a few epochs, and a song are compared; then seconds an epoch are
printed. With two GPUs, `parallel.on_contexts` is one more row. The exit status is not 0 where something differs.
"""
import random
import sys
import time

import rnn_scratch as d2l
from rnn_scratch.beyond import fused, parallel

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon, nd

ROUNDING = 1e-4         # of the largest gradient; GPU and CPU add up in another order
GROWN = 1e-3            # of a perplexity, after some epochs of rounding
ENGINES = {'tutorial': d2l, 'fused': fused}


def gpus():
    """The first two of this machine, or the end of this program."""
    try:
        found = [mx.gpu(number) for number in range(mx.context.num_gpus())][:2]
    except mx.base.MXNetError:      # a CUDA build without a driver
        found = []
    if not found:
        sys.exit('MXNet finds no GPU here: run this on a machine that has one, with the build of MXNet for its CUDA '
                 '(mxnet-cu112 or a sibling, in the place of mxnet), or try it with --cpu.')
    return found


def gradients(engine, X, Y, h, params):
    """Of the sum of the cross-entropies of a mini-batch, as NumPy arrays."""
    state = d2l.init_rnn_state(X.shape[0], h, X.context)
    if engine is fused:
        return [grad.asnumpy() for grad in fused.gradients(X, Y, state, params)[2]]
    with autograd.record():
        outputs, _ = d2l.rnn(d2l.to_onehot(X, params[0].shape[0]), state, params)
        loss = gluon.loss.SoftmaxCrossEntropyLoss()(nd.concat(*outputs, dim=0), Y.T.reshape((-1,))).sum()
    loss.backward()
    return [param.grad.asnumpy() for param in params]


def main(is_cpu):
    devices = [mx.cpu(1), mx.cpu(2)] if is_cpu else gpus()        # beside mx.cpu(0), the CPU
    length, h, T, n, epochs = (200, 8, 5, 4, 2) if is_cpu else (10000, 256, 35, 32, 12)
    corpus, char_to_idx, idx_to_char, V = d2l.load_data_jay_lyrics(num_chars=length)
    differences = {'try_gpu': 2 * (not is_cpu and d2l.try_gpu() != devices[0])}      # in units of what may be
    prefix = idx_to_char[corpus[0]] + idx_to_char[corpus[1]]
    mx.random.seed(0)
    drawn = [param.asnumpy() for param in d2l.get_params(V, h, V, mx.cpu())]

    def copies(ctx, arrays=drawn):
        params = [nd.array(array, ctx=ctx) for array in arrays]
        for param in params:
            param.attach_grad()
        return params

    def train(ctx, train_epoch):
        """The perplexities, the seconds of the median epoch, and the parameters."""
        random.seed(0)
        params, perplexities, seconds = copies(ctx), [], []
        for _ in range(epochs):
            began = time.perf_counter()
            perplexities.append(train_epoch(d2l.rnn, params, d2l.init_rnn_state, h, V, ctx, corpus, True, T, 1e2, 1e-2,
                                            n))
            seconds.append(time.perf_counter() - began)
        return np.array(perplexities), np.median(seconds), [param.asnumpy() for param in params]

    for name, engine in ENGINES.items():
        ours, theirs = (gradients(engine, *next(d2l.data_iter_consecutive(corpus, n, T, ctx)), h, copies(ctx))
                        for ctx in [devices[0], mx.cpu()])
        differences[f'{name}: gradients'] = max(
            abs(one - other).max() / abs(other).max() / ROUNDING for one, other in zip(ours, theirs))
        expected, seconds, trained = train(mx.cpu(), engine.train_epoch)
        print(f'{name} engine, the CPU: {seconds:.3f} s an epoch', flush=True)
        for used in [devices[:1], devices][:len(devices)]:
            step = engine.train_epoch if len(used) == 1 else parallel.on_contexts(engine, used, 'device')
            found, seconds, _ = train(used[0], step)
            where = ' and '.join(map(str, used))
            print(f'{name} engine, {where}: {seconds:.3f} s an epoch', flush=True)
            differences[f'{name}: perplexities on {where}'] = abs(found / expected - 1).max() / GROWN
        songs = {engine.predict_rnn(prefix, 50, d2l.rnn, copies(ctx, trained), d2l.init_rnn_state, h, V, ctx,
                                    idx_to_char, char_to_idx) for ctx in [mx.cpu(), devices[0]]}
        differences[f'{name}: songs'] = 2 * (len(songs) - 1)
    for what, size in differences.items():
        print(f'{what}: {"as on the CPU" if size <= 1 else "DIFFERENT"} ({size:.2g} of what may be)')
    sys.exit(any(not size <= 1 for size in differences.values()))       # nan, too


if __name__ == '__main__':
    main('--cpu' in sys.argv[1:])
