"""PyTorch, in the five ways that its users would write the model; all take the book's five parameters.

Clipping and the update are PyTorch's own (`clip_grad_norm_` and `SGD`, both over all parameters in one call).
"""
import math

import torch
from task import LR, THETA
from torch.nn import functional


class Peer:
    """The training loop; the sub-classes say how the scores (T n, q) come from X (n, T)."""

    def __init__(self, task):
        self.n, self.T, self.h = task.n, task.T, task.h
        self.corpus = torch.as_tensor(task.corpus)
        self.params = [torch.from_numpy(param).clone().requires_grad_() for param in task.params]
        self.sgd = torch.optim.SGD(self.params, lr=LR, foreach=True)
        self.state = torch.zeros(task.n, task.h)

    def describe(self):
        return f'PyTorch {torch.__version__}'

    def scores(self, X):
        raise NotImplementedError

    def loss(self, X, labels):
        return functional.cross_entropy(self.scores(X), labels.T.reshape(-1))

    def step(self, X, labels, lr, theta):
        """One mini-batch of training; returns its loss."""
        X, labels = torch.as_tensor(X), torch.as_tensor(labels)
        loss = self.loss(X, labels)
        self.sgd.zero_grad()
        loss.backward()
        if theta is not None:
            self.clip(theta)
        self.sgd.param_groups[0]['lr'] = lr
        self.sgd.step()
        return loss.item()

    def clip(self, theta):
        torch.nn.utils.clip_grad_norm_(self.params, theta, foreach=True)

    def loss_and_gradients(self, X, labels):
        loss = self.step(X, labels, 0, None)        # lr 0: the parameters stay
        return loss, [param.grad.to_dense().numpy() for param in self.params]

    def parameters(self):
        return [param.detach().numpy() for param in self.params]

    def epochs(self, times):
        corpus, n, T = self.corpus, self.n, self.T
        for _ in range(times):
            starts = torch.randperm((len(corpus) - 1) // T) * T
            l_sum, count = 0.0, 0
            for i in range(0, len(starts) // n * n, n):
                at = starts[i:i + n, None] + torch.arange(T)
                l_sum += self.step(corpus[at], corpus[at + 1], LR, THETA) * n * T
                count += n * T
            math.exp(l_sum / count)     # the perplexity


class ChapterLoop(Peer):
    """The chapter's loop, line by line: one-hot vectors, and two products and an output product a time step."""

    def scores(self, X):
        W_xh, W_hh, b_h, W_hq, b_q = self.params
        state, outputs = self.state, []
        for x in functional.one_hot(X.T, len(b_q)).float():
            state = torch.tanh(x @ W_xh + state @ W_hh + b_h)
            outputs.append(state @ W_hq + b_q)
        return torch.cat(outputs)


class LookUp(Peer):
    """Rows of W_xh looked up rather than multiplied out, and one output product for all time steps."""

    def scores(self, X):
        W_xh, W_hh, b_h, W_hq, b_q = self.params
        state, states = self.state, []
        for x in functional.embedding(X.T, W_xh) + b_h:
            state = torch.tanh(torch.addmm(x, state, W_hh))
            states.append(state)
        return torch.addmm(b_q, torch.cat(states), W_hq)


class FusedRNN(Peer):
    """`torch.nn.RNN` for all time steps. The rows of W_xh go in already looked up, so its input weight is the identity.

    (One-hot vectors with W_xh as the input weight give the same numbers and are slower.)
    """

    def __init__(self, task):
        super().__init__(task)
        self.identity, self.no_bias = torch.eye(self.h), torch.zeros(self.h)

    def look_up(self, X, W_xh):
        return functional.embedding(X, W_xh)

    def scores(self, X):
        W_xh, W_hh, b_h, W_hq, b_q = self.params
        weights = [self.identity, W_hh.T, b_h, self.no_bias]
        # What nn.RNN.forward calls; called here because nn.RNN would not take W_hh in the book's orientation.
        rows = self.look_up(X.T, W_xh)
        states, _ = torch.rnn_tanh(rows, self.state[None], weights, True, 1, 0.0, True, False, False)
        return torch.addmm(b_q, states.reshape(-1, self.h), W_hq)


class Compiled(LookUp):
    """The loss of `LookUp`, handed to `torch.compile`."""

    def __init__(self, task):
        super().__init__(task)
        self.loss = torch.compile(self.loss)
        try:
            self.step(task.X, task.labels, 0, None)
        except Exception as error:
            raise RuntimeError(f'torch.compile does not work here: {type(error).__name__}') from error


class Sparse(FusedRNN):
    """`FusedRNN` with a gradient of W_xh that has only the rows that occur, for a large vocabulary.

    Neither `clip_grad_norm_` nor SGD with `foreach` takes such a gradient, so the norm is written out.
    """

    def __init__(self, task):
        super().__init__(task)
        self.sgd = torch.optim.SGD(self.params, lr=LR)

    def look_up(self, X, W_xh):
        return functional.embedding(X, W_xh, sparse=True)

    def clip(self, theta):
        W_xh = self.params[0]
        W_xh.grad = W_xh.grad.coalesce()        # each row once
        grads = [W_xh.grad.values(), *(param.grad for param in self.params[1:])]
        norm = torch.nn.utils.get_total_norm(grads, foreach=True)
        torch._foreach_mul_(grads, (theta / norm).clamp(max=1))
