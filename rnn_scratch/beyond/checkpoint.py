"""Beyond the chapter: a model is one file, and outlives the process that trained it.

    save_checkpoint('songs.safetensors', Checkpoint(params, perplexities, idx_to_char, num_hiddens))
    checkpoint = load_checkpoint('songs.safetensors')
    print(checkpoint.predict('分开', 50))

The file has the safetensors format: the arrays under the book's symbols, which PyTorch, JAX and NumPy read as well,
and in its metadata, under `rnn_scratch`, all else as JSON: vocabulary, sizes, settings, history, versions, a checksum.
Nothing in it is ever executed.
"""
import dataclasses
import hashlib
import json
import math
import platform
import random
import re
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path

import mxnet as mx
import numpy as np
import safetensors.numpy
from mxnet import nd

from .. import __version__, _checks, _files, predict
from .._checks import show
from ..training import Trained
from . import fused
from .cells import CELLS, shape_of
from .files import write_whole

FORMAT = 'rnn_scratch checkpoint 2'
EXPORTED = 'rnn_scratch export for PyTorch'     # a safetensors file, too: see export.py
LARGEST, LARGEST_HEADER = 2 ** 31, 20_000_000     # bytes: 500 million numbers; a vocabulary of all of Unicode


@dataclass(repr=False, eq=False)
class Checkpoint:
    """一个模型，以及使用它、接着训练它所需要的一切。

    A model, and all that is needed to use it or to train it further.

    Attributes
    ----------
    params : list of NDArrays
    perplexities : list of float
        One an epoch, on the text that it was trained on.
    idx_to_char : list of str
        The vocabulary.
    num_hiddens : int
    cell : str
        'rnn', the chapter's (`rnn_scratch.rnn`); 'gru', 'lstm' or 'relu', those of `cells.py`; or any other name for a
        cell of your own.
    engine : str
        'tutorial' or 'fused': the functions that it was trained with, and that `predict` uses.
    settings : dict
        Whatever else describes the run, in what JSON can write.
    held_out : list of float
        One perplexity an epoch on a text that it was not trained on; empty where there is none.
    random_state : tuple or None
        `random.getstate()` at the end of the last epoch: what the shuffling of the next one starts from.
    symbols : tuple of str
        The name of each array of params: the book's, unless it is a cell of your own.
    versions : dict
        Of Python and the packages that it was saved with; of a model that was not saved yet, empty.

    Raises
    ------
    TypeError, ValueError
        A part is wrong, or does not fit the others; the message names it.
    """

    params: list
    perplexities: list
    idx_to_char: list
    num_hiddens: int
    cell: str = 'rnn'
    engine: str = 'tutorial'
    settings: dict = field(default_factory=dict)
    held_out: list = field(default_factory=list)
    random_state: tuple = None
    symbols: tuple = None
    versions: dict = field(default_factory=dict)

    def __post_init__(self):
        """Refuse what would go wrong late, or in silence. A run does it once an epoch, so no array is read here."""
        _checks.whole(1, num_hiddens=self.num_hiddens)
        must(is_name(self.cell), 'cell', self.cell, 'a short text')
        must(isinstance(self.settings, dict), 'settings', self.settings, 'a dictionary')
        must(isinstance(self.versions, dict), 'versions', self.versions, 'a dictionary')
        must(is_random_state(self.random_state), 'random_state', self.random_state,
             'None, or what random.getstate() gives')
        engines = ['tutorial', 'fused'] if self.cell == 'rnn' else ['tutorial']
        must(self.engine in engines, 'engine', self.engine, f'one of {engines} for the cell {self.cell!r}')
        must_each(is_perplexity, 'perplexities', self.perplexities, 'a number of 1 or more')
        must_each(is_perplexity, 'held_out', self.held_out, 'a number of 1 or more')
        must(len(self.held_out) <= self.epoch, 'held_out', self.held_out, f'at most {self.epoch} numbers, one an epoch')
        must_each(is_character, 'idx_to_char', self.idx_to_char, 'a single character')
        must(len({*self.idx_to_char}) == len(self.idx_to_char), 'idx_to_char', self.idx_to_char, 'different characters')
        if self.symbols is None:
            self.symbols = CELLS.get(self.cell, CELLS['rnn']).symbols
        must_each(is_name, 'symbols', self.symbols, 'a short text')
        must(len({*self.symbols}) == len(self.symbols), 'symbols', self.symbols, 'different names')
        must_each(lambda param: isinstance(param, nd.NDArray), 'params', self.params, 'an NDArray')
        must(len(self.params) == len(self.symbols), 'params', self.params,
             f'{len(self.symbols)} arrays, {show(self.symbols)}')
        shapes = self.shapes() or {}
        must(not shapes or tuple(self.symbols) == tuple(shapes), 'symbols', self.symbols,
             f'{tuple(shapes)} for the cell {self.cell!r}')
        for (symbol, shape), param in zip(shapes.items(), self.params):
            must(param.shape == shape, f'{symbol}.shape', param.shape,
                 f'{shape} for {len(self.idx_to_char)} characters and {self.num_hiddens} hidden units')
            must(param.dtype == np.float32, f'{symbol}.dtype', np.dtype(param.dtype).name,
                 "float32, as after astype('float32')")

    def __repr__(self):
        return (f'Checkpoint({self.cell}, {self.num_hiddens} hidden units, {len(self.idx_to_char)} characters, '
                f'{Trained(self.params, self.perplexities)})')

    def shapes(self):
        """The shape that each array must have, by its symbol; None for a cell of your own."""
        vocab_size, cell = len(self.idx_to_char), CELLS.get(self.cell)
        return cell and {symbol: shape_of(symbol, vocab_size, self.num_hiddens, vocab_size) for symbol in cell.symbols}

    @property
    def epoch(self):
        """How many epochs it was trained for."""
        return len(self.perplexities)

    def model(self):
        """The eight arguments of `predict_rnn` after prefix and num_chars, from rnn to char_to_idx.

        Raises
        ------
        ValueError
            It is a cell of your own, whose functions are not in the checkpoint.
        """
        if self.cell not in CELLS:
            raise ValueError(f'The cell {self.cell!r} of this checkpoint is not one of {sorted(CELLS)}: hand your own '
                             'functions to predict_rnn, with its params.')
        cell = CELLS[self.cell]
        char_to_idx = {char: i for i, char in enumerate(self.idx_to_char)}
        return (cell.rnn, self.params, cell.init_rnn_state, self.num_hiddens, len(self.idx_to_char),
                self.params[0].ctx, self.idx_to_char, char_to_idx)

    def predict(self, prefix, num_chars, *, pick=predict.greedy):
        """Continue a prefix: `predict_rnn` with this model, by its engine; the same errors."""
        predict_rnn = fused.predict_rnn if self.engine == 'fused' else predict.predict_rnn
        return predict_rnn(prefix, num_chars, *self.model(), pick=pick)


def must(is_right, name, value, needed):
    if not is_right:
        raise ValueError(f'{name} of a checkpoint must be {needed}, not {show(value)}.')


def must_each(is_right, name, values, needed):
    must(isinstance(values, (list, tuple)), name, values, 'a list')
    for i, value in enumerate(values):
        if not is_right(value):
            raise ValueError(f'{name}[{i}] of a checkpoint must be {needed}, not {show(value)}.')


def is_name(value):
    """What can be a part of a sentence."""
    return isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable()


def is_character(value):
    """But no half of a surrogate pair, which no text in UTF-8 has."""
    return isinstance(value, str) and len(value) == 1 and not '\ud800' <= value <= '\udfff'


def is_perplexity(value):
    """Infinite is right, not a number is wrong. Rounding may leave a perfect one slightly below 1."""
    return isinstance(value, (float, Real)) and value > 0.999


def is_random_state(value):
    """Whether `random.setstate` takes it. Only the form 3, today's: of an older one it computes with the content."""
    try:
        return value is None or value[0] == 3 and random.Random().setstate(value) is None
    except (TypeError, ValueError, LookupError, OverflowError):
        return False


def save_checkpoint(path, checkpoint):
    """把模型存成文件：要么完整，要么不动原来的文件。

    Write a checkpoint, whole or not at all.

    A process that is killed at any moment, or a disk that is full, leaves the old file as it was (`files.write_whole`
    says how). No other file is touched.

    Parameters
    ----------
    path : str or path
        Where to, `….safetensors`. Its folder is made if there is none.
    checkpoint : Checkpoint

    Raises
    ------
    TypeError, ValueError
        The name does not end in .safetensors; an array holds a number that is not finite; the settings are not what
        JSON can write; the model is too large to be loaded; or a part was changed, and is wrong now.
    OSError
        The file cannot be written.
    """
    path = Path(path)
    if path.suffix != '.safetensors':
        raise ValueError(f"A checkpoint's name ends in .safetensors, and {str(path)!r} does not.")
    arrays = arrays_of(checkpoint, path)
    try:
        to_json(from_json(to_json(checkpoint.settings)))    # there and back: not all that it writes can be read
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f'The settings of the checkpoint are {show(checkpoint.settings)}, and JSON cannot write that '
                         f'({error}): use numbers, texts, lists and dictionaries only.') from error
    entries = {
        'format': FORMAT, 'epoch': checkpoint.epoch, 'cell': checkpoint.cell, 'engine': checkpoint.engine,
        'num_hiddens': int(checkpoint.num_hiddens), 'vocab_size': len(checkpoint.idx_to_char),
        'symbols': list(checkpoint.symbols), 'settings': checkpoint.settings,
        'versions': {'python': platform.python_version(), 'mxnet': mx.__version__, 'numpy': np.__version__,
                     'rnn_scratch': __version__},
        'perplexities': [number_to_json(p) for p in checkpoint.perplexities],
        'held_out': [number_to_json(p) for p in checkpoint.held_out],
        'idx_to_char': checkpoint.idx_to_char, 'random_state': checkpoint.random_state}
    entries['sha256'] = checksum(entries, arrays)
    content = safetensors.numpy.save(arrays, {'rnn_scratch': to_json(entries)})
    size, header = len(content), header_length(content)
    if size > LARGEST or header > LARGEST_HEADER:
        raise ValueError(f'The checkpoint {_files.shown(path)} would have {size:,} bytes, {header:,} of them in its '
                         f'header, and at most {LARGEST:,} and {LARGEST_HEADER:,} are read back: take a smaller model.')
    write_whole(path, content)


def arrays_of(checkpoint, path):
    """The parameters as NumPy arrays by their symbols, for a file at this path."""
    dataclasses.replace(checkpoint)     # one more is made, and so checked: a part of this one may have been changed
    arrays = {symbol: param.asnumpy() for symbol, param in zip(checkpoint.symbols, checkpoint.params)}
    check_numbers(arrays, _files.shown(path))
    return arrays


def check_numbers(arrays, path):
    for symbol, array in arrays.items():
        if array.dtype.kind != 'f' or 0 in array.shape or array.shape == ():
            raise ValueError(f'{symbol} of {path} has shape {array.shape} and numbers of {array.dtype}: a model needs '
                             'arrays of floats.')
        wrong = array[~np.isfinite(array)]
        if wrong.size:
            raise ValueError(f'{symbol} holds numbers that are not finite, such as {wrong[0]}, so the model of {path} '
                             'is of no use: take an older one, or train again with a smaller learning rate (lr) or a '
                             'smaller clipping_theta.')


def checksum(entries, arrays):
    """SHA-256 of everything else that is in the file, in hexadecimal digits."""
    digest = hashlib.sha256(to_json(entries).encode())
    for symbol in entries['symbols']:
        digest.update(arrays[symbol].tobytes())
    return digest.hexdigest()


def to_json(entries):
    """JSON with the characters as they are, so that a person can read the vocabulary."""
    text = json.dumps(entries, ensure_ascii=False, allow_nan=False)
    # UTF-8 has no half of a surrogate pair; the path of a corpus has one where its name is not UTF-8.
    return re.sub('[\ud800-\udfff]', lambda half: f'\\u{ord(half.group()):04x}', text)


def from_json(text):
    """The other way round. A whole number of hundreds of digits, which takes Python long to read, becomes infinite."""
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 300 else math.inf)


def header_length(content):
    """How long the JSON at the beginning of a safetensors file is: its first eight bytes say so."""
    return int.from_bytes(content[:8], 'little')


def number_to_json(number):
    """JSON has no infinity: that is written as the text 'inf', which `float` reads."""
    return float(number) if math.isfinite(number) else 'inf'


def load_checkpoint(path, ctx=None):
    """读取模型文件，并检查各部分是否相符。

    Read a checkpoint, and check that its parts fit together.

    Parameters
    ----------
    path : str or path
        The file, `….safetensors`.
    ctx : mxnet.Context, optional
        The device for the parameters; the CPU if not given.

    Returns
    -------
    Checkpoint
        Its parameters have gradients attached, so that training can go on.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is not a checkpoint, it is damaged, or its parts do not fit together; the message says which.
    """
    path = Path(path)
    content = _files.read_file('checkpoint', path, LARGEST, 'a .safetensors file', check_head)
    path = _files.shown(path)
    try:
        arrays = safetensors.numpy.load(content)
        header = from_json(content[8:8 + header_length(content)])
        entries = from_json(header['__metadata__']['rnn_scratch'])
        found = entries['format']
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        refuse(path, error)
    except (KeyError, TypeError):
        refuse(path, 'it is a safetensors file of another program or an export, without vocabulary and '
                     'settings')
    check_format(path, found)
    try:
        sha256 = entries.pop('sha256')
        is_whole = sha256 == checksum(entries, arrays) and set(arrays) == set(entries['symbols'])
    except (KeyError, TypeError, ValueError, RecursionError):       # nothing that has a checksum
        is_whole = False
    if not is_whole:
        raise ValueError(f'{path} is damaged, since its content does not have the checksum that it was saved with: '
                         'fetch or copy it again, or take an older one.')
    check_numbers(arrays, path)
    try:        # a checksum that fits says that nothing was damaged, but not who wrote it
        params = [nd.array(arrays[symbol], ctx=ctx or mx.cpu(), dtype=arrays[symbol].dtype)
                  for symbol in entries['symbols']]
        random_state = entries['random_state']
        if isinstance(random_state, list):      # JSON makes lists of tuples
            random_state = tuple(tuple(part) if isinstance(part, list) else part for part in random_state)
        checkpoint = Checkpoint(
            params, [*map(float, entries['perplexities'])], entries['idx_to_char'], entries['num_hiddens'],
            entries['cell'], entries['engine'], entries['settings'], [*map(float, entries['held_out'])], random_state,
            tuple(entries['symbols']), entries['versions'])
    except KeyError as error:
        refuse(path, f'{error} is missing')
    except (TypeError, ValueError) as error:
        refuse(path, error)
    for param in checkpoint.params:
        param.attach_grad()
    return checkpoint


def check_head(path, head, size):
    """Whether a file begins like a checkpoint: the length of its header in eight bytes, and a brace."""
    if path.suffix in ('.json', '.params'):
        raise ValueError(f'{_files.shown(path)} looks like one of the two files of a checkpoint of rnn_scratch 0.1, '
                         'which are not read any more: train the model again, or write with it in version 0.1.')
    path, length, kind = _files.shown(path), header_length(head), _files.kind_of(head)
    if size == 0:
        refuse(path, 'it is empty')
    if head[8:9] != b'{' or length > size - 8:
        refuse(path, f'it is {kind}' if kind else 'it does not begin like one, or is cut off')
    if length > LARGEST_HEADER:
        raise ValueError(f'The header of the checkpoint {path} has {length:,} bytes by its own account, and at most '
                         f'{LARGEST_HEADER:,} are read: give a file that save_checkpoint wrote.')


def check_format(path, found):
    if found == EXPORTED:
        raise ValueError(f'{path} was exported for PyTorch, and cannot be read back: give the checkpoint that it was '
                         'made from.')
    name, number = FORMAT.rsplit(' ', 1)        # all versions have the same name, and each its number
    match = re.fullmatch(f'{name} ([0-9]{{1,9}})', found) if isinstance(found, str) else None
    if match is None:
        refuse(path, f'its format is {show(found)}, and {FORMAT!r} is read')
    if found != FORMAT:
        age, cure = (('a newer', 'install that version') if int(match.group(1)) > int(number) else
                     ('an older', 'train the model again, or use that version'))
        raise ValueError(f'{path} has the format {found!r} of {age} version of rnn_scratch, and this version reads '
                         f'{FORMAT!r}: {cure}.')


def refuse(path, reason):
    reason = ' '.join(str(reason).split())[:200].rstrip('.')
    raise ValueError(f'{path} is not a checkpoint of rnn_scratch, or it is damaged ({reason}): give a file that '
                     'save_checkpoint wrote.')


def is_exported(path):
    """Whether this is a model that `to_pytorch` wrote, and so no checkpoint; of a damaged file nobody knows."""
    if not path.is_file():      # a pipe would never end
        return False
    try:
        with safetensors.safe_open(path, 'numpy') as file:
            return json.loads(file.metadata()['rnn_scratch'])['format'] == EXPORTED
    except (OSError, safetensors.SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        return False
