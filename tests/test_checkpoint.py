"""A model is one file: saved whole or not at all, read by others, checked."""
import dataclasses
import json
import math
import os
import random
import re
import stat
import struct
import subprocess
import sys
import timeit
from pathlib import Path

import rnn_scratch as d2l
from rnn_scratch.beyond import checkpoint as module
from rnn_scratch.beyond import files
from rnn_scratch.beyond.cells import CELLS, shape_of
from rnn_scratch.beyond.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

import mxnet as mx
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from conftest import unix


@pytest.fixture
def checkpoint():
    mx.random.seed(0)
    random.seed(0)
    return Checkpoint(d2l.get_params(4, 3, 4, mx.cpu()), [9.5, math.inf], ['分', '开', ' ', '"'], 3, engine='fused',
                      settings={'lr': 100.0, 'clipping_theta': None}, held_out=[12.5], random_state=random.getstate())


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'folder' / 'songs.safetensors'


@pytest.fixture
def saved(checkpoint, path):
    save_checkpoint(path, checkpoint)
    return path


def refused(path, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_checkpoint(path)
    return str(caught.value)


def test_what_is_saved_is_loaded(checkpoint, saved):
    loaded = load_checkpoint(saved)
    for ours, theirs in zip(loaded.params, checkpoint.params):
        assert ours.dtype == theirs.dtype and ours.grad is not None
        np.testing.assert_array_equal(ours.asnumpy(), theirs.asnumpy())
    for field in dataclasses.fields(Checkpoint):
        if field.name not in ('params', 'versions'):
            assert getattr(loaded, field.name) == getattr(checkpoint, field.name), field.name
    assert set(loaded.versions) == {'python', 'mxnet', 'numpy', 'rnn_scratch'}
    assert repr(loaded) == ('Checkpoint(rnn, 3 hidden units, 4 characters, '
                            'Trained(5 arrays of 40 numbers, 2 epochs, last perplexity inf))')
    assert loaded == loaded and loaded != checkpoint, 'arrays have no truth value: the same object only is equal'
    content = saved.read_bytes()
    save_checkpoint(saved, loaded)
    assert saved.read_bytes() == content


def test_other_programs_can_read_it(checkpoint, saved):
    """With NumPy's reader of the format, and with nothing but Python: a length, JSON, then the bytes of the arrays."""
    np.testing.assert_array_equal(safetensors.numpy.load_file(saved)['W_hh'], checkpoint.params[1].asnumpy())
    content = saved.read_bytes()
    length, = struct.unpack('<Q', content[:8])
    header = json.loads(content[8:8 + length])
    start, end = header['W_hh']['data_offsets']
    assert (header['W_hh']['dtype'], header['W_hh']['shape']) == ('F32', [3, 3])
    np.testing.assert_array_equal(np.frombuffer(content[8 + length:][start:end], 'float32').reshape(3, 3),
                                  checkpoint.params[1].asnumpy())
    entries = json.loads(header['__metadata__']['rnn_scratch'],
                         parse_constant=lambda name: pytest.fail(f'{name} is not JSON'))
    assert (entries['epoch'], entries['idx_to_char'], entries['settings']['lr']) == (2, checkpoint.idx_to_char, 100)


def test_the_model_writes(checkpoint, path):
    for param in checkpoint.params:
        param *= 100
    save_checkpoint(path, checkpoint)
    loaded = load_checkpoint(path)
    theirs = d2l.predict_rnn('分开', 20, *checkpoint.model())
    assert loaded.predict('分开', 20) == theirs
    loaded.engine = 'tutorial'
    assert loaded.predict('分开', 20) == theirs
    assert loaded.predict('分开', 3, pick=lambda Y: mx.nd.array([1])) == '分开开开开'


def test_a_copy_and_a_renamed_file_are_whole_models(checkpoint, path):
    """And no other file is touched. Two files lost a model: training on after a copy, and anew after a renaming."""
    save_checkpoint(path, checkpoint)
    temporary = path.with_name('.songs.safetensors-0.tmp')
    temporary.write_text('mine')
    copy, renamed = path.with_name('backup.safetensors'), path.with_name('first.safetensors')
    copy.write_bytes(path.read_bytes())
    checkpoint.params[0][:] = 1
    checkpoint.perplexities.append(5.0)
    save_checkpoint(path, checkpoint)
    path.rename(renamed)
    checkpoint.perplexities.append(4.0)
    save_checkpoint(path, checkpoint)
    assert [load_checkpoint(file).epoch for file in [copy, renamed, path]] == [2, 3, 4]
    assert temporary.read_text() == 'mine' and len(os.listdir(path.parent)) == 4


def test_a_file_of_version_0_2_is_loaded():
    """The format is the same ever since. `tests/saved_by_0.2.safetensors` was saved by that version."""
    loaded = load_checkpoint(Path(__file__).with_name('saved_by_0.2.safetensors'))
    assert (loaded.cell, loaded.engine, loaded.num_hiddens, loaded.idx_to_char) == ('lstm', 'tutorial', 2, [*'分开"'])
    assert (loaded.perplexities, loaded.held_out) == ([9.5, math.inf, 1.25], [12.5])
    assert loaded.settings == {'lr': 100.0, 'theta': None, 'corpus': '歌.txt'}
    assert loaded.random_state == (3, (*range(624), 7), None)
    assert loaded.symbols == CELLS['lstm'].symbols and loaded.versions['mxnet'] == '1.9.1'
    for i, (symbol, param) in enumerate(zip(loaded.symbols, loaded.params)):
        shape = shape_of(symbol, 3, 2, 3)       # the array number i has i, i + 1/8, i + 2/8 and so on
        np.testing.assert_array_equal(param.asnumpy(), i + np.arange(math.prod(shape)).reshape(shape) / 8)


@unix
def test_a_link_within_the_folder_stays_one(checkpoint, path, tmp_path):
    path.parent.mkdir()
    link = path.with_name('link.safetensors')
    link.symlink_to(path.name)
    for _ in range(2):      # at first it leads nowhere
        save_checkpoint(link, checkpoint)
        assert link.is_symlink() and load_checkpoint(path).epoch == 2
    before = path.read_bytes()
    os.link(path, tmp_path / 'other name')      # a hard link keeps the old bytes
    checkpoint.perplexities.append(1.5)
    save_checkpoint(link, checkpoint)
    assert (tmp_path / 'other name').read_bytes() == before and load_checkpoint(path).epoch == 3


@unix
def test_a_link_out_of_the_folder_is_refused(checkpoint, path, tmp_path):
    """Somebody may have put it there, in a folder that others can write to. The folder itself may be a link."""
    outside = tmp_path / 'letter.txt'
    outside.write_text('mine')
    path.parent.mkdir()
    for target in [outside, '../letter.txt', tmp_path / 'nowhere']:
        path.symlink_to(target)
        with pytest.raises(OSError, match=f'{path} is a link to .*, in another folder, so nothing was written: give'):
            save_checkpoint(path, checkpoint)
        path.unlink()
    assert outside.read_text() == 'mine' and sorted(tmp_path.rglob('*')) == [path.parent, outside]
    (tmp_path / 'runs').symlink_to(path.parent)
    save_checkpoint(tmp_path / 'runs/songs.safetensors', checkpoint)
    assert load_checkpoint(path).epoch == 2


@unix
def test_a_disk_that_cannot_sync_a_folder_is_no_error(checkpoint, path, monkeypatch):
    """FUSE, CIFS and 9p may refuse it; the file is in its place by then."""
    fsync, open_files = os.fsync, len(os.listdir('/proc/self/fd'))
    monkeypatch.setattr(files.os, 'fsync', lambda file: fail() if stat.S_ISDIR(os.fstat(file).st_mode) else fsync(file))
    save_checkpoint(path, checkpoint)
    assert load_checkpoint(path).epoch == 2 and os.listdir(path.parent) == [path.name]
    assert len(os.listdir('/proc/self/fd')) == open_files


@unix
def test_names(checkpoint, path):
    """One may be as long as the disk allows: the name of the temporary file is no longer than that."""
    long = path.with_name('歌' * 81 + '.safetensors')       # 255 bytes
    save_checkpoint(long, checkpoint)
    assert load_checkpoint(long).epoch == 2
    with pytest.raises(NotADirectoryError, match='b.safetensors cannot be made, because .* is not a folder: '):
        save_checkpoint(long / 'b.safetensors', checkpoint)
    with pytest.raises(OSError, match=r'cannot be written to .* \(File name too long\)'):
        save_checkpoint(path.with_name('歌' * 82 + '.safetensors'), checkpoint)
    with pytest.raises(ValueError, match='ends in .safetensors'):
        save_checkpoint(path.with_suffix('.txt'), checkpoint)
    assert os.listdir(path.parent) == [long.name]


def fail(*arguments):
    raise OSError(28, 'No space left on device')


@pytest.mark.parametrize('breakage', ['fsync', 'other bytes', 'replace', 'not finite'])
def test_a_failed_save_leaves_the_old_one(checkpoint, saved, monkeypatch, breakage):
    before = saved.read_bytes()
    message = 'what was there before is still there'
    if breakage == 'not finite':
        checkpoint.params[3][1, 2] = math.nan
        message = 'W_hq holds numbers that are not finite'
    elif breakage == 'other bytes':
        monkeypatch.setattr(files.Path, 'read_bytes', lambda self: b'')
    else:
        monkeypatch.setattr(files.os, breakage, fail)
    with pytest.raises((ValueError, OSError), match=message):
        save_checkpoint(saved, checkpoint)
    monkeypatch.undo()
    assert saved.read_bytes() == before and os.listdir(saved.parent) == [saved.name]


def test_two_processes_that_save_to_one_path(checkpoint, saved):
    """One of the two models is there in the end, whole, and at every moment before."""
    program = '''if True:
        import sys
        from rnn_scratch.beyond.checkpoint import load_checkpoint, save_checkpoint
        checkpoint, number = load_checkpoint(sys.argv[1]), float(sys.argv[2])
        checkpoint.params[0][:] = number
        for i in range(60):
            checkpoint.perplexities.append(number)
            save_checkpoint(sys.argv[1], checkpoint)
            found = load_checkpoint(sys.argv[1])
            assert (found.params[0] == found.perplexities[-1]).min().asscalar(), 'of one model only'
    '''
    processes = [subprocess.Popen([sys.executable, '-c', program, saved, number], stderr=subprocess.PIPE)
                 for number in '23']
    assert [process.communicate()[1] + bytes([process.returncode]) for process in processes] == [b'\0', b'\0']
    assert load_checkpoint(saved).epoch > 2 and os.listdir(saved.parent) == [saved.name]


def test_a_cell_of_one_s_own(path):
    params = [mx.nd.ones((2, 3)), mx.nd.zeros(3, dtype='float64')]
    save_checkpoint(path, Checkpoint(params, [2.0], ['a', 'b'], 3, 'mine', symbols=('W', 'b')))
    loaded = load_checkpoint(path)
    assert (loaded.symbols, loaded.params[0].shape, loaded.params[1].dtype) == (('W', 'b'), (2, 3), np.float64)
    with pytest.raises(ValueError, match="cell 'mine'"):
        loaded.model()
    with pytest.raises(ValueError, match=r"symbols must be \['W'\] for the cell 'mine', not \('W', 'W'\)"):
        dataclasses.replace(loaded, symbols=('W', 'W'))


def edited(path, change, sha256=...):
    """The file with other entries, or other arrays, and the checksum that fits them unless one is given."""
    with safetensors.safe_open(path, 'numpy') as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}
        entries = json.loads(file.metadata()['rnn_scratch'])
    change(entries, arrays)
    entries.pop('sha256', None)
    entries['sha256'] = module.checksum(entries, arrays) if sha256 is ... else sha256
    safetensors.numpy.save_file(arrays, path, {'rnn_scratch': json.dumps(entries)})


STATE = 'random_state must be None or what random.getstate.. gives, not '
WRONG = [
    ('cell', None, 'cell must be a short text, not None'),
    ('cell', 'a\nb', r"cell must be a short text, not 'a\\nb'"),
    ('cell', 'gru', r"engine must be one of \['tutorial'\] for the cell 'gru', not 'fused'"),
    ('engine', 'fast', r"engine must be one of \['tutorial', 'fused'\] for .* 'rnn', not 'fast'"),
    ('num_hiddens', 10 ** 20, 'num_hiddens must be a whole number, at most 2147483647, not 1000'),
    ('num_hiddens', 5, r'W_xh must be float32, .*, of shape \(4, 5\) for 4 characters and 5 hidden units, not'),
    ('settings', ['lr'], 'settings must be a dictionary, not '),
    ('perplexities', [9.5, 5.5, -5], r'perplexities\[2\] must be a number of 1 or more, not -5'),
    ('held_out', [1.5] * 3, r'held_out must be no longer than perplexities, not \[1.5, 1.5, 1.5\]'),
    ('idx_to_char', 'abcd', "idx_to_char must be a list, not 'abcd'"),
    ('idx_to_char', ['a', 'b', '', 'e'], r"idx_to_char\[2\] must be a character or, .*, a word, not ''"),
    ('idx_to_char', ['a', 'b', 5, 'e'], r'idx_to_char\[2\] must be a character or, of a model of words, a word, not 5'),
    ('idx_to_char', ['a', 'b', '\ud800', 'e'], r"idx_to_char\[2\] must be .*, not '\\ud800'"),
    ('idx_to_char', ['a', 'b', 'c', 'c'], 'idx_to_char must be different characters, not'),
    ('idx_to_char', ['a', 'b', 'c'], r'W_xh must be .* \(3, 3\) for 3 characters and 3 hidden'),
    ('idx_to_char', [], r'W_xh must be .* \(0, 3\)'),
    ('random_state', 5, f'{STATE}5'),
    ('random_state', {'a': 1, 'b': 2, 'c': 3}, STATE),
    ('random_state', (3, (1, 2), None), STATE),
    ('random_state', (3, (2 ** 99,) * 625, None), STATE),
    ('random_state', (3, (0.5,) * 625, None), STATE),
    # Of an older form Python would compute '%999999999d' % 2 ** 32, a text of a gigabyte.
    ('random_state', (2, ('%999999999d',) * 625, None), STATE),
]
IN_PYTHON = [
    ('perplexities', [math.nan], r'perplexities\[0\] must be a number of 1 or more, not nan'),
    ('perplexities', 9.5, 'perplexities must be a list, not 9.5'),
    ('symbols', ('a', 'b', 'c', 'd', 'e'), r"symbols must be \['W_xh', .* for the cell 'rnn', not"),
    ('symbols', ('W_xh', 'W_hh', 5, 'W_hq', 'b_q'), r'symbols\[2\] must be a short text, not 5'),
    ('symbols', ('W_xh', 'W_hh'), 'params must be 2 arrays .*, not a list of 5 arrays'),
    ('params', None, 'params must be a list, not None'),
    ('params', [np.ones(3)] * 5, r'params\[0\] must be an NDArray, not an array of shape \(3,\)'),
    ('params', d2l.get_params(4, 3, 4, mx.cpu())[:4], r"params must be 5 arrays \('W_xh', .*, not a list of 4 arrays"),
    ('params', [param.astype('float64') for param in d2l.get_params(4, 3, 4, mx.cpu())],
     r"W_xh must be float32, as after astype\('float32'\), of shape \(4, 3\) .*, not float64 of shape \(4, 3\)"),
]


@pytest.mark.parametrize('name, value, message', WRONG + IN_PYTHON, ids=str)
def test_a_checkpoint_checks_itself(checkpoint, path, name, value, message):
    """When it is made, and once more when it is saved, as it may have been changed."""
    with pytest.raises((TypeError, ValueError), match=f'^{message}') as caught:
        dataclasses.replace(checkpoint, **{name: value})
    assert '\n' not in str(caught.value) and str(caught.value).endswith('.')
    setattr(checkpoint, name, value)
    with pytest.raises(type(caught.value), match=f'^{message}'):
        save_checkpoint(path, checkpoint)
    assert not path.exists()


@pytest.mark.parametrize('name, value, message', [
    *WRONG,
    ('perplexities', [None], 'NoneType'), ('perplexities', 5, "'int' object is not iterable"),
    ('perplexities', ['nan'], r'perplexities\[0\] must be a number of 1 or more, not nan'),
], ids=str)
def test_a_crafted_file_is_refused_in_one_sentence(saved, name, value, message):
    """Its checksum fits, but no checkpoint can be made of it."""
    edited(saved, lambda entries, arrays: entries.update({name: value}))
    sentence = refused(saved, rf'^{re.escape(str(saved))} is not a checkpoint of rnn_scratch, or it is damaged \(')
    assert '\n' not in sentence and sentence.endswith('): give a file that save_checkpoint wrote.')
    if name != 'random_state':          # JSON has no tuples, so that it is shown with other brackets
        refused(saved, message[:150].rsplit(', as')[0].rsplit(' not ')[0])


@pytest.mark.parametrize('name', sorted({*module.SAVED} - {'symbols', 'part'}))
def test_a_missing_entry_is_named(saved, name):
    edited(saved, lambda entries, arrays: entries.pop(name))
    refused(saved, rf"damaged \('{name}' is missing\)")


@pytest.mark.parametrize('change', [
    lambda entries, arrays: entries.update(idx_to_char=entries['idx_to_char'][::-1]),
    lambda entries, arrays: entries.update(symbols=['W_xh', 'W_hh', 'b_h', 'W_hq', 'bias']),
    lambda entries, arrays: entries.pop('symbols'),
    lambda entries, arrays: arrays.pop('b_q'),
    lambda entries, arrays: entries.update(settings={'lr': math.nan}),
    lambda entries, arrays: entries.update(epoch=10 ** 400),
])
def test_what_has_another_checksum_is_damaged(saved, change):
    edited(saved, change, sha256='0' * 64)
    refused(saved, 'is damaged, since its content does not have the checksum')


@pytest.mark.parametrize('settings', [{'lr': math.inf}, {'seed': 10 ** 400}, {'f': fail}], ids=['lr', 'seed', 'f'])
def test_settings_that_json_cannot_write_are_refused_when_it_is_saved(checkpoint, path, settings):
    with pytest.raises(ValueError, match='^The settings of the checkpoint are .*, and JSON cannot write that'):
        save_checkpoint(path, dataclasses.replace(checkpoint, settings=settings))
    assert not path.exists()


@unix
def test_numbers_of_numpy_and_a_path_that_is_no_utf_8_are_taken(checkpoint, path):
    settings = {'corpus': os.fsdecode(b'/songs/\xb8\xe8.txt')}
    save_checkpoint(path, dataclasses.replace(checkpoint, num_hiddens=np.int64(3), held_out=[np.float32(2.5)],
                                              settings=settings))
    loaded = load_checkpoint(path)
    assert (loaded.num_hiddens, loaded.held_out, loaded.settings) == (3, [2.5], settings)
    assert type(loaded.num_hiddens) is int


def test_a_checkpoint_is_checked_in_no_time(checkpoint):
    """A run makes one an epoch. Reading the arrays on another device would take longer."""
    params = d2l.get_params(1027, 256, 1027, mx.cpu())
    vocabulary = [chr(0x4e00 + i) for i in range(1027)]
    seconds = timeit.repeat(lambda: Checkpoint(params, [2.0] * 250, vocabulary, 256, random_state=random.getstate()),
                            number=1, repeat=20)
    assert min(seconds) < 0.005


@pytest.mark.parametrize('name, array, message', [
    ('W_hh', np.zeros((0, 3), 'float32'), r'W_hh .* is float32 of shape \(0, 3\)'),
    ('W_hh', np.zeros((3, 2), 'float32'), r'W_hh must be .* \(3, 3\) .*, not float32 of shape \(3, 2\)'),
    ('W_hh', np.zeros((), 'float32'), r'W_hh .* shape \(\)'),
    ('W_hh', np.zeros((3, 3), 'float64'), 'W_hh must be float32, .* not float64'),
    ('W_hh', np.zeros((3, 3), 'int32'), 'W_hh .* is int32 of shape'),
    ('b_q', np.full(4, -np.inf, 'float32'), r'b_q .* not finite, such as -inf'),
])
def test_arrays_that_do_not_fit_are_named(saved, name, array, message):
    edited(saved, lambda entries, arrays: arrays.update({name: array}))
    assert str(saved) in refused(saved, message)


def test_a_changed_file_is_noticed(saved):
    content = saved.read_bytes()
    for position in [0, 20, len(content) - 1]:
        saved.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1:])
        refused(saved, 'damaged')
    for length in [5, 100, len(content) - 1]:
        saved.write_bytes(content[:length])
        refused(saved, 'damaged')
    saved.write_bytes(content)      # the checksum does not know an array without a symbol
    edited(saved, lambda entries, arrays: arrays.update(more=np.ones(3, 'float32')))
    refused(saved, 'is damaged')


@unix
@pytest.mark.parametrize('name, found', [('nowhere', 'does not exist'), ('.', 'is a folder'),
                                         ('/dev/zero', 'is no file, but a pipe')])
def test_what_is_no_file_is_named(tmp_path, name, found):
    with pytest.raises(FileNotFoundError, match=f'The checkpoint {tmp_path / name} {found}.* a .safetensors file'):
        load_checkpoint(tmp_path / name)


def headed(header):
    return struct.pack('<Q', len(header)) + header.encode() + bytes(4)


FOREIGN = 'a safetensors file of another program or an export, without vocabulary'


@pytest.mark.parametrize('content, found', [
    (b'', 'it is empty'),
    (b'PK\x03\x04' + bytes(99), 'it is a zip archive'),     # as PyTorch and NumPy save their arrays
    ('分开 不分开\n'.encode() * 9, 'it is cut off, or does not begin like one'),
    (b'\x80\x04\x95' + bytes(99), 'it is cut off, or does not begin like one'),        # a pickle
    (struct.pack('<Q', 2) + b'{}', FOREIGN),
    (safetensors.numpy.save({'W_xh': np.ones(3)}, {'format': 'np'}), FOREIGN),
    (safetensors.numpy.save({'W_xh': np.ones(3)}, {'rnn_scratch': '5'}), FOREIGN),
    (safetensors.numpy.save({'W_xh': np.ones(3)}, {'rnn_scratch': '[' * 100000}),
     '(recursion|Stack overflow)'),     # as Python says it from 3.14 on
    (headed('{"W":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'), FOREIGN),
    (headed('{"W":{"dtype":"F32","shape":[2147483647,3],"data_offsets":[0,4]}}'), ''),
    (headed('{"W":{"dtype":"F32","shape":[2],"data_offsets":[0,80]}}'), ''),
])
def test_a_file_of_another_kind_is_named(path, content, found):
    path.parent.mkdir()
    path.write_bytes(content)
    refused(path, rf'songs\.safetensors is not a checkpoint of rnn_scratch, .*{found}')


@pytest.mark.parametrize('value', ['rnn_scratch checkpoint 3', 'checkpoint 3', None])
def test_another_version_is_named(saved, value):
    edited(saved, lambda entries, arrays: entries.update(format=value))
    refused(saved, f"format {value!r}, .* '{module.FORMAT}': take the version that saved it")


def test_what_is_too_large_is_refused_before_it_is_read(saved):
    """Files with holes in them, which take no room on the disk."""
    with open(saved, 'r+b') as file:
        file.truncate(10 ** 12)
    refused(saved, 'has 1,000,000,000,000 bytes, and at most 2,147,483,648 are read')
    with open(saved, 'r+b') as file:
        file.truncate(10 ** 9)
        file.write(struct.pack('<Q', 10 ** 9 - 8))
    refused(saved, 'header has 999,999,992 bytes, and at most 20,000,000 are read')


def test_what_is_too_large_to_load_is_refused_when_it_is_saved(checkpoint, path, monkeypatch):
    for limit in ['LARGEST', 'LARGEST_HEADER']:
        with monkeypatch.context() as patch:
            patch.setattr(module, limit, 100)
            with pytest.raises(ValueError, match=r'songs\.safetensors would have [\d,]+ bytes'):
                save_checkpoint(path, checkpoint)
    assert not path.exists()


def test_a_number_of_a_million_digits_is_refused_at_once(saved):
    """Python takes minutes to read one, or refuses it without a name."""
    with safetensors.safe_open(saved, 'numpy') as file:
        text = file.metadata()['rnn_scratch'].replace('"epoch": 2', f'"epoch": {"9" * 10 ** 6}')
    safetensors.numpy.save_file(safetensors.numpy.load_file(saved), saved, {'rnn_scratch': text})
    refused(saved, 'is damaged')
