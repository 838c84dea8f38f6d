"""What every peer is given: a corpus, five parameters and one mini-batch, in the symbols of the book."""
import os
from types import SimpleNamespace

import numpy as np

N = 32              # n, sequences in a mini-batch of the chapter
LR = 1e2            # learning rate
THETA = 1e-2        # θ, the largest norm of the gradient
NAMES = ['W_xh', 'W_hh', 'b_h', 'W_hq', 'b_q']


def save(folder, corpus, vocabulary, T, h, n=N):
    """Write a task. The parameters are larger than the chapter's first ones, so that each gradient has something to
    show; but W_hh is not so large that a rounding error grows from one time step to the next."""
    corpus, q = np.array(corpus), len(vocabulary)
    generator = np.random.RandomState(0)
    params = [generator.normal(scale=0.8 / h ** 0.5, size=shape).astype(np.float32)
              for shape in [(q, h), (h, h), (h,), (h, q), (q,)]]
    starts = generator.choice((len(corpus) - 1) // T, n, replace=False) * T
    at = starts[:, None] + np.arange(T)
    np.savez(os.path.join(folder, 'task.npz'), corpus=corpus, vocabulary=vocabulary, X=corpus[at],
             labels=corpus[at + 1], **dict(zip(NAMES, params)))


def load(folder):
    """The task: corpus (indices), vocabulary (a list), X and labels (n, T), params, and the sizes n, T, h, q."""
    with np.load(os.path.join(folder, 'task.npz')) as saved:
        task = SimpleNamespace(**saved)
    task.vocabulary = task.vocabulary.tolist()
    task.params = [getattr(task, name) for name in NAMES]
    (task.n, task.T), (task.h, task.q) = task.X.shape, task.params[3].shape
    return task
