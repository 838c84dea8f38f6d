"""The two engines of rnn_scratch, each through its training loop and its `predict_rnn`."""
import rnn_scratch as d2l  # before MXNet: it mends what a machine of today lacks

from book import MXNetPeer
from chapter import H, N, T


class Tutorial(MXNetPeer):
    """The chapter's own engine."""

    rnn = staticmethod(d2l.rnn)

    def train(self, corpus, is_random, times, lr, theta):
        for _ in range(times):
            perplexity = d2l.train_epoch(self.rnn, self.params, d2l.init_rnn_state, H, self.size, self.ctx, corpus,
                                         is_random, T, lr, theta, N)
        return perplexity

    def write(self, prefix, num_chars):
        return d2l.predict_rnn(prefix, num_chars, self.rnn, self.params, d2l.init_rnn_state, H, self.size, self.ctx,
                               *self.vocabulary)


class Fused(Tutorial):
    """The same, with `fused.rnn` where `rnn` stood."""

    def __init__(self, params, vocabulary):
        super().__init__(params, vocabulary)
        from rnn_scratch import fused
        self.rnn = fused.rnn
