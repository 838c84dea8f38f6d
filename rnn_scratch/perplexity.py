"""(五) 困惑度: among how many equally likely characters the model seems to choose."""
import math

from ._checks import check_sum


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
    l_sum : float
        The sum of the cross-entropies of n predictions, in nats (natural logarithm).
    n : int
        How many characters were predicted.

    Returns
    -------
    float
        1 or more. It is +∞ when the exponential is too large for a float, which is from about 710 nats a character on.

    Raises
    ------
    TypeError, ValueError
        There are no predictions, or the sum is negative or not a number.
    """
    check_sum(l_sum, n)
    try:
        return math.exp(l_sum / n)
    except OverflowError:
        return math.inf
