"""(二) 初始化模型参数: five arrays, and where they live."""
from d2lzh import try_gpu  # noqa: F401
from mxnet import nd


def get_params(num_inputs, num_hiddens, num_outputs, ctx):
    """Make the parameters of the recurrent network (section 6.4.2).

    The weights are drawn from N(0, 0.01²) by MXNet's generator (`mxnet.random.seed` makes them repeat), the biases are
    zero, and each array has a gradient attached, in `array.grad`.

    `train_and_predict_rnn` takes a function without arguments, as in the book:
    `lambda: get_params(vocab_size, 256, vocab_size, ctx)`.

    Parameters
    ----------
    num_inputs, num_hiddens, num_outputs : int
        d, h and q. For a model of characters d and q are both the size of the vocabulary.
    ctx : mxnet.Context
        The device, for instance `try_gpu()`.

    Returns
    -------
    list of NDArrays
        W_xh (d, h), W_hh (h, h), b_h (h,), W_hq (h, q), b_q (q,), in 32-bit floats.

    Raises
    ------
    ValueError
        A size is not positive.

    Examples
    --------
    >>> [param.shape for param in get_params(1027, 256, 1027, try_gpu())]
    [(1027, 256), (256, 256), (256,), (256, 1027), (1027,)]
    """
    d, h, q = num_inputs, num_hiddens, num_outputs
    if min(d, h, q) < 1:
        raise ValueError('The numbers of inputs, hidden units and outputs must be positive, '
                         f'not {num_inputs}, {num_hiddens} and {num_outputs}.')

    def normal(shape):
        return nd.random.normal(scale=0.01, shape=shape, ctx=ctx)

    # Hidden layer
    W_xh = normal((d, h))
    W_hh = normal((h, h))
    b_h = nd.zeros(h, ctx=ctx)
    # Output layer
    W_hq = normal((h, q))
    b_q = nd.zeros(q, ctx=ctx)

    params = [W_xh, W_hh, b_h, W_hq, b_q]
    for param in params:
        param.attach_grad()
    return params
