"""NumPy alone: the same model with its back-propagation through time written by hand.

It is written as well as plain NumPy allows: a product with one-hot vectors is a look-up of rows, all time steps share
one output product, the softmax and its gradient take one array, the large arrays are made once, and the gradient of
W_xh is kept for the rows that occur in the mini-batch, because all others are zero.
"""
import math

import numpy as np
from task import LR, THETA, N


class Peer:
    def __init__(self, task):
        self.corpus, self.params = task.corpus, [param.copy() for param in task.params]
        T, h, q = self.T, self.h, self.q = task.T, task.h, task.q
        self.Hs = np.zeros((T + 1, N, h), np.float32)       # H_0 (zeros), H_1, ..., H_T
        self.dZs = np.empty((T, N, h), np.float32)          # gradients of what goes into tanh
        self.Y = np.empty((T * N, q), np.float32)           # scores, then probabilities, then their gradients
        self.product = np.empty((N, h), np.float32)
        self.ones = np.ones(max(T * N, q), np.float32)

    def describe(self):
        return f'NumPy {np.__version__}'

    def gradients_by_rows(self, X, labels):
        """X, labels (n, T). Returns the loss, the rows that X names, and the gradients; that of W_xh for these rows
        only."""
        W_xh, W_hh, b_h, W_hq, b_q = self.params
        T, h = self.T, self.h
        Hs, dZs, Y = self.Hs, self.dZs, self.Y
        X, labels = X.T.ravel(), labels.T.ravel()           # (T n,), time first
        positions = np.arange(T * N)

        # Forward: H_t = tanh(X_t W_xh + H_{t-1} W_hh + b_h), and Y = H W_hq + b_q for all time steps at once
        np.take(W_xh, X, axis=0, out=Hs[1:].reshape(T * N, h), mode='clip')     # mode: any but 'raise' needs no copy
        Hs[1:] += b_h
        for t in range(1, T + 1):
            Hs[t] += np.matmul(Hs[t - 1], W_hh, out=self.product)
            np.tanh(Hs[t], out=Hs[t])
        H_all = Hs[1:].reshape(T * N, h)
        np.matmul(H_all, W_hq, out=Y)
        Y += b_q

        # Loss: the mean of log(sum of exp(Y)) - Y[label]; its gradient: (softmax(Y) - one-hot(label)) / (T n)
        Y -= Y.max(axis=1, keepdims=True)
        at_labels = Y[positions, labels]
        np.exp(Y, out=Y)
        sums = Y @ self.ones[:Y.shape[1]]                   # a product with ones is the quickest sum
        loss = float((np.log(sums) - at_labels).mean())
        Y *= (1 / (T * N) / sums)[:, None]
        Y[positions, labels] -= np.float32(1 / (T * N))
        dW_hq = H_all.T @ Y
        db_q = self.ones[:T * N] @ Y

        # Backward through time
        np.matmul(Y, W_hq.T, out=dZs.reshape(T * N, h))     # what each H_t gets from its own output
        slopes = 1 - np.square(Hs[1:])                      # tanh' = 1 - tanh²
        dZs[T - 1] *= slopes[T - 1]
        W_hh_T = np.ascontiguousarray(W_hh.T)
        for t in range(T - 2, -1, -1):
            dZs[t] += np.matmul(dZs[t + 1], W_hh_T, out=self.product)
            dZs[t] *= slopes[t]
        dZ_all = dZs.reshape(T * N, h)
        dW_hh = Hs[:-1].reshape(T * N, h).T @ dZ_all
        db_h = self.ones[:T * N] @ dZ_all
        # Rows of the same character stand together once sorted; each run of them is summed.
        order = np.argsort(X, kind='stable')
        rows, starts = np.unique(X[order], return_index=True)
        dW_rows = np.add.reduceat(dZ_all[order], starts, axis=0)
        return loss, rows, [dW_rows, dW_hh, db_h, dW_hq, db_q]

    def step(self, X, labels, lr, theta):
        """One mini-batch of training; returns its loss."""
        loss, rows, grads = self.gradients_by_rows(X, labels)
        norm = math.sqrt(sum(np.vdot(grad, grad) for grad in grads))
        scale = np.float32(lr * (1 if theta is None else min(theta / norm, 1)))
        W_xh, *others = self.params
        W_xh[rows] -= scale * grads[0]
        for param, grad in zip(others, grads[1:]):
            param -= scale * grad
        return loss

    def parameters(self):
        return self.params

    def loss_and_gradients(self, X, labels):
        loss, rows, (dW_rows, *others) = self.gradients_by_rows(X, labels)
        dW_xh = np.zeros_like(self.params[0])
        dW_xh[rows] = dW_rows
        return loss, [dW_xh, *others]

    def epochs(self, times):
        corpus, T = self.corpus, self.T
        for _ in range(times):
            starts = np.random.permutation((len(corpus) - 1) // T) * T
            l_sum, n = 0.0, 0
            for i in range(0, len(starts) // N * N, N):
                at = starts[i:i + N, None] + np.arange(T)
                l_sum += self.step(corpus[at], corpus[at + 1], LR, THETA) * N * T
                n += N * T
            math.exp(l_sum / n)     # the perplexity
