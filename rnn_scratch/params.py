"""(二) 初始化模型参数: five arrays, drawn small, with a gradient each."""
from mxnet import nd

from . import _checks


def get_params(num_inputs, num_hiddens, num_outputs, ctx):
    """初始化模型参数（6.4.2 节）。

    Make the parameters of the recurrent network (section 6.4.2).

    >>> import mxnet as mx
    >>> [param.shape for param in get_params(1027, 256, 1027, mx.cpu())]
    [(1027, 256), (256, 256), (256,), (256, 1027), (1027,)]

    The weights are drawn from N(0, 0.01²) by MXNet's generator (`mxnet.random.seed` makes them reproducible), the
    biases are zero. `attach_grad` sets memory aside for each array's gradient, which is then `array.grad`.

    `train_and_predict_rnn` takes a function without arguments, as in the book:
    `lambda: get_params(vocab_size, 256, vocab_size, ctx)`.

    Parameters
    ----------
    num_inputs, num_hiddens, num_outputs : int
        d, h and q. For a model of characters d and q are both the size of the vocabulary.
    ctx : mxnet.Context
        The device, for instance `try_gpu()`, d2lzh's own: the first GPU if MXNet can use one, else the CPU.

    Returns
    -------
    list of NDArrays
        W_xh (d, h), W_hh (h, h), b_h (h,), W_hq (h, q), b_q (q,), in 32-bit floats.

    Raises
    ------
    TypeError, ValueError
        A size is not a positive whole number, or ctx is not a device of this machine.
    """
    _checks.sizes(ctx, num_hiddens, num_inputs=num_inputs, num_outputs=num_outputs)
    d, h, q = num_inputs, num_hiddens, num_outputs

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
