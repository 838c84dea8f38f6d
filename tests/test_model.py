"""(三) 定义模型."""
import rnn_scratch as d2l

import mxnet as mx
import numpy as np
import pytest
from conftest import relative_error
from mxnet import autograd, gluon, nd


def test_the_chapter_s_shapes(corpus):
    vocab_size, num_hiddens, ctx = corpus[3], 256, d2l.try_gpu()
    X = nd.arange(10, ctx=ctx).reshape((2, 5))
    state = d2l.init_rnn_state(X.shape[0], num_hiddens, ctx)
    params = d2l.get_params(vocab_size, num_hiddens, vocab_size, ctx)
    outputs, state_new = d2l.rnn(d2l.to_onehot(X, vocab_size), state, params)
    assert (len(outputs), outputs[0].shape, state_new[0].shape) == (5, (2, 1027), (2, 256))
    assert isinstance(state, tuple) and isinstance(state_new, tuple)


def test_the_first_state_is_zero():
    H, = d2l.init_rnn_state(3, 4, mx.cpu())
    np.testing.assert_array_equal(H.asnumpy(), np.zeros((3, 4)))


def test_two_steps_by_hand():
    """One sequence, d = 2, h = 1, q = 1. First character 0, then character 1; H_0 = 0.5.

    H_1 = tanh(0.3 + 0.5·0.4 + 0.1) = tanh(0.6) = 0.537050,   Y_1 = 2·0.537050 − 1 =  0.074099
    H_2 = tanh(−0.7 + 0.537050·0.4 + 0.1) = tanh(−0.385180) = −0.367198,   Y_2 = −1.734395
    """
    params = [nd.array(a) for a in ([[0.3], [-0.7]], [[0.4]], [0.1], [[2.0]], [-1.0])]
    outputs, (H,) = d2l.rnn([nd.array([[1, 0]]), nd.array([[0, 1]])], (nd.array([[0.5]]),), params)
    np.testing.assert_allclose([Y.asnumpy().item() for Y in outputs], [0.074099, -1.734395], atol=1e-6)
    np.testing.assert_allclose(H.asnumpy().item(), -0.367198, atol=1e-6)


def test_gluon_with_our_weights(corpus):
    """Outputs, the last state and the gradient of everything, at the chapter's sizes, against gluon's RNN and Dense."""
    n, T, h, vocab_size = 32, 35, 256, corpus[3]
    rng = np.random.RandomState(1)
    # Larger weights than the chapter's first ones, so that tanh bends; not so large that rounding errors grow with T.
    params = [nd.array(rng.normal(scale=0.05, size=shape))
              for shape in [(vocab_size, h), (h, h), (h,), (h, vocab_size), (vocab_size,)]]
    W_xh, W_hh, b_h, W_hq, b_q = params
    H = nd.array(rng.normal(size=(n, h)))
    weights = nd.array(rng.normal(size=(T * n, vocab_size)))        # an arbitrary loss: a weighted sum of the outputs
    inputs = d2l.to_onehot(nd.array(rng.randint(vocab_size, size=(n, T))), vocab_size)

    layer, dense = gluon.rnn.RNN(h, activation='tanh', input_size=vocab_size), gluon.nn.Dense(vocab_size, in_units=h)
    layer.initialize()
    dense.initialize()
    theirs = [layer.l0_i2h_weight, layer.l0_h2h_weight, layer.l0_i2h_bias, dense.weight, dense.bias]
    for param, value in zip(theirs, [W_xh.T, W_hh.T, b_h, W_hq.T, b_q]):
        param.set_data(value)

    for array in [*params, H]:
        array.attach_grad()
    with autograd.record():
        outputs, (H_last,) = d2l.rnn(inputs, (H,), params)
        outputs = nd.concat(*outputs, dim=0)
        (outputs * weights).sum().backward()
    ours = [H_last, outputs, H.grad, *(param.grad for param in params)]

    H_same = H.copy()
    H_same.attach_grad()
    with autograd.record():
        hiddens, (gluon_H_last,) = layer(nd.stack(*inputs), [H_same.expand_dims(0)])
        gluon_outputs = dense(hiddens.reshape((T * n, h)))
        (gluon_outputs * weights).sum().backward()
    g_xh, g_hh, g_h, g_hq, g_q = (param.grad() for param in theirs)
    gluons = [gluon_H_last[0], gluon_outputs, H_same.grad, g_xh.T, g_hh.T, g_h, g_hq.T, g_q]

    for name, a, b in zip(['H_T', 'Y', 'dH_0', 'dW_xh', 'dW_hh', 'db_h', 'dW_hq', 'db_q'], ours, gluons):
        assert relative_error(a, b) < 1e-5, name


def test_finite_differences():
    """(L(w + ε) − L(w − ε)) / 2ε for every single number of every parameter of a tiny model, in 64-bit floats."""
    n, T, d, h, q, epsilon = 2, 4, 5, 3, 5, 1e-5
    rng = np.random.RandomState(2)
    params = [nd.array(rng.normal(size=shape), dtype='float64') for shape in [(d, h), (h, h), (h,), (h, q), (q,)]]
    inputs = [X.astype('float64') for X in d2l.to_onehot(nd.array(rng.randint(d, size=(n, T))), d)]
    labels = nd.array(rng.randint(q, size=T * n))
    state = (nd.array(rng.normal(size=(n, h)), dtype='float64'),)
    cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()

    def loss():
        outputs, _ = d2l.rnn(inputs, state, params)
        return cross_entropy(nd.concat(*outputs, dim=0), labels).mean()

    for param in params:
        param.attach_grad()
    with autograd.record():
        l = loss()
    l.backward()
    for name, param in zip(['W_xh', 'W_hh', 'b_h', 'W_hq', 'b_q'], params):
        value, numeric = param.asnumpy(), np.zeros(param.shape)
        for i in np.ndindex(*param.shape):
            for sign in [1, -1]:
                shifted = value.copy()
                shifted[i] += sign * epsilon
                param[:] = nd.array(shifted, dtype='float64')
                numeric[i] += sign * loss().asscalar() / (2 * epsilon)
            param[:] = nd.array(value, dtype='float64')
        np.testing.assert_allclose(param.grad.asnumpy(), numeric, rtol=1e-6, atol=1e-9, err_msg=name)


def test_shapes_that_do_not_fit_are_quoted():
    params = d2l.get_params(4, 3, 4, mx.cpu())
    with pytest.raises(ValueError, match=r'\(2, 5\).*\(4, 3\)'):
        d2l.rnn([nd.zeros((2, 5))], d2l.init_rnn_state(2, 3, mx.cpu()), params)
    with pytest.raises(ValueError, match=r'state, H .* of shape \(2, 3\), not .*\(32, 3\)'):
        d2l.rnn([nd.zeros((2, 4))], d2l.init_rnn_state(32, 3, mx.cpu()), params)
