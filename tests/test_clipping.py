"""(五) 裁剪梯度."""
import math

import rnn_scratch as d2l

import d2lzh
import mxnet as mx
import numpy as np
import pytest
from mxnet import nd


def params_with_gradients(gradients):
    params = [nd.zeros(g.shape) for g in gradients]
    for param, gradient in zip(params, gradients):
        param.attach_grad()
        param.grad[:] = nd.array(gradient)
    return params


@pytest.fixture
def gradients():
    rng = np.random.RandomState(0)
    return [rng.normal(size=shape) for shape in [(20, 8), (8, 8), (8,), (8, 20), (20,)]]


@pytest.mark.parametrize('theta', [1e-2, 1.0, 1e6, None])
def test_the_formula_and_d2lzh(gradients, theta):
    ours, theirs = params_with_gradients(gradients), params_with_gradients(gradients)
    d2l.grad_clipping(ours, theta, mx.cpu())
    d2lzh.grad_clipping(theirs, theta, mx.cpu())
    norm = math.sqrt(sum((g ** 2).sum() for g in gradients))
    factor = 1 if theta is None else min(theta / norm, 1)
    for our, their, gradient in zip(ours, theirs, gradients):
        np.testing.assert_allclose(our.grad.asnumpy(), factor * gradient, rtol=1e-5)
        np.testing.assert_allclose(our.grad.asnumpy(), their.grad.asnumpy(), rtol=1e-5)


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_a_norm_that_no_factor_can_mend(gradients, value):
    params = params_with_gradients(gradients)
    params[1].grad[2, 3] = value
    with pytest.raises(FloatingPointError, match=f'{value}.*learning rate'):
        d2l.grad_clipping(params, 1e-2, mx.cpu())


@pytest.mark.parametrize('theta', [0, -1, math.nan])
def test_theta_must_be_above_zero(gradients, theta):
    with pytest.raises(ValueError, match=f'above 0, or None, not {theta}'):
        d2l.grad_clipping(params_with_gradients(gradients), theta, mx.cpu())
