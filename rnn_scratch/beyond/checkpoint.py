"""Beyond the chapter: models that outlive the process that trained them.

    save_checkpoint('songs.json', Checkpoint(params, perplexities, idx_to_char, num_hiddens))
    checkpoint = load_checkpoint('songs.json')
    d2l.predict_rnn('分开', 50, *checkpoint.model())

A checkpoint is two files. `songs.json` is for people and programs to read: vocabulary, sizes, settings, history. It
names the other one, `songs-0250-1f3c9a2e.params` (the epoch, and the beginning of its checksum), which holds the
parameters in MXNet's own format: `mx.nd.load` gives a dictionary of arrays under the book's symbols. Nothing in either
is ever executed.
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

import d2lzh
import mxnet as mx
import numpy
from mxnet import nd

from .. import __version__, model
from . import fused
from ..training import Trained

FORMAT = 'rnn_scratch checkpoint 1'
SYMBOLS = ('W_xh', 'W_hh', 'b_h', 'W_hq', 'b_q')
ENGINES = {'tutorial': model.rnn, 'fused': fused.rnn}


@dataclass(repr=False)
class Checkpoint:
    """A model, and all that is needed to use it or to train it further.

    Attributes
    ----------
    params : list of NDArrays
    perplexities : list of float
        One an epoch, on the text that it was trained on.
    idx_to_char : list of str
        The vocabulary.
    num_hiddens : int
    engine : str
        'tutorial' (`model.rnn`), 'fused' (`fused.rnn`), or any other name for a cell of your own.
    settings : dict
        Whatever else describes the run, in what JSON can write.
    held_out : list of float
        One perplexity an epoch on a text that it was not trained on; empty where there is none.
    random_state : tuple or None
        `random.getstate()` at the end of the last epoch: what the shuffling of the next one starts from.
    symbols : tuple of str
        The name of each array of params.
    """

    params: list
    perplexities: list
    idx_to_char: list
    num_hiddens: int
    engine: str = 'tutorial'
    settings: dict = field(default_factory=dict)
    held_out: list = field(default_factory=list)
    random_state: tuple = None
    symbols: tuple = SYMBOLS

    def __repr__(self):
        return (f'Checkpoint({self.engine}, {self.num_hiddens} hidden units, {len(self.idx_to_char)} characters, '
                f'{Trained(self.params, self.perplexities)})')

    @property
    def epoch(self):
        """How many epochs it was trained for."""
        return len(self.perplexities)

    @property
    def char_to_idx(self):
        return {char: i for i, char in enumerate(self.idx_to_char)}

    def model(self):
        """The last eight arguments of `predict_rnn`, from rnn to char_to_idx.

        Raises
        ------
        ValueError
            It is a cell of your own, whose functions are not in the checkpoint.
        """
        if self.engine not in ENGINES:
            raise ValueError(f'The engine {self.engine!r} of this checkpoint is not one of {sorted(ENGINES)}: '
                             'hand your own functions to predict_rnn, with its params.')
        return (ENGINES[self.engine], self.params, model.init_rnn_state, self.num_hiddens, len(self.idx_to_char),
                self.params[0].ctx, self.idx_to_char, self.char_to_idx)


def save_checkpoint(path, checkpoint):
    """Write a checkpoint, whole or not at all.

    The parameters go into a file of a new name. Only when it is complete does the JSON file that points to it take the
    place of the old one, in one step; then the old parameters are removed. A process that is killed at any moment
    leaves either the old checkpoint or the new one.

    Parameters
    ----------
    path : str or path
        The JSON file, `….json`. Its folder is made if there is none.
    checkpoint : Checkpoint

    Raises
    ------
    ValueError
        The name does not end in .json, the arrays do not fit the checkpoint's other values, or a setting is nothing
        that JSON can write.
    OSError
        The files cannot be written.
    """
    path = Path(path)
    if path.suffix != '.json':
        raise ValueError(f"A checkpoint's name ends in .json, and {path} does not.")
    check_arrays(path, checkpoint)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}-{uuid.uuid4().hex}.tmp')
    try:
        nd.save(str(temporary), dict(zip(checkpoint.symbols, checkpoint.params)))
        checksum = hashlib.sha256(temporary.read_bytes()).hexdigest()
        name = f'{path.stem}-{checkpoint.epoch:04d}-{checksum[:8]}.params'
        content = to_json({
            'format': FORMAT,
            'epoch': checkpoint.epoch,
            'params': name,
            'params_sha256': checksum,
            'symbols': list(checkpoint.symbols),
            'shapes': [list(param.shape) for param in checkpoint.params],
            'engine': checkpoint.engine,
            'num_hiddens': checkpoint.num_hiddens,
            'vocab_size': len(checkpoint.idx_to_char),
            'settings': checkpoint.settings,
            'versions': {'python': platform.python_version(), 'mxnet': mx.__version__, 'd2lzh': d2lzh.__version__,
                         'numpy': numpy.__version__, 'rnn_scratch': __version__},
            'perplexities': [number_to_json(p) for p in checkpoint.perplexities],
            'held_out': [number_to_json(p) for p in checkpoint.held_out],
            'idx_to_char': checkpoint.idx_to_char,
            'random_state': checkpoint.random_state,
        })
        put(temporary, path.with_name(name))
        temporary.write_text(content, 'utf-8')
        put(temporary, path)
    finally:
        if temporary.exists():
            temporary.unlink()
    for old in files_of(path):
        if old.name != name:
            old.unlink()


def put(temporary, path):
    """Move a complete file to its place in one step, and let the disk have it before going on."""
    with open(temporary, 'rb') as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def files_of(path):
    """The parameters of this checkpoint and of those before it, and what killed processes left half-written."""
    stem = re.escape(path.stem)
    ours = re.compile(rf'{stem}-\d+-[0-9a-f]{{8}}\.params|\.{stem}-[0-9a-f]{{32}}\.tmp')
    return [file for file in path.parent.iterdir() if ours.fullmatch(file.name)]


def to_json(entries):
    """One entry a line, so that a person finds the short ones between the long ones."""
    lines = []
    for key, value in entries.items():
        try:
            lines.append(f'{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}')
        except (TypeError, ValueError) as error:
            raise ValueError(f'JSON cannot write the {key} {value!r} of a checkpoint: {error}.') from error
    return '{\n' + ',\n'.join(lines) + '\n}\n'


def number_to_json(number):
    """JSON has no infinity: that is written as the text 'inf', which `float` reads."""
    return float(number) if math.isfinite(number) else str(number)


def load_checkpoint(path, ctx=None):
    """Read a checkpoint, and check that its parts fit together.

    Parameters
    ----------
    path : str or path
        The JSON file.
    ctx : mxnet.Context, optional
        The device for the parameters; the CPU if not given.

    Returns
    -------
    Checkpoint
        Its parameters have gradients attached, so that training can go on.

    Raises
    ------
    FileNotFoundError
        One of the two files is missing.
    ValueError
        It is not a checkpoint, it is damaged, or its parts do not fit together; the message says which.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'There is no checkpoint at {path}: give the path of the .json file.')
    try:
        content = path.read_text('utf-8')
        entries = json.loads(content)
        checkpoint = Checkpoint(
            [], [float(p) for p in entries['perplexities']], entries['idx_to_char'], entries['num_hiddens'],
            entries['engine'], entries['settings'], [float(p) for p in entries['held_out']],
            to_random_state(entries['random_state']), tuple(entries['symbols']))
        params_path, checksum = path.with_name(entries['params']), entries['params_sha256']
        sound = (entries['format'] == FORMAT and entries['epoch'] == checkpoint.epoch >= len(checkpoint.held_out)
                 and isinstance(checkpoint.settings, dict) and isinstance(checkpoint.engine, str)
                 and all(isinstance(char, str) for char in checkpoint.idx_to_char))
        if not sound:
            raise ValueError('its entries do not fit together')
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f'{path} is not a checkpoint of this version of rnn_scratch ({FORMAT!r}): '
                         'give the .json file that was saved with it.') from error
    try:
        params = params_path.read_bytes()
    except FileNotFoundError as error:
        if path.read_text('utf-8') != content:      # a training run has saved again in the meantime
            return load_checkpoint(path, ctx)
        raise FileNotFoundError(f'The parameters of {path} are missing: put {params_path.name} beside it.') from error
    if hashlib.sha256(params).hexdigest() != checksum:
        raise ValueError(f'{params_path} is not the file that {path} was saved with: its checksum differs.')
    arrays = nd.load_frombuffer(params)
    if sorted(arrays) != sorted(checkpoint.symbols):
        raise ValueError(f'{params_path} has the arrays {sorted(arrays)}, but {path} asks for '
                         f'{sorted(checkpoint.symbols)}.')
    checkpoint.params += [arrays[symbol].as_in_context(ctx or mx.cpu()) for symbol in checkpoint.symbols]
    check_arrays(path, checkpoint)
    for param in checkpoint.params:
        param.attach_grad()
    return checkpoint


def to_random_state(value):
    """JSON makes lists of tuples, and `random.setstate` wants tuples."""
    return None if value is None else (value[0], tuple(value[1]), value[2])


def check_arrays(path, checkpoint):
    """The vocabulary and the sizes must be those of the arrays, as far as they are the chapter's five."""
    vocab_size, h = len(checkpoint.idx_to_char), checkpoint.num_hiddens
    if len(set(checkpoint.idx_to_char)) != vocab_size:
        raise ValueError(f'The vocabulary of {path} has a character twice.')
    if len(checkpoint.symbols) != len(checkpoint.params):
        raise ValueError(f'{path} has {len(checkpoint.params)} arrays, but {len(checkpoint.symbols)} names for them.')
    if tuple(checkpoint.symbols) != SYMBOLS:
        return
    expected = [(vocab_size, h), (h, h), (h,), (h, vocab_size), (vocab_size,)]
    for symbol, param, shape in zip(SYMBOLS, checkpoint.params, expected):
        if param.shape != shape:
            raise ValueError(f'{symbol} of {path} has shape {param.shape}, but {vocab_size} characters and {h} hidden '
                             f'units need {shape}.')


def check_same_settings(path, checkpoint, wanted):
    """Before training goes on: every setting that is asked for must be the checkpoint's.

    Raises
    ------
    ValueError
        It names the settings that differ, with both values.
    """
    differences = [f'{name} is {checkpoint.settings.get(name)!r} there and {value!r} here'
                   for name, value in wanted.items() if checkpoint.settings.get(name) != value]
    if differences:
        raise ValueError(f'{path} does not fit: {"; ".join(differences)}.')
