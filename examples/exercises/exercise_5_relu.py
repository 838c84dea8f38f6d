"""练习 5：用 ReLU 代替 tanh。 Exercise 5: ReLU in place of tanh.

任务 Task
    ReLU 的斜率只有 0 和 1。所以有人说：用 ReLU 就不需要裁剪梯度。对吗？
    The slope of ReLU is 0 or 1. So some say that with ReLU no clipping is needed. Is that right?

    1. 写 `relu_rnn`。 Write `relu_rnn`.
    2. 写 `scaled`：谱半径 (最大的 |特征值|) 决定矩阵的幂变大还是变小。把 W_hh 缩放到给定的谱半径。
       The spectral radius, the largest |eigenvalue|, says whether the powers of a matrix grow or vanish. Scale W_hh to
       a given one.

先预测 Predict first
    从 H_35 传回 H_0，梯度乘了多少次 W_hh？谱半径 0.9 和 1.1，各剩下多少？
    On the way from H_35 back to H_0, how often is the gradient multiplied by W_hh? What is left of it with spectral
    radius 0.9, and with 1.1?
"""
from checking import attempt, gluon_outputs, how_many, judge, report  # before MXNet is imported

# isort: split
import rnn_scratch as d2l

import numpy as np
from mxnet import nd

PREDICTION = ''


def relu_rnn(inputs, state, params):
    """书里的 `d2l.rnn`，把 tanh 换成 ReLU (`nd.relu`) -> T 个输出，状态 (H,)。

    The chapter's `d2l.rnn`, with ReLU (`nd.relu`) where tanh stood -> a list of T outputs, and the state (H,).
    """
    raise NotImplementedError('relu_rnn: 像 like rnn_scratch/model.py')


def scaled(W_hh, radius):
    """NumPy 数组 (h, h) -> 它乘一个数，使谱半径是 `radius`。用 np.linalg.eigvals。

    A NumPy array (h, h) -> the same times a number, so that its spectral radius is `radius`. Use np.linalg.eigvals.
    """
    raise NotImplementedError('scaled: 乘一个数 times a number')


def check(relu_rnn, scaled):
    n, T, h, V = 2, 4, 5, 6
    rng = np.random.RandomState(0)
    params = [nd.array(rng.normal(size=shape)) for shape in [(V, h), (h, h), (h,), (h, V), (V,)]]
    X, H_0 = nd.array(rng.randint(V, size=(n, T))), nd.array(rng.normal(size=(n, h)))
    found = attempt(relu_rnn, d2l.to_onehot(X, V), (H_0,), params)
    yield 'relu_rnn: 几个结果 the number of results', how_many(found), 2
    outputs, state = found if how_many(found) == 2 else ((), ())
    right, right_H = gluon_outputs(X, H_0, params, 'relu')
    tanh, tanh_H = gluon_outputs(X, H_0, params, 'tanh')
    if how_many(found) == 2:
        yield 'outputs: 几个 how many', how_many(outputs), T
        yield 'state: 一个元组 a tuple (H,)', how_many(state), 1, {
            '返回了 H，要元组 (H,)。 That is H, and not the tuple (H,).': lambda _: isinstance(state, nd.NDArray)}
    if how_many(outputs) == T:
        yield 'outputs, beside gluon.rnn.RNN', attempt(nd.stack, *outputs), right, {
            '这还是 tanh。 This is still tanh.': tanh,
            'ReLU 也作用在输出上了。 ReLU went over the outputs, too.': nd.relu(right)}
    if how_many(state) == 1:
        yield 'state, beside gluon.rnn.RNN', state[0], right_H, {'这还是 tanh。 This is still tanh.': tanh_H}

    W = rng.normal(size=(h, h))
    radius = abs(np.linalg.eigvals(W)).max()
    for wanted in 0.9, 1.1:
        real = wanted / np.linalg.eigvals(W).real.max() * W
        yield f'scaled(W, {wanted})', attempt(scaled, W, wanted), wanted / radius * W, {
            '那是最大的奇异值。 That is the largest singular value.': wanted / np.linalg.norm(W, 2) * W,
            '特征值是复数：要绝对值。 Eigenvalues are complex: take the absolute value.':
                lambda yours, real=real:
                    isinstance(yours, np.ndarray) and np.iscomplexobj(yours) or judge(yours, real)[0]}


if __name__ == '__main__':
    report(check(relu_rnn, scaled), PREDICTION)
