"""(六) 定义模型训练函数: one epoch, repeated, with a song now and then."""
import math
import time
from itertools import islice
from typing import NamedTuple

from mxnet import autograd, gluon, nd

from .clipping import check_theta, grad_clipping
from .data import data_iter_consecutive, data_iter_random
from .onehot import model_inputs
from .perplexity import perplexity
from .predict import check_prefix, predict_rnn


class Trained(NamedTuple):
    """What training leaves: the parameters, and the perplexity of every epoch.

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
                          pred_period, pred_len, prefixes, *, start=None, after_epoch=None):
    """Train a model, and let it write after every pred_period epochs (section 6.4.7).

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
    start : Trained, optional
        Go on from here, up to num_epochs in all, instead of from get_params(). Its parameters and its list of
        perplexities change in place.
    after_epoch : function, optional
        Called after every epoch with the `Trained` so far: progress bars, checkpoints and the like hang here. Training
        ends early when it returns True.

    Returns
    -------
    Trained
        `params` and `perplexities`.

    Raises
    ------
    ValueError
        A setting makes no sense, the corpus is too short for one mini-batch, or a prefix has a character that is not
        in the vocabulary. It is raised before the first epoch.
    FloatingPointError
        The norm of the gradient is infinite or not a number, or, without clipping, the loss is not a number.
    """
    check_settings(vocab_size, corpus_indices, is_random_iter, num_steps, clipping_theta, batch_size, pred_period,
                   pred_len)
    if isinstance(prefixes, str):
        raise ValueError(f'prefixes is a list of texts, not the text {prefixes!r}: put it in brackets.')
    for prefix in prefixes:
        check_prefix(prefix, char_to_idx)
    trained = start or Trained(get_params(), [])
    for epoch in range(len(trained.perplexities) + 1, num_epochs + 1):
        began = time.time()
        trained.perplexities.append(train_epoch(
            rnn, trained.params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, is_random_iter,
            num_steps, lr, clipping_theta, batch_size))
        if epoch % pred_period == 0:
            print(f'epoch {epoch}, perplexity {trained.perplexities[-1]:f}, time {time.time() - began:.2f} sec')
            for prefix in prefixes:
                print(' -', predict_rnn(prefix, pred_len, rnn, trained.params, init_rnn_state, num_hiddens, vocab_size,
                                        ctx, idx_to_char, char_to_idx))
        if after_epoch is not None and after_epoch(trained):
            break
    return trained


def train_epoch(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, is_random_iter, num_steps,
                lr, clipping_theta, batch_size):
    """Read the corpus once, taking a step of gradient descent for each mini-batch.

    The arguments are those of `train_and_predict_rnn`; `params` change in place.

    Returns
    -------
    float
        The perplexity over the epoch, each mini-batch measured before its own step.
    """
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    data_iter = data_iter_random if is_random_iter else data_iter_consecutive
    l_sum, n = 0.0, 0           # n counts characters here, as in the chapter; in the shapes below it is the batch size
    state = init_rnn_state(batch_size, num_hiddens, ctx)
    for X, Y in read_ahead(data_iter(corpus_indices, batch_size, num_steps, ctx)):      # X, Y (n, T)
        if is_random_iter:
            # Neighbouring mini-batches are not neighbours in the text: forget.
            state = init_rnn_state(batch_size, num_hiddens, ctx)
        else:
            # Keep the values, drop the history: gradients stay within the mini-batch. `detach` returns new arrays.
            state = tuple(s.detach() for s in state)
        with autograd.record():
            outputs, state = rnn(model_inputs(rnn, X, vocab_size), state, params)
            # T matrices (n, q) -> (T n, q), time first; a single one is that already
            outputs = nd.concat(*outputs, dim=0) if len(outputs) > 1 else outputs[0]
            y = Y.T.reshape((-1,))                      # (T n,), in the same order
            l = loss(outputs, y).mean()
        l.backward()
        # fused.rnn brings a faster one; the chapter's own has d2lzh's result to the last bit
        getattr(rnn, 'grad_clipping', grad_clipping)(params, clipping_theta, ctx)
        for param in params:
            param -= lr * param.grad                    # the numbers of d2l.sgd(params, lr, 1), in fewer operators
        l_sum += l.asscalar() * y.size
        n += y.size
    if math.isnan(l_sum):
        raise FloatingPointError('The loss is not a number: the parameters have grown beyond all bounds; start again '
                                 'with a smaller learning rate (lr), or with gradient clipping (clipping_theta).')
    return perplexity(l_sum, n)


def read_ahead(batches, num_batches=64):
    """The same mini-batches, made num_batches at a time.

    `nd.array`, which random sampling calls for X and for Y, waits until MXNet has computed all that it was asked for:
    one at a time, mini-batches would stop each step twice.
    """
    while True:
        ready = list(islice(batches, num_batches))
        yield from ready
        if len(ready) < num_batches:
            return


def check_settings(vocab_size, corpus_indices, is_random_iter, num_steps, clipping_theta, batch_size, pred_period,
                   pred_len):
    """Refuse, before any work is done, the settings that would fail or do nothing later."""
    for name, value in [('num_steps', num_steps), ('batch_size', batch_size), ('pred_period', pred_period)]:
        if value < 1:
            raise ValueError(f'{name} must be 1 or more, not {value}.')
    if pred_len < 0:
        raise ValueError(f'pred_len must be 0 or more, not {pred_len}.')
    check_theta(clipping_theta)
    # Each label is the next character, hence the one more.
    needed = num_steps * batch_size + 1 if is_random_iter else (num_steps + 1) * batch_size
    if len(corpus_indices) < needed:
        raise ValueError(f'The corpus has {len(corpus_indices)} characters, but one mini-batch of {batch_size} '
                         f'sequences of {num_steps} steps needs {needed}: make batch_size or num_steps smaller.')
    for index in min(corpus_indices), max(corpus_indices):
        if not 0 <= index < vocab_size:
            raise ValueError(f'The corpus has the index {index}, but vocab_size is {vocab_size}: '
                             'take both from one call of load_data_jay_lyrics.')
