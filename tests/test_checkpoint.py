"""Models saved and loaded: whole or not at all, and checked."""
import dataclasses
import json
import math
import random

import rnn_scratch as d2l
from rnn_scratch.checkpoint import SYMBOLS, Checkpoint, check_same_settings, load_checkpoint, save_checkpoint

import mxnet as mx
import numpy as np
import pytest


@pytest.fixture
def checkpoint():
    mx.random.seed(0)
    random.seed(0)
    return Checkpoint(d2l.get_params(4, 3, 4, mx.cpu()), [9.5, math.inf], ['分', '开', ' ', '"'], 3, 'fused',
                      {'lr': 100.0, 'clipping_theta': None}, [12.5], random.getstate())


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'folder' / 'songs.json'


def test_what_is_saved_is_loaded(checkpoint, path):
    save_checkpoint(path, checkpoint)
    loaded = load_checkpoint(path)
    for ours, theirs in zip(loaded.params, checkpoint.params):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours.asnumpy(), theirs.asnumpy())
        assert ours.grad is not None
    for field in dataclasses.fields(Checkpoint):
        if field.name != 'params':
            assert getattr(loaded, field.name) == getattr(checkpoint, field.name), field.name
    assert repr(loaded) == ('Checkpoint(fused, 3 hidden units, 4 characters, '
                            'Trained(5 arrays of 40 numbers, 2 epochs, last perplexity inf))')


def test_other_programs_can_read_both_files(checkpoint, path):
    save_checkpoint(path, checkpoint)
    entries = json.loads(path.read_text('utf-8'), parse_constant=lambda name: pytest.fail(f'{name} is not JSON'))
    assert (entries['epoch'], entries['idx_to_char'], entries['settings']['lr']) == (2, checkpoint.idx_to_char, 100)
    assert set(entries['versions']) == {'python', 'mxnet', 'd2lzh', 'numpy', 'rnn_scratch'}
    arrays = mx.nd.load(str(path.with_name(entries['params'])))
    assert sorted(arrays) == sorted(SYMBOLS)
    np.testing.assert_array_equal(arrays['W_hh'].asnumpy(), checkpoint.params[1].asnumpy())


def test_saving_again_leaves_no_old_files(checkpoint, path):
    save_checkpoint(path, checkpoint)
    other = path.with_name('songs-best.json')
    save_checkpoint(other, checkpoint)
    (path.parent / f'.songs-{"0" * 32}.tmp').write_text('left by a killed process')
    checkpoint.perplexities.append(5.0)
    checkpoint.params[0][:] = 1
    save_checkpoint(path, checkpoint)
    assert len(list(path.parent.iterdir())) == 4, 'two checkpoints of two files each'
    assert load_checkpoint(path).epoch == 3
    assert load_checkpoint(other).epoch == 2


def test_a_failed_save_leaves_the_old_one(checkpoint, path):
    save_checkpoint(path, checkpoint)
    before = sorted(path.parent.iterdir()), path.read_bytes()
    broken = dataclasses.replace(checkpoint, settings={'corpus': object()}, perplexities=[1.0])
    with pytest.raises(ValueError, match='JSON cannot write the settings'):
        save_checkpoint(path, broken)
    assert path.read_bytes() == before[1]
    assert load_checkpoint(path).epoch == 2
    assert sorted(path.parent.iterdir()) == before[0]


def test_another_process_reads_the_same_model(checkpoint, path, run):
    program = '''if True:
        import sys
        import rnn_scratch as d2l
        from rnn_scratch.checkpoint import load_checkpoint
        print(ascii(d2l.predict_rnn('分开', 20, *load_checkpoint(sys.argv[1]).model())))
    '''
    for param in checkpoint.params:
        param *= 100
    save_checkpoint(path, checkpoint)
    result = run('-c', program, path, PYTHONHASHSEED='77')
    assert result.stdout == ascii(d2l.predict_rnn('分开', 20, *checkpoint.model())) + '\n', result.stderr


def test_a_cell_of_one_s_own(path):
    params = [mx.nd.ones((2, 3)), mx.nd.zeros(3)]
    save_checkpoint(path, Checkpoint(params, [2.0], ['a', 'b'], 3, 'mine', symbols=('W', 'b')))
    loaded = load_checkpoint(path)
    assert loaded.symbols == ('W', 'b') and loaded.params[0].shape == (2, 3)
    with pytest.raises(ValueError, match="engine 'mine'"):
        loaded.model()


def edited(path, **changes):
    entries = json.loads(path.read_text('utf-8'))
    entries.update(changes)
    path.write_text(json.dumps(entries), 'utf-8')


@pytest.mark.parametrize('changes, message', [
    ({'format': 'another'}, 'not a checkpoint of this version'),
    ({'idx_to_char': ['a', 'b', 'c']}, r'W_xh of .* has shape \(4, 3\), but 3 characters and 3 .* need \(3, 3\)'),
    ({'idx_to_char': ['a', 'b', 'c', 'c']}, 'a character twice'),
    ({'num_hiddens': 5}, r'W_xh .*\(4, 3\).* 5 hidden units need \(4, 5\)'),
    ({'symbols': ['W_xh', 'W_hh', 'b_h', 'W_hq', 'bias']}, "asks for .*'bias'"),
    ({'params_sha256': '0' * 64}, 'checksum differs'),
    ({'perplexities': None}, 'not a checkpoint of this version'),
    ({'epoch': 99}, 'not a checkpoint of this version'),
    ({'settings': None}, 'not a checkpoint of this version'),
    ({'idx_to_char': None}, 'not a checkpoint of this version'),
    ({'random_state': [3]}, 'not a checkpoint of this version'),
])
def test_what_does_not_fit_is_named(checkpoint, path, changes, message):
    save_checkpoint(path, checkpoint)
    edited(path, **changes)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path)


def test_damaged_and_missing_files_are_named(checkpoint, path):
    with pytest.raises(FileNotFoundError, match='There is no checkpoint at'):
        load_checkpoint(path)
    save_checkpoint(path, checkpoint)
    params, = path.parent.glob('*.params')
    content = params.read_bytes()
    with pytest.raises(ValueError, match='give the .json file'):
        load_checkpoint(params)
    params.write_bytes(content[:-1])
    with pytest.raises(ValueError, match='checksum differs'):
        load_checkpoint(path)
    params.unlink()
    with pytest.raises(FileNotFoundError, match=params.name):
        load_checkpoint(path)
    path.write_text('{"format": ', 'utf-8')
    with pytest.raises(ValueError, match='not a checkpoint'):
        load_checkpoint(path)


def test_bad_names_and_shapes_are_refused(checkpoint, path):
    with pytest.raises(ValueError, match='ends in .json'):
        save_checkpoint(path.with_suffix('.txt'), checkpoint)
    with pytest.raises(ValueError, match=r'W_xh of .* need \(4, 7\)'):
        save_checkpoint(path, dataclasses.replace(checkpoint, num_hiddens=7))
    assert not path.parent.exists() or not list(path.parent.iterdir())


def test_settings_that_differ_are_named(checkpoint):
    check_same_settings('songs.json', checkpoint, {'lr': 100.0})
    with pytest.raises(ValueError, match=r'songs.json does not fit: lr is 100.0 there and 1 here'):
        check_same_settings('songs.json', checkpoint, {'lr': 1, 'clipping_theta': None})
