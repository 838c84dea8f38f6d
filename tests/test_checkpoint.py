"""A model is one file: saved whole or not at all, read by others, checked."""
import dataclasses
import json
import math
import os
import random
import struct
import subprocess
import sys

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
        message = 'JSON cannot write the settings'
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


def edited(path, change, sha256=None):
    """The file with other entries, or other arrays, and the checksum that fits them unless one is given."""
    with safetensors.safe_open(path, 'numpy') as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}
        entries = json.loads(file.metadata()['rnn_scratch'])
    change(entries, arrays)
    entries.pop('sha256')
    entries['sha256'] = sha256 or module.checksum(entries, arrays)
    safetensors.numpy.save_file(arrays, path, {'rnn_scratch': json.dumps(entries)})


@pytest.mark.parametrize('name, value, message', [
    ('format', 'rnn_scratch checkpoint 3', "has the format 'rnn_scratch checkpoint 3'"),
    ('idx_to_char', ['a', 'b', 'cd', 'e'], "'idx_to_char' .* makes no sense"),
    ('idx_to_char', ['a', 'b', 'c', 'c'], 'a character twice'),
    ('idx_to_char', None, "'idx_to_char' .* makes no sense"),
    ('vocab_size', 5, "'vocab_size' .* makes no sense"),
    ('num_hiddens', 5, r'W_xh .*\(4, 3\).* 5 hidden units need \(4, 5\)'),
    ('num_hiddens', '3', "'num_hiddens' .* makes no sense"),
    ('num_hiddens', True, "'num_hiddens' .* makes no sense"),
    ('symbols', ['W_xh', 'W_hh', 'b_h', 'W_hq', 'bias'], "its metadata names .*'bias'"),
    ('symbols', [], "'symbols' .* makes no sense"),
    ('perplexities', None, "'perplexities' .* makes no sense"),
    ('perplexities', [9.5, -5], "'perplexities' .* makes no sense"),
    ('epoch', 99, "'epoch' .* makes no sense"),
    ('held_out', [1.5, 1.5, 1.5], "'held_out' .* makes no sense"),
    ('settings', None, "'settings' .* makes no sense"),
    ('engine', 'steam', "'engine' .* makes no sense"),
    ('random_state', [3], "'random_state' .* makes no sense"),
    ('random_state', [3, [1, 2], None], "'random_state' .* makes no sense"),
])
def test_an_entry_that_does_not_fit_is_named(checkpoint, path, name, value, message):
    save_checkpoint(path, checkpoint)
    edited(path, lambda entries, arrays: entries.update({name: value}), sha256='0' if name == 'symbols' else None)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path)


def test_arrays_that_do_not_fit_are_named(checkpoint, path):
    save_checkpoint(path, checkpoint)
    for name, array, message in [('W_hh', np.zeros((0, 3), 'float32'), r'W_hh .* shape \(0, 3\)'),
                                 ('W_hh', np.zeros((3, 2), 'float32'), r'W_hh .* \(3, 2\).* need \(3, 3\)')]:
        edited(path, lambda entries, arrays, name=name, array=array: arrays.update({name: array}))
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


def test_what_is_no_checkpoint_is_named(checkpoint, path):
    with pytest.raises(FileNotFoundError, match='does not exist'):
        load_checkpoint(path)
    path.parent.mkdir()
    with pytest.raises(FileNotFoundError, match='is a folder'):
        load_checkpoint(path.parent)
    os.mkfifo(path.with_name('fifo'))
    with pytest.raises(FileNotFoundError, match='is no file'):
        load_checkpoint(path.with_name('fifo'))
    old = path.with_name('songs.json')
    old.write_text('{"format": "rnn_scratch checkpoint 1"}', 'utf-8')
    with pytest.raises(ValueError, match='rnn_scratch 0.1, which are not read'):
        load_checkpoint(old)
    safetensors.numpy.save_file({'weight': np.ones(3)}, path, {'format': 'np'})
    with pytest.raises(ValueError, match='not a checkpoint of rnn_scratch'):
        load_checkpoint(path)
    safetensors.numpy.save_file({'weight': np.ones(3)}, path, {'rnn_scratch': '[' * 100000})
    with pytest.raises(ValueError, match='not a checkpoint of rnn_scratch'):
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
