"""A run that was stopped and resumed is the run that was never stopped, to the bit; and nothing is lost."""
import hashlib
import math
import os
import random
import re
import signal
import subprocess
import sys
import time

import rnn_scratch as d2l
from rnn_scratch.beyond.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from rnn_scratch.beyond.corpus import FIRST_LINE

import mxnet as mx
import numpy as np
import pytest
from faults import receive_all

SMALL = ['--num-chars', '1000', '--hidden', '16', '--batch-size', '4', '--num-steps', '10', '--holdout', '0.1',
         '--pred-period', '5', '--pred-len', '10']


def start(folder, *arguments):
    """A training run in a process of its own, which receives Ctrl-C even where the tests run in the background."""
    return subprocess.Popen([sys.executable, '-m', 'rnn_scratch', 'train', *map(str, arguments)], cwd=folder,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding='utf-8',
                            env={**os.environ, 'PYTHONIOENCODING': 'utf-8', 'PYTHONUNBUFFERED': '1'},
                            preexec_fn=receive_all)


def finish(process, returncode=0):
    with process:
        printed, errors = process.stdout.read(), process.stderr.read()
    assert process.returncode == returncode, errors
    return printed


def until_epoch(process, epoch):
    """Read what is printed up to and including the last line of this epoch."""
    printed = ''
    while not re.search(f'epoch {epoch},[^$]*held out.*\n', printed):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        printed += line
    return printed


def stop_by_epochs(folder, *flags):
    return finish(start(folder, *SMALL, *flags, '--epochs', 7))


def stop_by_signals(*numbers):
    """In the middle of the sixth epoch or soon after."""
    def stop(folder, *flags):
        process = start(folder, *SMALL, *flags, '--epochs', 100000)
        printed = until_epoch(process, 5)
        for number in numbers:
            process.send_signal(number)
        rest = finish(process, 128 + numbers[0])
        assert re.search(r'stopped after epoch \d+ and saved to stopped/\w+\.safetensors; to go on:\n'
                         r'python -m rnn_scratch train --resume stopped/\w+\.safetensors --epochs 100000 '
                         '--pred-period 5 --pred-len 10 --save-every 50\n', rest), rest
        return printed + rest
    return stop


def stop_by_kill(folder, *flags):
    """After some saves, at any moment."""
    process = start(folder, *SMALL, *flags, '--epochs', 100000, '--save-every', 1)
    printed = until_epoch(process, 5)
    process.kill()
    return printed + finish(process, -signal.SIGKILL)


def stop_by_a_closed_pipe(folder, *flags):
    """As `… | head -1` does: the next line that is printed cannot be written."""
    process = start(folder, *SMALL, *flags, '--epochs', 100000)
    printed = until_epoch(process, 5)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert re.fullmatch(r'\nstopped after epoch \d+ and saved to stopped/random\.safetensors; to go on:\npython .*\n',
                        errors)
    return printed


@pytest.mark.parametrize('stop, sampling, engine', [
    pytest.param(stop_by_epochs, 'consecutive', 'fused', id='epochs'),
    *(pytest.param(*values, id=name, marks=pytest.mark.slow) for name, values in {
        'Ctrl-C': (stop_by_signals(signal.SIGINT), 'random', 'tutorial'),
        'kill': (stop_by_kill, 'random', 'fused'),
        'epochs-2': (stop_by_epochs, 'random', 'tutorial'),
        'Ctrl-C-twice': (stop_by_signals(signal.SIGINT, signal.SIGINT), 'consecutive', 'fused'),
        'SIGTERM': (stop_by_signals(signal.SIGTERM), 'random', 'fused'),
        'SIGHUP': (stop_by_signals(signal.SIGHUP), 'consecutive', 'fused'),
        'kill-2': (stop_by_kill, 'consecutive', 'tutorial'),
        'closed-pipe': (stop_by_a_closed_pipe, 'random', 'fused'),
    }.items()),
])
def test_bit_by_bit(tmp_path, program, stop, sampling, engine):
    flags = ['--sampling', sampling, '--engine', engine]
    first = stop(tmp_path, *flags, '--out', 'stopped')
    stopped = load_checkpoint(tmp_path / f'stopped/{sampling}.safetensors').epoch
    epochs = ['--epochs', stopped + 6]
    second = program('train', '--resume', f'stopped/{sampling}.safetensors', *epochs, '--pred-period', 5, '--pred-len',
                     10)
    straight = program('train', *SMALL, *flags, *epochs, '--out', 'straight')
    assert (second.returncode, straight.returncode) == (0, 0), second.stderr + straight.stderr
    first, second, whole = map(digits, [first, second.stdout, straight.stdout])
    # A line that was printed after the last save is printed again; one that was not read any more is missing.
    assert first == whole[:len(first)] and second == whole[-len(second):]
    assert stop is stop_by_a_closed_pipe or len(first) + len(second) >= len(whole)
    assert first and second
    for name in [f'{sampling}.safetensors', f'{sampling}-best.safetensors']:
        ours, theirs = (load_checkpoint(tmp_path / folder / name) for folder in ['stopped', 'straight'])
        for a, b in zip(ours.params, theirs.params):
            np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())
        assert ours.perplexities == theirs.perplexities and ours.held_out == theirs.held_out


def digits(printed):
    """The printed lines of the chapter, less the seconds."""
    return re.findall(r'epoch .*perplexity \S+,|^ - .*|^held out.*', printed, re.MULTILINE)


def test_what_cannot_be_resumed(tmp_path, program):
    program('train', *SMALL, '--sampling', 'random', '--epochs', 2, '--out', '.')
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / 'other.txt').write_text('别的歌' * 999, 'utf-8')
    for flags, message in [(['--epochs', 2], 'trained for 2 epochs'),
                           (['--hidden', 8], 'hidden is 16 there and 8 here'),
                           (['--sampling', 'consecutive'], "sampling is 'random' there"),
                           (['--corpus', 'other.txt', '--prefix', '歌', '--epochs', 9], 'another text'),
                           (['--patience', 2, '--num-chars', 1000, '--epochs', 1], 'trained for 2 epochs')]:
        result = program('train', '--resume', 'random.safetensors', *flags)
        sentence, = result.stderr.splitlines()
        assert result.returncode == 1 and message in sentence
    assert all(path.read_bytes() == content for path, content in before.items())


WHO = 'zhang-san'


@pytest.fixture
def secret(program, tmp_path):
    """A run on a text of one's own, in a folder whose name tells who one is."""
    folder = tmp_path / f'{WHO}-secret'
    folder.mkdir()
    (folder / 'poems.txt').write_text('风吹雨打风不怕 ' * 60, 'utf-8')
    result = program('train', *SMALL, '--corpus', folder / 'poems.txt', '--sampling', 'random', '--epochs', 2, '--out',
                     folder / 'songs', '--prefix', '风')
    assert result.returncode == 0, result.stderr
    return folder


def test_no_file_that_is_given_away_tells_who_made_it(secret, program):
    songs = secret / 'songs'
    for kind in ['png', 'svg', 'pdf', 'ps']:
        program('plot', songs / 'random.safetensors', songs / 'random.safetensors', '-o', songs / f'picture.{kind}')
    for kind, name in [('pytorch', 'exported.safetensors'), ('onnx', 'exported.onnx')]:
        assert program('export', songs / 'random.safetensors', '--to', kind, '--out', songs / name).returncode == 0
    telling = [word.encode() for word in [WHO, 'secret', str(secret.parent)]]
    found = {path.name: path.read_bytes() for path in songs.iterdir()}
    assert len(found) == 11 and all(not name.startswith('.') or name in ('.lock', '.corpus') for name in found)
    for name, content in found.items():
        assert name == '.corpus' or not any(word in content for word in telling), name
    settings = load_checkpoint(songs / 'random.safetensors').settings
    text = (secret / 'poems.txt').read_text('utf-8')
    assert settings['corpus'] == 'poems.txt'
    assert settings['corpus_sha256'] == hashlib.sha256(text[:1000].encode()).hexdigest()


def test_the_note_beside_a_model_finds_its_text(secret, program, monkeypatch):
    """From any folder; without the note it is asked for; and a text that has moved is found by the new note."""
    model, note = secret / 'songs/random.safetensors', secret / 'songs/.corpus'
    resume = ['train', '--resume', model, '--prefix', '风', '--epochs']
    assert program(*resume, 3).returncode == 0
    written = program('write', model, '--copied', '--num-chars', 20)
    assert written.returncode == 0, written.stderr
    os.rename(secret / 'poems.txt', secret / 'moved.txt')
    assert 'poems.txt does not exist' in program(*resume, 4).stderr
    assert 'is not there any more: name it with --corpus' in program('write', model, '--copied').stderr
    note.unlink()
    for arguments in [[*resume, 4], ['write', model, '--copied']]:
        result = program(*arguments)
        assert result.returncode == 1 and result.stderr.splitlines()[-1] == (
            f'{model} was trained on a text named poems.txt, and no note .corpus beside it says where that is: name '
            'the text with --corpus.')
    assert program('write', model, '--copied', '--corpus', secret / 'moved.txt').stdout != ''
    assert program(*resume, 4, '--corpus', secret / 'moved.txt').returncode == 0
    assert load_checkpoint(model).settings['corpus'] == 'moved.txt'
    assert program(*resume, 5).returncode == 0 and load_checkpoint(model).epoch == 5


def test_a_model_with_the_place_of_its_text_is_resumed_and_loses_it(secret, program):
    """Version 0.2 wrote the place itself."""
    model = secret / 'songs/random.safetensors'
    (secret / 'songs/.corpus').unlink()
    checkpoint = load_checkpoint(model)
    checkpoint.settings['corpus'] = str(secret / 'poems.txt')
    save_checkpoint(model, checkpoint)
    assert program('write', model, '--copied', '--num-chars', 5).returncode == 0
    assert program('train', '--resume', model, '--prefix', '风', '--epochs', 3).returncode == 0
    assert load_checkpoint(model).epoch == 3 and WHO.encode() not in model.read_bytes()


def link_to(target):
    return lambda path: path.symlink_to(path.parent / target)


def text(content):
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize('make', [
    os.mkdir, os.mkfifo, text(b''), text(b'/etc/passwd'), text(b'my notes\n/etc/passwd\n'), text(bytes(20_000)),
    text(b'\xff\xfe\n'), link_to('mine'), link_to('nothing'), link_to('.corpus'), link_to('../poems.txt'),
    text(FIRST_LINE.encode() + b'poems.txt\n'), text(FIRST_LINE.encode()), text(FIRST_LINE.encode() + b'/a')])
def test_what_is_no_note_is_left_alone(secret, program, make):
    """Of the user's or of a stranger: not followed, not waited for, not overwritten, not shown."""
    model, note = secret / 'songs/random.safetensors', secret / 'songs/.corpus'
    (secret / 'songs/mine').write_text('mine')
    note.unlink()
    make(note)
    before = {path: path.read_bytes() for path in secret.glob('**/*') if path.is_file()}
    for arguments in [['train', '--resume', model, '--epochs', 3, '--prefix', '风'], ['write', model, '--copied'],
                      ['train', *SMALL, '--corpus', secret / 'poems.txt', '--sampling', 'consecutive', '--prefix', '风',
                       '--out', secret / 'songs']]:
        result = program(*arguments)
        sentence = result.stderr.splitlines()[-1]
        assert result.returncode == 1 and f'{note} is not the note in which training keeps the place' in sentence
        assert sentence.endswith('--corpus.') and len(sentence) < 600 and 'Traceback' not in result.stderr
    assert {path: path.read_bytes() for path in secret.glob('**/*') if path.is_file()} == before


def test_numbers_that_grow_beyond_all_bounds_do_not_replace_good_ones(tmp_path, program):
    """Learning rates that blow up: the run stops, and says why; what is saved, if anything, can be used."""
    result = program('train', *SMALL, '--sampling', 'random', '--lr', 1e38, '--theta', 'none', '--out', '.')
    assert result.returncode == 1
    assert 'learning rate' in result.stderr.splitlines()[-1]
    assert not list(tmp_path.glob('*.safetensors'))


def test_the_epoch_before_such_numbers_is_kept(tmp_path, program, monkeypatch):
    """An epoch whose last step makes a number infinite, with no loss or norm that shows it."""
    epochs = []

    def breaking_epoch(rnn, params, *arguments):
        epochs.append(d2l.train_epoch(rnn, params, *arguments))
        if len(epochs) == 3:
            params[1][2, 3] = math.inf
        return epochs[-1]

    monkeypatch.setattr('rnn_scratch.beyond.fused.train_epoch', breaking_epoch)
    result = program('train', *SMALL, '--sampling', 'random', '--epochs', 9, '--out', '.')
    assert result.returncode == 1 and 'learning rate' in result.stderr.splitlines()[-1]
    assert load_checkpoint(tmp_path / 'random.safetensors').perplexities == epochs[:2]


def test_a_held_out_perplexity_that_is_no_number(program, tmp_path, monkeypatch):
    """It is not saved, and neither are the parameters that it is from."""
    from rnn_scratch.beyond import fused
    losses, found = fused.losses, []

    def losses_twice(*arguments):       # the held-out text is short: one call an epoch
        l, state = losses(*arguments)
        found.append(math.exp(l.mean().asscalar()))
        return (l if len(found) < 3 else l * math.nan), state
    monkeypatch.setattr(fused, 'losses', losses_twice)
    result = program('train', *SMALL, '--sampling', 'random', '--epochs', 9, '--out', '.')
    assert result.returncode == 1 and 'The held-out perplexity is not a number' in result.stderr.splitlines()[-1]
    checkpoint = load_checkpoint(tmp_path / 'random.safetensors')
    np.testing.assert_allclose(checkpoint.held_out, found[:2], rtol=1e-6)
    assert checkpoint.epoch == 2


def test_a_best_model_that_is_not_there_any_more(program, tmp_path):
    """The last one stands in, and it is said."""
    program('train', *SMALL, '--sampling', 'random', '--epochs', 3, '--out', '.')
    (tmp_path / 'random-best.safetensors').unlink()
    result = program('train', '--resume', 'random.safetensors', '--epochs', 4)
    assert result.returncode == 0
    assert result.stderr == ('random-best.safetensors is not there any more: epoch 3 stands in for the best one until '
                             'an epoch is better than all before it.\n')
    assert load_checkpoint(tmp_path / 'random-best.safetensors').epoch in (3, 4)


@pytest.mark.parametrize('flags', [['--stop-at', '500'], ['--patience', '1']])
def test_a_run_that_has_reached_its_end_is_not_resumed_for_nothing(program, tmp_path, monkeypatch, flags):
    from rnn_scratch.beyond import evaluation
    perplexities = iter([90.0, 95.0])
    monkeypatch.setattr(evaluation, 'evaluate', lambda *arguments, **keywords: evaluation.Evaluation(
        next(perplexities), 99, {}))
    program('train', *SMALL, '--sampling', 'random', '--epochs', 2, '--out', '.')
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    result = program('train', '--resume', 'random.safetensors', '--epochs', 9, *flags)
    sentence, = result.stderr.splitlines()
    assert result.returncode == 1
    assert sentence.startswith(f'random.safetensors has reached {" ".join(flags)} already, so there is nothing to ')
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.slow
def test_two_hundred_kills(tmp_path):
    """A process that only saves, a larger model: the file is at every moment one that was saved whole."""
    program = '''if True:
        import sys
        from rnn_scratch.beyond.checkpoint import load_checkpoint, save_checkpoint
        checkpoint = load_checkpoint(sys.argv[1])
        print('saving', flush=True)
        while True:
            checkpoint.perplexities.append(2.0)
            for param in checkpoint.params:
                param[:] = checkpoint.epoch
            save_checkpoint(sys.argv[1], checkpoint)
    '''
    path = tmp_path / 'songs.safetensors'
    params = d2l.get_params(300, 200, 300, mx.cpu())
    for param in params:
        param[:] = 1
    save_checkpoint(path, Checkpoint(params, [2.0], [chr(0x4E00 + i) for i in range(300)], 200))
    generator, first = random.Random(10), 1
    for _ in range(100):        # two processes at a time, both killed
        processes = [subprocess.Popen([sys.executable, '-c', program, path], stdout=subprocess.PIPE) for _ in range(2)]
        for process in processes:
            assert process.stdout.readline() == b'saving\n'
        time.sleep(generator.uniform(0, 0.05))
        for process in processes:
            process.kill()
            process.communicate()
        checkpoint = load_checkpoint(path)
        assert all((param == checkpoint.epoch).min().asscalar() for param in checkpoint.params)
        first = max(first, checkpoint.epoch)
    assert first > 50, 'they did save'
