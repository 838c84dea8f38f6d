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
from numbers import Real
from pathlib import Path

import mxnet as mx
import numpy as np
import safetensors.numpy

from .. import __version__, _checks, _files, predict
from .._checks import show
from ..training import Trained
from . import fused
from .cells import CELLS, shape_of
from .files import write_whole
from .sampling import sampler

FORMAT = 'rnn_scratch checkpoint 2'
EXPORTED = 'rnn_scratch export for PyTorch'     # a safetensors file, too: see export.py
LARGEST, LARGEST_HEADER = 2 ** 31, 20_000_000     # bytes: 500 million numbers; a vocabulary of all of Unicode
LISTS = (list, tuple)
ND_SAVE = b'\x12\1' + bytes(6)         # how a file of MXNet's nd.save begins
HALF = re.compile('[\ud800-\udfff]')


@dataclasses.dataclass(repr=False, eq=False)
class Checkpoint:
    """一个模型，以及使用它、接着训练它所需要的一切。

    A model, and all that is needed to use it or to train it further. A wrong part raises TypeError or ValueError.

    `perplexities` has one number an epoch, of the text that it was trained on; `held_out`, of another text, or none.
    `cell` is 'rnn', the chapter's; 'gru', 'lstm' or 'relu' (`cells.py`); or another name, for a cell of your own: then
    `symbols` names each array of `params`. `engine`, 'tutorial' or 'fused', has trained it, and predicts. `settings` is
    whatever else describes the run, in what JSON can write; `random_state` is `random.getstate()` after the last epoch,
    or None; where `part` says how far a run came within the next one (see run.py), still that after the last epoch.
    `versions` are those of Python and the packages that it was saved with.
    """

    params: list
    perplexities: list
    idx_to_char: list
    num_hiddens: int
    cell: str = 'rnn'
    engine: str = 'tutorial'
    settings: dict = dataclasses.field(default_factory=dict)
    held_out: list = dataclasses.field(default_factory=list)
    random_state: tuple = None
    symbols: tuple = None
    versions: dict = dataclasses.field(default_factory=dict)
    part: dict = None

    def __post_init__(self):
        """Refuse what would go wrong late, or in silence. A run does it once an epoch, so no array is read here."""
        _checks.whole(1, num_hiddens=self.num_hiddens)
        _checks.must_be(str, 'a short text', is_name, cell=self.cell)
        _checks.must_be(dict, 'a dictionary', settings=self.settings, versions=self.versions)
        _checks.must_be(object, 'None or what random.getstate() gives', is_random_state, random_state=self.random_state)
        _checks.must_be(object, 'None or mini_batches, loss and state of a run', is_part, part=self.part)
        engines = ['tutorial', 'fused'] if self.cell == 'rnn' else ['tutorial']
        _checks.must_be(str, f'one of {engines} for the cell {self.cell!r}', lambda e: e in engines, engine=self.engine)
        if self.symbols is None:
            self.symbols = CELLS.get(self.cell, CELLS['rnn']).symbols
        names = self.symbols
        check_each(Real, 'a number of 1 or more', is_perplexity, perplexities=self.perplexities, held_out=self.held_out)
        check_each(str, 'a character or, of a model of words, a word', lambda entry: entry and not HALF.search(entry),
                   idx_to_char=self.idx_to_char)        # half of a surrogate pair is in no text in UTF-8
        check_each(str, 'a short text', is_name, symbols=names)
        check_each(mx.nd.NDArray, 'an NDArray', lambda param: True, params=self.params)
        _checks.must_be(LISTS, 'no longer than perplexities', lambda p: len(p) <= self.epoch, held_out=self.held_out)
        _checks.must_be(LISTS, 'different characters', lambda c: len({*c}) == len(c), idx_to_char=self.idx_to_char)
        _checks.must_be(LISTS, f'{len(names)} arrays {show(names)}', lambda p: len(p) == len(names), params=self.params)
        shapes = self.shapes() or dict.fromkeys(names)       # of a cell of your own: different names, any shapes
        _checks.must_be(LISTS, f'{[*shapes]} for the cell {self.cell!r}', lambda s: [*s] == [*shapes], symbols=names)
        for (symbol, shape), param in zip(shapes.items(), self.params):
            if shape and (param.shape, param.dtype) != (shape, np.float32):
                raise ValueError(f"{symbol} must be float32, as after astype('float32'), of shape {shape} for "
                                 f'{len(self.idx_to_char)} characters and {self.num_hiddens} hidden units, not '
                                 f'{np.dtype(param.dtype)} of shape {param.shape}.')

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
        """The eight arguments of `predict_rnn` from rnn to char_to_idx; ValueError if it is a cell of your own."""
        if self.cell not in CELLS:
            raise ValueError(f'The cell {self.cell!r} of this checkpoint is not one of {sorted(CELLS)}: hand your own '
                             'functions to predict_rnn, with its params.')
        cell, char_to_idx = CELLS[self.cell], {char: i for i, char in enumerate(self.idx_to_char)}
        return (cell.rnn, self.params, cell.init_rnn_state, self.num_hiddens, len(self.idx_to_char),
                self.params[0].ctx, self.idx_to_char, char_to_idx)

    def predict(self, prefix, num_chars, *, pick=predict.greedy):
        """Continue a prefix: `predict_rnn` with this model, by its engine; the same errors."""
        predict_rnn = fused.predict_rnn if self.engine == 'fused' else predict.predict_rnn
        return predict_rnn(prefix, num_chars, *self.model(), pick=pick)

    def predict_many(self, prefix, num_chars, *, seeds, **settings):
        """What `predict` writes with `sampler(seed=seed, **settings)`, for each seed; the fused engine, all at once."""
        if self.engine != 'fused':
            return [self.predict(prefix, num_chars, pick=sampler(seed=seed, **settings)) for seed in seeds]
        pick = sampler(seed=seeds, **settings)
        return fused.predict_many(prefix, num_chars, *self.model(), n=len(seeds), pick=pick)


SAVED = [field.name for field in dataclasses.fields(Checkpoint) if field.name != 'params']      # in JSON


def check_each(kind, needed, is_right, **lists):
    """A wrong value is named by its place: perplexities[2] must be a number of 1 or more, not -5."""
    for name, values in lists.items():
        _checks.must_be(LISTS, 'a list', **{name: values})
        for i, value in enumerate(values):
            if not isinstance(value, kind) or not is_right(value):
                _checks.must_be(kind, needed, is_right, **{f'{name}[{i}]': value})


def is_name(text):
    return 0 < len(text) <= 100 and text.isprintable()      # it becomes a part of sentences


def is_perplexity(value):
    """Infinite is right, not a number is wrong. Rounding may leave a perfect one slightly below 1."""
    return isinstance(value, Real) and value > 0.999


def is_part(value):
    """Whether it is None, or how many mini-batches came, their loss as a text, and the state in hexadecimal digits."""
    try:
        return value is None or (
            {*value} == {'mini_batches', 'loss', 'state'} and type(value['mini_batches']) is int
            and value['mini_batches'] > 0 and float(value['loss']) >= -1
            and all(np.isfinite(np.frombuffer(bytes.fromhex(s), 'float32')).all() for s in value['state']))
    except (TypeError, ValueError):
        return False


def is_random_state(value):
    """Whether `random.setstate` takes it. Only the form 3, today's: of an older one it computes with the content."""
    try:
        return value is None or value[0] == 3 and random.Random().setstate(value) is None
    except (TypeError, ValueError, LookupError, OverflowError):
        return False


def check_named(checkpoints):
    """Refuse what is no list of (name, Checkpoint)."""
    _checks.must_be(LISTS, 'a list of pairs (name, Checkpoint), at least one', lambda runs: runs and all(
        isinstance(run, LISTS) and list(map(type, run)) == [str, Checkpoint] for run in runs),
        "load a file with load_checkpoint, and write [('songs', checkpoint)]", checkpoints=checkpoints)


def save_checkpoint(path, checkpoint):
    """把模型存成文件：要么完整，要么不动原来的文件。

    Write a checkpoint to a path `….safetensors`, whole or not at all (see `files.write_whole`). ValueError: another
    ending, a number is not finite, JSON cannot write the settings or the model is too large to be loaded; TypeError,
    too: a part was changed and is wrong now. OSError: the file cannot be written.
    """
    _checks.must_be(Checkpoint, 'a Checkpoint', cure='for what training returned, write Checkpoint(*trained, '
                    'idx_to_char, num_hiddens)', checkpoint=checkpoint)
    path = Path(path)
    if path.suffix != '.safetensors':
        raise ValueError(f"A checkpoint's name ends in .safetensors, and {str(path)!r} does not.")
    arrays = arrays_of(checkpoint, path)
    try:
        to_json(from_json(to_json(checkpoint.settings)))    # there and back: not all that it writes can be read
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f'The settings of the checkpoint are {show(checkpoint.settings)}, and JSON cannot write that '
                         f'({error}): use numbers, texts, lists and dictionaries only.') from error
    entries = {'format': FORMAT, 'epoch': checkpoint.epoch, 'vocab_size': len(checkpoint.idx_to_char),
               **{name: vars(checkpoint)[name] for name in SAVED}, 'num_hiddens': int(checkpoint.num_hiddens),
               'versions': {'python': platform.python_version(), 'mxnet': mx.__version__, 'numpy': np.__version__,
                            'rnn_scratch': __version__}}
    for name in ['perplexities', 'held_out']:       # JSON has no infinity: it is the text 'inf', which `float` reads
        entries[name] = [float(p) if math.isfinite(p) else 'inf' for p in entries[name]]
    entries['sha256'] = checksum(entries, arrays)
    content = safetensors.numpy.save(arrays, {'rnn_scratch': to_json(entries)})
    size, header = len(content), int.from_bytes(content[:8], 'little')
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
            raise ValueError(f'{symbol} of {path} is {array.dtype} of shape {array.shape}: a model needs floats.')
        wrong = array[~np.isfinite(array)]
        if wrong.size:
            raise ValueError(f'{symbol} holds numbers that are not finite, such as {wrong[0]}, in {path}: take an '
                             'older model, or train again with a smaller learning rate (lr) or clipping_theta.')


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
    return HALF.sub(lambda half: f'\\u{ord(half.group()):04x}', text)


def from_json(text):
    """The other way round. A whole number of hundreds of digits, which takes Python long to read, becomes infinite."""
    return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < 300 else math.inf)


def load_checkpoint(path, ctx=None):
    """读取模型文件，并检查各部分是否相符。

    Read a checkpoint and check that its parts fit together. The parameters are on the device `ctx`, by default the CPU,
    with gradients attached. OSError: it cannot be read. ValueError: it is none, is damaged, or its parts do not fit.
    """
    _checks.device(ctx)
    content = _files.read_file('checkpoint', _files.as_path(path), LARGEST, 'a .safetensors file', check_head)
    path = _files.shown(path)
    try:
        arrays = safetensors.numpy.load(content)
        header = from_json(content[8:8 + int.from_bytes(content[:8], 'little')])
        entries = from_json(header['__metadata__']['rnn_scratch'])
        found = entries['format']
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        refuse(path, error)
    except (KeyError, TypeError):
        refuse(path, 'it is a safetensors file of another program or an export, without vocabulary and settings')
    if found == EXPORTED:
        refuse(path, 'it was exported for PyTorch', 'give the checkpoint that it was made from')
    if found != FORMAT:
        raise ValueError(f'{path} has the format {show(found)}, and this version of rnn_scratch reads {FORMAT!r}: take '
                         'the version that saved it (newer, if its number is higher), or train the model again.')
    try:
        is_whole = entries.pop('sha256') == checksum(entries, arrays) and set(arrays) == set(entries['symbols'])
    except (KeyError, TypeError, ValueError, RecursionError):       # nothing that has a checksum
        is_whole = False
    if not is_whole:
        raise ValueError(f'{path} is damaged, since its content does not have the checksum that it was saved with: '
                         'fetch or copy it again, or take an older one.')
    check_numbers(arrays, path)
    try:        # a checksum that fits says that nothing was damaged, but not who wrote it
        parts = {name: entries[name] for name in SAVED if name != 'part' or name in entries}    # 0.2 had none
        parts.update({name: [*map(float, parts[name])] for name in ['perplexities', 'held_out']})
        if isinstance(parts['random_state'], list):     # JSON makes lists of tuples
            parts['random_state'] = tuple(tuple(x) if isinstance(x, list) else x for x in parts['random_state'])
        parts['symbols'] = tuple(parts['symbols'])
        params = [mx.nd.array(arrays[name], ctx or mx.cpu(), arrays[name].dtype) for name in parts['symbols']]
        checkpoint = Checkpoint(params, **parts)
    except KeyError as error:
        refuse(path, f'{error} is missing')
    except (TypeError, ValueError) as error:
        refuse(path, error)
    for param in checkpoint.params:
        param.attach_grad()
    return checkpoint


def check_head(path, head, size):
    """Whether a file begins like a checkpoint: the length of its header in eight bytes, and a brace."""
    path, length = _files.shown(path), int.from_bytes(head[:8], 'little')
    if head.startswith(ND_SAVE):
        raise ValueError(f"{path} is a file of MXNet's nd.save, with parameters but no vocabulary: read them with "
                         'nd.load, and give them to Checkpoint(params, [], idx_to_char, num_hiddens), which '
                         'save_checkpoint takes.')
    if head[8:9] != b'{' or length > size - 8:
        refuse(path, f'it is {"empty" if size == 0 else _files.kind_of(head) or "cut off, or does not begin like one"}')
    if length > LARGEST_HEADER:
        refuse(path, f'its header has {length:,} bytes, and at most {LARGEST_HEADER:,} are read')


def refuse(path, reason, cure='give a file that save_checkpoint wrote'):
    reason = ' '.join(str(reason).split())[:200].rstrip('.')
    raise ValueError(f'{path} is not a checkpoint of rnn_scratch, or it is damaged ({reason}): {cure}.')


def is_exported(path):
    """Whether this is a model that `to_pytorch` wrote, and so no checkpoint; of a damaged file nobody knows."""
    if not path.is_file():      # a pipe would never end
        return False
    try:
        with safetensors.safe_open(path, 'numpy') as file:
            return json.loads(file.metadata()['rnn_scratch'])['format'] == EXPORTED
    except (OSError, safetensors.SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        return False
