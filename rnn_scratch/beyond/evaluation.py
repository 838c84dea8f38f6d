"""Beyond the chapter: what a model has learnt, and what it has learnt by heart.

A model that has learnt its text by heart shows a perplexity near 1 there, and a far larger one on the next page of the
same book: `evaluate` measures that, and `copied` finds what the model copies.
"""
import math
from collections import Counter
from typing import NamedTuple

import numpy as np
from mxnet import gluon, nd

from .. import _checks, _own_cell
from ..onehot import to_onehot
from ..perplexity import perplexity

NUM_STEPS = 256     # how much is computed at a time, of one row; the result does not depend on it
NUM_BEFORE = 64     # what a row reads first


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
    inputs = to_onehot(X, vocab_size)                                                           # T × (n, d)
    returned = rnn(inputs, state, params)
    _own_cell.returned(returned, inputs, state)
    outputs, state = returned                                                                   # T × (n, q)
    return gluon.loss.SoftmaxCrossEntropyLoss()(nd.concat(*outputs, dim=0), Y.T.reshape((-1,))), state


def evaluate(text, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx, *,
             losses=losses, rows=1):
    """从头到尾读一个文本，看每个字符被前文预测得有多准。

    Read a text from beginning to end: how well was each character predicted from those before it? An `Evaluation`.
    Line breaks of the text should be as in the corpus; `losses` is `fused.losses` for the fused engine; the rest is as
    for `predict_rnn`, and ValueError where fewer than two characters are in the vocabulary.

    With `rows`, the text is cut into at most so many equal parts, which are read at the same time, as the rows of a
    mini-batch: several times as fast. Each row but the first begins with a new state 64 characters before its part, and
    predicts none of these. So a character is predicted from at least 64 before it, in place of all: tests compare.
    """
    _checks.text(text=text)
    _checks.whole(1, rows=rows)
    _checks.model(params, vocab_size, ctx, idx_to_char, char_to_idx)
    unknown = Counter(char for char in text if char not in char_to_idx)
    known = np.array([char_to_idx[char] for char in text if char in char_to_idx])
    length = len(known) - 1         # what can be predicted
    if length < 1:
        raise ValueError('The text needs at least two characters of the vocabulary, one to read and one to predict, '
                         f'and has {len(known)}.')
    part = -(-length // max(1, min(rows, length // NUM_BEFORE)))        # characters of a row; the last may have fewer
    starts = np.arange(0, length, part).reshape(-1, 1)                  # (n, 1)
    n, state, l_sum = len(starts), init_rnn_state(1, num_hiddens, ctx), 0.0
    _own_cell.begin(rnn, state)

    def read(i, state):             # the characters at i, and those that follow them
        X, Y = nd.array(known[i], ctx=ctx), nd.array(known[i + 1], ctx=ctx)     # (n, T)
        return losses(rnn, X, Y, state, params, vocab_size)

    if n > 1:
        _, before = read(starts[1:] + np.arange(-NUM_BEFORE, 0), init_rnn_state(n - 1, num_hiddens, ctx))
        state = tuple(nd.concat(*pair, dim=0) for pair in zip(state, before))   # (n, h)
    num_steps = max(1, min(NUM_STEPS, 2048 // n))
    for t in range(0, part, num_steps):
        i = starts + np.arange(t, min(t + num_steps, part))             # (n, T)
        l, state = read(np.minimum(i, length - 1), state)               # (T n,), time first
        l_sum += float(l.asnumpy().reshape(i.T.shape)[i.T < length].sum(dtype='float64'))
    if math.isnan(l_sum):
        raise FloatingPointError('The held-out perplexity is not a number: the parameters have grown beyond all '
                                 'bounds; start again with a smaller learning rate (lr).')
    return Evaluation(perplexity(l_sum, length), length, dict(unknown))


def unigram_perplexity(corpus_indices, text_indices=None):
    """只知道每个字符有多常见的模型，它的困惑度。

    The perplexity of a model that knows only how frequent each index of the corpus is: on the corpus itself, where it
    is exp of the entropy, or on another list of int. ValueError: one is empty, or an index is not in the corpus.

    >>> round(unigram_perplexity([0, 0, 0, 1], [1, 1]), 6)      # only the rare one, whose probability is 1/4
    4.0
    """
    text_indices = corpus_indices if text_indices is None else text_indices
    for name, indices in [('corpus', corpus_indices), ('text', text_indices)]:
        if not len(indices):
            raise ValueError(f'The {name} is empty: give at least one index.')
    counts, found = ({index.item(): number.item() for index, number in zip(*np.unique(indices, return_counts=True))}
                     for indices in (corpus_indices, text_indices))     # how often there is each index
    unknown = set(found) - set(counts)
    if unknown:
        raise ValueError(f'The text has the index {min(unknown)}, which is nowhere in the corpus: leave it out, as its '
                         'probability would be 0.')
    l_sum = -math.fsum(number * math.log(counts[i] / len(corpus_indices)) for i, number in found.items())
    return perplexity(l_sum, len(text_indices))


class Copied(NamedTuple):
    """`copied` 找到了什么。

    What `copied` found: the `longest` run, and its first `position` in the corpus; the `share` of the text's n-grams
    that stand in the corpus; and `runs`, a (start, end) for each longest text[start:end] of n characters or more.
    """
    longest: str
    position: int
    share: float
    runs: list
    n: int

    def __repr__(self):
        return (f'{self.share:.0%} of its {self.n}-grams are copied; the longest copied run, {len(self.longest)} '
                f'characters, begins at index {self.position} of the corpus: {self.longest!r}')


def copied(text, corpus, n=5):
    """找出一个文本里有哪些是从语料中逐字抄来的。

    Find what of a text stands in a corpus, word for word: a `Copied`. Its share counts n-grams: all the pieces of n
    characters, of which a text of length L has L - n + 1.

    >>> found = copied('xabcdey', 'abcd cde', n=3)
    >>> found.longest, found.position, found.runs, found.share      # abcd and cde; abc, bcd and cde are 3 of 5 pieces
    ('abcd', 0, [(1, 5), (3, 6)], 0.6)

    `text` is what a model wrote, `corpus` the text that it was trained on, and `n` from how many characters on a run
    counts. TypeError or ValueError: the text has fewer than n characters, or n is below 1.
    """
    _checks.text(text=text, corpus=corpus)
    _checks.whole(1, n=n)
    if n > len(text):
        raise ValueError(f'The text has {len(text)} characters, and runs of {n} are looked for: give a longer text, or '
                         'a smaller n.')
    # For each end the first start from which all up to there is one run. It only moves forwards: where text[i:j] is
    # not in the corpus, no longer piece that begins at i is.
    spans, start = [], 0
    for end in range(1, len(text) + 1):
        while text[start:end] not in corpus:
            start += 1
        spans.append((start, end))
    # A span is part of the next one where that begins at the same place. The others cannot be made longer.
    whole = [span for span, following in zip(spans, [*spans[1:], (None, None)]) if span[0] != following[0]]
    start, end = max(whole, key=lambda span: span[1] - span[0])
    num_copied = sum(end - start >= n for start, end in spans)      # the n-gram that ends there lies in the run
    return Copied(text[start:end], corpus.find(text[start:end]), num_copied / (len(text) - n + 1),
                  [(start, end) for start, end in whole if end - start >= n], n)
