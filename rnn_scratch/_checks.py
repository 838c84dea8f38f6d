"""The words that all refusals share, and what the chapter's functions refuse.

A check is a statement: it returns nothing, or raises one sentence with what was wrong, the value or shape that it met,
and what to do. What Python or MXNet says clearly, at once, is left to them. Other files have their own refusals.
"""
import functools
import inspect
import reprlib
from collections.abc import Collection, Mapping, Sequence
from numbers import Integral, Real

import mxnet as mx
import numpy as np
from mxnet import autograd, nd

from ._platform import memory_bytes

LARGEST = 2 ** 31 - 1       # the longest side that an array of MXNet can have, and the most numbers
LONGEST_TEXT = 100_000      # characters that one call writes: some minutes of work
RNN = ('W_xh', 'W_hh', 'b_h', 'W_hq', 'b_q')
ONE_CALL = 'take corpus, vocabulary and vocab_size from one call of load_data_jay_lyrics'


def show(value):
    """A value as a part of a sentence: short, and on one line."""
    if isinstance(value, (nd.NDArray, np.ndarray)):
        return f'an array of shape {value.shape}'
    if isinstance(value, (list, tuple)) and any(isinstance(item, (nd.NDArray, np.ndarray)) for item in value):
        shapes = ', '.join(map(str, dict.fromkeys(map(np.shape, value))))
        return f'a {type(value).__name__} of {len(value)} array{"s" * (len(value) > 1)} of shape {shapes}'
    return f'the function {value.__name__}' if inspect.isfunction(value) else ' '.join(reprlib.repr(value).split())


def must_be(kind, needed, is_right=lambda value: True, cure='', **values):
    """Each value must be of a kind, and right: `needed` says what it must be, and `cure` what to do."""
    for name, value in values.items():
        if not isinstance(value, kind) or not is_right(value):
            error = ValueError if isinstance(value, kind) and not isinstance(value, bool) else TypeError
            raise error(f'{name} must be {needed}, not {show(value)}{": " * bool(cure)}{cure}.')


number = functools.partial(must_be, Real)
learning_rate = functools.partial(number, 'above 0 and below 3.4e38', lambda x: 0 < x < 3.4e38)     # in 32 bits
theta = functools.partial(must_be, (Real, type(None)), 'above 0, or None', lambda x: x is None or x > 0)
text = functools.partial(must_be, str, 'a text', cure='put its characters into one text, in quotes')


def whole(lowest, highest=LARGEST, **values):
    """Python's and NumPy's whole numbers, but no 3.0, and no True, which MXNet does not take."""
    for name, value in values.items():
        bounds = f'at most {highest}' if isinstance(value, Real) and value > highest else f'{lowest} or more'
        must_be(Integral, f'a whole number, {bounds}', lambda i: lowest <= i <= highest and not isinstance(i, bool),
                **{name: value})


def picked(i, vocab_size):
    if not 0 <= float(i) < vocab_size or float(i) != int(i):        # as a number of Python, which is quick
        raise ValueError(f'pick must give a whole number from 0 to {vocab_size - 1}, not {i:g}.')


def device(ctx):
    must_be((mx.Context, type(None)), 'a device of MXNet that this machine has, such as mxnet.cpu() or d2l.try_gpu()',
            lambda ctx: ctx is None or ctx.device_type != 'gpu' or ctx.device_id < mx.context.num_gpus(), ctx=ctx)


def sizes(ctx, num_hiddens, **others):
    """Sizes of arrays on a device; the largest array has num_hiddens times the largest size."""
    whole(1, num_hiddens=num_hiddens, **others)
    device(ctx)
    numbers = int(num_hiddens) * max(int(num_hiddens), *map(int, others.values()))      # of 8 bytes, with gradients
    if numbers > 10 ** 7 and numbers > min(LARGEST, memory_bytes() // 8):
        raise ValueError(f'With num_hiddens {num_hiddens} an array has {numbers} numbers, more than MXNet or this '
                         'machine can hold: choose smaller sizes.')


def finite(what, *values):
    for value in map(np.asarray, values):
        if not np.isfinite(value).all():
            raise FloatingPointError(f'{what} is {value[~np.isfinite(value)][0]}, beyond all bounds: start again with '
                                     'a smaller learning rate (lr), or with gradient clipping (clipping_theta).')


@functools.lru_cache(maxsize=64)
def shape_of(symbol, num_inputs, num_hiddens, num_outputs):
    """The shape of a parameter, by the book's subscripts: W_xz (x, z) leads from x to z, b_z (z,) is added there."""
    sizes = {'x': num_inputs, 'q': num_outputs}             # h and the gates all have num_hiddens numbers
    return tuple(sizes.get(letter, num_hiddens) for letter in symbol[2:])


def is_arrays(values, shapes=None, kinds=(list, tuple)):
    return (isinstance(values, kinds) and all(isinstance(value, nd.NDArray) for value in values)
            and (shapes is None or shapes == [value.shape for value in values]))


def cell(inputs, state, params, symbols=RNN, states=('H',)):
    shapes = {X.shape for X in inputs} if is_arrays(inputs, kinds=(list, tuple, nd.NDArray)) else {()}
    if len(shapes) != 1 or len(min(shapes)) != 2:
        raise ValueError(f'inputs must be a list of NDArrays of one shape (n, d), one a time step, not {show(inputs)}: '
                         'make it with to_onehot(X, vocab_size).')
    fit(*shapes.pop(), state, params, symbols, states)


def fit(n, d, state, params, symbols=RNN, states=('H',)):
    """n sequences of vectors of d numbers, a state (n, h) for each name, and the parameters for the symbols."""
    listed(params)
    if len(params) != len(symbols):
        raise ValueError(f'This cell has {len(symbols)} parameters, {" ".join(symbols)}, not {len(params)}.')
    shapes = [param.shape for param in params]
    h, q = shapes[0][-1], shapes[-1][0]
    for symbol, shape in zip(symbols, shapes):
        needed = shape_of(symbol, d, h, q)
        if shape != needed:
            raise ValueError(f'{symbol} has shape {shape}, but {needed} is needed for inputs of shape {(n, d)}, '
                             f'{symbols[0]} of shape {shapes[0]} and {symbols[-1]} of shape {shapes[-1]}: make the '
                             'vectors and all parameters with one vocab_size.')
    state_like([(n, h)] * len(states), f'{" and ".join(states)} beside {symbols[0]} of shape {shapes[0]}', state)


def state_like(shapes, what, state):
    """A state is a tuple, whatever is in it: an array would be taken apart into its rows."""
    if not is_arrays(state, shapes):
        must_be((list, tuple), f'a tuple of NDArrays of shape {", ".join(map(str, shapes))}', lambda state: False,
                'make it with init_rnn_state or init_lstm_state; for one array H, write (H,)',
                **{f'The state, {what},': state})


def listed(params):
    must_be((list, tuple), 'a list of NDArrays, as get_params returns it', lambda params: params and is_arrays(params),
            params=params)


def gradients(params):
    listed(params)
    if autograd.is_recording():
        raise ValueError('Inside autograd.record() no parameter can change: take this call out of that block.')
    for i, param in enumerate(params):
        if param.grad is None:
            raise ValueError(f'The parameter {i}, of shape {param.shape}, has no gradient: call attach_grad() on it.')


def parameters(params, ctx=None):
    listed(params)
    for i, param in enumerate(params):
        name = f'The parameter {i}, of shape {param.shape},'
        if param.dtype is not np.float32:
            raise TypeError(f"{name} holds {np.dtype(param.dtype)}: make it with .astype('float32').")
        if ctx is not None and not (isinstance(ctx, mx.Context) and ctx == param.context):
            raise ValueError(f'{name} is on {param.context}, but ctx is {show(ctx)}: use one ctx for all.')
        if not np.isfinite(param.asnumpy()).all():
            raise ValueError(f'{name} holds numbers that are not finite: make it anew, or load an earlier epoch.')


def to_train(params, ctx):
    gradients(params)
    parameters(params, ctx)


def vocabulary(vocab_size, idx_to_char, char_to_idx):
    whole(1, vocab_size=vocab_size)
    must_be(Mapping, 'a dictionary, and idx_to_char a list (are they the other way round?)', cure=ONE_CALL,
            char_to_idx=char_to_idx)
    must_be((Sequence, Mapping, np.ndarray), 'a list of characters', cure=ONE_CALL, idx_to_char=idx_to_char)
    if len(idx_to_char) != vocab_size:
        raise ValueError(f'idx_to_char has {len(idx_to_char)} characters, but vocab_size is {vocab_size}: {ONE_CALL}.')
    for char, i in char_to_idx.items():
        there = idx_to_char[i] if i in range(vocab_size) else None
        if there != char:
            raise ValueError(f'char_to_idx gives {char!r} the index {i!r}, but idx_to_char has {there!r}: {ONE_CALL}.')


def prefixes(songs, char_to_idx):
    must_be(Collection, 'a list of texts', lambda songs: not isinstance(songs, str), prefixes=songs,
            cure='put the texts in brackets')
    for song in songs:
        must_be((str, list, tuple), f'a text, or a list of entries of the vocabulary, not empty, of at most '
                f'{LONGEST_TEXT} characters', lambda x: 0 < len(x) <= LONGEST_TEXT, prefix=song)
        for char in song:
            if isinstance(char, str) and char in char_to_idx:
                continue
            words = [entry for entry in char_to_idx if len(entry) > 1][:1]
            cure = f'its entries are longer, so give, in Python, a list of them, such as {words}' if words else (
                'take another, or read more (num_chars)')
            if isinstance(char, str) and char in ('\n', '\r'):
                cure = next((f'for a line break write {known!r}' for known in '\n ' if known in char_to_idx), cure)
            raise ValueError(f'The character {show(char)} of the prefix {show(song)} is not among the '
                             f'{len(char_to_idx)} of the vocabulary: {cure}.')


def corpus(corpus_indices, vocab_size, is_random_iter, num_steps, batch_size):
    whole(1, vocab_size=vocab_size, num_steps=num_steps, batch_size=batch_size)
    must_be((Real, np.bool_), 'True (random sampling) or False (consecutive sampling)', lambda x: x in (True, False),
            is_random_iter=is_random_iter)
    if isinstance(corpus_indices, nd.NDArray) and not is_random_iter:
        corpus_indices = corpus_indices.asnumpy()       # d2lzh's iterator of consecutive sampling takes one
    must_be((Sequence, np.ndarray), 'a list of whole numbers', cure=ONE_CALL, corpus_indices=corpus_indices,
            is_right=lambda indices: indices.ndim == 1 and indices.dtype.kind in 'biuf'
            if isinstance(indices, np.ndarray) else all(issubclass(kind, Real) for kind in set(map(type, indices))))
    needed = num_steps * batch_size + 1 if is_random_iter else (num_steps + 1) * batch_size     # + 1 for the labels
    if len(corpus_indices) < needed:
        raise ValueError(f'The corpus has {len(corpus_indices)} characters, but one mini-batch of {batch_size} '
                         f'sequences of {num_steps} steps needs {needed}: make batch_size or num_steps smaller.')
    numbers = np.asarray(corpus_indices)
    known = (numbers >= 0) & (numbers < vocab_size) & (numbers == np.floor(numbers))
    if not known.all():
        raise ValueError(f'The corpus has the index {numbers[~known][0]}, but vocab_size is {vocab_size}: {ONE_CALL}.')


def model(params, vocab_size, ctx, idx_to_char, char_to_idx):
    vocabulary(vocab_size, idx_to_char, char_to_idx)
    parameters(params, ctx)


def settings(vocab_size, corpus_indices, is_random_iter, num_steps, lr, clipping_theta, batch_size):
    learning_rate(lr=lr)
    theta(clipping_theta=clipping_theta)
    corpus(corpus_indices, vocab_size, is_random_iter, num_steps, batch_size)
