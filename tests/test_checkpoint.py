"""A model is one file: saved whole or not at all, read by others, checked."""
import dataclasses
import gzip
import io
import json
import math
import os
import random
import re
import struct
import subprocess
import sys
import zipfile

import rnn_scratch as d2l
from rnn_scratch.beyond import checkpoint as module
from rnn_scratch.beyond.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

import mxnet as mx
import numpy as np
import pytest
import safetensors
import safetensors.numpy


@pytest.fixture
def checkpoint():
    mx.random.seed(0)
    random.seed(0)
    return Checkpoint(d2l.get_params(4, 3, 4, mx.cpu()), [9.5, math.inf], ['分', '开', ' ', '"'], 3, engine='fused',
                      settings={'lr': 100.0, 'clipping_theta': None}, held_out=[12.5], random_state=random.getstate())


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'folder' / 'songs.safetensors'


def test_what_is_saved_is_loaded(checkpoint, path):
    save_checkpoint(path, checkpoint)
    loaded = load_checkpoint(path)
    for ours, theirs in zip(loaded.params, checkpoint.params):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours.asnumpy(), theirs.asnumpy())
        assert ours.grad is not None
    for field in dataclasses.fields(Checkpoint):
        if field.name not in ('params', 'versions'):
            assert getattr(loaded, field.name) == getattr(checkpoint, field.name), field.name
    assert set(loaded.versions) == {'python', 'mxnet', 'numpy', 'rnn_scratch'}
    assert repr(loaded) == ('Checkpoint(rnn, 3 hidden units, 4 characters, '
                            'Trained(5 arrays of 40 numbers, 2 epochs, last perplexity inf))')


def test_other_programs_can_read_it(checkpoint, path):
    """With NumPy's reader of the format, and with nothing but Python: a length, JSON, then the bytes of the arrays."""
    save_checkpoint(path, checkpoint)
    arrays = safetensors.numpy.load_file(path)
    assert sorted(arrays) == ['W_hh', 'W_hq', 'W_xh', 'b_h', 'b_q']
    np.testing.assert_array_equal(arrays['W_hh'], checkpoint.params[1].asnumpy())
    content = path.read_bytes()
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
    """What lost a model when it was two files: training on after a copy, and training anew after a renaming."""
    save_checkpoint(path, checkpoint)
    copy, renamed = path.with_name('backup.safetensors'), path.with_name('first.safetensors')
    copy.write_bytes(path.read_bytes())
    checkpoint.params[0][:] = 1
    checkpoint.perplexities.append(5.0)
    save_checkpoint(path, checkpoint)
    path.rename(renamed)
    checkpoint.perplexities.append(4.0)
    save_checkpoint(path, checkpoint)
    assert [load_checkpoint(file).epoch for file in [copy, renamed, path]] == [2, 3, 4]


def test_no_other_file_is_touched(checkpoint, path):
    path.parent.mkdir()
    others = {name: name.encode() for name in ['songs.params', '.songs.safetensors-0.tmp', 'songs-best.safetensors']}
    for name, content in others.items():
        (path.parent / name).write_bytes(content)
    for _ in range(2):
        save_checkpoint(path, checkpoint)
    path_content = path.read_bytes()
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == {**others, path.name: path_content}


def test_the_same_model_gives_the_same_bytes(checkpoint, path):
    save_checkpoint(path, checkpoint)
    first = path.read_bytes()
    save_checkpoint(path, load_checkpoint(path))
    assert path.read_bytes() == first


def test_a_symbolic_link_stays_one(checkpoint, path):
    path.parent.mkdir()
    link = path.with_name('link.safetensors')
    link.symlink_to(path.name)
    save_checkpoint(link, checkpoint)
    assert link.is_symlink() and load_checkpoint(path).epoch == 2


def fail(*arguments):
    raise OSError(28, 'No space left on device')


@pytest.mark.parametrize('breakage', ['write', 'fsync', 'other bytes', 'replace', 'JSON', 'not finite'])
def test_a_failed_save_leaves_the_old_one(checkpoint, path, monkeypatch, breakage):
    save_checkpoint(path, checkpoint)
    before = path.read_bytes()
    checkpoint.perplexities.append(1.5)
    if breakage == 'JSON':
        checkpoint.settings['corpus'] = object()
        message = "settings of the checkpoint .*'corpus': <object.* JSON cannot write"
    elif breakage == 'not finite':
        checkpoint.params[3][1, 2] = math.nan
        message = 'W_hq holds numbers that are not finite'
    else:
        message = 'what was there before is still there'
        if breakage == 'write':     # a limit of the process stands in for a full disk: the last bytes do not fit
            return failing_write(checkpoint, path, before)
        if breakage == 'other bytes':
            monkeypatch.setattr(module.Path, 'read_bytes', lambda self: b'')
        else:
            monkeypatch.setattr(module.os, breakage, fail)
    with pytest.raises((ValueError, OSError), match=message):
        save_checkpoint(path, checkpoint)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def failing_write(checkpoint, path, before):
    import resource
    import signal
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) - 10, limits[1]))
    try:
        with pytest.raises(OSError, match='what was there before is still there'):
            save_checkpoint(path, checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_two_processes_that_save_to_one_path(checkpoint, path):
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
    save_checkpoint(path, checkpoint)
    processes = [subprocess.Popen([sys.executable, '-c', program, path, number], stderr=subprocess.PIPE)
                 for number in '23']
    assert [process.communicate()[1] + bytes([process.returncode]) for process in processes] == [b'\0', b'\0']
    assert load_checkpoint(path).epoch > 2
    assert os.listdir(path.parent) == [path.name]


def test_a_cell_of_one_s_own(path):
    params = [mx.nd.ones((2, 3)), mx.nd.zeros(3, dtype='float64')]
    save_checkpoint(path, Checkpoint(params, [2.0], ['a', 'b'], 3, 'mine', symbols=('W', 'b')))
    loaded = load_checkpoint(path)
    assert loaded.symbols == ('W', 'b') and loaded.params[0].shape == (2, 3)
    assert loaded.params[1].dtype == np.float64
    with pytest.raises(ValueError, match="cell 'mine'"):
        loaded.model()


def edited(path, change, sha256=...):
    """The file with other entries, or other arrays, and the checksum that fits them unless one is given."""
    with safetensors.safe_open(path, 'numpy') as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}
        entries = json.loads(file.metadata()['rnn_scratch'])
    change(entries, arrays)
    entries.pop('sha256', None)
    entries['sha256'] = module.checksum(entries, arrays) if sha256 is ... else sha256
    safetensors.numpy.save_file(arrays, path, {'rnn_scratch': json.dumps(entries)})


HUGE = 10 ** 400
VALUES = [None, True, 0, -1, 0.5, 2.0, math.nan, math.inf, -math.inf, HUGE, '', 'nonsense', 'line\nbreak', 'x' * 1000,
          [], [[]], [[[1]]], [None], [True], [-5], [math.nan], [0.25], ['ab'], [''], ['\ud800'], ['a', 'a'], {},
          {'a': 1}, {'a': {'b': []}}]
# Which of these an entry may have: of no perplexities the message names epoch.
SOUND = {
    'cell': ['nonsense'], 'symbols': [['ab']], 'settings': [{}, {'a': 1}, {'a': {'b': []}}], 'versions': [{}],
    'perplexities': [[]], 'held_out': [[]], 'random_state': [None],
}


def shown(value):
    """How a message shows a value: a number of hundreds of digits as infinite, and of a long text its beginning."""
    return 'inf' if value == HUGE else repr(value[:30])[:-1] if isinstance(value, str) else repr(value)


NAMES = ['cell', 'engine', 'num_hiddens', 'vocab_size', 'epoch', 'symbols', 'settings', 'versions', 'perplexities',
         'held_out', 'idx_to_char', 'random_state', 'sha256']
CASES = [(name, value) for name in NAMES for value in VALUES if value not in SOUND.get(name, [])]


@pytest.mark.parametrize('name, value', CASES, ids=[f'{name}-{i}' for i, (name, _) in enumerate(CASES)])
def test_a_wrong_entry_is_named_with_its_value(checkpoint, path, name, value):
    save_checkpoint(path, checkpoint)
    edited(path, lambda entries, arrays: entries.update({name: value}), sha256=value if name == 'sha256' else '0' * 64)
    with pytest.raises(ValueError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert re.match(rf'{name}(\[\d\])? of the checkpoint {re.escape(str(path))} is ', message), message
    assert shown(value[-1] if f'{name}[' in message else value) in message


@pytest.mark.parametrize('name', NAMES[:-1])
def test_a_missing_entry_is_named(checkpoint, path, name):
    save_checkpoint(path, checkpoint)
    edited(path, lambda entries, arrays: entries.pop(name), sha256='0' * 64)
    with pytest.raises(ValueError, match=f'^{name} of the checkpoint .* is missing, and must be '):
        load_checkpoint(path)


@pytest.mark.parametrize('name, value, message', [
    ('idx_to_char', ['a', 'b', 'c', 'c'], r"^idx_to_char\[3\] .* is 'c', and must be different"),
    ('idx_to_char', ['a', 'b', 'cd', 'e'], r"^idx_to_char\[2\] .* is 'cd', and must be a single character"),
    ('vocab_size', 5, '^vocab_size .* is 5, and must be 4, the number of characters'),
    ('num_hiddens', 5, r'W_xh .*\(4, 3\).* 5 hidden units need \(4, 5\)'),
    ('symbols', ['W_xh', 'W_hh', 'b_h', 'W_hq', 'bias'], "its metadata names .*'bias'"),
    ('perplexities', [9.5, 5.5, -5], r'^perplexities\[2\] .* is -5, and must be a number of 1 or more'),
    ('perplexities', [9.5, HUGE], r'^perplexities\[1\] .* is inf'),
    ('epoch', 99, '^epoch .* is 99, and must be 2, the number of perplexities'),
    ('held_out', [1.5, 1.5, 1.5], r'^held_out .* is \[1.5, 1.5, 1.5\], and must be no longer than the 2'),
    ('cell', 'gru', "^engine .* is 'fused', and must be 'tutorial' for the cell 'gru'"),
    ('random_state', [3, [1, 2], None], r'^random_state .* is \[3, \[1, 2\], None\]'),
    ('random_state', [3, [2 ** 32] * 625, None], r'^random_state .* is \[3, \[4294967296, '),
    ('random_state', [3, [625] * 625, None], r'^random_state .* is \[3, \[625, '),
    ('random_state', [3, [5] * 625, 'gauss'], r"^random_state .* 'gauss'\]"),
    ('settings', {'unigram_perplexity': [1]}, r"^settings\['unigram_perplexity'\] .* is \[1\]"),
    ('settings', {'lr': math.nan}, r"^settings\['lr'\] .* is nan"),
    ('versions', {'mxnet': '1.9.1\n'}, r"^versions .* is \{'mxnet': '1.9.1\\n'\}"),
])
def test_an_entry_that_does_not_fit_the_others_is_named(checkpoint, path, name, value, message):
    save_checkpoint(path, checkpoint)
    edited(path, lambda entries, arrays: entries.update({name: value}), sha256='0' * 64)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path)


OF_A_RUN = {'sampling': 'random', 'corpus': None, 'num_chars': 0, 'holdout': 0.1, 'hidden': 3, 'num_steps': 2,
            'batch_size': 1, 'lr': 100.0, 'theta': None, 'seed': 0, 'corpus_sha256': '0' * 64,
            'unigram_perplexity': 2.0}


@pytest.fixture
def of_a_run(checkpoint):
    """As `python -m rnn_scratch train` saves it: with all its settings, and a vocabulary in order."""
    return dataclasses.replace(checkpoint, settings=OF_A_RUN, idx_to_char=sorted(checkpoint.idx_to_char))


WRONG_SETTINGS = {
    'sampling': [None, 'consecutive!', ['random'], 1],
    'corpus': ['', 'a\0b', 5, ['a.txt'], False],
    'num_chars': [None, -1, 2.5, '10', math.nan, HUGE],
    'holdout': [None, -0.1, 1, 1.5, math.nan, '0.1', math.inf],
    'hidden': [None, 0, -3, 4, '3', 3.0, math.nan, HUGE],
    'num_steps': [None, 0, -1, 2.5, '2', math.nan, HUGE],
    'batch_size': [None, 0, -1, 2.5, '2', math.nan, HUGE],
    'lr': [None, 0, -1, '100', math.nan, math.inf, HUGE, [100]],
    'theta': [0, -1, '0.01', math.nan, math.inf, [0.01]],
    'seed': [None, 0.5, '0', math.nan, HUGE, [0]],
    'corpus_sha256': [None, '', 'F' * 64, '0' * 63, 5],
    'unigram_perplexity': [None, 0.5, -1, 'nan', math.nan, [2.0], {}],
}
CASES = [(name, value) for name, values in WRONG_SETTINGS.items() for value in values]


@pytest.mark.parametrize('name, value', CASES, ids=[f'{name}-{i}' for i, (name, _) in enumerate(CASES)])
def test_a_wrong_setting_of_a_run_is_named_with_its_value(of_a_run, path, name, value):
    save_checkpoint(path, of_a_run)
    assert load_checkpoint(path).settings == OF_A_RUN
    edited(path, lambda entries, arrays: entries['settings'].update({name: value}), sha256='0' * 64)
    with pytest.raises(ValueError, match=rf"^settings\['{name}'\] of the checkpoint .* is ") as caught:
        load_checkpoint(path)
    assert f'is {shown(value)}' in str(caught.value)


@pytest.mark.parametrize('name', sorted({*WRONG_SETTINGS} - {'corpus_sha256', 'unigram_perplexity'}))
def test_a_missing_setting_of_a_run_is_named(of_a_run, path, name):
    save_checkpoint(path, of_a_run)
    edited(path, lambda entries, arrays: entries['settings'].pop(name))
    with pytest.raises(ValueError, match=rf"^settings\['{name}'\] of the checkpoint .* is missing"):
        load_checkpoint(path)


def test_the_vocabulary_of_a_run_in_another_order_is_refused(of_a_run, path):
    """Another order would pick other characters in silence. A vocabulary of one's own may have any order."""
    save_checkpoint(path, of_a_run)
    edited(path, lambda entries, arrays: entries.update(idx_to_char=[' ', '"', '开', '分']))
    with pytest.raises(ValueError, match="has '开' before '分'"):
        load_checkpoint(path)


@pytest.mark.parametrize('field, value, message', [
    ('perplexities', [math.nan], r"^perplexities\[0\] .* is 'nan'"),
    ('perplexities', [0.5, 2.0], r'^perplexities\[0\] .* is 0.5'),
    ('idx_to_char', ['a', 'b', 'cd', 'e'], r"^idx_to_char\[2\] .* is 'cd'"),
    ('idx_to_char', ['a', 'b', '\ud800', 'e'], r"^idx_to_char\[2\] .* is '\\ud800'"),
    ('random_state', (3, (1, 2), None), '^random_state '),
    ('cell', 'a\nb', r"^cell .* is 'a\\nb'"),
    ('num_hiddens', np.int64(3), '^num_hiddens .* is 3, and JSON cannot write that'),
    ('settings', {'lr': math.inf}, "^settings .* is {'lr': inf}, and JSON cannot write that"),
])
def test_what_would_not_load_is_refused_when_it_is_saved(checkpoint, path, field, value, message):
    with pytest.raises(ValueError, match=message):
        save_checkpoint(path, dataclasses.replace(checkpoint, **{field: value}))
    assert not path.exists()


def test_a_path_that_is_no_utf_8_is_a_setting_like_another(checkpoint, path):
    checkpoint.settings = {'corpus': os.fsdecode(b'/songs/\xb8\xe8.txt')}
    save_checkpoint(path, checkpoint)
    assert load_checkpoint(path).settings == checkpoint.settings


@pytest.mark.parametrize('name, array, message', [
    ('W_hh', np.zeros((0, 3), 'float32'), r'W_hh .* shape \(0, 3\)'),
    ('W_hh', np.zeros((3, 2), 'float32'), r'W_hh .* \(3, 2\).* need \(3, 3\)'),
    ('W_hh', np.zeros((), 'float32'), r'W_hh .* shape \(\)'),
    ('W_hh', np.zeros((3, 3), 'float64'), r'W_hh .* type float64.* float32'),
    ('W_hh', np.zeros((3, 3), 'int32'), r'W_hh .* type int32.* float32'),
    ('W_hh', np.full((3, 3), np.nan, 'float32'), r'W_hh .* not finite, such as nan'),
    ('b_q', np.full(4, -np.inf, 'float32'), r'b_q .* not finite, such as -inf'),
])
def test_arrays_that_do_not_fit_are_named(checkpoint, path, name, array, message):
    save_checkpoint(path, checkpoint)
    edited(path, lambda entries, arrays: arrays.update({name: array}))
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path)


def test_a_changed_file_is_noticed(checkpoint, path):
    save_checkpoint(path, checkpoint)
    edited(path, lambda entries, arrays: entries.update(idx_to_char=checkpoint.idx_to_char[::-1]), sha256='0' * 64)
    with pytest.raises(ValueError, match='checksum'):
        load_checkpoint(path)
    save_checkpoint(path, checkpoint)
    content = path.read_bytes()
    for position in [0, 20, len(content) - 1]:
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1:])
        with pytest.raises(ValueError, match='damaged'):
            load_checkpoint(path)
    for length in [0, 5, 100, len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match='damaged'):
            load_checkpoint(path)


def test_arrays_that_claim_more_than_the_file_has(checkpoint, path):
    """Dimensions made up by somebody: the reader of the format refuses them before any memory is touched."""
    save_checkpoint(path, checkpoint)
    content = path.read_bytes()
    for shape in [b'[2147483647,3]', b'[3,4294967297]', b'[-3,-3]']:
        changed = content.replace(b'"shape":[3,3]', b'"shape":' + shape)
        length, = struct.unpack('<Q', content[:8])
        path.write_bytes(struct.pack('<Q', length + len(changed) - len(content)) + changed[8:])
        with pytest.raises(ValueError, match='damaged'):
            load_checkpoint(path)


@pytest.mark.parametrize('name, found', [
    ('nowhere.safetensors', 'does not exist'), ('.', 'is a folder'), ('whole.safetensors/below', 'does not exist'),
    ('fifo', 'is no file, but a pipe'), ('/dev/zero', 'is no file, but a pipe'),
    ('a\0b', 'has a name that no file can have')])
def test_what_is_no_file_is_named(checkpoint, tmp_path, name, found):
    save_checkpoint(tmp_path / 'whole.safetensors', checkpoint)
    os.mkfifo(tmp_path / 'fifo')
    with pytest.raises(FileNotFoundError, match=found) as caught:
        load_checkpoint(tmp_path / name)
    assert str(tmp_path / name).replace('\0', r'\x00') in str(caught.value)


def pytorch_file():
    """PyTorch saves a zip archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, 'w') as archive:
        archive.writestr('model/data.pkl', b'\x80\x02}q\x00.')
    return content.getvalue()


def npz_file():
    content = io.BytesIO()
    np.savez(content, W_xh=np.ones(3))
    return content.getvalue()


FOREIGN = 'a safetensors file of another program or an export, without vocabulary'


@pytest.mark.parametrize('content, found', [
    (b'', 'it is empty'),
    (pytorch_file(), 'it is a zip archive'),
    (npz_file(), 'it is a zip archive'),
    (gzip.compress(b'songs'), 'it is a gzip archive'),
    ('分开 不分开\n'.encode() * 9, 'it does not begin like one'),
    (b'{"format": "rnn_scratch checkpoint 2"}', 'it does not begin like one'),
    (b'\x80\x04\x95' + bytes(99), 'it does not begin like one'),        # a pickle
    (struct.pack('<Q', 2) + b'{}', FOREIGN),
    (safetensors.numpy.save({'W_xh': np.ones(3)}), FOREIGN),
    (safetensors.numpy.save({'W_xh': np.ones(3)}, {'format': 'np'}), FOREIGN),
    (safetensors.numpy.save({'W_xh': np.ones(3)}, {'rnn_scratch': '5'}), FOREIGN),
    (safetensors.numpy.save({'W_xh': np.ones(3)}, {'rnn_scratch': '[' * 100000}), 'recursion'),
    (struct.pack('<Q', 80) + b'{"W":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'.ljust(80) + bytes(4), FOREIGN),
    (struct.pack('<Q', 80) + b'{"W":{"dtype":"F32","shape":[2],"data_offsets":[0,80]}}'.ljust(80) + bytes(4), ''),
])
def test_a_file_of_another_kind_is_named(path, content, found):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf'songs\.safetensors is not a checkpoint of rnn_scratch, .*{found}'):
        load_checkpoint(path)


@pytest.mark.parametrize('name', ['songs.json', 'songs.params'])
def test_a_checkpoint_of_version_0_1_is_named(path, name):
    path.parent.mkdir()
    path.with_name(name).write_text('{"format": "rnn_scratch checkpoint 1"}', 'utf-8')
    with pytest.raises(ValueError, match=f'{name} looks like one of the two files .* rnn_scratch 0.1'):
        load_checkpoint(path.with_name(name))


@pytest.mark.parametrize('value, message', [
    ('rnn_scratch checkpoint 3', "'rnn_scratch checkpoint 3' of a newer version .*: install that version"),
    ('rnn_scratch checkpoint 1', "'rnn_scratch checkpoint 1' of an older version"),
    ('checkpoint 3', "its format is 'checkpoint 3'"),
    (None, 'its format is None'),
])
def test_another_version_is_named(checkpoint, path, value, message):
    save_checkpoint(path, checkpoint)
    edited(path, lambda entries, arrays: entries.update(format=value))
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path)


def test_what_is_too_large_is_refused_before_it_is_read(checkpoint, path):
    """Files with holes in them, which take no room on the disk."""
    save_checkpoint(path, checkpoint)
    with open(path, 'r+b') as file:
        file.truncate(10 ** 12)
    with pytest.raises(ValueError, match='has 1,000,000,000,000 bytes, and at most 2,147,483,648 are read'):
        load_checkpoint(path)
    with open(path, 'r+b') as file:
        file.truncate(10 ** 9)
        file.write(struct.pack('<Q', 10 ** 9 - 8))
    with pytest.raises(ValueError, match='header .* has 999,999,992 bytes .* at most 20,000,000'):
        load_checkpoint(path)


def test_what_is_too_large_to_load_is_refused_when_it_is_saved(checkpoint, path, monkeypatch):
    for limit in ['LARGEST', 'LARGEST_HEADER']:
        with monkeypatch.context() as patch:
            patch.setattr(module, limit, 100)
            with pytest.raises(ValueError, match=r'songs\.safetensors would have [\d,]+ bytes'):
                save_checkpoint(path, checkpoint)
    assert not path.exists()


def test_a_number_of_a_million_digits_is_refused_at_once(checkpoint, path):
    """Python takes minutes to read one, or refuses it without a name."""
    save_checkpoint(path, checkpoint)
    with safetensors.safe_open(path, 'numpy') as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}
        text = file.metadata()['rnn_scratch']
    safetensors.numpy.save_file(arrays, path, {'rnn_scratch': text.replace('"epoch": 2', f'"epoch": {"9" * 10 ** 6}')})
    with pytest.raises(ValueError, match='^epoch .* is inf'):
        load_checkpoint(path)


def test_bad_names_and_shapes_are_refused(checkpoint, path):
    with pytest.raises(ValueError, match='ends in .safetensors'):
        save_checkpoint(path.with_suffix('.txt'), checkpoint)
    with pytest.raises(ValueError, match=r'W_xh of .* need \(4, 7\)'):
        save_checkpoint(path, dataclasses.replace(checkpoint, num_hiddens=7))
    with pytest.raises(ValueError, match='name another cell'):
        save_checkpoint(path, dataclasses.replace(checkpoint, symbols=('a', 'b', 'c', 'd', 'e')))
    with pytest.raises(ValueError, match='5 arrays, but 4 different names'):
        save_checkpoint(path, dataclasses.replace(checkpoint, cell='mine', symbols=('a', 'b', 'c', 'd', 'd')))
    assert not path.parent.exists()
