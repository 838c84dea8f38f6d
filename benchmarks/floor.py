"""The floor: the matrix products of training and nothing else, by the three libraries that the peers call.

A mini-batch needs, and no order of work can avoid:

    H_{t-1} W_hh        (n, h) (h, h)       T times     forward, one after the other
    H W_hq              (T n, h) (h, q)     once
    dO W_hqᵀ            (T n, q) (q, h)     once        backward
    Hᵀ dO               (h, T n) (T n, q)   once
    dZ_t W_hhᵀ          (n, h) (h, h)       T times     one after the other
    Hᵀ dZ               (h, T n) (T n, h)   once

That is 6 h (h + q) operations a character. X W_xh is a look-up of rows, so it costs no product. Every array is laid out
beforehand as its product reads it best, and every result has its memory beforehand where the library can.
"""
import numpy as np
from task import N

BATCHES = 8         # of an epoch, with the chapter's corpus and sizes


class Floor:
    """The sub-classes say how a library holds a matrix and multiplies two."""

    def __init__(self, task):
        T, h, q = task.T, task.h, task.q
        draw = np.random.default_rng(0).normal

        def matrix(*shape):
            return draw(scale=0.01, size=shape).astype(np.float32)

        W_hh = matrix(h, h)
        pairs = [(matrix(N, h), W_hh) for _ in range(T)] + [(matrix(*A), matrix(*B)) for A, B in [
            [(T * N, h), (h, q)], [(T * N, q), (q, h)], [(h, T * N), (T * N, q)], [(h, T * N), (T * N, h)]]]
        seconds = {id(B): self.second(B) for _, B in pairs}             # W_hh is one for all steps
        products = [(self.first(A), seconds[id(B)], self.result(len(A), B.shape[1])) for A, B in pairs]
        self.multiply(products)
        for (A, B), (_, _, C) in zip(pairs, products):
            expected = A @ B
            if abs(self.read(C) - expected).max() > 1e-5 * abs(expected).max():
                raise SystemExit(f'A product of {A.shape} and {B.shape} is wrong.')
        self.products = products + products[:T]     # forward, at the output, and back through time

    def epochs(self, times):
        for _ in range(times * BATCHES):
            self.multiply(self.products)


class NumPy(Floor):
    def describe(self):
        return f'NumPy {np.__version__}'

    def first(self, matrix):
        return matrix

    second = read = first

    def result(self, *shape):
        return np.empty(shape, np.float32)

    def multiply(self, products):
        for A, B, C in products:
            np.matmul(A, B, out=C)


class PyTorch(Floor):
    def __init__(self, task):
        import torch
        self.torch = torch
        super().__init__(task)

    def describe(self):
        return f'PyTorch {self.torch.__version__}'

    def first(self, matrix):
        return self.torch.from_numpy(matrix)

    second = first

    def read(self, matrix):
        return matrix.numpy()

    def result(self, *shape):
        return self.torch.empty(shape)

    def multiply(self, products):
        for A, B, C in products:
            self.torch.mm(A, B, out=C)


class MXNet(Floor):
    """`FullyConnected`, which takes the second matrix transposed: oneDNN's products, where `nd.dot` has OpenBLAS's."""

    def __init__(self, task):
        import book
        self.mxnet, self.nd = book.mx, book.nd
        super().__init__(task)

    def describe(self):
        return f'MXNet {self.mxnet.__version__} with NumPy {np.__version__}'

    def first(self, matrix):
        return self.nd.array(matrix)

    def second(self, matrix):
        return self.nd.array(matrix.T)

    def read(self, matrix):
        return matrix.asnumpy()

    def result(self, *shape):
        return self.nd.zeros(shape)

    def multiply(self, products):
        for A, B, C in products:
            self.nd.FullyConnected(A, B, num_hidden=B.shape[0], no_bias=True, out=C)
        self.nd.waitall()
