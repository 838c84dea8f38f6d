"""The two engines of rnn_scratch, each through its `train_epoch` and its `predict_rnn`."""
import rnn_scratch as d2l  # before MXNet: it mends what a machine of today lacks
from rnn_scratch.beyond import fused

from book import MXNetPeer
from mxnet import nd


class Tutorial(MXNetPeer):
    """The chapter's own engine."""

    engine = d2l

    def train(self, corpus, is_random, times, lr, theta):
        for _ in range(times):
            perplexity = self.engine.train_epoch(d2l.rnn, self.params, d2l.init_rnn_state, self.h, self.q, self.ctx,
                                                 corpus, is_random, self.T, lr, theta, self.n)
        return perplexity

    def write(self, prefix, num_chars):
        return self.engine.predict_rnn(prefix, num_chars, d2l.rnn, self.params, d2l.init_rnn_state, self.h, self.q,
                                       self.ctx, *self.vocabulary)


class Fused(Tutorial):
    """The same with `fused` where `d2l` stood."""

    engine = fused

    def loss_and_gradients(self, X, labels):
        state = d2l.init_rnn_state(self.n, self.h, self.ctx)
        loss, _, gradients = fused.gradients(nd.array(X), nd.array(labels), state, self.params)
        # Of the sum over the mini-batch, where all others have the mean.
        return loss.asscalar() / X.size, [gradient.asnumpy() / X.size for gradient in gradients]
