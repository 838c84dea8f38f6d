"""A cell of the learner's own: is it a function, what does it return, and can it learn at all?"""
import numpy as np
from mxnet import nd

from . import _checks


def begin(rnn, state):
    """Before the first step: a function of the chapter's form, and a state."""
    if (rnn if isinstance(rnn, type) else type(rnn)).__module__.startswith(('mxnet.', 'd2lzh')):
        raise TypeError(f'rnn must be a function of inputs, state and params, not {_checks.show(rnn)} of gluon: a '
                        'layer goes into RNNModel(layer, vocab_size), and that into train_and_predict_rnn_gluon and '
                        'predict_rnn_gluon.')
    _checks.must_be((list, tuple), 'a tuple of NDArrays of finite numbers', lambda state: _checks.is_arrays(state)
                    and all(np.isfinite(s.asnumpy()).all() for s in state), 'for one array H, write (H,)',
                    **{'What init_rnn_state returns': state})


def returned(value, inputs, state, is_first=False):
    """What a step returns; of the first one of an epoch, which waits for MXNet, the numbers too."""
    _checks.must_be((list, tuple), 'two things', lambda pair: len(pair) == 2, 'end it with return outputs, state',
                    **{'What rnn returns': value})
    needed = [X.shape for X in inputs]
    if not _checks.is_arrays(value[0], needed, kinds=(list, tuple, nd.NDArray)):
        is_numpy = isinstance(value[0], (list, tuple)) and any(isinstance(Y, np.ndarray) for Y in value[0])
        cure = 'leave asnumpy() out' if is_numpy else 'W_hq and b_q need vocab_size columns'
        raise ValueError(f'The outputs of rnn must be a list of {len(needed)} NDArrays of shape {needed[0]}, one a step'
                         f', not {_checks.show(value[0])}{" of NumPy" * is_numpy}: {cure}.')
    _checks.state_like([s.shape for s in state], 'which rnn returns', value[1])
    if is_first and needed[0][1] > 1:
        Y = value[0][0].asnumpy()
        if (Y >= 0).all() and (abs(Y.sum(axis=1) - 1) < 1e-4).all():
            raise ValueError('Each row of the outputs of rnn adds up to 1, as after a softmax, and the loss takes the '
                             'softmax itself: return the scores, nd.dot(H, W_hq) + b_q, without nd.softmax.')


def reached(params):
    """After `backward()`, which marks each gradient that it writes, for good: one without a mark stays as it was."""
    missed = [i for i, param in enumerate(params) if not param._fresh_grad]
    if missed:
        raise ValueError(f'No gradient goes to the parameters {missed}, of shapes '
                         f'{", ".join(str(params[i].shape) for i in missed)}, so they cannot learn: rnn must use each '
                         'of them, and compute in nd only, without NumPy, asnumpy() or detach() on the way.')
