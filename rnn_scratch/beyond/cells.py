"""Beyond the chapter: its neighbours, three other cells for the place where `rnn` stands.

    from rnn_scratch.beyond.cells import get_gru_params, gru
    d2l.train_and_predict_rnn(gru, lambda: get_gru_params(vocab_size, 256, vocab_size, ctx), d2l.init_rnn_state, ...)

| cell | section | parameters | state | what is new |
| --- | --- | --- | --- | --- |
| `rnn` | 6.4 | `get_params`: 5 arrays | `init_rnn_state`: H | the chapter's own |
| `relu_rnn` | | the same | the same | ReLU in place of tanh |
| `gru` | 6.7 | `get_gru_params`: 11 arrays | the same | two gates: how much of the past to keep, and to read |
| `lstm` | 6.8 | `get_lstm_params`: 14 arrays | `init_lstm_state`: H and C | three gates, and a memory C beside H |

A gate is an array of numbers between 0 and 1, with the shape of H, that another array is multiplied by. Training and
prediction do not change. `CELLS`, at the end, has the four by name.
"""
from collections import namedtuple

from mxnet import nd

from .. import _checks
from .._checks import RNN, shape_of
from ..model import init_rnn_state, rnn
from ..params import get_params

GRU = ('W_xz', 'W_hz', 'b_z', 'W_xr', 'W_hr', 'b_r', 'W_xh', 'W_hh', 'b_h', 'W_hq', 'b_q')
LSTM = ('W_xi', 'W_hi', 'b_i', 'W_xf', 'W_hf', 'b_f', 'W_xo', 'W_ho', 'b_o', 'W_xc', 'W_hc', 'b_c', 'W_hq', 'b_q')


def draw_params(symbols, num_inputs, num_hiddens, num_outputs, ctx):
    """What `get_params` does, for other symbols: weights from N(0, 0.01²), biases zero, a gradient each."""
    _checks.sizes(ctx, num_hiddens, num_inputs=num_inputs, num_outputs=num_outputs)
    params = []
    for symbol in symbols:
        shape = shape_of(symbol, num_inputs, num_hiddens, num_outputs)
        is_weight = symbol.startswith('W')
        params.append(nd.random.normal(scale=0.01, shape=shape, ctx=ctx) if is_weight else nd.zeros(shape, ctx=ctx))
        params[-1].attach_grad()
    return params


def relu_rnn(inputs, state, params):
    """把本章循环单元里的 tanh 换成 ReLU（6.4 节练习 5）。

    The chapter's cell with ReLU in place of tanh (exercise 5 of section 6.4). tanh never leaves -1 to 1. ReLU has no
    upper limit: here is one hidden unit with H_t = ReLU(1 + 2 H_{t-1}).

    >>> params = [nd.ones((1, 1)), nd.full((1, 1), 2), nd.zeros(1), nd.ones((1, 1)), nd.zeros(1)]
    >>> outputs, (H,) = relu_rnn([nd.ones((1, 1))] * 4, (nd.zeros((1, 1)),), params)
    >>> [Y.asnumpy().item() for Y in outputs]
    [1.0, 3.0, 7.0, 15.0]

    Parameters, returned values and errors are those of `rnn_scratch.rnn`: take `get_params` and `init_rnn_state`.
    """
    _checks.cell(inputs, state, params)
    W_xh, W_hh, b_h, W_hq, b_q = params
    H, = state                                                  # (n, h)
    outputs = []
    for X in inputs:                                            # (n, d)
        # H_t = ReLU(X_t W_xh + H_{t-1} W_hh + b_h),  ReLU(a) = max(a, 0)
        H = nd.relu(nd.dot(X, W_xh) + nd.dot(H, W_hh) + b_h)    # (n, h)
        # Y_t = H_t W_hq + b_q
        outputs.append(nd.dot(H, W_hq) + b_q)                   # (n, q)
    return outputs, (H,)


def get_gru_params(num_inputs, num_hiddens, num_outputs, ctx):
    """初始化 GRU 的参数（6.7 节）。

    Make the parameters of a GRU (section 6.7): three times those of the hidden layer, then the output layer's.

    Arguments, distribution and errors are those of `get_params`. The list has W_xz (d, h), W_hz (h, h), b_z (h,) of the
    update gate; W_xr, W_hr, b_r of the reset gate; W_xh, W_hh, b_h of the candidate; and W_hq (h, q), b_q (q,).
    """
    return draw_params(GRU, num_inputs, num_hiddens, num_outputs, ctx)


def gru(inputs, state, params):
    """门控循环单元（GRU），和书上一样（6.7 节）。

    A gated recurrent unit, as the book has it (section 6.7). The update gate Z says how much of H stays as it is, and
    the reset gate R how much of H the candidate reads.

    **Another GRU has the same name.** The book multiplies H by R *before* the product with W_hh, as the first paper on
    GRUs does (Cho et al., 2014). gluon, cuDNN and PyTorch multiply *after* the product, and have one more bias:

        here:    H̃_t = tanh(X_t W_xh + (R_t ⊙ H_{t-1}) W_hh + b_h)
        there:   H̃_t = tanh(X_t W_xh + R_t ⊙ (H_{t-1} W_hh + c_h) + b_h)

    ONNX has both (`linear_before_reset=0` is here). The weights of one do not fit the other.

    An example with two units. The second reads the first, and nothing else is read: H = (1, 0), R = (1/2, 1), Z = 1/2.

    >>> O, o, W_hh = nd.zeros((2, 2)), nd.zeros(2), nd.array([[0, 1], [0, 0]])
    >>> params = [O, O, o, O, O, nd.array([0, 99]), O, W_hh, o, O, o]       # σ(0) = 1/2, σ(99) = 1
    >>> outputs, (H,) = gru([nd.zeros((1, 2))], (nd.array([[1, 0]]),), params)
    >>> H.astype('float64').asnumpy().round(4).tolist()         # (1/2, tanh(1/2) / 2)
    [[0.5, 0.2311]]

    There it is (1/2, tanh(1) / 2) = (0.5, 0.3808). With c_h = 0 the two agree where R is 1 everywhere, or W_hh is 0.

    Parameters, returned values and errors are those of `rnn_scratch.rnn`, but `params` is a list of 11 NDArrays, from
    `get_gru_params`.
    """
    _checks.cell(inputs, state, params, GRU)
    W_xz, W_hz, b_z, W_xr, W_hr, b_r, W_xh, W_hh, b_h, W_hq, b_q = params
    H, = state                                                          # (n, h)
    outputs = []
    for X in inputs:                                                    # (n, d)
        # Update gate:  Z_t = σ(X_t W_xz + H_{t-1} W_hz + b_z),  σ(a) = 1 / (1 + exp(−a))
        Z = nd.sigmoid(nd.dot(X, W_xz) + nd.dot(H, W_hz) + b_z)         # (n, h)
        # Reset gate:  R_t = σ(X_t W_xr + H_{t-1} W_hr + b_r)
        R = nd.sigmoid(nd.dot(X, W_xr) + nd.dot(H, W_hr) + b_r)         # (n, h)
        # Candidate:  H̃_t = tanh(X_t W_xh + (R_t ⊙ H_{t-1}) W_hh + b_h)
        H_tilde = nd.tanh(nd.dot(X, W_xh) + nd.dot(R * H, W_hh) + b_h)  # (n, h)
        # H_t = Z_t ⊙ H_{t-1} + (1 − Z_t) ⊙ H̃_t
        H = Z * H + (1 - Z) * H_tilde                                   # (n, h)
        # Y_t = H_t W_hq + b_q
        outputs.append(nd.dot(H, W_hq) + b_q)                           # (n, q)
    return outputs, (H,)


def get_lstm_params(num_inputs, num_hiddens, num_outputs, ctx):
    """初始化 LSTM 的参数（6.8 节）。

    Make the parameters of an LSTM (section 6.8): four times those of the hidden layer, then the output layer's.

    Arguments, distribution and errors are those of `get_params`. The list has W_xi (d, h), W_hi (h, h), b_i (h,) of the
    input gate; the same of the forget gate, the output gate (o) and the candidate (c); and W_hq (h, q), b_q (q,).
    """
    return draw_params(LSTM, num_inputs, num_hiddens, num_outputs, ctx)


def init_lstm_state(batch_size, num_hiddens, ctx):
    """LSTM 的两个初始状态：全是 0（6.8 节）。

    The two states of an LSTM before the first character (section 6.8): H and C, both zeros, NDArrays (n, h). Arguments
    and errors are those of `init_rnn_state`.
    """
    return init_rnn_state(batch_size, num_hiddens, ctx) + init_rnn_state(batch_size, num_hiddens, ctx)


def lstm(inputs, state, params):
    """长短期记忆（LSTM，6.8 节）。

    A long short-term memory (section 6.8). Of the memory C the forget gate F says how much stays, the input gate I how
    much of the candidate is added, and the output gate O how much of it H shows.

    One unit, all weights 0. The gates are open (a bias of 99), the candidate is tanh(1): C_t = C_{t-1} + tanh(1).

    >>> gate, last = [nd.zeros((1, 1)), nd.zeros((1, 1)), nd.array([99])], [nd.ones((1, 1)), nd.zeros(1)]
    >>> params = gate * 3 + [nd.zeros((1, 1)), nd.zeros((1, 1)), nd.array([1])] + last
    >>> outputs, (H, C) = lstm([nd.ones((1, 1))] * 2, (nd.zeros((1, 1)), nd.zeros((1, 1))), params)
    >>> round(C.asnumpy().item(), 4), round(H.asnumpy().item(), 4)      # 2 tanh(1), and tanh of that
    (1.5232, 0.9093)

    gluon's LSTM is the same, but has the gates in the order I, F, C̃, O, and two biases for each: their sum counts.

    Parameters, results and errors are those of `rnn_scratch.rnn`, but `state` is a tuple of H and C, each (n, h),
    at first from `init_lstm_state`, and `params` a list of 14 NDArrays, from `get_lstm_params`.
    """
    _checks.cell(inputs, state, params, LSTM, ('H', 'C'))
    W_xi, W_hi, b_i, W_xf, W_hf, b_f, W_xo, W_ho, b_o, W_xc, W_hc, b_c, W_hq, b_q = params
    H, C = state                                                        # (n, h), (n, h)
    outputs = []
    for X in inputs:                                                    # (n, d)
        # Input gate:  I_t = σ(X_t W_xi + H_{t-1} W_hi + b_i)
        I = nd.sigmoid(nd.dot(X, W_xi) + nd.dot(H, W_hi) + b_i)         # (n, h)
        # Forget gate:  F_t = σ(X_t W_xf + H_{t-1} W_hf + b_f)
        F = nd.sigmoid(nd.dot(X, W_xf) + nd.dot(H, W_hf) + b_f)         # (n, h)
        # Output gate:  O_t = σ(X_t W_xo + H_{t-1} W_ho + b_o)
        O = nd.sigmoid(nd.dot(X, W_xo) + nd.dot(H, W_ho) + b_o)         # (n, h)
        # Candidate:  C̃_t = tanh(X_t W_xc + H_{t-1} W_hc + b_c)
        C_tilde = nd.tanh(nd.dot(X, W_xc) + nd.dot(H, W_hc) + b_c)      # (n, h)
        # C_t = F_t ⊙ C_{t-1} + I_t ⊙ C̃_t
        C = F * C + I * C_tilde                                         # (n, h)
        # H_t = O_t ⊙ tanh(C_t)
        H = O * nd.tanh(C)                                              # (n, h)
        # Y_t = H_t W_hq + b_q
        outputs.append(nd.dot(H, W_hq) + b_q)                           # (n, q)
    return outputs, (H, C)


# A cell with what it needs: a function for its parameters, one for its first state, and the names of the parameters.
Cell = namedtuple('Cell', 'rnn get_params init_rnn_state symbols')
CELLS = {
    'rnn': Cell(rnn, get_params, init_rnn_state, RNN),
    'gru': Cell(gru, get_gru_params, init_rnn_state, GRU),
    'lstm': Cell(lstm, get_lstm_params, init_lstm_state, LSTM),
    'relu': Cell(relu_rnn, get_params, init_rnn_state, RNN),
}
