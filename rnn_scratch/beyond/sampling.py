"""Beyond the chapter: to draw the next character at random; greedy prediction soon repeats its favourite line."""
import math

import numpy as np
from mxnet import nd

from .. import _checks


def sampler(temperature=1.0, top_k=None, top_p=None, seed=None):
    """返回一个随机取下一个字符的 `pick` 函数，交给 `predict_rnn`。

    Make a `pick` function for `predict_rnn`, from scores (1, q) to an index (1,), that draws at random, for instance
    `d2l.predict_rnn('分开', 50, rnn, params, ..., pick=sampler(temperature=0.8, top_k=20, seed=1))`.

    Scores are divided by the temperature: 1 is the model's own distribution, towards 0 it becomes greedy, above 1
    bolder. Only the top_k most probable characters are drawn (Fan et al., 2018) and, of these, the most probable that
    together reach the probability top_p, the nucleus (Holtzman et al., 2020). The same seed gives the same text.

    With a list of n seeds, for `fused.predict_many`, `pick` takes scores (n, q) and gives indices (n,): in each row
    what the sampler with that seed alone gives. TypeError, ValueError: temperature not above 0, top_k below 1, top_p
    not above 0 and at most 1, or a seed below 0.
    """
    _checks.number('above 0 and finite', lambda x: 0 < x < math.inf, temperature=temperature)
    if top_k is not None:
        _checks.whole(1, top_k=top_k)
    if top_p is not None:
        _checks.number('above 0 and at most 1', lambda x: 0 < x <= 1, top_p=top_p)
    seeds = [*seed] if isinstance(seed, (list, tuple, range)) else [seed]
    if seed is not None:
        for each in seeds:
            _checks.whole(0, math.inf, seed=each)
    generators = [np.random.default_rng(each) for each in seeds]

    def pick(Y):
        scores = Y.asnumpy()                    # (n, q)
        if scores.ndim != 2 or len(scores) != len(seeds):
            raise ValueError(f'pick takes the scores of one character for each seed, of shape ({len(seeds)}, q), not '
                             f'{scores.shape}.')
        if not np.isfinite(scores).all():
            raise FloatingPointError('The scores of the next character are not finite, so none can be drawn: the state '
                                     'of the model has grown beyond all bounds; write a shorter text, or train again.')
        # As `Generator.choice` draws, but in all rows at once: of p_0, p_0 + p_1, …, 1 the first that is above u.
        reached = np.cumsum(distribution(scores, temperature, top_k, top_p), axis=1)            # (n, q)
        u = [[generator.random()] for generator in generators]                                  # (n, 1)
        return nd.array((reached / reached[:, -1:] > u).argmax(axis=1), ctx=Y.ctx)              # (n,)

    return pick


def distribution(scores, temperature=1.0, top_k=None, top_p=None):
    """The probabilities that `sampler` draws from: scores, array (q,) or (n, q) -> array of the same shape."""
    scores = scores.astype('float64', copy=False)
    p = np.exp((scores - scores.max(axis=-1, keepdims=True)) / temperature)
    if top_k is not None or top_p is not None:
        order = np.argsort(-p, kind='stable')   # from the most probable; equal ones in the order of their indices
        ranked = np.take_along_axis(p, order, axis=-1)
        if top_k is not None:
            ranked[..., top_k:] = 0
        if top_p is not None:
            reached = np.cumsum(ranked, axis=-1)
            ranked[..., 1:][reached[..., :-1] >= top_p * reached[..., -1:]] = 0     # the first that reaches top_p stays
        np.put_along_axis(p, order, ranked, axis=-1)
    return p / p.sum(axis=-1, keepdims=True)
