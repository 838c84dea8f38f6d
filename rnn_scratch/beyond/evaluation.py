"""Beyond the chapter: how well a model predicts a text that it was not trained on.

The chapter only measures the text that it trains on. A model that has learnt that text by heart shows a perplexity
near 1 there, and a far larger one on the next page of the same book.
"""
import math
from collections import Counter
from typing import NamedTuple

from mxnet import gluon, nd

from .._checks import check_held_out
from ..onehot import to_onehot
from ..perplexity import perplexity

NUM_STEPS = 256     # how much is computed at a time; the result does not depend on it


class Evaluation(NamedTuple):
    """What `evaluate` found. `unknown` counts the characters that the vocabulary lacks, one by one."""

    perplexity: float
    num_predicted: int
    unknown: dict

    def __repr__(self):
        return (f'Evaluation(perplexity {self.perplexity:f} over {self.num_predicted} characters, '
                f'{sum(self.unknown.values())} more unknown)')


def losses(rnn, X, Y, state, params, vocab_size):
    """The cross-entropy of each prediction, in nats: indices X, Y (n, T) -> NDArray (T n,), and the next state."""
    outputs, state = rnn(to_onehot(X, vocab_size), state, params)                               # T × (n, q)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    return loss(nd.concat(*outputs, dim=0), Y.T.reshape((-1,))), state


def evaluate(text, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx, *,
             losses=losses):
    """Read a text from beginning to end and measure how well each character was predicted from those before it.

    Characters outside the vocabulary cannot be predicted at all: they are left out of the text, and counted.

    Parameters
    ----------
    text : str
        Any text; line breaks should be spaces, as in the corpus.
    rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx
        As for `predict_rnn` (idx_to_char is not used; it is there so that `*checkpoint.model()` fits).
    losses : function, optional
        `fused.losses` for the fused engine.

    Returns
    -------
    Evaluation
        Perplexity, how many characters it is over, and the unknown ones.

    Raises
    ------
    ValueError
        Fewer than two characters of the text are in the vocabulary.
    """
    unknown = Counter(char for char in text if char not in char_to_idx)
    indices = nd.array([[char_to_idx[char] for char in text if char in char_to_idx]], ctx=ctx)     # (1, length)
    length = indices.size
    check_held_out(length)
    state, l_sum = init_rnn_state(1, num_hiddens, ctx), 0.0
    for i in range(0, length - 1, NUM_STEPS):
        X, Y = indices[:, i:min(i + NUM_STEPS, length - 1)], indices[:, i + 1:i + 1 + NUM_STEPS]    # (1, T)
        l, state = losses(rnn, X, Y, state, params, vocab_size)
        l_sum += l.sum().asscalar()
    return Evaluation(perplexity(l_sum, length - 1), length - 1, dict(unknown))


def unigram_perplexity(corpus_indices):
    """The perplexity of a model that knows only how frequent each character is: exp of the entropy, in nats.

    >>> round(unigram_perplexity([0, 1, 2, 3]), 6)      # four characters, equally frequent
    4.0
    """
    n = len(corpus_indices)
    counts = Counter(corpus_indices).values()
    return math.exp(-math.fsum(count / n * math.log(count / n) for count in counts))
