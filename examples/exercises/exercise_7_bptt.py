"""练习 7：手写通过时间反向传播。 Exercise 7: back-propagation through time by hand.

任务 Task
    前向计算已经写好。不用 autograd，只用 NumPy，写出五个参数的梯度。
    The way there is written. Write the way back: the gradients of the five parameters, in NumPy, without autograd.

        Z_t = X_t W_xh + H_{t-1} W_hh + b_h        H_t = tanh(Z_t)        O_t = H_t W_hq + b_q
        L = T n 个预测的交叉熵的平均 the mean of the T n cross-entropies

    从最后一步走到第一步。每一步依次求 ∂L/∂O_t、∂L/∂H_t、∂L/∂Z_t。想一想：H_t 走哪两条路影响 L？
    Go from the last step to the first. In each, find ∂L/∂O_t, then ∂L/∂H_t, then ∂L/∂Z_t. Think: H_t reaches L by
    two ways. Which?

先预测 Predict first
    如果忘了其中一条路，五个梯度里哪些仍然是对的？
    If you forget one of the two ways, which of the five gradients are still right?

卡住了 Stuck?
    书的 6.6 节；rnn_scratch/beyond/fused.py 里的 `backward`。 Section 6.6 of the book; `backward` in that file.
"""
from checking import report  # before MXNet is imported

# isort: split
import rnn_scratch as d2l

import numpy as np
from mxnet import autograd, nd
from mxnet.gluon.loss import SoftmaxCrossEntropyLoss

PREDICTION = ''

NAMES = ['W_xh', 'W_hh', 'b_h', 'W_hq', 'b_q']


def gradients(X, Y, H_0, params):
    """X, Y: indices (n, T); H_0 (n, h); params: five NumPy arrays -> five arrays, in the shapes of the parameters."""
    W_xh, W_hh, b_h, W_hq, b_q = params
    n, T = X.shape
    Hs, Ps = [H_0], []              # Hs[t] is H_t; Ps[t - 1] are the probabilities of step t
    for t in range(T):
        Hs.append(np.tanh(W_xh[X[:, t]] + Hs[-1] @ W_hh + b_h))     # (n, h)
        P = np.exp(Hs[-1] @ W_hq + b_q)
        Ps.append(P / P.sum(axis=1, keepdims=True))                 # (n, q)
    raise NotImplementedError('gradients: 从 ∂L/∂O_t 走回五个参数 the way back, from ∂L/∂O_t to the five parameters')


def autograd_gradients(X, Y, H_0, params, through_time=True):
    """The same by MXNet, in the same precision. Without `through_time` each step takes its state as a constant."""
    params = [nd.array(param, dtype=param.dtype) for param in params]
    for param in params:
        param.attach_grad()
    state = (nd.array(H_0, dtype=H_0.dtype),)
    outputs = []
    with autograd.record():
        for X_t in d2l.to_onehot(nd.array(X), len(params[0])):
            if not through_time:
                state = (state[0].detach(),)
            (O,), state = d2l.rnn([X_t.astype(H_0.dtype)], state, params)
            outputs.append(O)
        l = SoftmaxCrossEntropyLoss()(nd.concat(*outputs, dim=0), nd.array(Y.T.reshape(-1))).mean()
    l.backward()
    return [param.grad.asnumpy() for param in params]


def check(gradients):
    """A small model with large weights, so that the past counts. Few characters, so that some occur twice in a step."""
    n, T, h, V = 4, 6, 5, 7
    rng = np.random.RandomState(0)
    params = [rng.normal(size=shape) / 2 for shape in [(V, h), (h, h), (h,), (h, V), (V,)]]
    X, Y, H_0 = rng.randint(V, size=(n, T)), rng.randint(V, size=(n, T)), rng.normal(size=(n, h))
    found = gradients(X, Y, H_0, params)
    yield '几个数组 the number of arrays', len(found or ()), 5
    right = autograd_gradients(X, Y, H_0, params)
    one_way = autograd_gradients(X, Y, H_0, params, through_time=False)
    for name, yours, should, short in zip(NAMES, found or (), right, one_way):
        yield name, yours, should, {
            '少了一条路：H_t 还经过 Z_{t+1} 影响 L。 One way is missing: H_t also reaches L through Z_{t+1}.': short}


if __name__ == '__main__':
    report(check(gradients), PREDICTION)
