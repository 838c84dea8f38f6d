"""Beyond the chapter: a model is one file, and outlives the process that trained it.

    save_checkpoint('songs.safetensors', Checkpoint(params, perplexities, idx_to_char, num_hiddens))
    checkpoint = load_checkpoint('songs.safetensors')
    print(checkpoint.predict('分开', 50))

The file has the safetensors format: the arrays under the book's symbols, which PyTorch, JAX and NumPy read as well,
and in its metadata, under `rnn_scratch`, all else as JSON: vocabulary, sizes, settings, history, versions, a checksum.
Nothing in it is ever executed.
"""
import hashlib
import json
import math
import os
import platform
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import mxnet as mx
import numpy
import safetensors.numpy
from mxnet import nd

from .. import __version__, _checks, _files, predict
from ..training import Trained
from . import fused
from .cells import CELLS, shape_of

FORMAT = 'rnn_scratch checkpoint 2'
EXPORTED = 'rnn_scratch export for PyTorch'     # a safetensors file, too: see export.py
LARGEST, LARGEST_HEADER = 2 ** 31, 20_000_000     # bytes: 500 million numbers; a vocabulary of all of Unicode


@dataclass(repr=False)
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
        if self.symbols is None:
            self.symbols = CELLS.get(self.cell, CELLS['rnn']).symbols

    def __repr__(self):
        return (f'Checkpoint({self.cell}, {self.num_hiddens} hidden units, {len(self.idx_to_char)} characters, '
                f'{Trained(self.params, self.perplexities)})')

    def shapes(self):
        """The shape that each array must have, by its symbol; None for a cell of your own."""
        vocab_size = len(self.idx_to_char)
        if self.cell not in CELLS:
            return None
        return {symbol: shape_of(symbol, vocab_size, self.num_hiddens, vocab_size)
                for symbol in CELLS[self.cell].symbols}

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
        _checks.check_known_cell(self.cell, CELLS)
        cell = CELLS[self.cell]
        char_to_idx = {char: i for i, char in enumerate(self.idx_to_char)}
        return (cell.rnn, self.params, cell.init_rnn_state, self.num_hiddens, len(self.idx_to_char),
                self.params[0].ctx, self.idx_to_char, char_to_idx)

    def predict(self, prefix, num_chars, *, pick=predict.greedy):
        """Continue a prefix: `predict_rnn` with this model, by its engine; the same errors."""
        predict_rnn = fused.predict_rnn if self.engine == 'fused' else predict.predict_rnn
        return predict_rnn(prefix, num_chars, *self.model(), pick=pick)


def save_checkpoint(path, checkpoint):
    """把模型存成文件：要么完整，要么不动原来的文件。

    Write a checkpoint, whole or not at all.

    It is written to a temporary file in the same folder (`.songs.safetensors-….tmp`), read back and compared, and then
    takes the place of an older one in one step. A process that is killed at any moment, or a disk that is full, leaves
    the old file as it was; at worst the temporary file stays. No other file is touched.

    Parameters
    ----------
    path : str or path
        Where to, `….safetensors`. Its folder is made if there is none.
    checkpoint : Checkpoint

    Raises
    ------
    ValueError
        The name does not end in .safetensors; the arrays do not fit the checkpoint's other values, hold a number that
        is not finite, or are too large; or another value is one that `load_checkpoint` refuses, or that JSON cannot
        write. The message names it.
    OSError
        The file cannot be written.
    """
    path = Path(path)
    _checks.check_suffix(path)
    arrays = {symbol: param.asnumpy() for symbol, param in zip(checkpoint.symbols, checkpoint.params)}
    _checks.check_arrays(path, checkpoint, checkpoint.shapes())
    _checks.check_types(path, arrays, checkpoint.cell in CELLS)
    _checks.check_finite(path, arrays, is_saved=False)
    entries = {
        'format': FORMAT,
        'epoch': checkpoint.epoch,
        'cell': checkpoint.cell,
        'engine': checkpoint.engine,
        'num_hiddens': checkpoint.num_hiddens,
        'vocab_size': len(checkpoint.idx_to_char),
        'symbols': list(checkpoint.symbols),
        'settings': checkpoint.settings,
        'versions': versions(),
        'perplexities': [number_to_json(p) for p in checkpoint.perplexities],
        'held_out': [number_to_json(p) for p in checkpoint.held_out],
        'idx_to_char': checkpoint.idx_to_char,
        'random_state': checkpoint.random_state,
    }
    _checks.check_json(path, entries)
    _checks.check_entries(path, from_json(to_json(entries)))
    entries['sha256'] = checksum(entries, arrays)
    content = safetensors.numpy.save(arrays, {'rnn_scratch': to_json(entries)})
    _checks.check_saved_size(path, len(content), LARGEST, header_length(content), LARGEST_HEADER)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path.resolve(), content)        # resolve: the file that a symbolic link points to, not the link
    except OSError as error:
        raise OSError(f'{path} could not be written ({error.strerror or error}): what was there before is still '
                      'there; save to another place, or make room.') from error


def write_whole(path, content, is_new=False):
    """一步写好一个文件：要么是旧的，要么是完整的新的。

    Put bytes into a file in one step: before it, the old file is there, after it, the new one.

    With `is_new` there must be no old one: FileExistsError.
    """
    temporary = path.with_name(f'.{path.name}-{uuid.uuid4().hex}.tmp')
    try:
        with open(temporary, 'xb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if temporary.read_bytes() != content:
            raise OSError('other bytes came back than were written')
        if is_new:
            put_new(temporary, path)
        else:
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def put_new(temporary, path):
    """Give a complete file its name in one step, unless there is a file of that name."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:     # a file system without hard links, as on a USB stick: take the name first, then the place
        open(path, 'x').close()
        try:
            os.replace(temporary, path)
        except BaseException:
            path.unlink()
            raise


def versions():
    """What a checkpoint is saved with."""
    return {'python': platform.python_version(), 'mxnet': mx.__version__, 'numpy': numpy.__version__,
            'rnn_scratch': __version__}


def checksum(entries, arrays):
    """SHA-256 of everything else that is in the file, in hexadecimal digits."""
    digest = hashlib.sha256(to_json(entries).encode())
    for symbol in entries['symbols']:
        digest.update(arrays[symbol].tobytes())
    return digest.hexdigest()


def to_json(entries):
    """写成 JSON，字符原样保留，人也读得懂。

    JSON with the characters as they are, so that a person can read the vocabulary.

    But for half a surrogate pair, which UTF-8 does not have: the path of a corpus has one where its name is not UTF-8.
    """
    text = json.dumps(entries, ensure_ascii=False, allow_nan=False)
    return re.sub('[\ud800-\udfff]', lambda half: f'\\u{ord(half.group()):04x}', text)


def from_json(text):
    """The other way round. A whole number of hundreds of digits, which takes Python long to read, becomes infinite."""
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 300 else math.inf)


def header_length(content):
    """How long the JSON at the beginning of a safetensors file is: its first eight bytes say so."""
    return int.from_bytes(content[:8], 'little')


def number_to_json(number):
    """JSON has no infinity: that is written as the text 'inf', which `float` reads."""
    return float(number) if math.isfinite(number) else str(number)


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
    path = _checks.shown(path)
    try:
        arrays = safetensors.numpy.load(content)
        header = from_json(content[8:8 + header_length(content)])
        entries = from_json(header['__metadata__']['rnn_scratch'])
        kind = entries['format']
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        _checks.refuse_checkpoint(path, error)
    except (KeyError, TypeError):
        _checks.refuse_checkpoint(path, 'it is a safetensors file of another program or an export, without vocabulary '
                                        'and settings')
    _checks.check_not_exported(path, kind == EXPORTED)
    _checks.check_format(path, kind, FORMAT)
    _checks.check_entries(path, entries)
    _checks.check_checksum(path, entries)
    sha256 = entries.pop('sha256')
    _checks.check_symbols(path, arrays, entries['symbols'])
    _checks.check_types(path, arrays, entries['cell'] in CELLS)
    checkpoint = Checkpoint(
        [arrays[symbol] for symbol in entries['symbols']], [float(p) for p in entries['perplexities']],
        entries['idx_to_char'], entries['num_hiddens'], entries['cell'], entries['engine'], entries['settings'],
        [float(p) for p in entries['held_out']], to_random_state(entries['random_state']), tuple(entries['symbols']),
        entries['versions'])
    _checks.check_arrays(path, checkpoint, checkpoint.shapes())
    _checks.check_hash(path, checksum(entries, arrays), sha256)
    _checks.check_finite(path, arrays, is_saved=True)
    checkpoint.params = [nd.array(array, ctx=ctx or mx.cpu(), dtype=array.dtype) for array in checkpoint.params]
    for param in checkpoint.params:
        param.attach_grad()
    return checkpoint


def is_exported(path):
    """Whether this is a model that `to_pytorch` wrote, and so no checkpoint; of a damaged file nobody knows."""
    if not path.is_file():      # a pipe would never end
        return False
    try:
        with safetensors.safe_open(path, 'numpy') as file:
            return json.loads(file.metadata()['rnn_scratch'])['format'] == EXPORTED
    except (OSError, safetensors.SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        return False


def check_head(path, head, size):
    """Whether a file begins like a checkpoint, before the rest is read."""
    _checks.check_head(path, head, size, _files.kind_of(head), LARGEST_HEADER)


def to_random_state(value):
    """JSON makes lists of tuples, and `random.setstate` wants tuples."""
    return None if value is None else (value[0], tuple(value[1]), value[2])
