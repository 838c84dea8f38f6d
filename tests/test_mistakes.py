"""Everyday mistakes at every public function: one sentence each, with what was met and what to do, before any work.

A case is a function, the arguments that are wrong, the error, and what its sentence must contain. The other arguments
are right: those of a model of five characters and three hidden units.
"""
import functools
import io
import math
import os
import random
import re

import rnn_scratch as d2l
from rnn_scratch import training
from rnn_scratch.beyond import cells, evaluation, fused, parallel, pictures, sampling
from rnn_scratch.beyond.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

import d2lzh
import mxnet as mx
import numpy as np
import pytest
from conftest import ROOT, is_ours
from mxnet import autograd, gluon, nd

ORIGINAL_SGD = d2lzh.utils.sgd
CTX, NAN, INF = mx.cpu(), math.nan, math.inf
CHARS, OTHER_CHARS = list('abcde'), list('abxyz')
TEXT = 'abcdeabdcebacde' * 3        # 45 characters


class Made:
    """An argument that is made anew for each case, because a call may change it."""

    def __init__(self, make, *arguments, **keywords):
        self.make = functools.partial(make, *arguments, **keywords)
        given = [*map(repr, arguments), *(f'{name}={value}' for name, value in keywords.items())]
        self.name = f'{make.__name__}({", ".join(given)})'

    def __repr__(self):
        return self.name


def params(get_params=d2l.get_params, d=5, h=3, q=5, spoil=None, gradients=True, seed=1):
    """Parameters of a model, one of them perhaps spoilt: a function from the list to the wrong one."""
    mx.random.seed(seed)
    made = [20 * param for param in get_params(d, h, q, CTX)]
    if spoil:
        made = spoil(made) or made
    if gradients:
        for param in made:
            param.attach_grad()
    return made


def put(i, value):
    """A number into the parameter i."""
    def spoil(made):
        made[i][:1] = value
    return spoil


def growing(made):
    """With ReLU the state triples at least at each step."""
    made[1][:], made[2][:] = 3, 1


def instead(i, shape):
    """The parameter i in another shape."""
    def spoil(made):
        made[i] = nd.ones(shape)
    return spoil


def numbers(chars=CHARS):
    return {char: i for i, char in enumerate(chars)}


def state_of(*shapes, kind=tuple):
    return kind([nd.zeros(shape) for shape in shapes])


def inputs(n=2, T=4, d=5):
    return d2l.to_onehot(nd.array(np.arange(n * T).reshape(n, T) % d), d)


def indices(*changes, kind=list):
    corpus = [CHARS.index(char) for char in TEXT]
    for place, value in changes:
        corpus[place] = value
    return kind(corpus)


# Cells, states and picks of a user, each with a mistake

def width(q):
    def narrow(inputs, state, params):
        outputs, state = d2l.rnn(inputs, state, params)
        return [Y[:, :q] for Y in outputs], state
    return narrow


def only_outputs(inputs, state, params):
    return d2l.rnn(inputs, state, params)[0]


def nothing(*arguments):
    return None


def one_output(inputs, state, params):
    outputs, state = d2l.rnn(inputs, state, params)
    return outputs[-1:], state


def joined(inputs, state, params):
    outputs, state = d2l.rnn(inputs, state, params)
    return nd.concat(*outputs, dim=0), state


def bare_state(inputs, state, params):
    outputs, state = d2l.rnn(inputs, state, params)
    return outputs, state[0]


def lost_state(inputs, state, params):
    return d2l.rnn(inputs, state, params)[0], None


def other_state(inputs, state, params):
    outputs, (H,) = d2l.rnn(inputs, state, params)
    return outputs, (H[:, :2],)


def two_arguments(inputs, state):
    return None


def crossed(inputs, state, params):
    """A product the wrong way round."""
    W_xh, W_hh, b_h, W_hq, b_q = params
    return [nd.dot(W_hq, X) for X in inputs], state


def two_states(inputs, state, params):
    H, C = state
    return d2l.rnn(inputs, (H,), params)


def bare(n, h, ctx):
    return nd.zeros((n, h), ctx=ctx)


def filled(value):
    return lambda n, h, ctx: (nd.full((n, h), value, ctx=ctx),)


def larger(n, h, ctx):
    return (nd.zeros((n, h + 1), ctx=ctx),)


def always(index):
    return lambda Y: nd.array([index], ctx=Y.ctx)


RIGHT = {
    'num_hiddens': 3, 'vocab_size': 5, 'ctx': CTX, 'idx_to_char': CHARS, 'char_to_idx': numbers(), 'rnn': d2l.rnn,
    'init_rnn_state': d2l.init_rnn_state, 'corpus_indices': indices(), 'is_random_iter': True, 'num_epochs': 2,
    'num_steps': 4, 'lr': 1.0, 'clipping_theta': 0.1, 'batch_size': 2, 'pred_period': 1, 'pred_len': 3,
    'prefixes': ['a', 'bc'], 'prefix': 'ab', 'num_chars': 3, 'params': Made(params),
}
MODEL = ['rnn', 'params', 'init_rnn_state', 'num_hiddens', 'vocab_size', 'ctx']
EPOCH = [*MODEL, 'corpus_indices', 'is_random_iter', 'num_steps', 'lr', 'clipping_theta', 'batch_size']
PREDICT = ['prefix', 'num_chars', *MODEL, 'idx_to_char', 'char_to_idx']
TRAIN = ['rnn', 'get_params', 'init_rnn_state', 'num_hiddens', 'vocab_size', 'ctx', 'corpus_indices', 'idx_to_char',
         'char_to_idx', 'is_random_iter', 'num_epochs', 'num_steps', 'lr', 'clipping_theta', 'batch_size',
         'pred_period', 'pred_len', 'prefixes']


def right(names, **more):
    return {**{name: RIGHT[name] for name in names if name in RIGHT}, **more}


def cell(rnn, get_params, states):
    return rnn, {'inputs': Made(inputs), 'state': Made(state_of, *[(2, 3)] * states),
                 'params': Made(params, get_params)}


CHECKPOINT = {'params': Made(params), 'perplexities': [4.0, 3.0], 'idx_to_char': CHARS, 'num_hiddens': 3}


def predict_with(engine='tutorial', prefix='ab', num_chars=3, **fields):
    return Checkpoint(**fields, engine=engine).predict(prefix, num_chars)


def plot_training(checkpoints=None, path='picture.png', **fields):
    return pictures.plot_training([('a', Checkpoint(**fields))] if checkpoints is None else checkpoints, path)


def while_recording(function):
    def call(**arguments):
        with autograd.record():
            return function(**arguments)
    return call


# Each function, with right arguments
FUNCTIONS = {
    'to_onehot': (d2l.to_onehot, {'X': Made(nd.zeros, (2, 4)), 'size': 5}),
    'get_params': (d2l.get_params, {'num_inputs': 5, 'num_hiddens': 3, 'num_outputs': 5, 'ctx': CTX}),
    'get_gru_params': (cells.get_gru_params, {'num_inputs': 5, 'num_hiddens': 3, 'num_outputs': 5, 'ctx': CTX}),
    'get_lstm_params': (cells.get_lstm_params, {'num_inputs': 5, 'num_hiddens': 3, 'num_outputs': 5, 'ctx': CTX}),
    'init_rnn_state': (d2l.init_rnn_state, {'batch_size': 2, 'num_hiddens': 3, 'ctx': CTX}),
    'init_lstm_state': (cells.init_lstm_state, {'batch_size': 2, 'num_hiddens': 3, 'ctx': CTX}),
    'rnn': cell(d2l.rnn, d2l.get_params, 1),
    'relu_rnn': cell(cells.relu_rnn, d2l.get_params, 1),
    'gru': cell(cells.gru, cells.get_gru_params, 1),
    'lstm': cell(cells.lstm, cells.get_lstm_params, 2),
    'predict_rnn': (d2l.predict_rnn, right(PREDICT)),
    'fused.predict_rnn': (fused.predict_rnn, right(PREDICT)),
    'Checkpoint.predict': (predict_with, CHECKPOINT),
    'grad_clipping': (d2l.grad_clipping, {'params': Made(params), 'theta': 0.1, 'ctx': CTX}),
    'perplexity': (d2l.perplexity, {'l_sum': 5.0, 'n': 5}),
    'train_epoch': (d2l.train_epoch, right(EPOCH)),
    'fused.train_epoch': (fused.train_epoch, right(EPOCH)),
    'train_and_predict_rnn': (d2l.train_and_predict_rnn, right(TRAIN)),
    'fused.train_and_predict_rnn': (fused.train_and_predict_rnn, right(TRAIN)),
    'fused.gradients': (fused.gradients, {'X': Made(nd.zeros, (2, 4)), 'Y': Made(nd.zeros, (2, 4)),
                                          'state': Made(state_of, (2, 3)), 'params': Made(params)}),
    'fused.losses': (fused.losses, {'rnn': d2l.rnn, 'X': Made(nd.zeros, (2, 4)), 'Y': Made(nd.zeros, (2, 4)),
                                    'state': Made(state_of, (2, 3)), 'params': Made(params), 'vocab_size': 5}),
    'evaluate': (evaluation.evaluate, right(PREDICT[2:], text=TEXT)),
    'evaluate, fused': (functools.partial(evaluation.evaluate, losses=fused.losses), right(PREDICT[2:], text=TEXT)),
    'unigram_perplexity': (evaluation.unigram_perplexity, {'corpus_indices': indices()}),
    'copied': (evaluation.copied, {'text': 'abcde', 'corpus': 'abcdeabc'}),
    'sampler': (sampling.sampler, {}),
    'plot_training': (plot_training, CHECKPOINT),
    'load_checkpoint': (load_checkpoint, {'path': ROOT / 'tests/saved_by_0.2.safetensors', 'ctx': CTX}),
    'load_data_jay_lyrics': (d2l.load_data_jay_lyrics, {}),
    'save_checkpoint': (save_checkpoint, {'path': 'songs.safetensors'}),
    'on_contexts': (parallel.on_contexts, {'engine': fused, 'contexts': [CTX]}),
    **{f'{name}, while recording': (while_recording(function), right(names)) for name, function, names in [
        ('train_epoch', d2l.train_epoch, EPOCH), ('fused.train_epoch', fused.train_epoch, EPOCH),
        ('train_and_predict_rnn', d2l.train_and_predict_rnn, TRAIN),
        ('fused.train_and_predict_rnn', fused.train_and_predict_rnn, TRAIN)]},
    'grad_clipping, while recording': (while_recording(d2l.grad_clipping), {'params': Made(params), 'theta': 0.1,
                                                                            'ctx': CTX}),
}
KINDS = {}      # the cases by the kind of mistake
LEFT = []       # those that are Python's own, or MXNet's


def kind(name):
    """What follows is of this kind."""
    KINDS[name] = []


def wrong(functions, error, words, **arguments):
    """The same mistake at one function or at several. `words`: what the sentence has, in any order."""
    for function in functions.split('; '):
        [*KINDS.values()][-1].append((function, arguments, error, words.split(' | ')))


def left(functions, error, words, **arguments):
    """A mistake that is left to Python or MXNet: at once, in words of theirs, and at the learner's own line."""
    for function in functions.split('; '):
        LEFT.append((function, arguments, error, words.split(' | ')))


kind('a size or number that is too small, too large, no whole number, a text or None')
PARAMS, STATES = 'get_params; get_gru_params; get_lstm_params', 'init_rnn_state; init_lstm_state'
CELLS = 'rnn; relu_rnn; gru; lstm'
EPOCHS = 'train_epoch; fused.train_epoch'
TRAINS = 'train_and_predict_rnn; fused.train_and_predict_rnn'
PREDICTS = 'predict_rnn; fused.predict_rnn'
EVALUATES = 'evaluate; evaluate, fused'
SIZES = [(0, ValueError, '1 or more | not 0'), (-3, ValueError, '1 or more | not -3'),
         (3.0, TypeError, 'whole number | not 3.0'), (2.5, TypeError, 'whole number | not 2.5'),
         ('3', TypeError, "whole number | not '3'"), (None, TypeError, 'whole number | not None'),
         ([3], TypeError, 'whole number | not [3]'),
         (True, TypeError, 'whole number | not True'), (10 ** 10, ValueError, 'at most | not 10000000000')]
for value, error, words in SIZES:
    for name in ['num_inputs', 'num_hiddens', 'num_outputs']:
        wrong('get_params', error, f'{name} | {words}', **{name: value})
    wrong('get_gru_params; get_lstm_params', error, f'num_hiddens | {words}', num_hiddens=value)
    for name in ['batch_size', 'num_hiddens']:
        wrong('init_rnn_state', error, f'{name} | {words}', **{name: value})
    wrong('init_lstm_state', error, f'batch_size | {words}', batch_size=value)
    wrong('to_onehot', error, f'size | {words}', size=value)
    for name in ['num_hiddens', 'vocab_size', 'num_steps', 'batch_size']:
        wrong(f'{EPOCHS}; {TRAINS}', error, f'{name} | {words}', **{name: value})
    wrong(TRAINS, error, f'pred_period | {words}', pred_period=value)
    for name in ['num_hiddens', 'vocab_size']:
        wrong(f'{PREDICTS}; evaluate', error, f'{name} | {words}', **{name: value})
wrong(PARAMS, ValueError, '100000 | 10000000000 numbers | smaller', num_hiddens=100000)
wrong(PARAMS, ValueError, '50000 | 2500000000 numbers | smaller', num_inputs=50000, num_hiddens=50000)
wrong(STATES, ValueError, '100000 | 10000000000 numbers | smaller', batch_size=100000, num_hiddens=100000)

kind('a device that is none, or not here')
for value, error, words in [('cpu', TypeError, "'cpu' | mxnet.cpu()"), (0, TypeError, 'not 0 | mxnet.cpu()'),
                            (mx.cpu, TypeError, 'cpu | mxnet.cpu()')]:
    wrong(f'{PARAMS}; {STATES}', error, f'ctx | {words}', ctx=value)
    wrong(f'{PREDICTS}; {EPOCHS}; {TRAINS}; {EVALUATES}', ValueError, 'parameter 0 | cpu(0) | ctx', ctx=value)
wrong(f'{PREDICTS}; {EPOCHS}; {TRAINS}; {EVALUATES}', ValueError, 'parameter 0 | ctx is an array',
      ctx=Made(nd.zeros, 1))
wrong(f'{PARAMS}; {STATES}', ValueError, 'gpu(97) | try_gpu()', ctx=mx.gpu(97))
wrong(f'{PREDICTS}; {EPOCHS}; {TRAINS}', ValueError, 'parameter 0 | cpu(0) | gpu(97)', ctx=mx.gpu(97))
wrong(f'{PREDICTS}; {EPOCHS}', ValueError, 'cpu(0) | cpu(1)', ctx=mx.cpu(1))

for value in ['cpu', 0, mx.cpu]:
    wrong('load_checkpoint', TypeError, 'ctx | mxnet.cpu()', ctx=value)
    wrong('on_contexts', TypeError, 'ctx | mxnet.cpu()', contexts=[CTX, value])
wrong('load_checkpoint', ValueError, 'gpu(97) | try_gpu()', ctx=mx.gpu(97))
wrong('on_contexts', ValueError, 'gpu(97)', contexts=[mx.gpu(97)])
wrong('on_contexts', ValueError, 'contexts | list of devices | not []', contexts=[])
wrong('on_contexts', TypeError, 'contexts | list of devices | cpu(0)', contexts=CTX)
wrong('on_contexts', TypeError, 'contexts | list of devices | None', contexts=None)

kind('indices that are no array, no whole numbers, or of the wrong shape')
for value in [1.5, 0.99, -0.5, NAN, INF - INF]:
    wrong('to_onehot', ValueError, 'X | whole numbers | (2, 4)', X=Made(nd.full, (2, 4), value))
wrong('to_onehot', ValueError, 'X | whole numbers | (2,)', X=Made(nd.full, (2,), 2.25))
wrong('to_onehot', ValueError, '(2, 3, 4) | (n, T)', X=Made(nd.zeros, (2, 3, 4)))
wrong('to_onehot', TypeError, 'NDArray | [[0, 1]]', X=[[0, 1]])
wrong('to_onehot', TypeError, 'NDArray | (2, 4) | nd.array', X=np.zeros((2, 4)))
wrong('to_onehot', TypeError, "NDArray | 'ab'", X='ab')
wrong('to_onehot', TypeError, 'NDArray | 3', X=3)

kind('inputs, state and parameters of a cell that do not fit together')
wrong(CELLS, ValueError, '(2, 9) | (5, 3) | vocab_size', inputs=Made(inputs, d=9))
wrong(CELLS, ValueError, '(5, 3) | (2, 3) | state', inputs=Made(inputs, n=5))
wrong(CELLS, ValueError, 'to_onehot | (2, 4)', inputs=Made(nd.zeros, (2, 4)))
wrong(CELLS, ValueError, 'to_onehot | [0, 1]', inputs=[0, 1])
wrong(CELLS, ValueError, 'to_onehot | not []', inputs=[])
wrong(CELLS, ValueError, '(2, 5), (3, 5) | to_onehot', inputs=Made(lambda: inputs() + inputs(n=3)))
left(CELLS, mx.MXNetError, 'float32 | float64', inputs=Made(lambda: [X.astype('float64') for X in inputs()]))
wrong(CELLS, ValueError, 'to_onehot | 4 arrays', inputs=Made(lambda: [X.asnumpy() for X in inputs()]))
wrong(CELLS, ValueError, '(2, 4) | (5, 3)', state=Made(state_of, (2, 4)), inputs=Made(inputs, d=4))
wrong('rnn; relu_rnn; gru', ValueError, '(2, 4) | (2, 3) | init_rnn_state', state=Made(state_of, (2, 4)))
wrong('rnn; relu_rnn; gru', ValueError, '(1, 3) | (2, 3) | init_rnn_state', state=Made(state_of, (1, 3)))
wrong('rnn; relu_rnn; gru', ValueError, '2 arrays | H | init_rnn_state', state=Made(state_of, (2, 3), (2, 3)))
wrong(CELLS, TypeError, 'tuple | (2, 3)', state=Made(nd.zeros, (2, 3)))
wrong(CELLS, TypeError, 'tuple | None', state=None)
wrong('lstm', ValueError, '1 array | H and C | init_lstm_state', state=Made(state_of, (2, 3)))
wrong('lstm', ValueError, '(2, 4) | (2, 3) | init_lstm_state', state=Made(state_of, (2, 3), (2, 4)))
wrong('rnn; relu_rnn', ValueError, '5 parameters | not 11', params=Made(params, cells.get_gru_params))
wrong('gru', ValueError, '11 parameters | not 14', params=Made(params, cells.get_lstm_params))
wrong('lstm', ValueError, '14 parameters | not 5', params=Made(params))
wrong(CELLS, TypeError, 'params | list | get_params', params=d2l.get_params)
wrong(CELLS, TypeError, 'params | list | None', params=None)
wrong('rnn; relu_rnn', ValueError, 'params | NDArray', params=Made(lambda: [p.asnumpy() for p in params()]))
for i, symbol in enumerate(cells.RNN):
    wrong('rnn; relu_rnn', ValueError, f'{symbol} | (7, 6)', params=Made(params, spoil=instead(i, (7, 6))))
for i, symbol in [(1, 'W_hz'), (3, 'W_xr'), (7, 'W_hh'), (8, 'b_h'), (9, 'W_hq')]:
    wrong('gru', ValueError, f'{symbol} | (7, 6)', params=Made(params, cells.get_gru_params, spoil=instead(i, (7, 6))))
for i, symbol in [(1, 'W_hi'), (3, 'W_xf'), (8, 'b_o'), (12, 'W_hq')]:
    wrong('lstm', ValueError, f'{symbol} | (7, 6)', params=Made(params, cells.get_lstm_params,
                                                                 spoil=instead(i, (7, 6))))
wrong('rnn; relu_rnn', ValueError, 'b_h | (1,)', params=Made(params, spoil=instead(2, (1,))))
wrong('rnn', ValueError, 'W_hq | (5, 3) | (3, 5)', params=Made(params, spoil=instead(3, (5, 3))))

kind('arrays of another kind or on another device, for the fused engine')
GIVEN = 'fused.gradients; fused.losses'
for dtype in ['float64', 'float16', 'int32']:
    wrong(GIVEN, ValueError, f'float32 | {dtype}', state=Made(lambda dtype=dtype: (nd.zeros((2, 3), dtype=dtype),)))
    wrong('fused.losses', ValueError, f'float32 | {dtype}',
          params=Made(params, spoil=lambda made, dtype=dtype: [param.astype(dtype) for param in made]))
    wrong('fused.predict_rnn; fused.train_epoch', ValueError, f'float32 | {dtype}',
          init_rnn_state=lambda n, h, ctx, dtype=dtype: (nd.zeros((n, h), dtype=dtype),))
wrong(GIVEN, ValueError, 'float32 | float64', params=Made(params, spoil=lambda made: [*made[:4],
                                                                                     made[4].astype('float64')]))
wrong(GIVEN, ValueError, 'cpu(0) | cpu(1)', state=Made(lambda: (nd.zeros((2, 3), ctx=mx.cpu(1)),)))
wrong(GIVEN, ValueError, 'cpu(0) | cpu(1)',
      params=Made(params, spoil=lambda made: [*made[:4], made[4].as_in_context(mx.cpu(1))]))
for name in 'XY':
    wrong(GIVEN, ValueError, f'{name} | cpu(0)', **{name: Made(nd.zeros, (2, 4), ctx=mx.cpu(1))})
wrong('fused.predict_rnn; fused.train_epoch', ValueError, 'cpu(0) | cpu(1)',
      init_rnn_state=lambda n, h, ctx: (nd.zeros((n, h), ctx=mx.cpu(1)),))

kind('training while MXNet records')
for name in ['train_epoch', 'fused.train_epoch', 'train_and_predict_rnn', 'fused.train_and_predict_rnn',
             'grad_clipping']:
    wrong(f'{name}, while recording', ValueError, 'autograd.record()')

kind('a prefix that is empty, too long, no text or unknown, and a length that is negative or endless')
for functions in [PREDICTS, 'Checkpoint.predict']:
    wrong(functions, ValueError, "'龘' | 'a龘' | 5", prefix='a龘')
    wrong(functions, ValueError, "empty | ''", prefix='')
    wrong(functions, ValueError, "prefix | 100000 | 'aaaa", prefix='a' * 100_001)
    wrong(functions, ValueError, "'ab' | ['a', 'ab'] | 5", prefix=['a', 'ab'])
    wrong(functions, ValueError, "3 | ['a', 3] | 5", prefix=['a', 3])
    wrong(functions, ValueError, 'empty | []', prefix=[])
    wrong(functions, TypeError, 'prefix | None', prefix=None)
    wrong(functions, TypeError, 'prefix | 3', prefix=3)
    wrong(functions, ValueError, 'num_chars | 0 or more | -1', num_chars=-1)
    wrong(functions, TypeError, 'num_chars | 2.5', num_chars=2.5)
    wrong(functions, TypeError, "num_chars | '50'", num_chars='50')
    wrong(functions, ValueError, 'num_chars | 100000 | 1000000000', num_chars=10 ** 9)
wrong(TRAINS, ValueError, 'pred_len | 0 or more | -1', pred_len=-1)
wrong(TRAINS, TypeError, 'pred_len | 2.5', pred_len=2.5)
wrong(TRAINS, ValueError, 'pred_len | 100000 | 1000000000', pred_len=10 ** 9)
wrong(TRAINS, ValueError, "prefixes | list | 'ab' | brackets", prefixes='ab')
wrong(TRAINS, TypeError, 'prefixes | list | generator', prefixes=Made(lambda: (char for char in 'ab')))
wrong(TRAINS, TypeError, 'prefixes | list | None', prefixes=None)
wrong(TRAINS, TypeError, 'prefix | 3', prefixes=['a', 3])
wrong(TRAINS, ValueError, 'empty', prefixes=['a', ''])
wrong(TRAINS, ValueError, 'prefix | 100000', prefixes=['a', 'b' * 10 ** 6])
wrong(TRAINS, ValueError, "'龘' | 5", prefixes=['a', 'b龘'])

kind('vocabulary, model and parameters of different corpora')
for functions in [f'{PREDICTS}; {EVALUATES}', TRAINS]:
    wrong(functions, ValueError, "char_to_idx | 'c' | 2 | 'x'", idx_to_char=OTHER_CHARS)
    wrong(functions, ValueError, 'idx_to_char | 4 | vocab_size | 5', idx_to_char=CHARS[:4])
    wrong(functions, ValueError, 'idx_to_char | 6 | vocab_size | 5', idx_to_char=[*CHARS, 'f'])
    wrong(functions, ValueError, "char_to_idx | 'x' | 2", char_to_idx=numbers(OTHER_CHARS))
    wrong(functions, ValueError, "char_to_idx | 'f' | 5", char_to_idx=numbers([*CHARS, 'f']))
    wrong(functions, TypeError, 'char_to_idx | idx_to_char | the other way round', idx_to_char=numbers(),
          char_to_idx=CHARS)
    wrong(functions, TypeError, 'char_to_idx | None', char_to_idx=None)
    wrong(functions, TypeError, 'idx_to_char | None', idx_to_char=None)
    wrong(functions, ValueError, 'idx_to_char | 5 | vocab_size | 4', vocab_size=4)
    wrong(functions, ValueError, 'idx_to_char | 5 | vocab_size | 9', vocab_size=9)
for d, q in [(4, 4), (9, 9), (9, 5), (4, 5)]:
    wrong(f'{PREDICTS}; {EVALUATES}; {EPOCHS}', ValueError, f'({d}, 3) | 5', params=Made(params, d=d, q=q))
    wrong('Checkpoint.predict', ValueError, f'({d}, 3) | 5', params=Made(params, d=d, q=q))
for q in [4, 1, 9]:
    wrong('predict_rnn; train_epoch; evaluate', ValueError, f'{q}) | 5', params=Made(params, q=q))
    wrong('fused.predict_rnn; fused.train_epoch; evaluate, fused; fused.losses', ValueError, f'(3, {q}) | 5',
          params=Made(params, q=q))
wrong(f'{PREDICTS}; {EVALUATES}; {EPOCHS}', ValueError, '(5, 4) | 3', params=Made(params, h=4))
wrong(f'{PREDICTS}; {EVALUATES}; {EPOCHS}', ValueError, '(5, 3) | 4', num_hiddens=4)

kind('parameters that are not finite, no list, or without gradients')
BOTH = f'{PREDICTS}; {EPOCHS}; {EVALUATES}'
for value in [NAN, INF]:
    for i in [0, 4]:
        wrong(BOTH, ValueError, f'parameter {i} | finite', params=Made(params, spoil=put(i, value)))
    wrong('Checkpoint.predict', ValueError, 'parameter 1 | finite',
          params=Made(params, spoil=put(1, value)))
wrong(BOTH, TypeError, 'params | list | function', params=d2l.get_params)
wrong(BOTH, TypeError, 'params | list | None', params=None)
wrong(f'{BOTH}; grad_clipping', TypeError, 'params | list | (5, 3)', params=Made(lambda: params()[0]))
wrong(f'{BOTH}; grad_clipping', TypeError, 'params | list_itera', params=Made(lambda: iter(params())))
wrong(f'{BOTH}; grad_clipping', ValueError, 'params | NDArray', params=Made(lambda: [p.asnumpy() for p in params()]))
wrong(f'{BOTH}; grad_clipping', ValueError, 'params | not []', params=[])
wrong(BOTH, TypeError, 'parameter 0 | float64',
      params=Made(params, spoil=lambda made: [p.astype('float64') for p in made]))
wrong(f'{EPOCHS}; grad_clipping; fused.gradients', ValueError, 'parameter 0 | (5, 3) | attach_grad',
      params=Made(params, gradients=False))
wrong(TRAINS, ValueError, 'parameter 0 | (5, 3) | attach_grad', get_params=functools.partial(params, gradients=False))
wrong(f'{PREDICTS}; {EPOCHS}', ValueError, '5 parameters | not 11', params=Made(params, cells.get_gru_params))
for engine in ['tutorial', 'fused']:
    wrong('Checkpoint.predict', ValueError, '(5, 4) | 3', params=Made(params, h=4), engine=engine)

kind('get_params that is no function, or gives the wrong thing')
left(TRAINS, TypeError, "'list' object is not callable", get_params=Made(params))
left(TRAINS, TypeError, 'get_params() missing 4 required', get_params=d2l.get_params)
left(TRAINS, TypeError, "'NoneType' object is not callable", get_params=None)
wrong(TRAINS, TypeError, 'params | list | None', get_params=nothing)
wrong(TRAINS, TypeError, 'params | list_itera', get_params=lambda: iter(params()))
wrong(TRAINS, ValueError, 'parameter 2 | finite', get_params=functools.partial(params, spoil=put(2, NAN)))
wrong(TRAINS, ValueError, '(9, 3) | 5', get_params=functools.partial(params, d=9, q=9))
wrong(TRAINS, ValueError, '(5, 4) | 3', get_params=functools.partial(params, h=4))

kind('a cell or a first state of a user that returns the wrong thing')
USERS = 'predict_rnn; train_epoch; train_and_predict_rnn; evaluate'
for q in [1, 3]:
    wrong(USERS, ValueError, f', {q}) | , 5) | W_hq', rnn=width(q))
wrong(USERS, ValueError, 'rnn returns | outputs, state', rnn=only_outputs)
wrong(USERS, TypeError, 'rnn returns | None | outputs, state', rnn=nothing)
wrong('train_epoch; train_and_predict_rnn; evaluate', ValueError, 'outputs of rnn | 1 array', rnn=one_output)
wrong('train_epoch; train_and_predict_rnn', ValueError, 'outputs of rnn | (8, 5)', rnn=joined)
wrong('train_epoch; train_and_predict_rnn', TypeError, 'state | rnn returns | (2, 3) | tuple | (H,)', rnn=bare_state)
wrong('predict_rnn; evaluate', TypeError, 'state | rnn returns | (1, 3) | tuple | (H,)', rnn=bare_state)
wrong(USERS, TypeError, 'state | rnn returns | None | tuple', rnn=lost_state)
wrong(USERS, ValueError, 'state | rnn returns | 2) | 3)', rnn=other_state)
left(USERS, mx.MXNetError, 'Check failed | Size()', rnn=crossed)
left(USERS, ValueError, 'unpack (expected 2, got 1)', rnn=two_states)
wrong('fused.predict_rnn; fused.train_epoch; fused.train_and_predict_rnn; evaluate, fused; fused.losses', ValueError,
      "gru | chapter's cell", rnn=cells.gru)
wrong('fused.predict_rnn; fused.train_epoch', ValueError, 'rnn | None', rnn=None)
left(USERS, TypeError, "'NoneType' object is not callable", rnn=None)
left(USERS, TypeError, 'two_arguments() takes 2 positional arguments', rnn=two_arguments)
left(f'{PREDICTS}; {EPOCHS}; {EVALUATES}; {TRAINS}', TypeError, 'two_arguments() takes 2 positional arguments',
     init_rnn_state=two_arguments)
wrong(TRAINS, TypeError, 'train_epoch | number | None', train_epoch=nothing)
wrong('predict_rnn', FloatingPointError, 'state | beyond all bounds | num_chars', rnn=cells.relu_rnn, num_chars=150,
      params=Made(params, spoil=growing))
left(f'{PREDICTS}; {EPOCHS}; {EVALUATES}; {TRAINS}', TypeError, "'tuple' object is not callable",
     init_rnn_state=Made(state_of, (2, 3)))
wrong(f'{PREDICTS}; {EVALUATES}', TypeError, 'init_rnn_state | (1, 3) | tuple', init_rnn_state=bare)
wrong(f'{EPOCHS}; {TRAINS}', TypeError, 'init_rnn_state | (2, 3) | tuple', init_rnn_state=bare)
wrong(f'{PREDICTS}; {EVALUATES}; {EPOCHS}; {TRAINS}', TypeError, 'init_rnn_state | None | tuple',
      init_rnn_state=nothing)
wrong(f'{PREDICTS}; {EVALUATES}; {EPOCHS}; {TRAINS}', ValueError, ', 4) | , 3)', init_rnn_state=larger)
wrong(f'{PREDICTS}; {EVALUATES}; {EPOCHS}; {TRAINS}', ValueError, 'init_rnn_state | finite', init_rnn_state=filled(NAN))
wrong(f'{PREDICTS}; {EPOCHS}; {TRAINS}', ValueError, 'init_rnn_state | finite', init_rnn_state=filled(INF))
for is_random_iter in [True, False]:
    wrong('train_epoch', ValueError, '2 ', init_rnn_state=cells.init_lstm_state, is_random_iter=is_random_iter)

def sliced(function):
    """The outputs, changed."""
    def changed(inputs, state, params):
        outputs, state = d2l.rnn(inputs, state, params)
        return [function(Y) for Y in outputs], state
    return changed


def hidden_in_numpy(inputs, state, params):
    """A hidden layer that autograd does not see: W_hq and b_q alone would learn."""
    outputs, (H,) = [], state
    for X in inputs:
        H = nd.array(np.tanh((nd.dot(X, params[0]) + nd.dot(H, params[1]) + params[2]).asnumpy()))
        outputs.append(nd.dot(H, params[3]) + params[4])
    return outputs, (H,)


def no_tuple(inputs, state, params):
    return [nd.dot(state, params[1]) for X in inputs], state


kind('a cell that cannot learn, or is no function')
LEARNS = 'train_epoch; train_and_predict_rnn'
wrong(LEARNS, ValueError, 'adds up to 1 | without nd.softmax', rnn=sliced(nd.softmax))
wrong(LEARNS, ValueError, 'No gradient | [0, 1, 2] | (5, 3), (3, 3), (3,) | asnumpy()', rnn=hidden_in_numpy)
LAYER = gluon.rnn.RNN(3)
for layer in [gluon.rnn.RNN, LAYER, gluon.rnn.RNNCell(3), d2lzh.RNNModel, d2lzh.RNNModel(LAYER, 5)]:
    wrong(USERS, TypeError, 'rnn must be a function | RNN | train_and_predict_rnn_gluon | predict_rnn_gluon', rnn=layer)
wrong(USERS, ValueError, 'outputs of rnn | of NumPy: leave asnumpy() out', rnn=sliced(nd.NDArray.asnumpy))
left(USERS, AssertionError, 'Argument lhs must have NDArray type, but got (', rnn=no_tuple)

kind('settings of a sampler, and a pick that gives no index')
for index in [-1, 5, 1.7, NAN]:
    wrong(PREDICTS, ValueError, f'pick | {index:g} | 0 to 4', pick=always(index))
left(PREDICTS, AttributeError, "'int' object has no attribute 'asscalar'", pick=lambda Y: 3)
left(PREDICTS, AttributeError, "'NoneType' object has no attribute 'asscalar'", pick=nothing)
left(PREDICTS, ValueError, 'The current array is not a scalar', pick=lambda Y: Y)
left(PREDICTS, TypeError, "'int' object is not callable", pick=3)
left(PREDICTS, TypeError, 'two_arguments() missing 1 required positional argument', pick=two_arguments)
wrong('sampler', ValueError, 'temperature | above 0 | not 0', temperature=0)
wrong('sampler', ValueError, 'temperature | above 0 | -1', temperature=-1)
wrong('sampler', ValueError, 'temperature | nan', temperature=NAN)
wrong('sampler', ValueError, 'temperature | inf', temperature=INF)
wrong('sampler', TypeError, "temperature | '1'", temperature='1')
wrong('sampler', TypeError, 'temperature | None', temperature=None)
wrong('sampler', ValueError, 'top_k | 1 or more | 0', top_k=0)
wrong('sampler', ValueError, 'top_k | 1 or more | -2', top_k=-2)
wrong('sampler', TypeError, 'top_k | 2.5', top_k=2.5)
wrong('sampler', TypeError, "top_k | '5'", top_k='5')
wrong('sampler', ValueError, 'top_p | 0', top_p=0)
wrong('sampler', ValueError, 'top_p | 1.5', top_p=1.5)
wrong('sampler', ValueError, 'top_p | nan', top_p=NAN)
wrong('sampler', TypeError, "top_p | '0.9'", top_p='0.9')
wrong('sampler', ValueError, 'seed | -1', seed=-1)
wrong('sampler', TypeError, 'seed | 1.5', seed=1.5)
wrong('sampler', TypeError, "seed | 'abc'", seed='abc')

kind('clipping and perplexity of impossible numbers')
for name, functions in [('theta', 'grad_clipping'), ('clipping_theta', f'{EPOCHS}; {TRAINS}')]:
    for value, error in [(0, ValueError), (-1, ValueError), (NAN, ValueError), ('0.01', TypeError), ([1], TypeError)]:
        wrong(functions, error, f'theta | above 0 | {value!r}', **{name: value})
wrong('perplexity', ValueError, 'n | 1 or more | 0', n=0)
wrong('perplexity', ValueError, 'n | 1 or more | -5', n=-5)
wrong('perplexity', TypeError, 'n | 2.5', n=2.5)
wrong('perplexity', TypeError, 'n | None', n=None)
for value in [NAN, -1, -0.5, -INF]:
    wrong('perplexity', ValueError, f'l_sum | {value}', l_sum=value)
wrong('perplexity', TypeError, "l_sum | 'abc'", l_sum='abc')
wrong('perplexity', TypeError, 'l_sum | [1.0, 2.0]', l_sum=[1.0, 2.0])
wrong('perplexity', TypeError, 'l_sum | array of shape (1,)', l_sum=Made(nd.zeros, 1))

kind('settings and a corpus that cannot be trained with')
for value, error in [(0, ValueError), (-1, ValueError), (NAN, ValueError), (INF, ValueError), (1e39, ValueError),
                     ('1', TypeError), (None, TypeError), ([1], TypeError)]:
    wrong(f'{EPOCHS}; {TRAINS}', error, f'lr | above 0 | {value!r}', lr=value)
for value, error in [('consecutive', TypeError), ('random', TypeError), (None, TypeError), (2, ValueError),
                     ('True', TypeError), ([True], TypeError)]:
    wrong(f'{EPOCHS}; {TRAINS}', error, f'is_random_iter | True | False | {value!r}', is_random_iter=value)
wrong(TRAINS, ValueError, 'num_epochs | 0 or more | -3', num_epochs=-3)
wrong(TRAINS, TypeError, 'num_epochs | 2.5', num_epochs=2.5)
wrong(TRAINS, TypeError, "num_epochs | '2'", num_epochs='2')
BOTH = f'{EPOCHS}; {TRAINS}'
wrong(BOTH, ValueError, 'index 1.5 | vocab_size', corpus_indices=indices((7, 1.5)))
wrong(BOTH, ValueError, 'index nan | vocab_size', corpus_indices=indices((7, NAN)))
wrong(BOTH, ValueError, 'index inf | vocab_size | 5', corpus_indices=indices((7, INF)))
wrong(BOTH, ValueError, 'index 5 | vocab_size | 5', corpus_indices=indices((7, 5)))
wrong(BOTH, ValueError, 'index -1 | vocab_size | 5', corpus_indices=indices((7, -1)))
wrong(BOTH, ValueError, '1.5', corpus_indices=Made(indices, (7, 1.5), kind=np.array))
wrong(BOTH, ValueError, "corpus_indices | 'abcde", corpus_indices=TEXT)
wrong(BOTH, ValueError, "corpus_indices | 'a'", corpus_indices=list(TEXT))
wrong(BOTH, TypeError, 'corpus_indices | None', corpus_indices=None)
wrong(BOTH, ValueError, 'corpus_indices | whole numbers', corpus_indices=indices((7, None)))
wrong(BOTH, ValueError, 'corpus_indices | [0, 1', corpus_indices=(indices(), numbers(), CHARS, 5))
wrong(BOTH, ValueError, 'corpus_indices | (5, 9)', corpus_indices=Made(lambda: np.array(indices()).reshape(5, 9)))
wrong(BOTH, TypeError, 'corpus_indices | list_itera', corpus_indices=Made(lambda: iter(indices())))
wrong(BOTH, ValueError, '0 characters | 9', corpus_indices=[])
wrong(BOTH, ValueError, '3 characters | 9', corpus_indices=[0, 1, 2])
wrong(BOTH, ValueError, '45 characters | 4001', num_steps=2000)
wrong(BOTH, ValueError, '45 characters | 4001', batch_size=1000)
wrong(BOTH, ValueError, '45 characters | 1000', batch_size=200, is_random_iter=False)

kind('a path that is none')
LOADS = 'load_data_jay_lyrics; load_checkpoint'
wrong('load_data_jay_lyrics', TypeError, '5000 | num_chars=5000', path=5000)
wrong(LOADS, TypeError, "['a.txt', 'b.txt'] | one file", path=['a.txt', 'b.txt'])
wrong(LOADS, TypeError, "b'a.txt' | as a text", path=b'a.txt')
wrong(LOADS, ValueError, "not empty | ''", path='')
wrong(LOADS, TypeError, 'StringIO | without open()', path=Made(io.StringIO))
wrong(LOADS, FileNotFoundError, 'no file | save what it gives in a file', path=os.devnull)
wrong(LOADS, FileNotFoundError, f'{os.path.expanduser("~")} | no-such-poem.txt', path='~/no-such-poem.txt')
wrong('save_checkpoint', TypeError, 'Trained(5 arr | Checkpoint(*trained, idx_to_char, num_hiddens)',
      checkpoint=Made(lambda: training.Trained(params(), [4.0])))
wrong('save_checkpoint', TypeError, 'list of 5 arrays | Checkpoint(*trained', checkpoint=Made(params))

kind('a text that cannot be measured or compared')
wrong(EVALUATES, ValueError, 'two characters | 0', text='')
wrong(EVALUATES, ValueError, 'two characters | 1', text='a龘')
wrong(EVALUATES, TypeError, "text | ['a', 'b', 'c']", text=list('abc'))
wrong(EVALUATES, TypeError, 'text | [0, 1, 2', text=indices())
wrong(EVALUATES, TypeError, 'text | None', text=None)
left('evaluate', TypeError, "'NoneType' object is not callable", losses=None)
wrong('unigram_perplexity', ValueError, 'corpus | empty', corpus_indices=[])
wrong('unigram_perplexity', ValueError, 'text | empty', text_indices=[])
wrong('unigram_perplexity', ValueError, 'text | 7', text_indices=[0, 7])
wrong('copied', TypeError, 'corpus | [0, 1', corpus=indices())
wrong('copied', TypeError, 'text | [0, 1', text=indices())
wrong('copied', TypeError, 'text | None', text=None)
wrong('copied', TypeError, "corpus | ['a', 'b'", corpus=CHARS)
wrong('copied', ValueError, '5 characters | 6', n=6)
wrong('copied', ValueError, 'n | 1 or more | 0', n=0)
wrong('copied', TypeError, 'n | 2.5', n=2.5)
wrong('copied', TypeError, "n | '3'", n='3')

kind('mini-batches for the fused engine that do not fit')
wrong('fused.gradients; fused.losses', ValueError, '(2, 4) | (2, 3)', Y=Made(nd.zeros, (2, 3)))
wrong('fused.gradients; fused.losses', ValueError, '(1, 3) | (2, 3)', state=Made(state_of, (1, 3)))
wrong('fused.gradients; fused.losses', ValueError, '2 arrays', state=Made(state_of, (2, 3), (2, 3)))
wrong('fused.gradients; fused.losses', ValueError, '5 parameters | 11', params=Made(params, cells.get_gru_params))
wrong('fused.gradients; fused.losses', ValueError, 'W_hh | (7, 6)', params=Made(params, spoil=instead(1, (7, 6))))
wrong('fused.gradients; fused.losses', TypeError, 'X | [[0, 1]] | nd.array', X=[[0, 1]])
for value in [-1, 5, 1e9, 1.5, NAN]:
    wrong('fused.gradients; fused.losses', ValueError, f'X | {value} | 5', X=Made(nd.full, (2, 4), value))
    wrong('fused.gradients; fused.losses', ValueError, f'Y | {value} | 5', Y=Made(nd.full, (2, 4), value))
wrong('fused.gradients; fused.losses', ValueError, 'Y | float32', Y=Made(nd.zeros, (2, 4), dtype='int32'))
wrong('fused.losses', ValueError, '(9, 3) | 5', params=Made(params, d=9, q=9))

kind('a picture that cannot be drawn')
wrong('plot_training', ValueError, "'picture' | .png", path='picture')
wrong('plot_training', ValueError, "'picture.doc' | .png", path='picture.doc')
wrong('plot_training', ValueError, "'songs.safetensors' | load_checkpoint", checkpoints=['songs.safetensors'])
wrong('plot_training', ValueError, "'songs.safetensors' | load_checkpoint", checkpoints=[('a', 'songs.safetensors')])
wrong('plot_training', ValueError, '(name, Checkpoint)', checkpoints=Made(lambda: [Checkpoint(params(), [], CHARS, 3)]))
wrong('plot_training', TypeError, '(name, Checkpoint)', checkpoints=Made(lambda: Checkpoint(params(), [], CHARS, 3)))
wrong('plot_training', ValueError, 'at least one', checkpoints=[])


CASES = [case for cases in KINDS.values() for case in cases]


def arguments_of(function, changes):
    """The function, and its arguments made anew: get_params gives the parameters that are looked at afterwards."""
    call, arguments = FUNCTIONS[function]
    arguments = {name: value.make() if isinstance(value, Made) else value
                 for name, value in {**arguments, **changes}.items()}
    if 'train_and_predict' in function and 'get_params' not in arguments:
        made = params()
        arguments['get_params'] = lambda: made
    return call, arguments


def numbers_in(arguments):
    """A copy of the parameters that a call may change."""
    given = arguments.get('params')
    if 'params' not in arguments and 'get_params' in arguments:
        try:
            given = arguments['get_params']()
        except TypeError:
            return []
    return [p.asnumpy().copy() for p in given if isinstance(p, nd.NDArray)] if isinstance(given, list) else []


def name_of(case):
    """The same in each run: no addresses of objects in it."""
    function, changes, *_ = case
    return f'{function}: ' + ', '.join(f'{name}={re.sub("<| at 0x.*", "", repr(value))[:50]}'
                                       for name, value in changes.items())


def attempt(function, changes, error, folder, capsys):
    """The error of a call, which comes before any work: nothing is printed, written, or trained."""
    call, arguments = arguments_of(function, changes)
    before = numbers_in(arguments)
    with pytest.raises(error) as raised:
        call(**arguments)
    assert raised.type is error, raised.value
    assert capsys.readouterr().out == '' and os.listdir(folder) == []
    for a, b in zip(numbers_in(arguments), before):
        np.testing.assert_array_equal(a, b)
    return raised


@pytest.mark.parametrize('function, changes, error, words', CASES, ids=map(name_of, CASES))
def test_a_mistake_is_one_sentence_before_any_work(function, changes, error, words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    raised = attempt(function, changes, error, tmp_path, capsys)
    sentence = str(raised.value)
    assert is_ours(raised.value), f'in the words of another: {sentence}'
    for word in words:
        assert word in sentence, f'{word!r} is not in: {sentence}'
    assert '\n' not in sentence and sentence.endswith('.') and len(sentence) < 400


@pytest.mark.parametrize('function, changes, error, words', LEFT, ids=map(name_of, LEFT))
def test_what_is_left_to_python_comes_at_once(function, changes, error, words, tmp_path, monkeypatch, capsys):
    """And no check of ours stands between the learner's line and the call."""
    monkeypatch.chdir(tmp_path)
    raised = attempt(function, changes, error, tmp_path, capsys)
    assert all(word in str(raised.value) for word in words), raised.value
    files = [os.path.basename(str(frame.path)) for frame in raised.traceback]
    assert '_checks.py' not in files
    if changes.get('rnn') in (crossed, two_states):         # of ours, only the loop: then the learner's own line
        ours = max(i for i, frame in enumerate(raised.traceback) if f'{ROOT}/rnn_scratch/' in str(frame.path))
        assert raised.traceback[ours + 1].name == changes['rnn'].__name__


# What is no mistake: whatever d2lzh takes

RIGHT_TOO = [
    ('num_hiddens', np.int64(3)), ('vocab_size', np.int32(5)), ('batch_size', np.array([2, 3])[0]),
    ('num_steps', np.int16(4)), ('corpus_indices', tuple(indices())), ('corpus_indices', np.array(indices())),
    ('corpus_indices', [float(i) for i in indices()]), ('corpus_indices', np.array(indices(), 'float32')),
    ('corpus_indices', [*map(np.int64, indices())]), ('idx_to_char', tuple(CHARS)), ('idx_to_char', 'abcde'),
    ('idx_to_char', dict(enumerate(CHARS))), ('idx_to_char', np.array(CHARS)), ('is_random_iter', 1),
    ('is_random_iter', 0), ('is_random_iter', np.bool_(True)), ('num_epochs', np.int64(2)), ('num_epochs', 0),
    ('lr', 1), ('lr', np.float32(0.5)), ('clipping_theta', 1), ('clipping_theta', np.float64(0.01)),
    ('clipping_theta', None), ('clipping_theta', INF), ('pred_period', np.int64(1)), ('pred_len', 0),
    ('pred_len', np.int64(3)), ('prefixes', ('a', 'bc')), ('prefixes', []), ('prefixes', {'a': 1}),
    ('prefixes', np.array(['a', 'bc'])), ('ctx', None),
]


def lists_and_arrays(inputs, state, params):
    """A list where the chapter has a tuple, and one array of three dimensions where it has a list."""
    outputs, state = d2l.rnn(inputs, state, params)
    return nd.stack(*outputs), [*state]


def printed(library, arguments, capsys):
    random.seed(3)
    made = params()
    library.train_and_predict_rnn(**{**arguments, 'get_params': lambda: made})
    return re.sub(r'time \S+', 'time', capsys.readouterr().out), [param.asnumpy() for param in made]


@pytest.mark.parametrize('name, value', RIGHT_TOO, ids=[f'{name}={value!r}'[:60] for name, value in RIGHT_TOO])
def test_what_d2lzh_takes_is_taken(name, value, capsys):
    arguments = {**right(TRAIN), name: value}
    (theirs, their_params), (ours, our_params), (fused_s, _) = (printed(library, arguments, capsys)
                                                               for library in [d2lzh, d2l, fused])
    assert ours == theirs and (theirs or name == 'num_epochs')
    assert re.sub(r'\d\.\d+', '', fused_s) == re.sub(r'\d\.\d+', '', theirs)
    for a, b in zip(our_params, their_params):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize('rnn, get_params, init_state', [
    (lambda inputs, state, params: cells.gru(inputs, state, params), cells.get_gru_params, d2l.init_rnn_state),
    (lambda inputs, state, params: cells.lstm(inputs, state, params), cells.get_lstm_params, cells.init_lstm_state),
    (lists_and_arrays, lambda *sizes: tuple(d2l.get_params(*sizes)), lambda *sizes: [*d2l.init_rnn_state(*sizes)]),
], ids=['gru', 'lstm', 'lists and tuples'])
@pytest.mark.parametrize('is_random_iter', [True, False])
def test_the_functions_of_a_user_are_taken(rnn, get_params, init_state, is_random_iter, capsys):
    arguments = {**right(TRAIN), 'rnn': rnn, 'init_rnn_state': init_state, 'is_random_iter': is_random_iter}
    found = []
    for library in [d2lzh, d2l]:
        random.seed(3)
        mx.random.seed(3)
        library.train_and_predict_rnn(**{**arguments, 'get_params': lambda: get_params(5, 3, 5, CTX)})
        found.append(re.sub(r'time \S+', 'time', capsys.readouterr().out))
    assert found[0] == found[1] != ''


def test_a_pick_of_one_s_own_is_taken():
    for engine in [d2l, fused]:
        text = engine.predict_rnn(**{**arguments_of('predict_rnn', {})[1], 'pick': lambda Y: Y.argmin(axis=1)})
        assert len(text) == 5


def test_a_text_of_the_longest_length_is_not_refused():
    with pytest.raises(ZeroDivisionError):
        d2l.predict_rnn(**{**arguments_of('predict_rnn', {})[1], 'num_chars': 100_000, 'pick': lambda Y: 1 / 0})


def test_steps_that_end_in_no_number_are_reported_at_the_end_of_the_epoch():
    """One mini-batch, whose loss is measured before the step that spoils the parameters."""
    for engine in [d2l, fused]:
        _, arguments = arguments_of('train_epoch', {'lr': 3e38, 'clipping_theta': None,
                                                    'corpus_indices': indices()[:9]})
        arguments['params'][3][:] *= 1000       # so that the gradients of the hidden layer are above 1
        with pytest.raises(FloatingPointError, match='inf, beyond all bounds.*smaller learning rate') as raised:
            engine.train_epoch(**arguments)
        assert '\n' not in str(raised.value)


@pytest.fixture
def adam(monkeypatch):
    """Adam in the place of the updater, in our package and in d2lzh."""
    states = {}

    def adam(params, lr, batch_size):
        for i, param in enumerate(params):
            mean, var = states.setdefault(i, (nd.zeros_like(param), nd.zeros_like(param)))
            nd.adam_update(param, param.grad / batch_size, mean, var, lr=lr, out=param)
    for library in [d2l, d2lzh, d2lzh.utils]:
        monkeypatch.setattr(library, 'sgd', adam, raising=False)
    yield states
    monkeypatch.undo()
    assert 'sgd' not in vars(d2l) and d2l.sgd is d2lzh.sgd


def test_another_updater_trains_as_with_d2lzh_and_is_refused_by_the_fused_engine(adam, monkeypatch, capsys):
    arguments = {**right(TRAIN), 'lr': 0.01, 'clipping_theta': 1}
    theirs, their_params = printed(d2lzh, arguments, capsys)
    adam.clear()
    ours, our_params = printed(d2l, arguments, capsys)
    assert ours == theirs and len(adam) == 5
    for a, b in zip(our_params, their_params):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    monkeypatch.setattr(d2lzh.utils, 'sgd', ORIGINAL_SGD)
    for function in [fused.train_epoch, fused.train_and_predict_rnn]:
        name = 'fused.train_epoch' if function is fused.train_epoch else 'fused.train_and_predict_rnn'
        _, given = arguments_of(name, {})
        with pytest.raises(ValueError, match="d2lzh's sgd itself.*the function adam: take the functions"):
            function(**given)


WORDS = ['cat', 'mat', 'on', 'sat', 'the']
WORDS_TEXT = 'the cat sat on the mat the mat sat on the cat'.split() * 4


def test_words_may_stand_where_characters_do(tmp_path, capsys):
    """d2lzh is the oracle: a prefix is any sequence of entries of the vocabulary."""
    words = {'idx_to_char': WORDS, 'char_to_idx': numbers(WORDS), 'prefixes': [['the', 'cat'], ['on']],
             'corpus_indices': [WORDS.index(word) for word in WORDS_TEXT]}
    theirs, their_params = printed(d2lzh, {**right(TRAIN), **words}, capsys)
    ours, our_params = printed(d2l, {**right(TRAIN), **words}, capsys)
    assert ours == theirs and ' - thecat' in ours
    save_checkpoint(tmp_path / 'words.safetensors', Checkpoint([*map(nd.array, our_params)], [2.0], WORDS, 3))
    for engine in ['tutorial', 'fused']:
        checkpoint = load_checkpoint(tmp_path / 'words.safetensors')
        checkpoint.engine = engine
        song = d2lzh.predict_rnn(['the', 'cat'], 6, d2l.rnn,
                                 [*map(nd.array, their_params)], d2l.init_rnn_state, 3, 5, CTX, WORDS, numbers(WORDS))
        assert checkpoint.predict(['the', 'cat'], 6) == song
        with pytest.raises(ValueError, match=r"'t' of the prefix 'the cat'.*a list of them, such as \['cat'\]"):
            checkpoint.predict('the cat', 6)


def test_the_cure_for_arrays_alone_and_for_what_training_returned(tmp_path):
    """Each sentence names a call, and that call works."""
    made, vocabulary = params(), {'idx_to_char': CHARS, 'num_hiddens': 3}
    nd.save(str(tmp_path / 'old.params'), made)
    with pytest.raises(ValueError, match=r"nd\.save.*nd\.load.*Checkpoint\(params, \[\], idx_to_char, num_hiddens\)"):
        load_checkpoint(tmp_path / 'old.params')
    for checkpoint in [Checkpoint(nd.load(str(tmp_path / 'old.params')), [], **vocabulary),
                       Checkpoint(*training.Trained(made, [4.0]), **vocabulary)]:
        save_checkpoint(tmp_path / 'new.safetensors', checkpoint)
        for a, b in zip(load_checkpoint(tmp_path / 'new.safetensors').params, made):
            np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())


@pytest.mark.skipif(os.name == 'nt', reason='HOME')
def test_a_path_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'poem.txt').write_text('abcab', 'utf-8')
    assert d2l.load_data_jay_lyrics('~/poem.txt')[0] == [0, 1, 2, 0, 1]
