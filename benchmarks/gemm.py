"""The floor: the matrix products of an epoch and nothing else, by the three libraries that the peers call.

A mini-batch needs, and no order of work can avoid:

    H_{t-1} W_hh        (n, h) (h, h)       T times     forward, one after the other
    H W_hq              (T n, h) (h, q)     once
    dY W_hqᵀ            (T n, q) (q, h)     once        backward
    Hᵀ dY               (h, T n) (T n, q)   once
    dZ_t W_hhᵀ          (n, h) (h, h)       T times     one after the other
    Hᵀ dZ               (h, T n) (T n, h)   once

That is 17.7 GFLOP an epoch with the chapter's sizes. X W_xh is a look-up of rows, so it costs no product. Every array
is laid out beforehand as its product reads it best, and every result has its memory beforehand where the library can.
"""
import numpy as np
from chapter import H, N, T

BATCHES = 8         # of an epoch, for the 10,000 characters of the corpus


class Floor:
    """The sub-classes say how a library holds a matrix and multiplies two."""

    def __init__(self, params, vocabulary):
        q = len(vocabulary)
        draw = np.random.default_rng(0).normal

        def matrix(*shape):
            return draw(scale=0.01, size=shape).astype(np.float32)

        W_hh = self.second(matrix(H, H))
        steps = [(self.first(matrix(N, H)), W_hh, self.result(N, H)) for _ in range(T)]
        once = [(self.first(matrix(*A)), self.second(matrix(*B)), self.result(A[0], B[1])) for A, B in [
            [(T * N, H), (H, q)], [(T * N, q), (q, H)], [(H, T * N), (T * N, q)], [(H, T * N), (T * N, H)]]]
        self.products = steps + once + steps        # forward, and back through time

    def epochs(self, corpus, times):
        for _ in range(times * BATCHES):
            self.multiply()


class NumPy(Floor):
    def describe(self):
        return f'NumPy {np.__version__}'

    def first(self, matrix):
        return matrix

    second = first

    def result(self, *shape):
        return np.empty(shape, np.float32)

    def multiply(self):
        for A, B, C in self.products:
            np.matmul(A, B, out=C)


class PyTorch(Floor):
    def __init__(self, params, vocabulary):
        import torch
        self.torch = torch
        super().__init__(params, vocabulary)

    def describe(self):
        return f'PyTorch {self.torch.__version__}'

    def first(self, matrix):
        return self.torch.from_numpy(matrix)

    second = first

    def result(self, *shape):
        return self.torch.empty(shape)

    def multiply(self):
        for A, B, C in self.products:
            self.torch.mm(A, B, out=C)


class MXNet(Floor):
    """`FullyConnected`, which takes the second matrix transposed: five times as fast here as `nd.dot`."""

    def __init__(self, params, vocabulary):
        import book
        self.mxnet, self.nd = book.mx, book.nd
        super().__init__(params, vocabulary)

    def describe(self):
        return f'MXNet {self.mxnet.__version__} with NumPy {np.__version__}'

    def first(self, matrix):
        return self.nd.array(matrix)

    def second(self, matrix):
        return self.nd.array(matrix.T)

    def result(self, *shape):
        return self.nd.zeros(shape)

    def multiply(self):
        for A, B, C in self.products:
            self.nd.FullyConnected(A, B, num_hidden=B.shape[0], no_bias=True, out=C)
        self.nd.waitall()
