"""What a reader of the book runs: d2lzh 1.0.0, unchanged, with the chapter's cell; and the book's gluon version.

Nothing of rnn_scratch is imported here, so that nothing of it can help or hinder.
"""
import contextlib
import io
import math
import os
import re

# The benchmark copies large arrays between NumPy and MXNet, which a reader of the book does not. MXNet would split
# such a copy among more threads than there are cores, and be slower ever after.
os.environ['MXNET_CPU_PARALLEL_SIZE'] = str(2 ** 31 - 1)

import numpy as np

if not hasattr(np, 'bool'):
    np.bool = np.bool_      # MXNet 1.9.1 asks for this name, which NumPy 1.24 removed

import d2lzh
import mxnet as mx
from mxnet import nd
from mxnet.gluon import rnn as gluon_rnn
from task import LR, THETA


class MXNetPeer:
    """What the peers on MXNet share."""

    def __init__(self, task):
        self.params = [nd.array(param) for param in task.params]
        for param in self.params:
            param.attach_grad()
        self.ctx = mx.cpu()
        self.n, self.T, self.h, self.q = task.n, task.T, task.h, task.q
        self.corpus = task.corpus.tolist()      # a list of indices, as in the book
        self.vocabulary = task.vocabulary, {char: i for i, char in enumerate(task.vocabulary)}

    def describe(self):
        return f'MXNet {mx.__version__} with NumPy {np.__version__}'

    def train(self, corpus, is_random, times, lr, theta):
        """Read the corpus that many times; returns the perplexity of the last time."""
        raise NotImplementedError

    def step(self, X, labels, lr, theta):
        """One mini-batch of training; returns its loss. It goes the way of all others, through `train`, as the only
        mini-batch of a corpus so short that there is no other."""
        corpus = np.concatenate([X, labels[:, -1:]], axis=1).ravel().tolist()
        return math.log(self.train(corpus, False, 1, lr, theta))

    def loss_and_gradients(self, X, labels):
        loss = self.step(X, labels, 1e-30, None)    # with this lr the parameters stay
        return loss, [param.grad.asnumpy() for param in self.params]

    def parameters(self):
        return [param.asnumpy() for param in self.params]

    def epochs(self, times):
        self.train(self.corpus, True, times, LR, THETA)
        nd.waitall()        # the last update may still be under way


class D2lzh(MXNetPeer):
    def train(self, corpus, is_random, times, lr, theta):
        return printed_perplexity(
            d2lzh.train_and_predict_rnn, rnn, lambda: self.params, init_rnn_state, self.h, self.q, self.ctx,
            corpus, *self.vocabulary, is_random, times, self.T, lr, theta, self.n, times, 0, [])

    def write(self, prefix, num_chars):
        return d2lzh.predict_rnn(prefix, num_chars, rnn, self.params, init_rnn_state, self.h, self.q, self.ctx,
                                 *self.vocabulary)


class Gluon(MXNetPeer):
    """`rnn.RNN` and a `Dense` layer. d2lzh trains it with consecutive sampling only: as many mini-batches of the same
    shape. The book leaves the activation at gluon's default, relu; here it is tanh, as in the chapter. The hidden layer
    has a second bias, here zero at first, which moves as `b_h` does."""

    def __init__(self, task):
        super().__init__(task)
        W_xh, W_hh, b_h, W_hq, b_q = task.params
        self.model = model = d2lzh.RNNModel(gluon_rnn.RNN(self.h, activation='tanh'), self.q)
        model.initialize()
        model(nd.zeros((task.n, self.T)), model.begin_state(batch_size=task.n))        # settles the shapes
        self.params = [model.rnn.l0_i2h_weight, model.rnn.l0_h2h_weight, model.rnn.l0_i2h_bias,
                       model.dense.weight, model.dense.bias]
        for param, value in zip(self.params, [W_xh.T, W_hh.T, b_h, W_hq.T, b_q]):
            param.set_data(nd.array(value))
        model.initialize = lambda **settings: None      # d2lzh would draw new parameters at each call

    def train(self, corpus, is_random, times, lr, theta):
        return printed_perplexity(
            d2lzh.train_and_predict_rnn_gluon, self.model, self.h, self.q, self.ctx, corpus, *self.vocabulary,
            times, self.T, lr, theta, self.n, times, 0, [])

    def loss_and_gradients(self, X, labels):
        loss = self.step(X, labels, 0, None)
        return loss, [param.grad().asnumpy().T for param in self.params]

    def parameters(self):
        return None         # with the second bias, not the chapter's after a step

    def write(self, prefix, num_chars):
        return d2lzh.predict_rnn_gluon(prefix, num_chars, self.model, self.q, self.ctx, *self.vocabulary)


def init_rnn_state(batch_size, num_hiddens, ctx):
    return (nd.zeros(shape=(batch_size, num_hiddens), ctx=ctx),)


def rnn(inputs, state, params):
    """The chapter's cell: (n, q) scores for each of T matrices (n, d)."""
    W_xh, W_hh, b_h, W_hq, b_q = params
    H, = state
    outputs = []
    for X in inputs:
        H = nd.tanh(nd.dot(X, W_xh) + nd.dot(H, W_hh) + b_h)
        outputs.append(nd.dot(H, W_hq) + b_q)
    return outputs, (H,)


def printed_perplexity(train, *arguments):
    """d2lzh's training functions return nothing: their perplexity is read from the line that they print."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        train(*arguments)
    return float(re.search(r'perplexity ([0-9.]+)', printed.getvalue()).group(1))
