"""(五) 困惑度: among how many equally likely characters the model seems to choose."""
import math

from . import _checks


def perplexity(l_sum, n):
    """困惑度：平均交叉熵的指数（6.4.6 节）。

    exp of the mean cross-entropy (section 6.4.6).

    The chapter's three cases, each with five predictions:

    - the best, every label predicted with probability 1: cross-entropy -log 1, perplexity 1;
    - the worst, every label predicted with probability 0: cross-entropy +∞, perplexity +∞;
    - the baseline, all 1,027 classes equally likely: cross-entropy log 1027, perplexity the number of classes.

    >>> perplexity(5 * -math.log(1), 5)
    1.0
    >>> perplexity(5 * math.inf, 5)
    inf
    >>> round(perplexity(5 * math.log(1027), 5), 6)
    1027.0

    Parameters
    ----------
    l_sum, n : float, int
        The sum of the cross-entropies of n predictions, in nats (natural logarithm).

    Returns
    -------
    float
        1 or more; +∞ where the exponential is too large for a float, from about 710 nats a character on.

    Raises
    ------
    TypeError, ValueError
        There are no predictions, or the sum is negative or not a number.
    """
    _checks.whole(1, n=n)
    _checks.number('0 or more', lambda x: x >= -1e-5 * n, l_sum=l_sum)      # rounding: a perfect one may be below 0
    try:
        return math.exp(l_sum / n)
    except OverflowError:
        return math.inf
