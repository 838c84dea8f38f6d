"""What is different on Windows. `make windows` runs these tests under Wine, with models that Linux has trained."""
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from rnn_scratch.beyond.checkpoint import load_checkpoint
from rnn_scratch.beyond.folders import locked
from rnn_scratch.beyond.run import Run

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(os.name != 'nt', reason='this is not Windows')
SMALL = ['--num-chars', '1000', '--hidden', '16', '--batch-size', '4', '--num-steps', '10', '--sampling', 'random',
         '--pred-period', '5', '--pred-len', '10']


@pytest.fixture
def from_linux():
    if 'RNN_SCRATCH_FROM_LINUX' not in os.environ:
        pytest.skip('make windows trains a model on Linux first')
    return Path(os.environ['RNN_SCRATCH_FROM_LINUX'])


@pytest.mark.parametrize('engine', ['fused', 'tutorial'])
def test_twenty_epochs_are_those_of_linux(program, from_linux, tmp_path, engine):
    """From the parameters after the first epoch on, since Microsoft's C++ library draws other ones."""
    begun, straight = (from_linux / f'{engine}-{epochs}/random.safetensors' for epochs in (1, 21))
    (tmp_path / 'here').mkdir()
    for name in ['random', 'random-best']:
        (tmp_path / f'here/{name}.safetensors').write_bytes(begun.with_name(f'{name}.safetensors').read_bytes())
    result = program('train', '--resume', 'here/random.safetensors', '--epochs', 21)
    assert result.returncode == 0, result.stderr
    ours = load_checkpoint(tmp_path / 'here/random.safetensors')
    assert ours.versions['mxnet'] == '1.7.0'
    np.testing.assert_allclose(ours.perplexities, load_checkpoint(straight).perplexities, rtol=1e-3)


PARENT = '''
import os, signal, subprocess, sys, time
from pathlib import Path
log, *command = sys.argv[1:]
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE)
printed = b''
while b'epoch 5,' not in printed:
    line = process.stdout.readline()
    assert line, process.stderr.read()
    printed += line
signal.signal(signal.SIGINT, signal.SIG_IGN)            # it goes to all processes of a console
os.kill(0, signal.CTRL_C_EVENT)
rest, errors = process.communicate(timeout=60)
Path(log).write_bytes(b'%d\\n' % process.returncode + printed + rest + errors)
'''


def test_ctrl_c_saves(program, tmp_path):
    """The console sends it, as if it were typed; a console of its own, where nobody else hears it."""
    folder = tmp_path / '我的 歌'
    folder.mkdir()
    command = [sys.executable, '-m', 'rnn_scratch', 'train', *SMALL, '--epochs', '100000', '--out', str(folder / 'a b')]
    subprocess.run([sys.executable, '-c', PARENT, str(folder / 'log'), *command], timeout=200, check=True,
                   creationflags=subprocess.CREATE_NEW_CONSOLE, env={**os.environ, 'PYTHONIOENCODING': 'utf-8'})
    ended, *lines = (folder / 'log').read_text('utf-8').splitlines()
    assert int(ended) == 130, lines
    go_on = lines.index(next(line for line in lines if line.endswith('to go on:')))
    assert re.match(r'stopped after epoch \d+ and saved to ', lines[go_on])
    epoch = load_checkpoint(folder / 'a b/random.safetensors').epoch
    assert lines[go_on + 1].startswith(f'python -m rnn_scratch train --resume "{folder}')
    # Bit by bit what a run without a stop gives
    assert program('train', '--resume', folder / 'a b/random.safetensors', '--epochs', epoch + 3).returncode == 0
    assert program('train', *SMALL, '--epochs', epoch + 3, '--out', tmp_path / 'straight').returncode == 0
    ours, theirs = (load_checkpoint(path / 'random.safetensors') for path in [folder / 'a b', tmp_path / 'straight'])
    assert ours.perplexities == theirs.perplexities and ours.epoch == epoch + 3
    for a, b in zip(ours.params, theirs.params):
        np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())


def test_ctrl_break_saves(program, tmp_path, monkeypatch):
    """Wine's console cannot send it, so the process does."""
    train_one_epoch = Run.train_one_epoch

    def break_after_the_third(run, params):
        train_one_epoch(run, params)
        if run.epoch() == 3:
            signal.raise_signal(signal.SIGBREAK)
    monkeypatch.setattr(Run, 'train_one_epoch', break_after_the_third)
    result = program('train', *SMALL, '--epochs', 9, '--out', 'here')
    assert result.returncode == 128 + signal.SIGBREAK and 'stopped after epoch 3 and saved to here/' in result.stdout
    assert load_checkpoint(tmp_path / 'here/random.safetensors').epoch == 3


def test_a_console_in_gbk(tmp_path, program):
    """Code page 936, in a folder whose name is Chinese; a character that GBK does not have is a question mark."""
    folder = tmp_path / '我的 歌'
    folder.mkdir()
    assert program('train', *SMALL, '--epochs', 1, '--out', folder).returncode == 0
    run = {'cwd': folder, 'capture_output': True, 'env': {**os.environ, 'PYTHONIOENCODING': 'gbk'}}
    command = [sys.executable, '-m', 'rnn_scratch']
    song = subprocess.run([*command, 'write', 'random.safetensors', '--prefix', '分开', '--num-chars', '5'], **run)
    assert song.returncode == 0 and re.fullmatch(r'分开(.|\r\n){5}\r\n', song.stdout.decode('gbk')), song
    typed = subprocess.run([*command, 'write', 'random.safetensors', '--interactive', '--num-chars', '2'],
                           input='分开\r\n한\r\n'.encode('gbk', 'replace'), **run)
    assert typed.returncode == 0 and '分开' in typed.stdout.decode('gbk'), typed
    picture = subprocess.run([*command, 'plot', 'random.safetensors', '-o', '图 1.png'], **run)
    assert picture.stdout.decode('gbk') == 'picture in 图 1.png\r\n', picture
    assert (folder / '图 1.png').read_bytes().startswith(b'\x89PNG')


def test_several_processes_need_linux(program, monkeypatch):
    for flags, role in [(['--workers', 2], None), ([], 'worker')]:
        if role:
            monkeypatch.setenv('DMLC_ROLE', role)
        result = program('train', *SMALL, *flags)
        assert result.returncode == 1 and result.stderr.startswith('--workers and DMLC_ROLE need Linux, ')
        assert list(Path.cwd().iterdir()) == []


def test_a_lock_of_another_process(program, run, tmp_path):
    with locked(tmp_path / 'here'):
        result = run('-m', 'rnn_scratch', 'train', *SMALL, '--out', 'here')
        assert result.returncode == 1 and result.stderr.startswith(
            f'Another process ({os.getpid()}) trains in the folder here: wait until it has ended')
    assert program('train', *SMALL, '--epochs', 1, '--out', 'here').returncode == 0


def test_a_file_that_another_program_has_open(program, tmp_path):
    """Windows does not let its name go to another file: a sentence says so, and what was there stays."""
    program('train', *SMALL, '--epochs', 1, '--out', 'here')
    path = tmp_path / 'here/random.safetensors'
    before = path.read_bytes()
    with open(path, 'rb'):
        result = program('train', '--resume', 'here/random.safetensors', '--epochs', 2)
    assert result.returncode in (0, 1)
    if result.returncode:
        assert 'The file cannot be written to here/random.safetensors' in result.stderr and path.read_bytes() == before


def test_the_doctor(run):
    said = run('-m', 'rnn_scratch', 'doctor').stdout
    for row in ['MXNet           starts, and multiplies right', 'libraries       vcomp140.dll of 1 that MXNet needs']:
        assert row in said
    assert signal.SIGBREAK in __import__('rnn_scratch.beyond.stop', fromlist=['stop']).STOP_SIGNALS
