"""NumPy alone: examples/rnn_numpy.py, in the NumPy of this environment."""
import sys
from pathlib import Path

import numpy as np
from task import LR, THETA

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / 'examples'))

import rnn_numpy


class Peer:
    def __init__(self, task):
        self.corpus = task.corpus.tolist()      # a list of indices, as in the book
        self.params, self.n, self.T, self.h, self.q = task.params, task.n, task.T, task.h, task.q
        self.vocabulary = task.vocabulary, {char: i for i, char in enumerate(task.vocabulary)}

    def describe(self):
        return f'NumPy {np.__version__}'

    def train(self, corpus, is_random, times, lr, theta):
        """Read the corpus that many times; returns the perplexities."""
        self.params, perplexities = rnn_numpy.train_and_predict_rnn(
            rnn_numpy.rnn, lambda: self.params, rnn_numpy.init_rnn_state, self.h, self.q, None, corpus,
            *self.vocabulary, is_random, times, self.T, lr, theta, self.n, times + 1, 0, [])
        return perplexities

    def step(self, X, labels, lr, theta):
        """One mini-batch of training: the only one of a corpus so short that there is no other."""
        self.train(np.concatenate([X, labels[:, -1:]], axis=1).ravel().tolist(), False, 1, lr, theta)

    def loss_and_gradients(self, X, labels):
        loss, _, gradients = rnn_numpy.gradients(X, labels, rnn_numpy.init_rnn_state(self.n, self.h, None), self.params)
        return loss, gradients

    def parameters(self):
        return self.params

    def epochs(self, times):
        self.train(self.corpus, True, times, LR, THETA)

    def write(self, prefix, num_chars):
        return rnn_numpy.predict_rnn(prefix, num_chars, rnn_numpy.rnn, self.params, rnn_numpy.init_rnn_state, self.h,
                                     self.q, None, *self.vocabulary)
