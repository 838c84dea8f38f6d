"""(六) 定义模型训练函数: one epoch, repeated, with a song now and then."""
import time
from typing import NamedTuple

import rnn_scratch as d2l  # as in the chapter: d2l.sgd and the two iterators, d2lzh's own, are looked up when used

from mxnet import autograd, gluon, nd

from . import _checks, _own_cell
from .clipping import grad_clipping
from .onehot import to_onehot
from .perplexity import perplexity
from .predict import predict_rnn


def train_epoch(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, is_random_iter, num_steps,
                lr, clipping_theta, batch_size, *, data_iter=None, grad_clipping=grad_clipping):
    """训练一个迭代周期：读一遍语料，每个小批量走一步（6.4.7 节）。

    Read the corpus once, taking a step of gradient descent for each mini-batch (section 6.4.7).

    The arguments are those of `train_and_predict_rnn`; `params` change in place. Other functions may stand for the
    iterator of the sampling (`data_iter`) and for `grad_clipping`: training on several machines comes in there.

    Returns
    -------
    float
        The perplexity over the epoch, each mini-batch measured before its own step.

    Raises
    ------
    TypeError, ValueError, FloatingPointError
        As for `train_and_predict_rnn`.
    """
    _checks.settings(vocab_size, corpus_indices, is_random_iter, num_steps, lr, clipping_theta, batch_size)
    _checks.to_train(params, ctx)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    data_iter = data_iter or (d2l.data_iter_random if is_random_iter else d2l.data_iter_consecutive)
    l_sum, n = 0.0, 0           # n counts characters here, as in the chapter; in the shapes below it is the batch size
    state = init_rnn_state(batch_size, num_hiddens, ctx)                # (n, h)
    _own_cell.begin(rnn, state)
    for X, Y in data_iter(corpus_indices, batch_size, num_steps, ctx):  # (n, T), (n, T)
        if is_random_iter:
            # Neighbouring mini-batches are not neighbours in the text: forget.
            state = init_rnn_state(batch_size, num_hiddens, ctx)
        else:
            # Keep the values, drop the history: gradients stay within the mini-batch. `detach` returns new arrays.
            state = tuple(s.detach() for s in state)
        with autograd.record():
            inputs = to_onehot(X, vocab_size)                           # T × (n, d)
            outputs = rnn(inputs, state, params)                        # both outputs and state
            _own_cell.returned(outputs, inputs, state, n == 0)
            outputs, state = outputs                                    # T × (n, q)
            outputs = nd.concat(*outputs, dim=0)                        # (T n, q), time first
            y = Y.T.reshape((-1,))                                      # (T n,), in the same order
            l = loss(outputs, y).mean()                                 # a single number
        l.backward()
        _own_cell.reached(params)
        grad_clipping(params, clipping_theta, ctx)
        d2l.sgd(params, lr, 1)          # the loss is a mean already, so there is no batch size to divide by
        l_sum += l.asscalar() * y.size
        n += y.size
    _checks.finite('A parameter', *[param.asnumpy() for param in params])
    return perplexity(l_sum, n)


class Trained(NamedTuple):
    """训练留下的东西：模型参数，和每个迭代周期的困惑度。

    What training leaves: the parameters, and the perplexity of every epoch.

    Its `repr` is one short line, so that a notebook cell that ends with the call does not print megabytes.

    >>> Trained(params=[nd.zeros((2, 3)), nd.zeros(3)], perplexities=[9.5, 4.25])
    Trained(2 arrays of 9 numbers, 2 epochs, last perplexity 4.250000)
    """

    params: list
    perplexities: list

    def __repr__(self):
        numbers = sum(param.size for param in self.params)
        last = f', last perplexity {self.perplexities[-1]:f}' if self.perplexities else ''
        return f'Trained({len(self.params)} arrays of {numbers:,} numbers, {len(self.perplexities)} epochs{last})'


def train_and_predict_rnn(rnn, get_params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, idx_to_char,
                          char_to_idx, is_random_iter, num_epochs, num_steps, lr, clipping_theta, batch_size,
                          pred_period, pred_len, prefixes, *, train_epoch=train_epoch, predict_rnn=predict_rnn):
    """训练模型，每隔 pred_period 个迭代周期写一段歌词（6.4.7 节）。

    Train a model, and let it write after every pred_period epochs (section 6.4.7).

    Parameters
    ----------
    rnn, get_params, init_rnn_state, num_hiddens
        The model: a function like `model.rnn`, a function without arguments that gives its parameters, a function
        like `model.init_rnn_state`, and the number of hidden units h.
    vocab_size, ctx, corpus_indices, idx_to_char, char_to_idx
        The device, and the corpus as `load_data_jay_lyrics` gives it.
    is_random_iter : bool
        True for random sampling, where each mini-batch starts from a state of zeros; False for consecutive sampling,
        where it goes on from the state that the mini-batch before it ended with.
    num_epochs, num_steps, lr, clipping_theta, batch_size
        How often to read the corpus; the time steps T of a mini-batch; the learning rate; θ for `grad_clipping`; the
        sequences n of a mini-batch.
    pred_period, pred_len, prefixes
        Every pred_period epochs print the perplexity, the seconds that the last epoch took, and for each prefix a
        text of pred_len characters more.
    train_epoch, predict_rnn : functions, optional
        What is called for each epoch and for each song, with the arguments of the two functions of these names.

    Returns
    -------
    Trained
        `params` and `perplexities`.

    Raises
    ------
    TypeError, ValueError
        Before the first step: a setting makes no sense, the corpus is too short, corpus, vocabulary and parameters do
        not belong together, a prefix has an unknown character, or a function returns what it should not.
    FloatingPointError
        The norm of the gradient, or a parameter at the end of an epoch, is infinite or not a number.
    """
    _checks.vocabulary(vocab_size, idx_to_char, char_to_idx)
    _checks.settings(vocab_size, corpus_indices, is_random_iter, num_steps, lr, clipping_theta, batch_size)
    _checks.whole(0, num_epochs=num_epochs)
    _checks.whole(0, _checks.LONGEST_TEXT, pred_len=pred_len)
    _checks.whole(1, pred_period=pred_period)
    _checks.prefixes(prefixes, char_to_idx)
    params, perplexities = get_params(), []
    for epoch in range(1, num_epochs + 1):
        start = time.time()
        perplexities.append(train_epoch(
            rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, is_random_iter, num_steps, lr,
            clipping_theta, batch_size))
        _checks.number('a number, which train_epoch returns', perplexity=perplexities[-1])
        if epoch % pred_period == 0:
            print(f'epoch {epoch}, perplexity {perplexities[-1]:f}, time {time.time() - start:.2f} sec')
            for prefix in prefixes:
                print(' -', predict_rnn(prefix, pred_len, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx,
                                        idx_to_char, char_to_idx))
    return Trained(params, perplexities)
