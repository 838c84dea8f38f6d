"""Beyond the chapter: the model of `model.py` on MXNet's fused operators, several times faster.

`fused.rnn` goes where `rnn` went, in training and in prediction, with the same five parameters:

    d2l.train_and_predict_rnn(fused.rnn, get_params, ...)
    d2l.predict_rnn('分开', 50, fused.rnn, params, ...)

| `model.py` | here | why it is faster |
| --- | --- | --- |
| `nd.dot(X, W_xh)`, X one-hot | `nd.take(W_xh, X)`, X indices | one-hot vector times matrix is a row of the matrix |
| `nd.tanh(… + nd.dot(H, W_hh) + b_h)`, T times | `nd.RNN`, once | one operator instead of some four for each step |
| `nd.dot(H, W_hq) + b_q`, T times | `nd.FullyConnected`, once | one large product instead of T small ones |

Writing has only one step at a time, and goes another way: `one_step`, below. On two cores an epoch of the chapter takes
0.15 seconds, where the chapter's operators need 0.81 and d2lzh 1.23; a written character 0.12 milliseconds, where they
need 0.58 and 0.62 (docs/benchmarks.md, which names the settings).
"""
import functools
import math

from mxnet import nd, sym

from ..clipping import check_theta, scale_gradients
from ..model import check_state


def rnn(inputs, state, params):
    """The same as `model.rnn`, but for the form of inputs and outputs.

    Parameters
    ----------
    inputs : NDArray (T, n)
        Indices, from `to_inputs`.
    state, params
        As for `model.rnn`.

    Returns
    -------
    outputs : list of one NDArray (T n, q)
        The T matrices of `model.rnn`, one below the other.
    state : tuple of one NDArray (n, h)
        H after the last step.

    Raises
    ------
    ValueError
        The state does not fit the inputs and the parameters.
    """
    W_xh, W_hh, b_h, W_hq, b_q = params
    H, = state                                                                  # (n, h)
    h, q = W_hq.shape
    check_state(H, inputs.shape[1], W_hh)
    rows = nd.take(W_xh, inputs)                                                # (T, n, h): X_t W_xh
    # nd.RNN wants its weights in one vector: for its inputs, for H, and a bias for each. Its inputs are rows of W_xh,
    # multiplied already, so the first are the identity and a bias of zeros.
    weights = nd.concat(nd.eye(h, ctx=H.ctx).reshape(-1), W_hh.T.reshape(-1), nd.zeros(h, ctx=H.ctx), b_h, dim=0)
    hiddens, H = nd.RNN(rows, weights, H.expand_dims(0), state_size=h, num_layers=1, mode='rnn_tanh',
                        state_outputs=True)                                     # (T, n, h), (1, n, h)
    Y = nd.FullyConnected(hiddens.reshape((-1, h)), W_hq.T, b_q, num_hidden=q)  # (T n, q)
    return [Y], (H[0],)


def to_inputs(X, size):
    """Indices stay indices; time comes first: (n, T) -> (T, n), and one sequence (T,) -> (T, 1)."""
    return X.T if X.ndim == 2 else X.expand_dims(1)


def grad_clipping(params, theta, ctx):
    """`clipping.grad_clipping`, with its arguments and errors, and with ‖g‖² as the dot product g·g.

    It is faster, and differs in the last digits.
    """
    check_theta(theta)
    if theta is None:
        return
    flat = [param.grad.reshape(-1) for param in params]
    norm = math.sqrt(nd.add_n(*[nd.dot(g, g) for g in flat]).asscalar())
    scale_gradients(params, theta, norm)


def one_step(params):
    """The step of `model.py` for one sequence, as it is needed to write: one call for each character.

    The two matrices are transposed once, for `nd.FullyConnected`: with a single row it is four times as fast here as
    `nd.dot`.

    Parameters
    ----------
    params
        As for `model.rnn`. They must not change while the function is in use.

    Returns
    -------
    function
        From an index, NDArray (1,), and a state to scores, NDArray (1, q), and the next state.
    """
    W_xh, W_hh, b_h, W_hq, b_q = params
    W_hh_T, W_hq_T = W_hh.T, W_hq.T
    graph = one_step_graph(*W_hq.shape)

    def step(X, state):
        H, = state
        check_state(H, 1, W_hh)
        Y, H = graph(W_xh, X, H, W_hh_T, b_h, W_hq_T, b_q)
        return Y, (H,)

    return step


@functools.lru_cache(maxsize=8)     # the first call of a graph prepares all later ones, for milliseconds
def one_step_graph(h, q):
    """The operators of one step as one operator, so that MXNet does not come back to Python in between.

    Its arguments are the variables below, in the order in which the formulas need them.
    """
    W_xh, X, H, W_hh_T, b_h, W_hq_T, b_q = map(sym.Variable, ['W_xh', 'X', 'H', 'W_hh_T', 'b_h', 'W_hq_T', 'b_q'])
    H = sym.Activation(sym.take(W_xh, X) + sym.FullyConnected(H, W_hh_T, b_h, num_hidden=h), act_type='tanh')
    Y = sym.FullyConnected(H, W_hq_T, b_q, num_hidden=q)
    return nd.CachedOp(sym.Group([Y, H]), [('static_alloc', True), ('static_shape', True)])


# Training and prediction look here for what a model does in its own way.
rnn.to_inputs = to_inputs
rnn.grad_clipping = grad_clipping
rnn.one_step = one_step
