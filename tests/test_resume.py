"""A run that was stopped and resumed is the run that was never stopped, to the bit."""
import os
import random
import re
import signal
import subprocess
import sys
import time

from rnn_scratch.checkpoint import load_checkpoint

import numpy as np
import pytest
from conftest import ROOT

TRAIN = ROOT / 'examples/train_jaychou.py'
EPOCHS = 80
SMALL = ['--num-chars', '1000', '--hidden', '16', '--batch-size', '4', '--num-steps', '10', '--holdout', '0.1',
         '--pred-period', '5', '--pred-len', '10']


def start(folder, *arguments):
    # A program in the background of a shell does not get Ctrl-C; the tests may be that, the program here must not be.
    return subprocess.Popen([sys.executable, TRAIN, *map(str, arguments)], cwd=folder, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, encoding='utf-8',
                            env={**os.environ, 'PYTHONIOENCODING': 'utf-8', 'PYTHONUNBUFFERED': '1'},
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))


def finish(process, returncode=0):
    with process:
        printed, errors = process.stdout.read(), process.stderr.read()
    assert process.returncode == returncode, errors
    return printed


def digits(printed):
    """The printed lines of the chapter, less the seconds."""
    return re.findall(r'epoch .*perplexity \S+,|^ - .*|^held out.*', printed, re.MULTILINE)


def kill(process):
    assert process.poll() is None, process.stderr.read()
    process.kill()
    return finish(process, -signal.SIGKILL)


def until_epoch(process, epoch):
    """Read what is printed up to and including the line of this epoch."""
    printed = ''
    while f'epoch {epoch},' not in printed:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        printed += line
    return printed


def stop_by_epochs(folder, *flags):
    return finish(start(folder, *SMALL, *flags, '--epochs', 7, '--out', '.'))


def stop_by_ctrl_c(folder, *flags):
    """In the middle of the sixth epoch or soon after."""
    process = start(folder, *SMALL, *flags, '--epochs', 2000, '--out', '.')
    printed = until_epoch(process, 5)
    process.send_signal(signal.SIGINT)
    rest = finish(process, 130)
    assert re.search(r'stopped after epoch \d+ and saved to \w+\.json; to go on:\n'
                     r'python .*train_jaychou\.py --resume \w+\.json --epochs 2000 --pred-period 5 --pred-len 10 '
                     '--save-every 50\n', rest), rest
    return printed + rest


def stop_by_kill(folder, *flags):
    """After some saves, at any moment."""
    process = start(folder, *SMALL, *flags, '--epochs', 2000, '--save-every', 1, '--out', '.')
    return until_epoch(process, 5) + kill(process)


@pytest.fixture(scope='module', params=[('random', 'tutorial'), ('consecutive', 'fused')], ids='-'.join)
def straight(request, tmp_path_factory):
    """Many epochs without a stop, more than a stopped run can have done: sampling, engine, folder, what was printed."""
    sampling, engine = request.param
    folder = tmp_path_factory.mktemp(sampling)
    process = start(folder, *SMALL, '--sampling', sampling, '--engine', engine, '--epochs', EPOCHS, '--out', '.')
    return sampling, engine, folder, finish(process)


@pytest.mark.parametrize('stop', [stop_by_epochs, stop_by_ctrl_c, stop_by_kill])
def test_bit_by_bit(tmp_path, straight, stop):
    sampling, engine, straight_folder, straight_printed = straight
    first = stop(tmp_path, '--sampling', sampling, '--engine', engine)
    assert load_checkpoint(tmp_path / f'{sampling}.json').epoch < EPOCHS
    second = finish(start(tmp_path, '--resume', f'{sampling}.json', '--epochs', EPOCHS, '--pred-period', 5,
                          '--pred-len', 10))
    first, second, whole = digits(first), digits(second), digits(straight_printed)
    # A line that was printed after the last save is printed again.
    assert first == whole[:len(first)] and second == whole[-len(second):] and len(first) + len(second) >= len(whole)
    assert first and second
    for name in [f'{sampling}.json', f'{sampling}-best.json']:
        ours, theirs = load_checkpoint(tmp_path / name), load_checkpoint(straight_folder / name)
        for a, b in zip(ours.params, theirs.params):
            np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())
        assert ours.perplexities == theirs.perplexities and ours.held_out == theirs.held_out


def test_what_cannot_be_resumed(tmp_path, run):
    finish(start(tmp_path, *SMALL, '--sampling', 'random', '--epochs', 2, '--out', '.'))
    (tmp_path / 'other.txt').write_text('别的歌' * 999, 'utf-8')
    for flags, message in [(['--epochs', 2], 'trained for 2 epochs'),
                           (['--hidden', 8], 'hidden is 16 there and 8 here'),
                           (['--sampling', 'consecutive'], "sampling is 'random' there"),
                           (['--corpus', 'other.txt', '--epochs', 9], 'another text'),
                           (['--patience', 2, '--num-chars', 1000, '--epochs', 1], 'trained for 2 epochs')]:
        result = run(TRAIN, '--resume', 'random.json', *flags)
        sentence, = result.stderr.splitlines()
        assert result.returncode == 1 and message in sentence


@pytest.mark.slow
def test_fifty_kills(tmp_path):
    """A run that does little but save, killed fifty times at random moments: the checkpoint is always whole."""
    generator = random.Random(9)
    path = tmp_path / 'random.json'
    settings = ['--num-chars', 80, '--hidden', 64, '--batch-size', 2, '--num-steps', 10, '--prefix', '夜']
    flags = [*settings, '--sampling', 'random', '--out', '.']
    epoch = 0
    for _ in range(50):
        process = start(tmp_path, *flags, '--epochs', 10 ** 6, '--pred-period', 10 ** 6, '--save-every', 1)
        while process.poll() is None and (not path.exists() or load_checkpoint(path).epoch == epoch):
            time.sleep(0.005)
        time.sleep(generator.uniform(0, 0.1))
        kill(process)
        assert load_checkpoint(path).epoch > epoch
        assert load_checkpoint(tmp_path / 'random-best.json').epoch > 0
        epoch = load_checkpoint(path).epoch
        flags = ['--resume', path, '--prefix', '夜']
    assert len(list(tmp_path.iterdir())) <= 4 + 4, 'what killed processes left behind is cleared away'
