"""What each function refuses, and in which words: one line at the call, so that the formulas stand alone.

Each check returns nothing, or raises an error of one sentence: what was wrong, the value or shape that was met, and
what to do. Where a function is handed other functions, its check gives them back with an eye on what they return. What
several modules need comes first, then the modules in the order of the chapter, then those of beyond/.
"""
import contextlib
import functools
import importlib.util
import inspect
import json
import math
import numbers
import operator
import os
import re
import reprlib
import resource
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet import nd

LARGEST = 2 ** 31 - 1       # the longest side that an array of MXNet can have, and the most numbers
# With a gradient, each number takes 8 bytes.
MOST_NUMBERS = min(LARGEST, os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // 8)
LARGEST_FLOAT = 3.4e38      # of 32 bits
short = reprlib.Repr()        # what a file says may be of any length
short.maxstring = short.maxother = 80
LONGEST_TEXT = 100_000      # characters that one call writes: some minutes of work, and 100 MB in the fused engine
RNN = ('W_xh', 'W_hh', 'b_h', 'W_hq', 'b_q')


# Several modules

def show(value):
    """A value as a part of a sentence: short, and on one line."""
    if isinstance(value, (nd.NDArray, np.ndarray)):
        return f'an array of shape {value.shape}'
    if isinstance(value, (list, tuple)) and any(isinstance(item, (nd.NDArray, np.ndarray)) for item in value):
        return f'a {type(value).__name__} of {count(value, "array")}'
    if inspect.isroutine(value):
        return f'the function {value.__name__}'
    if isinstance(value, Iterator):     # its repr is an address
        return f'a {type(value).__name__}'
    return ' '.join(reprlib.repr(value).split())


def count(values, what):
    return f'{len(values)} {what}' if len(values) == 1 else f'{len(values)} {what}s'


def shapes_of(arrays):
    return ', '.join(str(array.shape) for array in arrays)


def check_whole(lowest, highest=LARGEST, **numbers):
    """Python's and NumPy's whole numbers, but no 3.0, and no True, which MXNet does not take."""
    for name, value in numbers.items():
        try:
            number = operator.index(value)
        except TypeError:
            number = None
        if number is None or isinstance(value, bool):
            raise TypeError(f'{name} must be a whole number, {lowest} or more, not {show(value)}.')
        if number < lowest:
            raise ValueError(f'{name} must be {lowest} or more, not {value}.')
        if number > highest:
            raise ValueError(f'{name} must be at most {highest}, not {value}.')


def check_number(sentence, value, is_right):
    """Another number: the sentence says what it must be, and `is_right` looks at it."""
    if not isinstance(value, Real):
        raise TypeError(f'{sentence}, not {show(value)}.')
    if not is_right(value):
        raise ValueError(f'{sentence}, not {value!r}.')


def check_text(**texts):
    for name, value in texts.items():
        if not isinstance(value, str):
            raise TypeError(f'{name} must be a text, not {show(value)}: put its characters into one text, in quotes.')


def check_function(name, function, arguments=None):
    """A function, and one that can be called with so many arguments, whose names stand in a text."""
    if not callable(function):
        raise TypeError(f'{name} must be a function, not {show(function)}: name the function, without a call.')
    if arguments and not takes(function, arguments.count(',') + 1):
        raise TypeError(f'{name} must be a function of {arguments}, and {show(function)} takes other arguments: write '
                        'one that takes just these.')


def takes(function, number):
    """Whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*range(number))
    except TypeError:
        return False
    except ValueError:      # written in C: it does not say
        return True
    return True


def check_context(ctx):
    """The device. None is MXNet's own choice."""
    if ctx is not None and not isinstance(ctx, mx.Context):
        raise TypeError(f'ctx, the device, must be one of MXNet, such as mxnet.cpu() or d2l.try_gpu(), not '
                        f'{show(ctx)}.')
    if ctx is not None and ctx.device_type == 'gpu' and ctx.device_id >= mx.context.num_gpus():
        raise ValueError(f'ctx is {ctx}, but MXNet finds {count(range(mx.context.num_gpus()), "GPU")} here: take '
                         'd2l.try_gpu(), which gives the CPU where there is none.')


def check_list(params):
    """A list of arrays, as get_params gives it. A generator would be used up by the first who reads it."""
    if not isinstance(params, (list, tuple)):
        raise TypeError(f'params must be a list of NDArrays, as get_params returns it, not {show(params)}.')
    if not params:
        raise ValueError('params is empty: it must be a list of NDArrays, as get_params returns it.')
    for i, param in enumerate(params):
        if not isinstance(param, nd.NDArray):
            raise TypeError(f'params must be a list of NDArrays, but the parameter {i} is {show(param)}: make an array '
                            'of it with nd.array.')


def check_gradients(params):
    check_list(params)
    for i, param in enumerate(params):
        if param.grad is None:
            raise ValueError(f'The parameter {i}, of shape {param.shape}, has no gradient: call attach_grad() on each '
                             'parameter when you make it.')


def check_params(params, ctx):
    """What can be computed with: arrays on the device, of finite numbers."""
    check_list(params)
    for i, param in enumerate(params):
        if param.dtype != np.float32:
            raise TypeError(f'The parameter {i} holds numbers of {np.dtype(param.dtype)}, but to_onehot makes float32: '
                            "make the parameter with .astype('float32').")
        if ctx is not None and param.context != ctx:
            raise ValueError(f'The parameter {i} is on {param.context}, but ctx is {ctx}: use one ctx for all.')
        if not is_finite(param):
            raise ValueError(f'The parameter {i}, of shape {param.shape}, holds numbers that are not finite: make the '
                             'parameters anew, or load them from an earlier epoch.')


def is_finite(array):
    return np.isfinite(array.asnumpy()).all()


def check_vocabulary(vocab_size, idx_to_char, char_to_idx):
    """Three names for one vocabulary."""
    cure = 'take idx_to_char, char_to_idx and vocab_size from the same call of load_data_jay_lyrics'
    check_whole(1, vocab_size=vocab_size)
    if not isinstance(char_to_idx, Mapping):
        swapped = ' (are they the other way round?)' if isinstance(idx_to_char, Mapping) else ''
        raise TypeError(f'char_to_idx must be a dictionary, and idx_to_char a list{swapped}, but char_to_idx is '
                        f'{show(char_to_idx)}: {cure}.')
    if not isinstance(idx_to_char, (Sequence, Mapping, np.ndarray)):
        raise TypeError(f'idx_to_char must be a list of characters, not {show(idx_to_char)}: {cure}.')
    if len(idx_to_char) != vocab_size:
        raise ValueError(f'idx_to_char has {len(idx_to_char)} characters, but vocab_size is {vocab_size}: {cure}.')
    try:        # all at once, because it takes no time
        if [*map(idx_to_char.__getitem__, char_to_idx.values())] == [*char_to_idx]:
            return
    except (LookupError, TypeError):
        pass
    for char, i in char_to_idx.items():
        if i not in range(vocab_size):
            raise ValueError(f'char_to_idx gives {char!r} the index {i!r}, but vocab_size is {vocab_size}: {cure}.')
        if idx_to_char[i] != char:
            raise ValueError(f'char_to_idx gives {char!r} the index {i}, but idx_to_char has {idx_to_char[i]!r} there: '
                             f'{cure}.')


# The words that all rooms share: these names stay, and what stands below them moves to the code that it guards.

def whole(lowest, highest=LARGEST, **values):
    check_whole(lowest, highest, **values)


def number(needed, is_right, **values):
    for name, value in values.items():
        check_number(f'{name} must be {needed}', value, is_right)


def above_zero(**values):
    number('above 0', lambda x: 0 < x < math.inf, **values)


def text(**values):
    check_text(**values)


def device(ctx):
    check_context(ctx)


def sizes(ctx, num_hiddens, **others):
    check_sizes(ctx, num_hiddens, **others)


def corpus(corpus_indices, vocab_size, is_random_iter, num_steps, batch_size):
    check_corpus(vocab_size, corpus_indices, is_random_iter, num_steps, batch_size)


def prefix(text, char_to_idx):
    check_prefix(text, char_to_idx)


def parameters(params, ctx=None):
    check_params(params, ctx)


def finite(params):
    check_finite_params(params)


def memory_bytes():
    """The memory of this machine, or of the container or the shell where they allow less."""
    found = [os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')]
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        found.append(limit)
    for path in ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']:
        with contextlib.suppress(OSError, ValueError):      # not there; or `max`, which is no limit
            found.append(int(Path(path).read_text()))
    return min(found)


# data.py

def check_num_chars(num_chars):
    is_whole = isinstance(num_chars, numbers.Integral) and not isinstance(num_chars, bool)
    if num_chars is not None and (not is_whole or num_chars < 1):
        raise ValueError(f'num_chars must be a positive whole number, or None for the whole text, not {num_chars!r}.')


def shown(path):
    """A path as it is, unless it would break the line."""
    return str(path) if str(path).isprintable() else repr(str(path))


def check_is_file(what, path, wanted):
    """A regular file: a folder has no text, and a pipe or a device has no end."""
    try:
        mode = os.stat(path).st_mode
        found = (None if stat.S_ISREG(mode) else 'is a folder' if stat.S_ISDIR(mode) else
                 'is no file, but a pipe, a socket or a device')
    except (FileNotFoundError, NotADirectoryError):
        found = 'does not exist'
    except ValueError:
        found = 'has a name that no file can have'
    if found:
        raise FileNotFoundError(f'The {what} {shown(path)} {found}: give the path of {wanted}.')


def check_readable(what, path, error):
    """What the system says, with the path; a sentence of ours, which has no number, stays as it is."""
    if error.errno is None:
        raise error
    raise type(error)(f'The {what} {shown(path)} cannot be read ({error.strerror}): look who may read it and what is '
                      'wrong with the disk, or copy it to another place.') from error


def check_size(where, size, largest):
    if size > largest:
        raise ValueError(f'{where} has {size:,} bytes, and at most {largest:,} are read: give a smaller one.')


def check_all_there(where, size, length):
    if length != size:
        raise ValueError(f'{where} has {size:,} bytes by its own account, and other than that could be read: copy it, '
                         'when no other program writes to it, and give the copy.')


def check_num_members(path, number, most):
    if number > most:
        raise ValueError(f'{path} holds {number:,} files: a corpus archive must hold exactly one text.')


def check_one_member(path, names):
    if '[Content_Types].xml' in names:
        raise ValueError(f'{path} is a document of Word or the like: save its text as a plain text file in UTF-8.')
    if len(names) != 1:
        listed = f' ({", ".join(map(short.repr, names[:5]))}{" …" if len(names) > 5 else ""})' if names else ''
        raise ValueError(f'{path} holds {len(names)} files{listed}: a corpus archive must hold exactly one text; '
                         'unpack it and give the path of a text.')


def check_not_encrypted(where, is_encrypted):
    if is_encrypted:
        raise ValueError(f'{where} is locked with a password: unpack it and give the path of the text.')


def check_undamaged(path, error):
    raise ValueError(f'{path} is a damaged archive, or packed in a way that is not known here ({str(error)[:200]}): '
                     'fetch or pack it again, or unpack it and give the path of the text.') from error


def check_kind(where, kind):
    if kind:
        cure = 'unpack it' if kind.endswith('archive') else 'save its text in a plain text file in UTF-8'
        raise ValueError(f'{where} is {kind} and not a text: {cure}, and give the path of the text.')


def check_utf8(where, content, likely_encoding):
    """A text in UTF-8 has no wrong byte, and no NUL; where there is one, `likely_encoding` tries others."""
    try:
        content.decode('utf-8')
        start, is_cut_off, cause = content.find(0), False, None
    except UnicodeDecodeError as error:
        start, is_cut_off, cause = error.start, error.reason == 'unexpected end of data', error
    if start < 0:
        return
    encoding = likely_encoding(content)
    if encoding:
        cure = (f'it is most likely {"GBK" if encoding == "GB18030" else encoding}, so save it as UTF-8, for instance '
                f'with: iconv -f {encoding} -t UTF-8 OLD.txt > NEW.txt')
    elif is_cut_off:
        cure = 'it ends in the middle of a character, so fetch or copy it again'
    else:
        cure = ('it is in another encoding, damaged, or no text, so open it in an editor and save it as UTF-8, or take '
                'another file')
    raise ValueError(f'{where} is not a text in UTF-8, since byte {start} (in line {content.count(10, 0, start) + 1}) '
                     f'is 0x{content[start]:02x}: {cure}.') from cause


def check_markup(where, text, found):
    if found:
        raise ValueError(f'{where} is a page of a website and no text, since it begins with '
                         f'{text.strip()[:20]!r}: fetch the text itself, or save the page as plain text.')


def check_has_text(where, text):
    if not text.strip():
        raise ValueError(f'{where} is empty, or has nothing but spaces: a corpus needs at least two characters.')
    if len(text) == 1:
        raise ValueError(f'{where} has one character only, {text!r}: a corpus needs at least two, one to read and one '
                         'to predict.')


# onehot.py, params.py, model.py

def check_indices(X, size):
    if not isinstance(X, nd.NDArray):
        raise TypeError(f'to_onehot takes an NDArray of indices, not {show(X)}: make one with nd.array.')
    if X.ndim not in (1, 2):
        raise ValueError(f'to_onehot takes indices of shape (n, T), not {X.shape}.')
    check_whole(1, size=size)


def check_sizes(ctx, num_hiddens, **others):
    """Sizes of arrays on a device; the largest of the arrays has num_hiddens times the largest size."""
    check_whole(1, num_hiddens=num_hiddens, **others)
    check_context(ctx)
    largest = max(int(num_hiddens), *map(int, others.values()))
    numbers = int(num_hiddens) * largest
    if numbers > MOST_NUMBERS:
        raise ValueError(f'An array of {num_hiddens} times {largest} has {numbers} numbers, and {MOST_NUMBERS} is the '
                         'most that MXNet and the memory of this machine can hold: choose smaller sizes.')


def check_step(inputs, state, params, symbols=RNN, states=('H',)):
    """What a cell is given: T matrices (n, d) of one-hot vectors, its states, and its parameters."""
    are_arrays = isinstance(inputs, (list, tuple, nd.NDArray)) and all(isinstance(X, nd.NDArray) for X in inputs)
    shapes = {X.shape for X in inputs} if are_arrays else ()
    if not are_arrays or any(len(shape) != 2 for shape in shapes):
        raise TypeError(f'inputs must be a list of NDArrays (n, d), one a time step, not {show(inputs)}: make it with '
                        'to_onehot(X, vocab_size).')
    if len(shapes) != 1:
        raise ValueError(f'The inputs of all time steps must have one shape (n, d), and these have '
                         f'{", ".join(map(str, sorted(shapes))) or "no time step"}: make them with '
                         'to_onehot(X, vocab_size).')
    (n, d), = shapes
    check_fit(n, d, state, params, symbols, states)
    X, H, W = inputs[0].dtype, state[0].dtype, params[0].dtype
    if not X is H is W:
        raise TypeError('The inputs, the state and the parameters must hold numbers of one kind, not of '
                        f'{X.__name__}, {H.__name__} and {W.__name__}: change one with .astype.')


def check_fit(n, d, state, params, symbols=RNN, states=('H',)):
    """The sizes of parameters that go together; n sequences of vectors of d numbers; a state (n, h) for each name."""
    check_list(params)
    if len(params) != len(symbols):
        raise ValueError(f'This cell has {len(symbols)} parameters, {" ".join(symbols)}, not {len(params)}: make them '
                         'with the function for its own.')
    first, *_, last = shapes = [param.shape for param in params]
    h, needed = first[-1], shapes_for(symbols, first[0], first[-1], last[0])
    if shapes != needed:
        i = next(i for i in range(len(shapes)) if shapes[i] != needed[i])
        raise ValueError(f'{symbols[i]} has shape {shapes[i]}, but {needed[i]} is needed beside {symbols[0]} of shape '
                         f'{first} and {symbols[-1]} of shape {last}: make all parameters in one call.')
    if d != first[0]:
        raise ValueError(f'Each input has shape ({n}, {d}) but {symbols[0]} has shape {first}: make the vectors with '
                         'to_onehot(X, vocab_size) and the parameters with the same vocab_size.')
    function = 'init_rnn_state' if len(states) == 1 else 'init_lstm_state'
    check_state('The state', state)
    if [s.shape for s in state] != [(n, h)] * len(states):
        raise ValueError(f'The state has {count(state, "array")}, {shapes_of(state)}, but {n} sequences and '
                         f'{symbols[0]} of shape {first} need {" and ".join(states)} of shape ({n}, {h}): make the '
                         f'state with {function}({n}, {h}, ctx).')


@functools.lru_cache(maxsize=64)
def shapes_for(symbols, num_inputs, num_hiddens, num_outputs):
    return [shape_of(symbol, num_inputs, num_hiddens, num_outputs) for symbol in symbols]


def shape_of(symbol, num_inputs, num_hiddens, num_outputs):
    """The shape of a parameter. The book's subscripts say it: W_xz leads from x to z, b_z is added there.

    >>> [shape_of(symbol, 1027, 256, 1027) for symbol in ['W_xz', 'W_hz', 'b_z', 'W_hq', 'b_q']]
    [(1027, 256), (256, 256), (256,), (256, 1027), (1027,)]
    """
    sizes = {'x': num_inputs, 'q': num_outputs}             # h and the gates all have num_hiddens numbers
    return tuple(sizes.get(letter, num_hiddens) for letter in symbol[2:])


def check_state(who, state):
    """A tuple, whatever is in it: an array would be taken apart into its rows."""
    if not isinstance(state, (list, tuple)) or not all(isinstance(s, nd.NDArray) for s in state):
        raise TypeError(f'{who} must be a tuple of NDArrays, not {show(state)}: for one array H, write (H,).')


# predict.py

def check_prefix(prefix, char_to_idx):
    """Name the character that the vocabulary lacks, rather than fail on it in the middle of a run."""
    check_text(prefix=prefix)
    if not prefix:
        raise ValueError('The prefix is empty: give at least one character to begin with.')
    for char in prefix:
        if char not in char_to_idx:
            raise ValueError(f'The character {char!r} of the prefix {show(prefix)} is not among the {len(char_to_idx)} '
                             'of the vocabulary: choose another prefix, or read more of the corpus (num_chars).')


def check_prediction(prefix, num_chars, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char,
                     char_to_idx, pick, greedy):
    """What `predict_rnn` is given. It returns the functions among it, watched; `greedy` needs no watching."""
    check_whole(0, LONGEST_TEXT, num_chars=num_chars)
    check_model(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx)
    check_prefix(prefix, char_to_idx)
    check_function('pick', pick, 'Y')
    return (watched_cell(rnn, vocab_size), watched_state(init_rnn_state),
            pick if pick is greedy else watched_pick(pick, vocab_size))


def check_model(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx):
    """The eight arguments that are a model."""
    check_cell_functions(rnn, init_rnn_state)
    check_whole(1, num_hiddens=num_hiddens)
    check_vocabulary(vocab_size, idx_to_char, char_to_idx)
    check_context(ctx)
    check_params(params, ctx)


def check_cell_functions(rnn, init_rnn_state):
    check_function('rnn', rnn, 'inputs, state, params')
    check_function('init_rnn_state', init_rnn_state, 'batch_size, num_hiddens, ctx')


def check_written(state):
    """At the end of a text: a state with ReLU has no upper limit, and the numbers of 32 bits have."""
    if not all(map(is_finite, state)):
        raise FloatingPointError('The state of the model has grown beyond all bounds while it wrote: ask for fewer '
                                 'characters (num_chars), or train the model again.')


def watched_state(init_rnn_state):
    """The same function. What it gives is looked at; the first time, at its numbers, too."""
    is_new = True

    def init_state(*arguments):
        nonlocal is_new
        state = init_rnn_state(*arguments)
        if is_new:
            check_state('What init_rnn_state returns', state)
            if not all(map(is_finite, state)):
                raise ValueError(f'init_rnn_state gave numbers that are not finite, in {show(state)}: begin with '
                                 'zeros, for instance.')
            is_new = False
        return state

    return init_state


def watched_cell(rnn, vocab_size):
    """The same cell. The first time, what it gives is looked at: T outputs (n, vocab_size), and a state as before."""
    is_new = True

    def cell(inputs, state, params):
        nonlocal is_new
        if not is_new:
            return rnn(inputs, state, params)
        try:
            returned = rnn(inputs, state, params)
        except (mx.MXNetError, ValueError) as error:
            if isinstance(error, mx.MXNetError) or 'to unpack' in str(error):
                explain_cell(rnn, inputs, state, params, error)
            raise
        check_returned(rnn, returned, len(inputs), len(inputs[0]), state, vocab_size)
        is_new = False
        return returned

    return cell


def explain_cell(rnn, inputs, state, params, error):
    reason = ' '.join(str(error).split('MXNetError: ')[-1].split())
    raise ValueError(
        f'The cell, {show(rnn)}, cannot compute with {count(inputs, "input")} of shape {inputs[0].shape}, a state of '
        f'{count(state, "array")}, {shapes_of(state)}, and {count(params, "parameter")}, {shapes_of(params)}: take '
        f'the parameters and the state that are made for it, or compare the shapes in its formulas '
        f'({reason[:100].rstrip(".")}).') from error


def check_returned(rnn, returned, T, n, state, vocab_size):
    """What a cell gives back: T outputs (n, vocab_size), and a state of the same shapes as before."""
    who = f'The cell, {show(rnn)},'
    if not (isinstance(returned, (list, tuple)) and len(returned) == 2):
        raise TypeError(f'{who} must return two things, outputs and state, not {show(returned)}: end it with '
                        'return outputs, state.')
    outputs, after = returned
    if not isinstance(outputs, (list, tuple, nd.NDArray)) or not all(
            isinstance(Y, nd.NDArray) and len(Y.shape) == 2 for Y in outputs):
        raise TypeError(f'{who} must return a list of outputs, one NDArray ({n}, {vocab_size}) a time step, not '
                        f'{show(outputs)}: append each Y to a list.')
    if [Y.shape for Y in outputs] != [(n, vocab_size)] * T:
        raise ValueError(f'{who} must return an output of shape ({n}, {vocab_size}) for each of {T} time steps, not '
                         f'{count(outputs, "output")} of shape {outputs[0].shape if len(outputs) else ()}: W_hq and '
                         'b_q need vocab_size columns.')
    check_state(f'The state that the cell returns, {show(rnn)},', after)
    if [s.shape for s in after] != [s.shape for s in state]:
        raise ValueError(f'{who} was given a state of {shapes_of(state)}, but returns one of {shapes_of(after)}: '
                         'return as many states as it is given, of the same shapes.')


def watched_pick(pick, vocab_size):
    """The same function, but each index that it gives is one of the vocabulary."""
    def watched(Y):
        picked = pick(Y)
        if not isinstance(picked, nd.NDArray) or picked.size != 1:
            raise TypeError(f'pick must return an NDArray of one index, not {show(picked)}: for an index i, return '
                            'nd.array([i]).')
        index = picked.asscalar()
        if index not in range(vocab_size):
            raise ValueError(f'pick gave the index {index:g}, but it must be a whole number from 0 to '
                             f'{vocab_size - 1}.')
        return picked

    return watched


# clipping.py, perplexity.py

def check_theta(theta):
    if theta is not None:
        check_number('theta, the largest norm of the gradient, must be above zero, or None', theta, lambda x: x > 0)


def check_clipping(params, theta):
    check_theta(theta)
    if theta is not None:
        check_gradients(params)


def check_norm(norm):
    if not math.isfinite(norm):
        raise FloatingPointError(f'The norm of the gradient is {norm}: the parameters have grown beyond all bounds; '
                                 'start again with a smaller learning rate (lr) or a smaller clipping_theta.')


def check_sum(l_sum, n):
    """A sum of n cross-entropies. Rounding may leave a perfect one slightly below 0."""
    check_whole(1, n=n)
    check_number('l_sum, the sum of the cross-entropies, must be a number, 0 or more', l_sum,
                 lambda x: x >= -1e-5 * n)


# training.py

def check_corpus(vocab_size, corpus_indices, is_random_iter, num_steps, batch_size):
    """Whole numbers from 0 to vocab_size - 1, and enough of them for one mini-batch."""
    what = 'corpus_indices must be a list of whole numbers, one a character, as load_data_jay_lyrics returns it'
    check_whole(1, vocab_size=vocab_size, num_steps=num_steps, batch_size=batch_size)
    if not isinstance(is_random_iter, (Real, np.bool_)) or is_random_iter not in (True, False):
        raise ValueError('is_random_iter must be True for random sampling or False for consecutive sampling, not '
                         f'{show(is_random_iter)}.')
    if isinstance(corpus_indices, nd.NDArray) and not is_random_iter:
        corpus_indices = corpus_indices.asnumpy()       # d2lzh's iterator of consecutive sampling takes one
    if isinstance(corpus_indices, str) or not isinstance(corpus_indices, (Sequence, np.ndarray)) or (
            isinstance(corpus_indices, np.ndarray) and corpus_indices.ndim != 1):
        raise TypeError(f'{what}, not {show(corpus_indices)}.')
    if not all(issubclass(kind, Real) for kind in set(map(type, corpus_indices))):
        raise TypeError(f'{what}, but {show(next(i for i in corpus_indices if not isinstance(i, Real)))} is in it.')
    # Each label is the next character, hence the one more.
    needed = num_steps * batch_size + 1 if is_random_iter else (num_steps + 1) * batch_size
    if len(corpus_indices) < needed:
        raise ValueError(f'The corpus has {len(corpus_indices)} characters, but one mini-batch of {batch_size} '
                         f'sequences of {num_steps} steps needs {needed}: make batch_size or num_steps smaller.')
    numbers = np.asarray(corpus_indices)
    fractions = numbers[numbers != np.floor(numbers)] if numbers.dtype.kind == 'f' else ()
    if len(fractions):
        raise ValueError(f'{what}, but {fractions[0]} is in it.')
    for index in numbers.min(), numbers.max():
        if not 0 <= index < vocab_size:
            raise ValueError(f'The corpus has the index {index}, but vocab_size is {vocab_size}: '
                             'take both from one call of load_data_jay_lyrics.')


def check_training(vocab_size, corpus_indices, char_to_idx, is_random_iter, num_steps, clipping_theta, batch_size,
                   pred_period, pred_len, prefixes):
    """Refuse, before any work is done, the settings that would fail or do nothing later."""
    check_theta(clipping_theta)
    check_whole(1, pred_period=pred_period)
    check_whole(0, LONGEST_TEXT, pred_len=pred_len)
    check_corpus(vocab_size, corpus_indices, is_random_iter, num_steps, batch_size)
    if isinstance(prefixes, str) or not isinstance(prefixes, Collection):
        raise TypeError(f'prefixes must be a list of texts, not {show(prefixes)}: put the texts in brackets.')
    for prefix in prefixes:
        check_prefix(prefix, char_to_idx)


def check_train_and_predict(rnn, get_params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, idx_to_char,
                            char_to_idx, is_random_iter, num_epochs, num_steps, lr, clipping_theta, batch_size,
                            pred_period, pred_len, prefixes, train_epoch):
    """What `train_and_predict_rnn` is given, as far as it can be seen before. It returns train_epoch, watched."""
    check_cell_functions(rnn, init_rnn_state)
    if not callable(get_params) or not takes(get_params, 0):
        raise TypeError(f'get_params must be a function without arguments, not {show(get_params)}: write for instance '
                        'lambda: get_params(vocab_size, num_hiddens, vocab_size, ctx).')
    check_whole(1, num_hiddens=num_hiddens)
    check_whole(0, num_epochs=num_epochs)
    check_context(ctx)
    check_lr(lr)
    check_vocabulary(vocab_size, idx_to_char, char_to_idx)
    check_training(vocab_size, corpus_indices, char_to_idx, is_random_iter, num_steps, clipping_theta, batch_size,
                   pred_period, pred_len, prefixes)
    return watched_epoch(train_epoch)


def watched_epoch(train_epoch):
    """The same function, but each time it must return a number: fifty epochs later it would be printed."""
    def epoch(*arguments):
        perplexity = train_epoch(*arguments)
        if not isinstance(perplexity, Real):
            raise TypeError(f'train_epoch must return the perplexity of the epoch, a number, not {show(perplexity)}: '
                            'end your function with return.')
        return perplexity

    return epoch


def check_lr(lr):
    check_number('lr, the learning rate, must be above 0 and a number of 32 bits', lr,
                 lambda x: 0 < x < LARGEST_FLOAT)


def check_epoch(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, is_random_iter, num_steps,
                lr, clipping_theta, batch_size):
    """What `train_epoch` is given. It returns the functions among it, watched."""
    check_cell_functions(rnn, init_rnn_state)
    check_whole(1, num_hiddens=num_hiddens)
    check_context(ctx)
    check_lr(lr)
    check_theta(clipping_theta)
    check_corpus(vocab_size, corpus_indices, is_random_iter, num_steps, batch_size)
    check_gradients(params)
    check_params(params, ctx)
    return watched_cell(rnn, vocab_size), watched_state(init_rnn_state)


def check_trained(l_sum, params):
    """What an epoch ends with."""
    if math.isnan(l_sum):
        raise FloatingPointError('The loss is not a number: the parameters have grown beyond all bounds; start again '
                                 'with a smaller learning rate (lr), or with gradient clipping (clipping_theta).')
    check_finite_params(params)


def check_finite_params(params):
    if not all(map(is_finite, params)):
        raise FloatingPointError('The last step gave parameters that are not finite: they have grown beyond all '
                                 'bounds; start again with a smaller learning rate (lr), or with gradient clipping '
                                 '(clipping_theta).')


# beyond/fused.py

def check_cell(rnn, chapter_rnn):
    """The fused engine has its own formulas for the chapter's cell; any other would be trained as if it were that."""
    if rnn is not chapter_rnn:
        check_function('rnn', rnn)
        raise ValueError(f"The fused engine computes the chapter's cell, rnn_scratch.rnn, and not {show(rnn)}: "
                         'take the functions of the same names from rnn_scratch, which compute any cell.')


def check_fused(n, vocab_size, state, params):
    """`check_fit`, and as many scores as characters: the operators of this engine would not notice."""
    check_fit(n, vocab_size, state, params)
    W_hq, q = params[3], vocab_size
    if W_hq.shape[1] != q:
        raise ValueError(f'W_hq has shape {W_hq.shape}, but there are {q} characters: make the parameters with '
                         f'get_params({q}, {W_hq.shape[0]}, {q}, ctx).')


def check_mini_batch(X, Y, state, params, vocab_size=None):
    """Indices and labels, and a model for them; without vocab_size, one that is to be trained."""
    check_labels(X, Y)
    if Y.dtype != np.float32:       # an operator of this engine takes no other
        raise TypeError(f'Y must hold its indices as float32, not {np.dtype(Y.dtype)}: make it with nd.array.')
    check_list(params)
    if vocab_size is None:
        check_gradients(params[:1])
        vocab_size = params[0].shape[0]
    check_whole(1, vocab_size=vocab_size)
    check_fused(X.shape[0], vocab_size, state, params)
    for name, indices in ('X', X.asnumpy()), ('Y', Y.asnumpy()):        # an operator would write beyond its memory
        unknown = indices[~np.isin(indices, np.arange(vocab_size))]
        if unknown.size:
            raise ValueError(f'{name} has the index {unknown[0]}, but the model knows {vocab_size} characters: take '
                             'indices and vocab_size from one call of load_data_jay_lyrics.')


def check_labels(X, Y):
    if not isinstance(X, nd.NDArray) or not isinstance(Y, nd.NDArray):
        raise TypeError(f'X and Y must be NDArrays of indices, not {show(X)} and {show(Y)}: make them with nd.array.')
    if X.shape != Y.shape or len(X.shape) != 2:
        raise ValueError(f'X and Y, the characters and those that follow them, must both have the shape (n, T), not '
                         f'{X.shape} and {Y.shape}.')


# beyond/sampling.py, beyond/evaluation.py

def check_sampler(temperature, top_k, top_p, seed):
    check_number('The temperature must be a number above 0', temperature, lambda x: 0 < x < math.inf)
    if top_k is not None:
        check_whole(1, top_k=top_k)
    if top_p is not None:
        check_number('top_p must be above 0 and at most 1', top_p, lambda x: 0 < x <= 1)
    if seed is not None:
        check_whole(0, math.inf, seed=seed)


def check_scores(scores):
    """The scores (1, q) of one character, as a NumPy array."""
    if scores.ndim != 2 or len(scores) != 1:
        raise ValueError(f'pick takes the scores of one character, of shape (1, q), not {scores.shape}.')
    if not np.isfinite(scores).all():
        raise FloatingPointError('The scores of the next character are not finite, so none can be drawn: the state of '
                                 'the model has grown beyond all bounds; write a shorter text, or train it again.')


def check_evaluation(text, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx, losses):
    """What `evaluate` is given. It returns init_rnn_state, watched."""
    check_text(text=text)
    check_function('losses', losses)
    check_model(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx)
    check_held_out(sum(char in char_to_idx for char in text))
    return watched_state(init_rnn_state)


def check_losses(rnn, X, Y, vocab_size):
    """What `losses` is given. It returns rnn, watched."""
    check_labels(X, Y)
    return watched_cell(rnn, vocab_size)


def check_held_out(length):
    if length < 2:
        raise ValueError('The text needs at least two characters of the vocabulary, one to read and one to predict, '
                         f'and has {length}.')


def check_unigram(corpus_indices, text_indices):
    for name, indices in [('corpus', corpus_indices), ('text', text_indices)]:
        if not len(indices):
            raise ValueError(f'The {name} is empty: give at least one index.')
    unknown = set(text_indices) - set(corpus_indices)
    if unknown:
        raise ValueError(f'The text has the index {min(unknown)}, which is nowhere in the corpus: leave it out, as its '
                         'probability would be 0.')


def check_copied(text, corpus, n):
    check_text(text=text, corpus=corpus)
    check_whole(1, n=n)
    if n > len(text):
        raise ValueError(f'The text has {len(text)} characters, and runs of {n} are looked for: give a longer text, or '
                         'a smaller n.')


# beyond/checkpoint.py

def check_suffix(path):
    if path.suffix != '.safetensors':
        raise ValueError(f"A checkpoint's name ends in .safetensors, and {str(path)!r} does not.")


def check_head(path, head, size, kind, largest_header):
    """The first bytes of a safetensors file: the length of its header, in eight bytes, and the brace it begins with."""
    if path.suffix in ('.json', '.params'):
        raise ValueError(f'{shown(path)} looks like one of the two files of a checkpoint of rnn_scratch 0.1, which are '
                         'not read any more: train the model again, or write with it in version 0.1.')
    path, length = shown(path), int.from_bytes(head[:8], 'little')
    if head[8:9] != b'{' or length > size - 8:
        found = 'it is empty' if size == 0 else f'it is {kind}' if kind else 'it does not begin like one, or is cut off'
        refuse_checkpoint(path, found)
    if length > largest_header:
        raise ValueError(f'The header of the checkpoint {path} has {length:,} bytes by its own account, and at most '
                         f'{largest_header:,} are read: give a file that save_checkpoint wrote.')


def refuse_checkpoint(path, reason):
    raise ValueError(f'{path} is not a checkpoint of rnn_scratch, or it is damaged ({str(reason)[:200]}): give a file '
                     'that save_checkpoint wrote.')


def check_format(path, found, wanted):
    """'rnn_scratch checkpoint 2': what comes before the number is the same for all versions."""
    if found == wanted:
        return
    name, number = wanted.rsplit(' ', 1)
    match = re.fullmatch(f'{name} ([0-9]{{1,9}})', found) if isinstance(found, str) else None
    if match is None:
        refuse_checkpoint(path, f'its format is {short.repr(found)}, and {wanted!r} is read')
    age, cure = (('a newer', 'install that version') if int(match.group(1)) > int(number) else
                 ('an older', 'train the model again, or use that version'))
    raise ValueError(f'{path} has the format {found!r} of {age} version of rnn_scratch, and this version reads '
                     f'{wanted!r}: {cure}.')


def is_whole(value, lowest, highest=2 ** 53):
    return type(value) is int and lowest <= value <= highest


def is_number(value):
    """A number that a float can hold; no bool."""
    return type(value) is float and math.isfinite(value) or type(value) is int and abs(value) < 2 ** 1000


def is_perplexity(value):       # rounding may leave a perfect one slightly below 1
    return value == 'inf' or is_number(value) and value > 0.999


def is_name(value):
    return isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable()


def is_character(value):
    return isinstance(value, str) and len(value) == 1 and not '\ud800' <= value <= '\udfff'


def is_sha256(value):
    return isinstance(value, str) and re.fullmatch('[0-9a-f]{64}', value) is not None


def is_random_state(value):
    """What `random.getstate()` gives: a version, 625 numbers, and None or a number."""
    return value is None or (
        isinstance(value, (list, tuple)) and len(value) == 3 and value[0] == 3 and isinstance(value[1], (list, tuple))
        and len(value[1]) == 625 and all(is_whole(word, 0, 2 ** 32 - 1) for word in value[1]) and value[1][-1] <= 624
        and (value[2] is None or is_number(value[2])))


PERPLEXITY = "a number of 1 or more, or 'inf'"
# Of each entry of a checkpoint: whether it is sound, and what it must be; of a list also whether each of it is.
ENTRIES = {
    'cell': (is_name, 'a short text'),
    'engine': (lambda value: value in ('tutorial', 'fused'), "'tutorial' or 'fused'"),
    'num_hiddens': (lambda value: is_whole(value, 1, 2 ** 31 - 1), 'a whole number of 1 or more'),
    'vocab_size': (lambda value: is_whole(value, 1), 'the number of characters in idx_to_char'),
    'epoch': (lambda value: is_whole(value, 0), 'the number of perplexities'),
    'symbols': (lambda value: isinstance(value, list) and value, 'a list of names', is_name, 'a short text'),
    'settings': (lambda value: isinstance(value, dict), 'a dictionary'),
    'versions': (lambda value: isinstance(value, dict) and all(map(is_name, [*value, *value.values()])),
                 'a dictionary of short texts'),
    'perplexities': (lambda value: isinstance(value, list), 'a list of numbers', is_perplexity, PERPLEXITY),
    'held_out': (lambda value: isinstance(value, list), 'a list of numbers', is_perplexity, PERPLEXITY),
    'idx_to_char': (lambda value: isinstance(value, list) and value, 'a list of characters', is_character,
                    'a single character'),
    'random_state': (is_random_state, 'None, or what random.getstate() gives'),
}
CHECKSUM = {'sha256': (is_sha256, '64 digits of a checksum')}
# The same of the settings that `python -m rnn_scratch train` goes on with.
SETTINGS = {
    'sampling': (lambda value: value in ('random', 'consecutive'), "'random' or 'consecutive'"),
    'corpus': (lambda value: value is None or isinstance(value, str) and value and '\0' not in value,
               'a path, or None'),
    'num_chars': (lambda value: is_whole(value, 0), 'a whole number of 0 or more'),
    'holdout': (lambda value: is_number(value) and 0 <= value < 1, 'a number from 0 to less than 1'),
    'hidden': (lambda value: is_whole(value, 1), 'the number of hidden units, num_hiddens'),
    'num_steps': (lambda value: is_whole(value, 1), 'a whole number of 1 or more'),
    'batch_size': (lambda value: is_whole(value, 1), 'a whole number of 1 or more'),
    'lr': (lambda value: is_number(value) and value > 0, 'a number above 0'),
    'theta': (lambda value: value is None or is_number(value) and value > 0, 'a number above 0, or None'),
    'seed': (lambda value: type(value) is int, 'a whole number'),
    'corpus_sha256': (is_sha256, '64 digits of a checksum'),
}


def check_not_exported(path, is_exported):
    if is_exported:
        raise ValueError(f'{path} was exported for PyTorch, and cannot be read back: give the checkpoint that it was '
                         'made from.')


def check_entries(path, entries):
    """Each entry of a checkpoint must be such as `save_checkpoint` writes; the first that is not is named."""
    check_each(path, entries, ENTRIES)
    settings, vocabulary = entries['settings'], entries['idx_to_char']
    check_different(path, 'idx_to_char', vocabulary)
    check_different(path, 'symbols', entries['symbols'])
    for name, length, what in [('vocab_size', len(vocabulary), 'characters in idx_to_char'),
                               ('epoch', len(entries['perplexities']), 'perplexities')]:
        if entries[name] != length:
            refuse_entry(path, name, entries[name], f'{length}, the number of {what}')
    if len(entries['held_out']) > entries['epoch']:
        refuse_entry(path, 'held_out', entries['held_out'], f'no longer than the {entries["epoch"]} perplexities')
    if entries['engine'] == 'fused' and entries['cell'] != 'rnn':
        refuse_entry(path, 'engine', 'fused', f"'tutorial' for the cell {entries['cell']!r}")
    for name, value in settings.items():
        if name in ('unigram_perplexity', 'held_out_unigram_perplexity') and not is_perplexity(value):
            refuse_entry(path, f'settings[{name!r}]', value, PERPLEXITY)
        if type(value) is float and not math.isfinite(value):
            refuse_entry(path, f'settings[{short.repr(name)}]', value, 'a finite number')
    if 'corpus_sha256' in settings:     # of a run, whose corpus is from load_data_jay_lyrics
        check_run_settings(path, settings, entries['num_hiddens'])
        for char, following in zip(vocabulary, vocabulary[1:]):
            if char > following:
                raise ValueError(f'idx_to_char of the checkpoint {path} has {char!r} before {following!r}, but the '
                                 'vocabulary of a run is in the order of the code points: give a file that '
                                 'save_checkpoint wrote.')


def check_checksum(path, entries):
    check_each(path, entries, CHECKSUM)


def check_run_settings(path, settings, num_hiddens):
    check_each(path, settings, SETTINGS, 'settings[{!r}]')
    if settings['hidden'] != num_hiddens:
        refuse_entry(path, "settings['hidden']", settings['hidden'], f'{num_hiddens}, which is num_hiddens')


def check_each(path, entries, rules, form='{}'):
    for name, (is_sound, needed, *of_each) in rules.items():
        if name not in entries:
            refuse_entry(path, form.format(name), 'missing', needed, quote=str)
        if not is_sound(entries[name]):
            refuse_entry(path, form.format(name), entries[name], needed)
        if of_each:
            is_each_sound, each_needed = of_each
            for i, value in enumerate(entries[name]):
                if not is_each_sound(value):
                    refuse_entry(path, f'{form.format(name)}[{i}]', value, each_needed)


def check_different(path, name, values):
    seen = set()
    for i, value in enumerate(values):
        if value in seen:
            refuse_entry(path, f'{name}[{i}]', value, 'different from those before it')
        seen.add(value)


def refuse_entry(path, name, value, needed, quote=short.repr):
    raise ValueError(f'{name} of the checkpoint {path} is {quote(value)}, and must be {needed}: give a file that '
                     'save_checkpoint wrote.')


def check_arrays(path, checkpoint, shapes):
    """The names, the vocabulary and the sizes must be those of the arrays. `shapes` is None for a cell of one's own."""
    vocab_size, h = len(checkpoint.idx_to_char), checkpoint.num_hiddens
    if shapes and tuple(checkpoint.symbols) != tuple(shapes):
        raise ValueError(f'The cell {checkpoint.cell!r} has the arrays {tuple(shapes)}, but {path} has '
                         f'{tuple(checkpoint.symbols)}: name another cell.')
    if len(set(checkpoint.symbols)) != len(checkpoint.params):
        raise ValueError(f'{path} has {len(checkpoint.params)} arrays, but {len(set(checkpoint.symbols))} different '
                         'names for them.')
    for symbol, param in zip(checkpoint.symbols, checkpoint.params):
        if shapes and param.shape != shapes[symbol]:
            raise ValueError(f'{symbol} of {path} has shape {param.shape}, but {vocab_size} characters and {h} hidden '
                             f'units need {shapes[symbol]}.')


def check_types(path, arrays, is_known):
    """The chapter's cell, and those of cells.py, compute in 32-bit floats; a cell of one's own in any floats."""
    types = ('float32',) if is_known else ('float16', 'float32', 'float64')
    for symbol, array in arrays.items():
        if array.dtype.name not in types:
            raise ValueError(f'{symbol} of {path} holds numbers of the type {array.dtype.name}, and must hold '
                             f'{" or ".join(types)}: convert it with astype.')
        if array.ndim == 0 or array.size == 0:
            raise ValueError(f'{symbol} of {path} has shape {array.shape}: MXNet has no arrays without numbers.')


def check_finite(path, arrays, is_saved=False):
    for symbol, array in arrays.items():
        wrong = array[~(abs(array) < math.inf)]
        if wrong.size:
            what = f'{symbol} holds numbers that are not finite, such as {wrong[0]}, so the model'
            raise ValueError(f'{what} in {path} is of no use: take an older one, or train again.' if is_saved else
                             f'{what} is of no use and was not saved to {path}: start again with a smaller learning '
                             'rate (lr) or a smaller clipping_theta.')


def check_symbols(path, arrays, symbols):
    if sorted(arrays) != sorted(symbols):
        raise ValueError(f'{path} holds the arrays {short.repr(sorted(arrays))}, but its metadata names '
                         f'{short.repr(symbols)}: give a file that save_checkpoint wrote.')


def check_hash(path, found, wanted):
    if found != wanted:
        raise ValueError(f'{path} is damaged, since its content has the checksum {found[:12]}… and was saved with '
                         f'{wanted[:12]}…: fetch or copy it again, or take an older one.')


def check_json(path, entries):
    for name, value in entries.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f'{name} of the checkpoint {path} is {short.repr(value)}, and JSON cannot write that '
                             f'({error}): use numbers, texts, lists and dictionaries only.') from error


def check_saved_size(path, size, largest, header, largest_header):
    if size > largest or header > largest_header:
        raise ValueError(f'The checkpoint {path} would have {size:,} bytes, {header:,} of them in its header, and at '
                         f'most {largest:,} and {largest_header:,} are read back: take a smaller model.')



def check_known_cell(cell, cells):
    if cell not in cells:
        raise ValueError(f'The cell {cell!r} of this checkpoint is not one of {sorted(cells)}: hand your own functions '
                         'to predict_rnn, with its params.')


# beyond/run.py

def check_engine(engine, cell):
    if engine == 'fused' and cell != 'rnn':
        raise ValueError("The fused engine computes the chapter's cell only, --cell rnn: use --engine tutorial for "
                         f'--cell {cell}.')


def check_holdout(holdout, held_out):
    if holdout and len(held_out) < 2:
        raise ValueError(f'--holdout {holdout} holds out {len(held_out)} characters, too few to predict one.')


def check_patience(patience, held_out_text):
    if patience and not held_out_text:
        raise ValueError('--patience looks at held-out text: train with --holdout, for instance --holdout 0.1.')


def check_memory(num_hiddens, vocab_size, needed, there_is):
    """Before memory is taken: where there is not enough, the system may end the process, or another one."""
    if needed > there_is:
        raise ValueError(f'To train {num_hiddens} hidden units with {vocab_size} characters takes at least '
                         f'{needed / 1e9:,.1f} GB of memory, and there are {there_is / 1e9:,.1f} GB: make --hidden, '
                         '--batch-size or --num-steps smaller.')


def check_held_out_sum(l_sum):
    if math.isnan(l_sum):
        raise FloatingPointError('The held-out perplexity is not a number: the parameters have grown beyond all '
                                 'bounds; start again with a smaller learning rate (lr).')


def check_name(path):
    """A name of other bytes than UTF-8 can neither be printed, nor kept in a checkpoint."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError(f'The name {str(path)!r} is not in UTF-8: give the file or folder another name or, if it is, '
                         'set PYTHONUTF8=1.') from None


def check_no_other_process(folder, process):
    if process is not None:
        raise OSError(f'Another process ({process or "of unknown number"}) trains in the folder {folder}: wait until '
                      'it has ended, or choose another folder with --out.')


def check_unchanged(path, now, before):
    """Another process may have saved its last epoch between our reading and our lock."""
    if now.perplexities != before.perplexities:
        raise ValueError(f'{path} was saved by another process in this moment, with {now.epoch} epochs in place of '
                         f'{before.epoch}: run the command again.')


def check_not_enough(path, flag):
    if flag:
        raise ValueError(f'{path} has reached {flag} already, so there is nothing to train: leave that out, or give '
                         'another number.')


def check_song(num_chars, longest):
    if num_chars > longest:
        raise ValueError(f'--num-chars {num_chars} is too many for songs that are kept until they are whole, as with '
                         f'--copied or several temperatures: {longest:,} at most.')


def check_needs_hidden(args):
    """Of `plot`: two flags are for the picture of the hidden units only."""
    for flag, value in [('--text', args.text), ('--units', args.units)]:
        if value is not None and not args.hidden:
            raise ValueError(f'{flag} {value} is for the picture of the hidden units: give --hidden, too.')


def check_free(*paths):
    for path in paths:
        if path.exists():
            raise ValueError(f'There is a file at {path} already: choose another --out, or --resume it.')


def check_can_resume(path, checkpoint, num_epochs):
    if 'sampling' not in checkpoint.settings or checkpoint.random_state is None:
        raise ValueError(f'{path} was not saved by python -m rnn_scratch train, which needs its settings to go on.')
    check_run_settings(path, checkpoint.settings, checkpoint.num_hiddens)
    if checkpoint.epoch >= num_epochs:
        raise ValueError(f'{path} is trained for {checkpoint.epoch} epochs: give a larger number to --epochs.')


def check_same_settings(path, settings, wanted):
    differences = [f'{name} is {settings.get(name)!r} there and {value!r} here'
                   for name, value in wanted.items() if settings.get(name) != value]
    if differences:
        raise ValueError(f'{path} does not fit: {"; ".join(differences)}.')


def check_same_corpus(path, settings, wanted):
    if settings.get('corpus_sha256') != wanted['corpus_sha256']:
        raise ValueError(f'{path} was trained on another text than {wanted["corpus"] or "the shipped lyrics"}.')


def check_trained_text(settings):
    if 'corpus_sha256' not in settings:
        raise ValueError('The model was not saved by python -m rnn_scratch train, so it does not say which text it was '
                         'trained on: leave --copied out.')
    if settings['corpus'] and not os.path.isfile(settings['corpus']):
        raise FileNotFoundError(f'The text that the model was trained on, {settings["corpus"]}, is not there any more: '
                                'put it back, or leave --copied out.')


def check_best(path, best, last):
    """The best epoch of a run may be of its past, or, where the run was killed while it saved, of its next epoch."""
    n = min(best.epoch, last.epoch)
    if best.perplexities[:n] != last.perplexities[:n] or best.idx_to_char != last.idx_to_char:
        raise ValueError(f'{path} is not the best epoch of this run, and would be overwritten: move it to another '
                         'place.')


def check_found(paths, folder):
    if not paths:
        raise FileNotFoundError(f'There is no checkpoint under {folder}: name one, or make one with '
                                'python -m rnn_scratch train.')


# beyond/pictures.py

def check_new_file(path):
    """A name that a file can have, and none has yet."""
    if os.path.lexists(path):
        what = 'a folder' if path.is_dir() else 'a file'
        raise FileExistsError(f'There is {what} at {path} already: choose another name.')
    for folder in path.parents:
        if os.path.lexists(folder) and not folder.is_dir():
            raise NotADirectoryError(f'{path} cannot be made, because {folder} is not a folder: choose another name.')


def check_picture_kind(path, kinds):
    if path.suffix[1:].lower() not in kinds:
        raise ValueError(f'The name {str(path)!r} does not say which kind of picture it is to be: end it in one of '
                         f'{", ".join(f".{kind}" for kind in kinds)}.')


def check_runs(checkpoints):
    if not isinstance(checkpoints, (list, tuple)) or not all(
            isinstance(run, (list, tuple)) and len(run) == 2 and isinstance(run[0], str) for run in checkpoints):
        raise TypeError(f'checkpoints must be a list of pairs (name, Checkpoint), not {show(checkpoints)}: load a file '
                        "with load_checkpoint, and write [('songs', checkpoint)].")
    if not checkpoints:
        raise ValueError('There is no run to draw: give at least one (name, Checkpoint).')
    for _, checkpoint in checkpoints:
        check_is_loaded(checkpoint)


def check_is_loaded(checkpoint):
    if isinstance(checkpoint, (str, os.PathLike)):
        raise TypeError(f'A picture is drawn of a Checkpoint, not of {str(checkpoint)!r}: load it with '
                        'load_checkpoint.')


def check_line(text, longest, idx_to_char):
    """The line of a picture: not too long for one, and nothing in it that the model does not know."""
    check_text(text=text)
    if not 1 <= len(text) <= longest:
        raise ValueError(f'A picture has room for a line of 1 to {longest} characters, and this one has {len(text)}: '
                         'give another line.')
    unknown = sorted(set(text) - set(idx_to_char))
    if unknown:
        raise ValueError(f'The vocabulary of the model does not have {", ".join(map(repr, unknown))}: '
                         'give a line of other characters.')


def check_num_units(num_units, most, num_chars):
    check_whole(1, num_units=num_units)
    if num_units > most:
        raise ValueError('num_units, the number of hidden units to show, must be from 1 to '
                         f'{most} for a line of {num_chars} characters, not {num_units}.')


def check_export_suffix(path, suffix):
    if path.suffix != suffix:
        raise ValueError(f'The name of this file must end in {suffix}, and {str(path)!r} does not.')


def check_can_export(cell, layers, framework):
    """`layers` has the cells for which the framework has a layer that computes the same."""
    if cell == 'gru' and cell not in layers:
        raise ValueError(f"The book's GRU is not the GRU of {framework}, which would compute something else with these "
                         'weights: export it to ONNX, which has both, or write its equations as docs/leaving-mxnet.md '
                         'shows.')
    if cell not in layers:
        raise ValueError(f'The cell {cell!r} of this checkpoint is not one of {sorted(layers)}, which {framework} has: '
                         'write your cell again there, and read its arrays from the checkpoint, a safetensors file.')


def check_float32(arrays):
    for symbol, array in arrays.items():
        if array.dtype != 'float32':
            raise ValueError(f"{symbol} is of {array.dtype}, and only models of float32 can be exported: make it "
                             "float32 with astype('float32').")


def check_onnx():
    if importlib.util.find_spec('onnx') is None:
        raise ModuleNotFoundError(
            "The export to ONNX needs the package onnx, which is not installed: in the folder of rnn_scratch, run "
            "python -m pip install --use-pep517 --constraint constraints.txt --editable '.[export]'")


def check_divisible(batch_size, count):
    if batch_size % count:
        sizes = [n for n in (batch_size // count * count, (batch_size // count + 1) * count) if n]
        workers = [k for k in range(2, batch_size + 1) if batch_size % k == 0]
        raise ValueError(f'A mini-batch of {batch_size} sequences cannot be divided among {count} workers: choose a '
                         f'batch size of {" or ".join(map(str, sizes))}, or {" or ".join(map(str, workers)) or 1} '
                         'workers.')


def check_first_context(ctx, contexts):
    if ctx != contexts[0]:
        raise ValueError(f'The parameters are on {ctx}, but the first of the devices is {contexts[0]}: name {ctx} '
                         'first.')


def check_same(what, checksums):
    """The checksums of all workers must be that of most of them: of two, that of worker 0."""
    common = max(checksums, key=checksums.count)
    others = ', '.join(str(number) for number, checksum in enumerate(checksums) if checksum != common)
    if others and what == 'settings':
        raise ValueError(f'The settings, the text or the model to go on with are not the same on all workers (worker '
                         f'{others} differs): start all hosts with the same command and the same files.')
    if others:
        raise FloatingPointError(f'The {what} are not the same on all workers (worker {others} differs): all hosts '
                                 'need the same kind of processor, the same versions and the same OMP_NUM_THREADS.')


def check_dmlc(variables, num_here):
    """The variables that say which host and how many workers, where they are set."""
    if 'DMLC_ROLE' in variables:
        raise ValueError(f'DMLC_ROLE is set ({variables["DMLC_ROLE"]}), but --workers starts all roles by itself: '
                         'unset it.')
    lowest = {'DMLC_PS_ROOT_PORT': 1, 'DMLC_NUM_WORKER': num_here, 'DMLC_NUM_SERVER': 1}
    for name, least in lowest.items():
        value = variables.get(name, str(least))
        if not value.isdecimal() or not least <= int(value) <= 65534:
            raise ValueError(f'{name} is {value!r}, and must be a whole number from {least} to 65534.')
    missing = {'DMLC_PS_ROOT_URI', 'DMLC_PS_ROOT_PORT', 'DMLC_NUM_WORKER'} - set(variables)
    if 0 < len(missing) < 3:
        raise ValueError(f'{" and ".join(sorted(missing))} must be set, too: several hosts need the three variables '
                         'DMLC_PS_ROOT_URI, DMLC_PS_ROOT_PORT and DMLC_NUM_WORKER.')
