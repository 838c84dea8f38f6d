"""(三) 定义模型: the hidden state, and the step that is taken at each character."""
from mxnet import nd

from . import _checks


def init_rnn_state(batch_size, num_hiddens, ctx):
    """初始的隐藏状态：全是 0（6.4.3 节）。

    The hidden state before the first character: zeros (section 6.4.3).

    >>> import mxnet as mx
    >>> state = init_rnn_state(2, 256, mx.cpu())
    >>> len(state), state[0].shape
    (1, (2, 256))

    It is a tuple of one array, not the array itself, because other cells carry more than one: an LSTM has two. Training
    and prediction hand the tuple on without looking inside, so they work for all of them.

    Parameters
    ----------
    batch_size, num_hiddens : int
        n and h.
    ctx : mxnet.Context
        The device.

    Returns
    -------
    tuple of one NDArray (n, h)

    Raises
    ------
    TypeError, ValueError
        As for `get_params`.
    """
    _checks.sizes(ctx, num_hiddens, batch_size=batch_size)
    return (nd.zeros((batch_size, num_hiddens), ctx=ctx),)


def rnn(inputs, state, params):
    """让循环神经网络走完 T 个时间步（6.4.3 节，公式见 6.2 节）。

    Run the network over T time steps (section 6.4.3; equations of section 6.2).

    One hidden unit, two characters, all weights 1 and all biases 0: H_1 = tanh(1), H_2 = tanh(1 + tanh(1)).

    >>> params = [nd.ones((2, 1)), nd.ones((1, 1)), nd.zeros(1), nd.ones((1, 2)), nd.zeros(2)]
    >>> inputs = [nd.array([[1, 0]]), nd.array([[0, 1]])]
    >>> outputs, (H,) = rnn(inputs, (nd.zeros((1, 1)),), params)
    >>> [Y.astype('float64').asnumpy().round(4).tolist() for Y in outputs], H.shape
    ([[[0.7616, 0.7616]], [[0.9427, 0.9427]]], (1, 1))

    Training and prediction take any function of this form as their `rnn`: a cell of your own goes in there.

    Parameters
    ----------
    inputs : list of T NDArrays (n, d)
        One-hot vectors, from `to_onehot`.
    state : tuple of one NDArray (n, h)
        H before the first step, from `init_rnn_state` or from the call before.
    params : list of five NDArrays
        From `get_params`.

    Returns
    -------
    outputs : list of T NDArrays (n, q)
        Scores for the next character; their softmax is its distribution.
    state : tuple of one NDArray (n, h)
        H after the last step.

    Raises
    ------
    TypeError, ValueError
        The inputs, the state and the parameters do not fit together.
    """
    _checks.cell(inputs, state, params)
    W_xh, W_hh, b_h, W_hq, b_q = params
    H, = state                                                  # (n, h)
    outputs = []
    for X in inputs:                                            # (n, d)
        # H_t = tanh(X_t W_xh + H_{t-1} W_hh + b_h)
        H = nd.tanh(nd.dot(X, W_xh) + nd.dot(H, W_hh) + b_h)    # (n, h)
        # Y_t = H_t W_hq + b_q
        Y = nd.dot(H, W_hq) + b_q                               # (n, q)
        outputs.append(Y)
    return outputs, (H,)
