"""练习 7：手写通过时间反向传播。 Exercise 7: back-propagation through time by hand.

任务 Task
    前向计算已经写好。请写反向计算：不用 autograd，只用 NumPy，求五个参数的梯度。
    The forward pass is written. Write the backward pass: the gradients of the five parameters, in NumPy, without
    autograd.

        Z_t = X_t W_xh + H_{t-1} W_hh + b_h        H_t = tanh(Z_t)        O_t = H_t W_hq + b_q
        L = T n 个预测的交叉熵的平均 the mean of the T n cross-entropies

    从最后一步走到第一步。每一步依次求 ∂L/∂O_t、∂L/∂H_t、∂L/∂Z_t。想一想：H_t 走哪两条路影响 L？
    Go from the last step to the first. In each, find ∂L/∂O_t, then ∂L/∂H_t, then ∂L/∂Z_t. Think: H_t reaches L by
    two ways. Which?

先预测 Predict first
    如果忘了其中一条路，五个梯度里哪些仍然是对的？
    If you forget one of the two ways, which of the five gradients are still right?

卡住了 Stuck?
    书的 6.6 节；examples/rnn_numpy.py 里的 `gradients`，它是答案，最后再看。
    Section 6.6 of the book; `gradients` in that file, which is an answer, so look there last.
"""
from checking import attempt, how_many, report  # before MXNet is imported

# isort: split
import rnn_scratch as d2l

import numpy as np
from mxnet import autograd, nd
from mxnet.gluon.loss import SoftmaxCrossEntropyLoss

PREDICTION = ''

NAMES = ['W_xh', 'W_hh', 'b_h', 'W_hq', 'b_q']


def gradients(X, Y, H_0, params):
    """X, Y：索引 (n, T)；H_0 (n, h)；params：五个 NumPy 数组 -> 五个梯度，形状和参数一样。

    X, Y: indices (n, T); H_0 (n, h); params: five NumPy arrays -> five gradients, in the shapes of the parameters.
    """
    W_xh, W_hh, b_h, W_hq, b_q = params
    n, T = X.shape
    Hs, Ps = [H_0], []              # Hs[t] is H_t; Ps[t - 1] are the probabilities of step t
    for t in range(T):
        Hs.append(np.tanh(W_xh[X[:, t]] + Hs[-1] @ W_hh + b_h))     # (n, h)
        P = np.exp(Hs[-1] @ W_hq + b_q)
        Ps.append(P / P.sum(axis=1, keepdims=True))                 # (n, q)
    raise NotImplementedError('gradients: 反向计算, 从 ∂L/∂O_t 到五个参数 the backward pass, from ∂L/∂O_t to all five')


def autograd_gradients(X, Y, H_0, params, through_time=True, added_once=False, transposed=True):
    """The same by MXNet, in the same precision, and with three usual mistakes.

    Without `through_time` each step takes its state as a constant. With `added_once` a character that occurs twice in
    a step counts once for W_xh. Without `transposed` the way back is by W_hh in place of its transpose.
    """
    W_xh, W_hh, b_h, W_hq, b_q = params = [nd.array(param, dtype=param.dtype) for param in params]
    H = nd.array(H_0, dtype=H_0.dtype)
    Zs = [nd.zeros_like(H) for _ in X.T]     # zeros, added to Z_t, so that their gradient is ∂L/∂Z_t
    for array in params + Zs:
        array.attach_grad()
    outputs = []
    with autograd.record():
        for X_t, Z in zip(d2l.to_onehot(nd.array(X), len(W_xh)), Zs):
            if not through_time:
                H = H.detach()
            from_before = nd.dot(H, W_hh)
            if not transposed:      # the same value, and the gradient of another product
                other = nd.dot(H, W_hh.detach().T)
                from_before = nd.dot(H.detach(), W_hh) + other - other.detach()
            H = nd.tanh(nd.dot(X_t.astype(H_0.dtype), W_xh) + from_before + b_h + Z)
            outputs.append(nd.dot(H, W_hq) + b_q)
        l = SoftmaxCrossEntropyLoss()(nd.concat(*outputs, dim=0), nd.array(Y.T.reshape(-1))).mean()
    l.backward()
    grads = [param.grad.asnumpy() for param in params]
    if added_once:
        grads[0] = np.zeros_like(grads[0])
        for x, Z in zip(X.T, Zs):
            grads[0][x] += Z.grad.asnumpy()
    return grads


def check(gradients):
    """A small model with large weights, so that the past counts. Few characters, so that some occur twice in a step."""
    n, T, h, V = 4, 6, 5, 7
    rng = np.random.RandomState(0)
    params = [rng.normal(size=shape) / 2 for shape in [(V, h), (h, h), (h,), (h, V), (V,)]]
    X, Y, H_0 = rng.randint(V, size=(n, T)), rng.randint(V, size=(n, T)), rng.normal(size=(n, h))
    found = attempt(gradients, X, Y, H_0, params)
    yield '几个数组 the number of arrays', how_many(found), 5
    right = autograd_gradients(X, Y, H_0, params)
    one_way = autograd_gradients(X, Y, H_0, params, through_time=False)
    once = autograd_gradients(X, Y, H_0, params, added_once=True)
    straight = autograd_gradients(X, Y, H_0, params, transposed=False)
    for i, (name, yours) in enumerate(zip(NAMES, found if isinstance(found, (tuple, list)) else ())):
        yield name, yours, right[i], {
            '少了一条路：H_t 还经过 Z_{t+1} 影响 L。\n'
            '    One way is missing: H_t also reaches L through Z_{t+1}.': one_way[i],
            'W_hh 没有转置：∂L/∂H_{t-1} 里要 W_hhᵀ。\n'
            '    W_hh is not transposed: ∂L/∂H_{t-1} takes W_hhᵀ.': straight[i],
            '一步里同一个字出现两次，`dW[X_t] += dZ` 只加一次；用 np.add.at。\n'
            '    Where a character occurs twice in one step, `dW[X_t] += dZ` adds once; use np.add.at.': once[i]}


if __name__ == '__main__':
    report(check(gradients), PREDICTION)
