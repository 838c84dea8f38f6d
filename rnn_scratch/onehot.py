"""(一) one-hot向量: a character as a vector with a single one."""
from mxnet import nd

from . import _checks


def to_onehot(X, size):
    """把小批量的索引变成 one-hot 向量，每个时间步一个矩阵（6.4.1 节）。

    Turn a mini-batch of indices into one matrix for each time step (section 6.4.1).

    >>> X = nd.array([[0, 2], [1, 0]])     # two sequences of two time steps
    >>> [step.asnumpy().tolist() for step in to_onehot(X, 3)]
    [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]]

    Parameters
    ----------
    X : NDArray (n, T)
        Indices of characters: n sequences of T time steps. A one-dimensional X, (T,), is one sequence.
    size : int
        The length d of each vector: the size of the vocabulary. MXNet gives an index outside it a row of zeros.

    Returns
    -------
    list of T NDArrays (n, d), because the model reads one time step after the other

    Raises
    ------
    TypeError, ValueError
        X is no NDArray of whole numbers (one alone is not looked at), of one or two dimensions, or the size is wrong.
    """
    _checks.must_be(nd.NDArray, 'an NDArray (n, T) of whole numbers, made with nd.array', lambda X: X.shape == (1,) or
                    X.ndim in (1, 2) and not (X.asnumpy() % 1).any(), X=X)      # a single one is not read back: slow
    _checks.whole(1, size=size)
    return [nd.one_hot(X_t, size) for X_t in X.T]       # X.T (T, n), X_t (n,)
