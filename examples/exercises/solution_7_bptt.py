"""练习 7 的解答。 Solution of exercise 7: the equations of section 6.6, a line each.

有了它，整章都可以只用 NumPy：examples/rnn_numpy.py。 With it the whole chapter is NumPy: see that file.
"""
from checking import report  # before MXNet is imported

# isort: split
import time

import rnn_scratch as d2l

import mxnet as mx
import numpy as np
from exercise_7_bptt import NAMES, autograd_gradients, check


def gradients(X, Y, H_0, params):
    W_xh, W_hh, b_h, W_hq, b_q = params
    n, T = X.shape
    rows = np.arange(n)
    Hs, Ps = [H_0], []
    for t in range(T):
        Hs.append(np.tanh(W_xh[X[:, t]] + Hs[-1] @ W_hh + b_h))
        P = np.exp(Hs[-1] @ W_hq + b_q)
        Ps.append(P / P.sum(axis=1, keepdims=True))

    dW_xh, dW_hh, db_h, dW_hq, db_q = (np.zeros_like(param) for param in params)
    dZ = np.zeros_like(H_0)                                     # ∂L/∂Z_{T+1}: there is no step T + 1
    for t in reversed(range(T)):
        H_before, H = Hs[t], Hs[t + 1]
        # ∂L/∂O_t = (softmax(O_t) − one-hot(y_t)) / (T n)
        dO = Ps[t]
        dO[rows, Y[:, t]] -= 1
        dO /= T * n                                             # (n, q)
        # ∂L/∂H_t = ∂L/∂O_t W_hqᵀ + ∂L/∂Z_{t+1} W_hhᵀ: one way through the scores, one through the next step
        dH = dO @ W_hq.T + dZ @ W_hh.T                          # (n, h)
        # ∂L/∂Z_t = ∂L/∂H_t ⊙ (1 − H_t²)
        dZ = dH * (1 - H ** 2)                                  # (n, h)
        # Each parameter is used in every step, so its gradient is a sum over the steps.
        dW_hq += H.T @ dO
        db_q += dO.sum(axis=0)
        dW_hh += H_before.T @ dZ
        db_h += dZ.sum(axis=0)
        # X_tᵀ ∂L/∂Z_t with one-hot X_t; `dW_xh[X[:, t]] += dZ` would add once where a character occurs twice
        np.add.at(dW_xh, X[:, t], dZ)
    return [dW_xh, dW_hh, db_h, dW_hq, db_q]


def finding():
    """At the chapter's sizes: how far from MXNet, array by array, as a part of the array's largest entry."""
    corpus_indices, _, _, V = d2l.load_data_jay_lyrics()
    n, T, h = 32, 35, 256
    mx.random.seed(0)
    params = [param.asnumpy() for param in d2l.get_params(V, h, V, mx.cpu())]
    params[1] *= 6                              # spectral radius about 1, so that the past counts
    text = np.array(corpus_indices[:n * T + 1])
    X, Y = text[:-1].reshape(n, T), text[1:].reshape(n, T)
    found = {}
    for dtype in 'float32', 'float64':
        arguments = X, Y, np.zeros((n, h), dtype), [param.astype(dtype) for param in params]
        start = time.time()
        ours = gradients(*arguments)
        seconds = time.time() - start
        right = autograd_gradients(*arguments)
        found[dtype] = {name: abs(a - b).max() / abs(b).max() for name, a, b in zip(NAMES, ours, right)}
    one_way = autograd_gradients(*arguments, through_time=False)
    found['one way'] = {name: abs(a - b).max() / abs(b).max() for name, a, b in zip(NAMES, one_way, right)}
    print(f'NumPy 和 MXNet 的最大差（占该数组最大元素的比例）；float64 用时 {seconds:.2f} 秒\n'
          'Largest difference of NumPy and MXNet, as a part of the largest entry of the array')
    print(f'{"":8}{"float32":>12}{"float64":>12}{"少一条路 one way":>18}')
    for name in NAMES:
        print(f'{name:8}{found["float32"][name]:12.1e}{found["float64"][name]:12.1e}{found["one way"][name]:14.1%}')
    print('发现：五个数组都一致。少了经过 Z_{t+1} 的那条路，W_hq 和 b_q 仍然对：它们不在那条路上。\n'
          'Finding: all five agree. Without the way through Z_{t+1}, W_hq and b_q are still right: they are not on it.')
    return found


if __name__ == '__main__':
    report(check(gradients))
    finding()
