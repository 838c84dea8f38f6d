"""Beyond the chapter: the chapter's names once more, several times faster, with every gradient written out.

Write `fused.` where `d2l.` stood, and nothing else changes:

    from rnn_scratch.beyond import fused
    fused.train_and_predict_rnn(d2l.rnn, get_params, ...)
    fused.predict_rnn('分开', 50, d2l.rnn, params, ...)

The chapter lets autograd find the gradients. Here they are the equations of section 6.6 (通过时间反向传播), one after
the other, in `there_and_back`; only that of the look-up is MXNet's. They need fewer operators, and larger ones:

| the chapter | here | why it is faster |
| --- | --- | --- |
| `nd.dot(X, W_xh)`, X one-hot | `nd.Embedding(X, W_xh)`, X indices | one-hot vectors times a matrix are its rows |
| `nd.dot(H, W_hq) + b_q`, T times | once, for all T steps | one large product instead of T small ones |
| T gradients of W_hh, added up | one product | two tall matrices multiplied are that sum |
| a call from Python for each operator | a call for a whole graph | MXNet does not come back to Python in between |
| all n sequences in one operator | in parts of 8 or more, at the same time | each core has a part, and seldom waits |

The engine computes the chapter's own cell, `d2l.rnn`, and its step, `d2l.sgd`. It refuses another cell, and another
`d2l.sgd`, such as Adam: the chapter's functions take both. Its figures are in docs/speed.md.
"""
import functools
import math
import operator
import os
from itertools import islice

import rnn_scratch as d2l  # as in training.py: the two iterators are d2lzh's own

import numpy as np
from mxnet import autograd, nd, sym
from mxnet.gluon.utils import split_data

from .. import _checks, _own_cell, _platform, model, training
from ..perplexity import perplexity
from ..predict import greedy

NUM_AHEAD = 64      # mini-batches that are made at a time
NUM_PENDING = 500   # characters that are asked for at a time
# Parts of a mini-batch: as many as there are operators that MXNet computes at a time.
NUM_PARTS = int({**os.environ, **_platform.settings()}['MXNET_CPU_WORKER_NTHREADS'])
MIN_ROWS = 8        # sequences of a part; with fewer its products take more time than another core saves


def check_cell(rnn):
    """This engine has its own formulas for the chapter's cell; any other would be trained as if it were that."""
    if rnn is not model.rnn:
        raise ValueError(f"The fused engine computes the chapter's cell, rnn_scratch.rnn, and not "
                         f'{_checks.show(rnn)}: take the functions of the same names from rnn_scratch, which compute '
                         'any cell.')


def check_updater():
    """Its step is d2lzh's, written out: where `d2l.sgd` is another function, as for Adam, that would not be called."""
    from d2lzh import utils  # here, since it loads matplotlib
    if d2l.sgd is not utils.sgd:
        raise ValueError(f"The fused engine takes the step of d2lzh's sgd itself, and now d2l.sgd is "
                         f'{_checks.show(d2l.sgd)}: take the functions of these names from rnn_scratch, which call it.')


def check_fit(n, vocab_size, state, params):
    """Sizes that go together, and as many scores as characters: the operators below would not notice."""
    _checks.fit(n, vocab_size, state, params)
    here = np.float32, params[0].context
    for array in [*params, *state]:
        if (array.dtype, array.context) != here:
            raise ValueError(f'The state and all parameters must be float32 on one device, as the first parameter on '
                             f'{here[1]}, not {np.dtype(array.dtype)} on {array.context}: make all with one ctx.')
    h, q = params[3].shape
    if q != vocab_size:
        raise ValueError(f'W_hq has shape {(h, q)}, but there are {vocab_size} characters: make the parameters with '
                         f'get_params({vocab_size}, {h}, {vocab_size}, ctx).')


def check_mini_batch(X, Y, state, params, vocab_size):
    """Indices, labels, and a model. With an index that it does not know, an operator would write beyond its memory."""
    _checks.whole(1, vocab_size=vocab_size)
    _checks.must_be(nd.NDArray, 'an NDArray of indices, made with nd.array', X=X)
    _checks.must_be(nd.NDArray, 'an NDArray of indices, in float32', lambda Y: Y.dtype is np.float32, Y=Y)
    if X.shape != Y.shape or len(X.shape) != 2:
        raise ValueError(f'X and Y, the characters and those that follow them, must both have the shape (n, T), not '
                         f'{X.shape} and {Y.shape}.')
    check_fit(X.shape[0], vocab_size, state, params)
    _checks.must_be(nd.NDArray, f'on {params[0].context}, as the parameters are', lambda A: A.context ==
                    params[0].context, X=X, Y=Y)
    for name, indices in ('X', X.asnumpy()), ('Y', Y.asnumpy()):
        unknown = indices[~np.isin(indices, np.arange(vocab_size))]
        if unknown.size:
            raise ValueError(f'{name} has the index {unknown[0]}, but the model knows {vocab_size} characters: take '
                             'indices and vocab_size from one call of load_data_jay_lyrics.')


class Graph:
    """Formulas over symbols as one operator, which takes arrays by the names of the symbols."""

    def __init__(self, *formulas):
        group = sym.Group(formulas)
        self.names = group.list_inputs()        # an operator takes its arguments in this order
        # The first call plans memory and order for all later ones, which do not write into what it returned.
        self.operator = nd.CachedOp(group, [('static_alloc', True), ('static_shape', True)])

    def __call__(self, **arrays):
        return self.operator(*[arrays[name] for name in self.names])


def parts(*arrays):
    """Arrays of n sequences, cut for the cores: for each part its number, and its pieces of the arrays."""
    wanted = NUM_PARTS if arrays[0].context.device_type == 'cpu' else 1
    count = max(1, min(wanted, len(arrays[0]) // MIN_ROWS))
    return enumerate(zip(*[split_data(array, count, even_split=False) for array in arrays]))


def time_first(X):
    """A symbol (n, T) as (T n,): all sequences' first step, then their second."""
    return sym.reshape(sym.transpose(X), (-1,))


def scores(rows, T, n, h, q):
    """正向：从输入的行算到每个时间步的输出。

    The way there, from the rows of W_xh (T n, h) that the characters name. In all that follows time comes first.
    It returns the symbols of H_0, …, H_T, each (n, h); of H_1, …, H_T below each other, (T n, h); and of O (T n, q).
    """
    H_0, W_hh, b_h, W_hq, b_q = map(sym.Variable, ['H_0', 'W_hh', 'b_h', 'W_hq', 'b_q'])
    # X_t W_xh + b_h for all t at once. gemm(A, B, C) is A B + C, and a column of ones times b_h is b_h in each row:
    # MXNet's own sum of a matrix and a vector takes several times as long.
    XW_b = sym.linalg.gemm(sym.ones((T * n, 1)), sym.reshape(b_h, (1, -1)), rows)         # (T n, h)
    Hs = [H_0]
    for XW_b_t in sym.SliceChannel(XW_b, num_outputs=T, axis=0):                        # (n, h)
        # H_t = tanh(H_{t-1} W_hh + X_t W_xh + b_h)
        Hs.append(sym.Activation(sym.linalg.gemm(Hs[-1], W_hh, XW_b_t), act_type='tanh'))         # (n, h)
    H = sym.concat(*Hs[1:], dim=0)                                                      # (T n, h)
    # O_t = H_t W_hq + b_q, the chapter's Y_t, for all t at once. FullyConnected(A, B, b) is A Bᵀ + b.
    return Hs, H, sym.FullyConnected(H, sym.transpose(W_hq), b_q, num_hidden=q)         # O (T n, q)


@functools.lru_cache(maxsize=4 * NUM_PARTS)
def forward(number, T, n, h, q):
    """The graph from X and Y (n, T) to the cross-entropies (T, n) and H_T (n, h); for each part, by number, its own."""
    X, Y, W_xh = map(sym.Variable, ['X', 'Y', 'W_xh'])
    Hs, _, O = scores(sym.take(W_xh, time_first(X)), T, n, h, q)
    # l = −log softmax(O)[y], the cross-entropy
    return Graph(sym.reshape(-sym.pick(sym.log_softmax(O), time_first(Y)), (T, n)), Hs[-1])


@functools.lru_cache(maxsize=4 * NUM_PARTS)
def there_and_back(number, T, n, h, q):
    """通过时间反向传播（6.6 节）：算出损失和所有梯度的计算图。

    Back-propagation through time (section 6.6): the graph to the loss and to the gradients. (`number` as in `forward`.)

    In the code dA stands for ∂L/∂A, which has the shape of A. L is the sum of the T n cross-entropies; O_t are the
    scores, which the chapter's code calls Y. The model, with Z_t as a name for what goes into tanh, is

        Z_t = X_t W_xh + H_{t-1} W_hh + b_h        H_t = tanh(Z_t)        O_t = H_t W_hq + b_q

    Section 6.6 writes the same with columns for rows: its W_qh, W_hh and W_hx are ours transposed, and each product
    goes the other way round. It has no biases, the identity for tanh (so its ∂L/∂h_t is both dH_t and dZ_t here), one
    sequence for n of them, and the mean over the T steps for the sum. So the lines about the scores, the slopes of tanh
    and the biases are not in it; and where it multiplies the recursion out, powers of W_hhᵀ appear.
    """
    rows, Y, W_hh, W_hq = map(sym.Variable, ['rows', 'Y', 'W_hh', 'W_hq'])
    Hs, H, O = scores(rows, T, n, h, q)
    y = time_first(Y)                                                   # (T n,)
    ones = sym.ones(T * n)                                              # Aᵀ times ones adds up the rows of A

    # The loss:  L = −Σ log softmax(O)[y]
    P = sym.softmax(O)                                                  # (T n, q)
    P_y = sym.pick(P, y)                                                # (T n,)
    L = -sym.sum(sym.log(P_y))                                          # (1,)
    # The scores:  ∂L/∂O = softmax(O) − one-hot(y).  So dO is P with 1 taken away at each label, P[i, y_i] −= 1, in the
    # memory of P. MXNet asks each graph for its gradient; this operator has none, and BlockGrad says so.
    dO = sym.BlockGrad(sym._internal._scatter_set_nd(
        P, P_y - 1, sym.stack(sym.arange(T * n), y), shape=(T * n, q)))         # (T n, q)

    # The output layer:  ∂L/∂W_hq = Σ_t H_tᵀ ∂L/∂O_t.  All t lie below each other in H and dO: one product is the sum.
    dW_hq = sym.dot(H, dO, transpose_a=True)                            # (h, q)
    # ∂L/∂b_q = Σ_t ∂L/∂O_t, and over the n rows of each
    db_q = sym.dot(dO, ones, transpose_a=True)                          # (q,)

    # What each H_t gets from its own scores:  ∂L/∂O_t W_hqᵀ  (FullyConnected(A, B) is A Bᵀ)
    dH_from_O = list(sym.SliceChannel(sym.FullyConnected(dO, W_hq, num_hidden=h, no_bias=True),
                                      num_outputs=T, axis=0))           # T × (n, h)
    # The last step:  ∂L/∂H_T = ∂L/∂O_T W_hqᵀ
    dH = dH_from_O[-1]                                                  # (n, h)
    # Through tanh, whose slope is 1 − tanh²:  ∂L/∂Z_T = ∂L/∂H_T ⊙ (1 − H_T²), for which MXNet has one operator.
    through_tanh = sym._internal._backward_tanh
    dZs = [through_tanh(dH, Hs[-1])]                                    # (n, h)
    W_hh_T = sym.transpose(W_hh)        # once, not in each product: 2 % of an epoch
    for t in reversed(range(1, T)):
        # The recursion:  ∂L/∂H_t = ∂L/∂Z_{t+1} W_hhᵀ + ∂L/∂O_t W_hqᵀ.  dZs grows at its front: dZs[0] is ∂L/∂Z_{t+1}.
        dH = sym.linalg.gemm(dZs[0], W_hh_T, dH_from_O[t - 1])          # (n, h)
        # ∂L/∂Z_t = ∂L/∂H_t ⊙ (1 − H_t²)
        dZs.insert(0, through_tanh(dH, Hs[t]))                          # (n, h)
    dZ = sym.concat(*dZs, dim=0)                                        # (T n, h)

    # The hidden layer:  ∂L/∂W_hh = Σ_t H_{t-1}ᵀ ∂L/∂Z_t
    dW_hh = sym.dot(sym.concat(*Hs[:-1], dim=0), dZ, transpose_a=True)          # (h, h)
    # ∂L/∂b_h = Σ_t ∂L/∂Z_t, and over the n rows of each
    db_h = sym.dot(dZ, ones, transpose_a=True)                          # (h,)
    # MXNet computes in this order: Python can add up the squares of ∂L/∂W_hq while MXNet computes what follows.
    return Graph(L, dW_hq, db_q, Hs[-1], dZ, dW_hh, db_h)


def gradients(X, Y, state, params):
    """一个小批量的正向和反向传播。

    One mini-batch, there and back. X and Y, NDArrays (n, T), have the indices of the characters, and of those that
    follow them; `state` and `params`, with gradients attached, are as for `d2l.rnn`. No gradient goes to the state.

    It returns L, NDArray (1,), the sum of the T n cross-entropies in nats, which is infinite where a probability is too
    small for 32 bits (a cross-entropy above 87; `losses` is exact there too); the state after the last step; and the
    five gradients of L. TypeError or ValueError: what is given does not fit together.
    """
    _checks.gradients(params)
    check_mini_batch(X, Y, state, params, params[0].shape[0])
    L, state, (rows, *others) = gradients_of_checked(X, Y, state, params)
    return L, state, [rows.tostype('default'), *others]


def gradients_of_checked(X, Y, state, params):
    """`gradients` of checked arguments. That of W_xh is row-sparse: it has only the rows of the characters in X."""
    H_0, = state
    H, *sums = zip(*[gradients_of_part(number, *part, params) for number, part in parts(X, Y, H_0)])
    # The loss is a sum over the sequences, and so is each gradient.
    loss, *grads = (functools.reduce(operator.add, arrays) for arrays in sums)
    return loss, (nd.concat(*H, dim=0),), grads


def gradients_of_part(number, X, Y, H_0, params):
    """The sequences of one part: H_T, the loss and the five gradients."""
    W_xh, W_hh, b_h, W_hq, b_q = params
    (n, T), (h, q) = X.shape, W_hq.shape
    # The same numbers as W_xh, with a gradient that has only the rows that the mini-batch names: all others are 0.
    looked_up = W_xh.detach()
    looked_up.attach_grad(stype='row_sparse')
    with autograd.record():
        # X_t W_xh with one-hot X_t, for all t: the rows of W_xh that the characters name
        rows = nd.Embedding(X.T.reshape((-1,)), looked_up, *W_xh.shape, sparse_grad=True)       # (T n, h)
    L, dW_hq, db_q, H, dZ, dW_hh, db_h = there_and_back(number, T, n, h, q)(
        rows=rows, H_0=H_0, W_hh=W_hh, b_h=b_h, W_hq=W_hq, b_q=b_q, Y=Y)
    # The inputs:  ∂L/∂W_xh = Σ_t X_tᵀ ∂L/∂Z_t.  With one-hot X_t: each row of dZ is added to the row that was taken.
    rows.backward(dZ)
    return H, L, looked_up.grad, dW_hh, db_h, dW_hq, db_q


def train_epoch(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, is_random_iter, num_steps,
                lr, clipping_theta, batch_size, *, data_iter=None, gradients=gradients_of_checked):
    """用这个引擎训练一个迭代周期，参数和 `training.train_epoch` 一样。

    `training.train_epoch` on this engine: the same arguments, the same perplexity, to rounding.

    `rnn` must be `d2l.rnn`. Other functions may stand for the iterator of the sampling (`data_iter`) and for
    `gradients_of_checked` (`gradients`). Its errors are the chapter's, and ValueError for another cell.
    """
    check_cell(rnn)
    check_updater()
    _checks.settings(vocab_size, corpus_indices, is_random_iter, num_steps, lr, clipping_theta, batch_size)
    _checks.to_train(params, ctx)
    data_iter = data_iter or (d2l.data_iter_random if is_random_iter else d2l.data_iter_consecutive)
    mini_batches = data_iter(corpus_indices, batch_size, num_steps, ctx)
    size = batch_size * num_steps                                       # T n, the characters of a mini-batch
    l_sum, n = 0.0, 0           # n counts characters, as in the chapter
    state = init_rnn_state(batch_size, num_hiddens, ctx)                # (n, h)
    _own_cell.begin(rnn, state)
    check_fit(batch_size, vocab_size, state, params)
    # The iterator of random sampling makes X and Y with `nd.array`, which waits for all that MXNet was asked for. Many
    # at a time, so that this wait does not come in the middle of each step.
    while ahead := list(islice(mini_batches, NUM_AHEAD)):
        for X, Y in ahead:                                              # (n, T), (n, T)
            if is_random_iter:
                state = init_rnn_state(batch_size, num_hiddens, ctx)
            before = state
            loss, state, grads = gradients(X, Y, before, params)
            # These are gradients of the sum L; the chapter's loss is the mean, L / (T n).
            step = lr / size
            if clipping_theta is not None:
                # With g the gradient of the mean:  g ← min(θ / ‖g‖, 1) · g.  NumPy adds in pairs: a product of g with
                # itself, added in 32 bits, is wrong by 1e-5 (on Windows 1e-4); nd.square takes fifteen times as long.
                with np.errstate(over='ignore'):
                    rows, *others = grads
                    squares = [float(np.square(grad.asnumpy()).sum()) for grad in reversed(others)]
                    rows = rows.data if rows.stype == 'row_sparse' else rows        # all other rows are 0
                    norm = math.sqrt(sum(squares, float(np.square(rows.asnumpy()).sum()))) / size
                _checks.finite('The norm of the gradient', norm)
                if norm > clipping_theta:
                    step *= clipping_theta / norm
            loss = loss.asscalar()
            if loss == math.inf:        # a probability too small for 32 bits
                loss = losses(rnn, X, Y, before, params, vocab_size)[0].sum().asscalar()
            for param, grad in zip(params, grads):
                nd.sgd_update(param, grad, lr=step, wd=0, out=param)    # param ← param − step · grad
            l_sum += loss
            n += size
    _checks.finite('A parameter', *[param.asnumpy() for param in params])
    return perplexity(l_sum, n)


def losses(rnn, X, Y, state, params, vocab_size):
    """一些文本里每个字符的交叉熵，只做正向。

    The way there of `gradients`, without the way back. Its arguments and errors are the same, with `d2l.rnn`, the only
    cell, before them and vocab_size after them. It returns the cross-entropies in nats, NDArray (T n,), time first;
    and the state after the last step.
    """
    check_cell(rnn)
    check_mini_batch(X, Y, state, params, vocab_size)
    W_xh, W_hh, b_h, W_hq, b_q = params
    H_0, = state
    T, h, q = X.shape[1], *W_hq.shape
    l, H = zip(*[forward(number, T, len(x), h, q)(X=x, Y=y, H_0=h_0, W_xh=W_xh, W_hh=W_hh, b_h=b_h, W_hq=W_hq, b_q=b_q)
                 for number, (x, y, h_0) in parts(X, Y, H_0)])
    return nd.concat(*l, dim=1).reshape(-1), (nd.concat(*H, dim=0),)


@functools.lru_cache(maxsize=4)
def one_step(n, h, q):
    """The graph of one step for n sequences: from indices (n,) and H (n, h) to the scores (n, q) and the next H."""
    X, W_xh, H, W_hh_T, b_h, W_hq_T, b_q = map(sym.Variable, ['X', 'W_xh', 'H', 'W_hh_T', 'b_h', 'W_hq_T', 'b_q'])
    # H_t = tanh(X_t W_xh + H_{t-1} W_hh + b_h)
    H = sym.Activation(sym.take(W_xh, X) + sym.FullyConnected(H, W_hh_T, b_h, num_hidden=h), act_type='tanh')
    # Y_t = H_t W_hq + b_q
    return Graph(sym.FullyConnected(H, W_hq_T, b_q, num_hidden=q), H)


def predict_rnn(prefix, num_chars, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx,
                *, pick=greedy):
    """用这个引擎接着前缀往下写，参数和 `predict.predict_rnn` 一样。

    `predict.predict_rnn` on this engine: the same arguments, greedy text and errors, and ValueError for another cell
    than `d2l.rnn`. A `pick` of your own is given scores in 64 bits, and returns an NDArray (1,). A greedy index goes
    into the next step as the array that it is, so hundreds of steps are asked for before one is awaited; the chapter
    waits for each.
    """
    return predict_many(prefix, num_chars, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char,
                        char_to_idx, n=1, pick=pick)[0]


def predict_many(prefix, num_chars, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx,
                 *, n, pick):
    """一次写 n 首歌，每首是小批量里的一行。

    Write n songs at once, each a row of one mini-batch: a list of n texts. `pick` gives indices (n,) from scores
    (n, q), such as `sampler(0.8, seed=range(n))`; the rest is as for `predict_rnn`.

    Each song is what `predict_rnn` writes with its seed alone; tests compare. It is not so to the last digit: a product
    of many rows may add up in another order than that of one. In 32 bits that changed 3 of 300 songs. So where `pick`
    may draw, both functions compute in 64 bits, whose last digit is 500 million times smaller.
    """
    check_cell(rnn)
    _checks.whole(1, n=n)
    _checks.whole(0, _checks.LONGEST_TEXT, num_chars=num_chars)
    _checks.model(params, vocab_size, ctx, idx_to_char, char_to_idx)
    _checks.prefixes([prefix], char_to_idx)
    state = init_rnn_state(n, num_hiddens, ctx)
    _own_cell.begin(rnn, state)
    check_fit(n, vocab_size, state, params)
    dtype = 'float32' if pick is greedy else 'float64'
    H, W_xh, W_hh, b_h, W_hq, b_q = (array.astype(dtype) for array in [*state, *params])
    step = one_step(n, *W_hq.shape)
    W_hh_T, W_hq_T = W_hh.T, W_hq.T                                     # once, for all steps
    indices = [nd.full(n, char_to_idx[char], ctx=ctx) for char in prefix]
    for t in range(1, len(prefix) + num_chars):
        Y, H = step(X=indices[t - 1], W_xh=W_xh, H=H, W_hh_T=W_hh_T, b_h=b_h, W_hq_T=W_hq_T, b_q=b_q)
        if t % NUM_PENDING == 0:
            H.wait_to_read()                                            # or memory would grow with the text
        # Within the prefix the next character is given, after it the picked one is the next.
        if t >= len(prefix):
            indices.append(pick(Y))                                     # (n,)
            if pick is not greedy:                                      # which gives nothing else than indices
                _checks.must_be(nd.NDArray, f'an NDArray of shape {(n,)}', lambda X: X.shape == (n,),
                                **{'What pick returns': indices[-1]})
                for index in indices[-1].asnumpy():
                    _checks.picked(index, vocab_size)
    rows = np.array([X.asnumpy() for X in indices], int).T              # (n, len(prefix) + num_chars)
    return [''.join(idx_to_char[i] for i in row) for row in rows.tolist()]


# 训练并写歌词（6.4.7 节）: the chapter's function, with this engine's epoch and song. Arguments and lines are the same.
train_and_predict_rnn = functools.partial(training.train_and_predict_rnn, train_epoch=train_epoch,
                                          predict_rnn=predict_rnn)
