"""What ends a program from outside, at any moment: signals, output that cannot be written, a full disk, a neighbour.

Nothing that was trained is lost, and there is a sentence. The rounds at random moments are in faults.py.
"""
import contextlib
import fcntl
import gc
import io
import os
import random
import re
import resource
import shlex
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

from rnn_scratch.beyond import fused
from rnn_scratch.beyond.checkpoint import load_checkpoint
from rnn_scratch.beyond.folders import locked
from rnn_scratch.beyond.stop import STOP_SIGNALS, StopSignals, stop_signals

import faults
import pytest
from conftest import ROOT
from mxnet import nd

SMALL = ['--num-chars', 200, '--hidden', 8, '--batch-size', 2, '--num-steps', 5, '--sampling', 'random',
         '--pred-len', 3, '--out', 'here']
STATUS = {number: 128 + number for number in STOP_SIGNALS}
SIGNALS = pytest.mark.parametrize('number', STOP_SIGNALS, ids=lambda number: number.name)


@pytest.fixture(autouse=True)
def signals():
    """As they are in a terminal, also where the tests run in the background."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    faults.receive_all()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def at_epoch(monkeypatch):
    """Let a function run in the middle of an epoch, after its steps and before it counts as trained."""
    train_epoch = fused.train_epoch

    def arrange(epoch, what):
        done = []

        def watched(*arguments):
            perplexity = train_epoch(*arguments)
            done.append(perplexity)
            if len(done) == epoch:
                what()
            return perplexity
        monkeypatch.setattr('rnn_scratch.beyond.fused.train_epoch', watched)
        return done
    return arrange


def saved(tmp_path):
    return load_checkpoint(tmp_path / 'here/random.safetensors').perplexities


# Signals

@SIGNALS
def test_a_signal_in_the_middle_of_an_epoch(program, tmp_path, at_epoch, number):
    done = at_epoch(3, lambda: signal.raise_signal(number))
    result = program('train', *SMALL, '--epochs', 9)
    assert result.returncode == STATUS[number] and result.stderr == ''
    assert 'stopped after epoch 2 and saved to here/random.safetensors; to go on:\n' in result.stdout
    assert saved(tmp_path) == done[:2] and len(done) == 3
    assert signal.getsignal(number) == {signal.SIGINT: signal.default_int_handler}.get(number, signal.SIG_DFL)


@SIGNALS
def test_signals_that_do_not_end(program, tmp_path, at_epoch, monkeypatch, number):
    """One at each write of the last save, too: what is being saved is saved."""
    from rnn_scratch.beyond import checkpoint
    write_whole = checkpoint.write_whole

    def write_and_receive(path, content):
        signal.raise_signal(number)
        write_whole(path, content)
        signal.raise_signal(number)
    done = at_epoch(3, lambda: signal.raise_signal(number))
    monkeypatch.setattr(checkpoint, 'write_whole', write_and_receive)
    assert program('train', *SMALL, '--epochs', 9).returncode == STATUS[number]
    assert saved(tmp_path) == done[:2]


def test_a_signal_while_a_file_is_written_ends_the_run_after_it(program, tmp_path, at_epoch, monkeypatch):
    from rnn_scratch.beyond import checkpoint
    done, write_whole = at_epoch(99, None), checkpoint.write_whole

    def receive_and_write(path, content):
        signal.raise_signal(signal.SIGTERM)
        write_whole(path, content)
    monkeypatch.setattr(checkpoint, 'write_whole', receive_and_write)
    assert program('train', *SMALL, '--epochs', 9, '--save-every', 4).returncode == 143
    assert saved(tmp_path) == done and len(done) == 4


@SIGNALS
def test_a_signal_inside_nd_array(program, tmp_path, at_epoch, number):
    """MXNet takes whatever is raised there for a wrong argument, and raises a TypeError."""
    class Interrupted:
        def __array__(self, *arguments, **keywords):
            signal.raise_signal(number)
            time.sleep(9)

    done = at_epoch(3, lambda: nd.array(Interrupted()))
    result = program('train', *SMALL, '--epochs', 9)
    assert result.returncode == STATUS[number] and result.stderr == ''
    assert 'stopped after epoch 2 and saved' in result.stdout and saved(tmp_path) == done[:2]


class Dying:
    """Python ignores whatever is raised while it deletes an object, KeyboardInterrupt as well."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)
        for _ in range(9):      # some versions of Python look for a signal only when they turn back in a loop
            pass


@SIGNALS
def test_a_signal_while_an_object_is_deleted(program, tmp_path, at_epoch, number):
    """It comes again a moment later, here in an epoch that has no end."""
    def delete():
        Dying(number)
        while True:
            nd.zeros(1)
    done = at_epoch(3, delete)
    result = program('train', *SMALL, '--epochs', 9)
    assert result.returncode == STATUS[number] and result.stderr == ''
    assert saved(tmp_path) == done[:2]


IN_A_SCRIPT = """if True:
    import signal, sys
    import rnn_scratch as d2l
    from rnn_scratch.beyond import fused
    import mxnet as mx
    from mxnet._ctypes import ndarray

    check_call, deleted = ndarray.check_call, []

    def interrupted(code):              # Ctrl-C comes while MXNet deletes an array
        check_call(code)
        if sys._getframe(1).f_code.co_name == '__del__':
            deleted.append(code)
            if len(deleted) == 300:
                signal.raise_signal(signal.SIGINT)
                for _ in range(9):
                    pass

    ndarray.check_call, engine = interrupted, {'d2l': d2l, 'fused': fused}[sys.argv[1]]
    if 'own' in sys.argv:
        signal.signal(signal.SIGINT, lambda number, frame: signal.default_int_handler(number, frame))
    chars, ctx = 'abcde', mx.cpu()
    params = d2l.get_params(5, 3, 5, ctx)
    before = params[0].asnumpy()
    try:
        engine.train_and_predict_rnn(
            d2l.rnn, lambda: params, d2l.init_rnn_state, 3, 5, ctx, [0, 1, 2, 3, 4] * 20, chars,
            {char: i for i, char in enumerate(chars)}, True, 100, 4, 1.0, 0.1, 2, 1000, 3, ['a'])
        print('went on to its end')
    except KeyboardInterrupt:
        print('interrupted; the parameters have changed:', (params[0].asnumpy() != before).any())
    ndarray.check_call = check_call     # Python 3.8 and 3.9 delete some arrays after the names of this program
"""


@pytest.mark.parametrize('engine', [pytest.param('d2l', marks=pytest.mark.slow), 'fused'])
def test_ctrl_c_while_an_array_is_deleted_in_a_script(run, engine):
    """The chapter's functions, in a process without the command line."""
    result = run('-c', IN_A_SCRIPT, engine)
    assert (result.stdout, result.stderr) == ('interrupted; the parameters have changed: True\n', '')


@pytest.mark.slow
def test_a_program_with_its_own_way_with_ctrl_c_is_left_alone(run):
    """It would hear of one key press twice; Python says what was ignored, as without this package."""
    result = run('-c', IN_A_SCRIPT, 'fused', 'own')
    assert result.stdout == 'went on to its end\n' and result.stderr.count('KeyboardInterrupt') == 1


def test_what_else_python_ignores_is_for_the_hook_before(run):
    result = run('-c', 'import sys; sys.unraisablehook = lambda what: print(what.exc_type.__name__)\n'
                       'import rnn_scratch\nclass Broken:\n    def __del__(self): raise self.error\n'
                       'for kind in [RuntimeError, KeyboardInterrupt]:\n'
                       '    broken = Broken(); broken.error = kind; del broken')
    assert result.stdout == 'RuntimeError\nKeyboardInterrupt\n', result.stderr


def test_an_array_that_ctrl_c_left_half_made_is_deleted_in_silence(run):
    """Here it is made without its handle. Without this package Python says what went wrong."""
    delete = 'half = nd.sparse.RowSparseNDArray.__new__(nd.sparse.RowSparseNDArray); del half; print("on")'
    result = run('-c', f'import sys\nimport rnn_scratch\nfrom mxnet import nd\n{delete}\n'
                       f'sys.unraisablehook = sys.__unraisablehook__\n{delete}')
    assert result.stdout == 'on\non\n'
    assert result.stderr.count('AttributeError') == 1 and 'handle' in result.stderr


@pytest.mark.slow
def test_signals_among_small_arrays(program, tmp_path, monkeypatch):
    """Python is deleting an array much of the time, and the epoch has no end that a signal could wait for."""
    generator, swallowed, receive = random.Random(14), [], StopSignals.swallowed

    def endless_epoch(*arguments):
        threading.Timer(generator.uniform(0, 0.01), os.kill, [os.getpid(), signal.SIGINT]).start()
        while True:
            nd.zeros(8)
    monkeypatch.setattr(fused, 'train_epoch', endless_epoch)
    monkeypatch.setattr(StopSignals, 'swallowed', lambda stop, what: swallowed.append(what) or receive(stop, what))
    for number in range(300):
        result = program('train', *SMALL, '--out', number)
        assert result.returncode == 130 and result.stderr == ''
    print(f'{len(swallowed)} of 300 came while an object was deleted')


@pytest.mark.parametrize('command', ['train', 'write'])
def test_an_array_that_is_left_half_made(program, tmp_path, monkeypatch, at_epoch, command):
    """Its deletion fails, which Python would show, at whatever time the exception that holds it is forgotten."""
    class HalfMade:
        def __del__(self):
            raise AttributeError("'NDArray' object has no attribute 'handle'")

    def interrupted(*arguments, **keywords):
        half_made = HalfMade()
        signal.raise_signal(signal.SIGINT)
        return half_made
    at_epoch(1, interrupted)
    monkeypatch.setattr('rnn_scratch.beyond.checkpoint.load_checkpoint', interrupted)
    shown = []
    monkeypatch.setattr(sys, 'unraisablehook', shown.append)
    result = program(*{'train': ['train', *SMALL], 'write': ['write', 'a.safetensors']}[command])
    assert result.returncode == 130 and result.stderr == {'train': '', 'write': 'stopped\n'}[command]
    gc.collect()
    assert not shown


def test_what_else_python_ignores_is_still_shown(capsys):
    """In this block only an interruption is kept from the screen."""
    class Broken:
        def __del__(self):
            raise RuntimeError('a broken object')
    with stop_signals(StopSignals()):
        Broken()
    assert 'RuntimeError: a broken object' in capsys.readouterr().err


WHERE = {
    'train': 'rnn_scratch.beyond.corpus.Corpus.read',
    'write': 'rnn_scratch.beyond.checkpoint.load_checkpoint',
    'show': 'rnn_scratch.beyond.checkpoint.load_checkpoint',
    'plot': 'rnn_scratch.beyond.checkpoint.load_checkpoint',
    'trace': 'rnn_scratch.predict_rnn',
    'download': 'rnn_scratch.beyond.download.download_book_corpus',
}


@SIGNALS
@pytest.mark.parametrize('how', ['at once', 'in __del__', 'in nd.array'])
@pytest.mark.parametrize('command', WHERE)
def test_a_signal_in_each_command(program, tmp_path, monkeypatch, command, how, number):
    def wait(*arguments, **keywords):
        if how == 'at once':
            signal.raise_signal(number)
        elif how == 'in __del__':
            Dying(number)
        else:
            class Interrupted:
                def __array__(self, *arguments, **keywords):
                    signal.raise_signal(number)
            nd.array(Interrupted())
        while True:
            nd.zeros(1)
    monkeypatch.setattr(WHERE[command], wait)
    result = program(command, *['a.safetensors'] * (command in ('write', 'show', 'plot')))
    assert (result.returncode, result.stdout, result.stderr) == (STATUS[number], '', 'stopped\n')


def test_ctrl_c_at_the_question_for_a_prefix(program, tmp_path, monkeypatch):
    program('train', *SMALL, '--epochs', 1)
    monkeypatch.setattr('builtins.input', lambda question: signal.raise_signal(signal.SIGINT))
    result = program('write', 'here/random.safetensors', '--interactive')
    assert result.returncode == 130 and result.stderr.splitlines()[-1] == 'stopped'


def test_ctrl_c_while_the_program_starts(run, tmp_path):
    """MXNet is imported for a second. Here it is one that receives Ctrl-C at that moment, and never ends."""
    (tmp_path / 'mxnet.py').write_text('import signal\nsignal.raise_signal(signal.SIGINT)\nwhile True: pass\n')
    for command in ['train', 'write', '--help']:
        result = run('-m', 'rnn_scratch', command, PYTHONPATH=f'{tmp_path}{os.pathsep}{ROOT}')
        assert (result.returncode, result.stdout, result.stderr) == (130, '', 'stopped\n')
    # A program of one's own decides itself.
    result = run('-c', 'import rnn_scratch', PYTHONPATH=f'{tmp_path}{os.pathsep}{ROOT}')
    assert 'KeyboardInterrupt' in result.stderr


def test_in_the_background_ctrl_c_is_for_others(tmp_path):
    """`nohup` and `&` let a program ignore a signal, and it stays so, also while it starts."""
    (tmp_path / 'mxnet.py').write_text('import signal\nsignal.raise_signal(signal.SIGINT)\nraise SystemExit(7)\n')
    process = subprocess.run([sys.executable, '-m', 'rnn_scratch', 'show'], cwd=tmp_path, stderr=subprocess.PIPE,
                             env={**os.environ, 'PYTHONPATH': f'{tmp_path}{os.pathsep}{ROOT}'},
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    assert (process.returncode, process.stderr) == (7, b'')


def test_in_the_background_training_ignores_what_it_was_told_to_ignore(program, tmp_path, at_epoch):
    at_epoch(2, lambda: signal.raise_signal(signal.SIGHUP))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        result = program('train', *SMALL, '--epochs', 3)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert result.returncode == 0 and len(saved(tmp_path)) == 3


def test_the_terminal_is_closed(tmp_path):
    """The system sends SIGHUP, and whatever is printed from then on fails: the lines and the progress bar."""
    ours, theirs = os.openpty()

    def own_it():
        faults.receive_all()
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    process = subprocess.Popen(
        [sys.executable, '-m', 'rnn_scratch', 'train', *map(str, SMALL), '--epochs', '1000000', '--pred-period', '1'],
        cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=own_it)
    os.close(theirs)
    received = b''
    while b'epoch 3,' not in received:
        received += os.read(ours, 4096)
    os.close(ours)
    assert process.wait(60) == 129 and len(saved(tmp_path)) >= 3
    assert sorted(path.name for path in (tmp_path / 'here').iterdir()) == ['.lock', 'random-best.safetensors',
                                                                           'random.safetensors']


# Standard output

@contextlib.contextmanager
def full():
    with open('/dev/full', 'w', encoding='utf-8') as stream:
        yield stream


@contextlib.contextmanager
def without_reader():
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, 'w', encoding='utf-8') as stream:
        yield stream


@contextlib.contextmanager
def closed():
    yield None


@pytest.fixture
def into(program, monkeypatch):
    """Run a command whose standard output is this stream."""
    def into(stream, *arguments):
        with stream() as output:
            monkeypatch.setattr(sys, 'stdout', output)
            result = program(*arguments)
            if output:
                output.flush()      # Python does so at its end, and would complain
        return result
    return into


COMMANDS = {
    'write': ['write', 'here/random.safetensors', '--num-chars', 5, '--seed', 0],
    'several': ['write', 'here/random.safetensors', '--num-chars', 5, '--temperature', 1, 2],
    'trace': ['trace', '--num-chars', 2],
    'show': ['show', 'here/random.safetensors'],
    'plot': ['plot', 'here/random.safetensors', '-o', 'a.svg'],
    'help': ['train', '--help'],
}


@pytest.mark.parametrize('command', COMMANDS)
@pytest.mark.parametrize('stream, status, sentence', [
    (full, 1, 'Standard output cannot be written (No space left on device): send it to another place.'),
    (without_reader, 1, None), (closed, 0, None)], ids=['full', 'without-reader', 'closed'])
def test_output_that_cannot_be_written(program, into, tmp_path, command, stream, status, sentence):
    program('train', *SMALL, '--epochs', 1)
    result = into(stream, *COMMANDS[command])
    lines = [line for line in result.stderr.splitlines() if 'Checkpoint(' not in line]
    assert (result.returncode, lines) == (status, [sentence] if sentence else [])
    assert (tmp_path / 'a.svg').exists() == (command == 'plot')


@pytest.mark.parametrize('stream', [full, without_reader])
def test_training_ends_saved_when_its_output_cannot_be_written(program, tmp_path, at_epoch, monkeypatch, stream):
    """At the first line after the second epoch."""
    with stream() as output:
        output.reconfigure(line_buffering=True)
        done = at_epoch(2, lambda: monkeypatch.setattr(sys, 'stdout', output))
        result = program('train', *SMALL, '--epochs', 9, '--pred-period', 1)
        output.flush()
    assert result.returncode == 1 and saved(tmp_path) == done and len(done) == 2
    lines = result.stderr.splitlines()
    assert lines[1] == 'stopped after epoch 2 and saved to here/random.safetensors; to go on:'
    assert lines[2].startswith('python -m rnn_scratch train --resume here/random.safetensors')
    assert lines[3:] == (['Standard output cannot be written (No space left on device): send it to another place.']
                         if stream is full else [])


def test_where_the_model_is_is_said_in_any_case(program, tmp_path, at_epoch, monkeypatch):
    """Standard output is full when all is done."""
    with full() as output:
        at_epoch(3, lambda: monkeypatch.setattr(sys, 'stdout', output))
        result = program('train', *SMALL, '--epochs', 3)
    lines = result.stderr.splitlines()
    assert result.returncode == 1 and lines[0].startswith('saved to here/random.safetensors: epoch 3, perplexity ')
    assert lines[1].startswith('That is no better than ')       # after three epochs
    assert lines[2] == 'picture in here/training.png' and lines[3].startswith('Standard output cannot be written')


def test_training_goes_on_without_a_standard_output(into, tmp_path):
    """Closed from the start, it is as /dev/null: who started the program knows."""
    result = into(closed, 'train', *SMALL, '--epochs', 3, '--pred-period', 1)
    assert (result.returncode, result.stderr) == (0, '') and len(saved(tmp_path)) == 3


def test_an_exception_while_a_line_is_printed(program, tmp_path, monkeypatch, at_epoch):
    """Any at all."""
    done = at_epoch(99, None)

    def write(text):
        if 'epoch 3' in text:
            raise ZeroDivisionError
    monkeypatch.setattr('rnn_scratch.beyond.run.tqdm.write', write)
    with pytest.raises(ZeroDivisionError):
        program('train', *SMALL, '--epochs', 9, '--pred-period', 1)
    assert saved(tmp_path) == done and len(done) == 3


@pytest.mark.parametrize('encoding, shown', [('gbk', '分开'), ('ascii', '??'), ('latin-1', '??'), ('big5', '分?'),
                                             ('utf-8', '分开')])
def test_characters_that_a_terminal_does_not_know(program, monkeypatch, tmp_path, encoding, shown):
    """They are shown as ?, by each command, and the others as they are."""
    (tmp_path / 'songs.txt').write_text('不分开\U0001f600' * 30, 'utf-8')

    def printed(*arguments):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors='strict')
        monkeypatch.setattr(sys, 'stdout', stream)
        result = program(*arguments)
        stream.flush()
        assert result.returncode == 0, result.stderr
        return stream.buffer.getvalue().decode(encoding)

    prefix = '分开\U0001f600'
    text = printed('train', *SMALL, '--epochs', 1, '--pred-period', 1, '--corpus', 'songs.txt', '--prefix', prefix)
    assert f' - {shown}' in text and ('\U0001f600' in text) == (encoding == 'utf-8')
    assert len(saved(tmp_path)) == 1
    song = printed('write', 'here/random.safetensors', '--prefix', prefix, '--num-chars', 0)
    assert song == shown + ('\U0001f600\n' if encoding == 'utf-8' else '?\n')
    assert shown in printed('trace', '--num-chars', 1)
    assert 'songs.txt' in printed('show', 'here/random.safetensors')
    assert printed('plot', 'here/random.safetensors', '-o', f'{encoding}.svg') == f'picture in {encoding}.svg\n'


@pytest.mark.parametrize('redirection, status, unbuffered', [
    ('> /dev/full', 1, ''), ('| head -2', 0, ''), *(pytest.param(*values, marks=pytest.mark.slow) for values in [
        ('> /dev/full', 1, '1'), ('>&- 2>&-', 0, ''), ('2> /dev/full <&-', 0, '')])])
def test_in_a_shell(tmp_path, redirection, status, unbuffered):
    """The process as a whole: what Python does at its very end belongs to it."""
    command = shlex.join([sys.executable, '-m', 'rnn_scratch', 'train', *map(str, SMALL)])
    epochs = 300 if 'head' in redirection else 3
    result = subprocess.run(['bash', '-c', f'{command} --epochs {epochs} --pred-period 1 {redirection}'], cwd=tmp_path,
                            capture_output=True, env={**os.environ, 'PYTHONUNBUFFERED': unbuffered})
    errors = result.stderr.decode()
    assert result.returncode == status and 'Traceback' not in errors and 'ignored' not in errors, errors
    if redirection == '> /dev/full':        # found at the first line of all
        assert errors.splitlines()[-1].startswith('Standard output cannot be written (No space left on device)')
    elif redirection == '| head -2':        # what is read of the text, and the sampling
        assert re.search(r'stopped after epoch \d+ and saved to here/random.safetensors; to go on:', errors)
        assert 1 <= len(saved(tmp_path)) < 300
    else:
        assert len(saved(tmp_path)) == 3


# The disk

@contextlib.contextmanager
def room(size):
    """No file may become larger than this, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize('size', [0, 100, 50_000])
def test_a_full_disk_is_found_before_training(program, tmp_path, size):
    with room(size):
        result = program('train', *SMALL, '--epochs', 9, '--pred-period', 1)
    assert result.returncode == 1 and result.stdout == ''
    sentence, = result.stderr.splitlines()
    assert re.match('(Nothing can|The models of this run .* cannot) be written into the folder here '
                    r'\(File too large\)', sentence)
    assert '--out' in sentence and [path.name for path in (tmp_path / 'here').iterdir()] == ['.lock']


@pytest.mark.parametrize('size', [0, 1, 5000, 9000])
def test_a_disk_that_becomes_full(program, tmp_path, at_epoch, size):
    """In the middle of the fourth epoch, with the second saved: that one stays, and the run does not go on."""
    with contextlib.ExitStack() as stack:
        done = at_epoch(4, lambda: stack.enter_context(room(size)))
        result = program('train', *SMALL, '--epochs', 99, '--save-every', 2)
    assert result.returncode == 1 and len(done) == 4
    assert ('stopped after epoch 4, which could not be saved; epoch 2 is in here/random.safetensors; to go on:\n'
            'python -m rnn_scratch train --resume here/random.safetensors') in result.stdout
    sentence, = result.stderr.splitlines()
    assert sentence.startswith('The file cannot be written to here/random-best.safetensors (File too large)')
    assert saved(tmp_path) == done[:2]
    assert sorted(path.name for path in (tmp_path / 'here').iterdir()) == ['.lock', 'random-best.safetensors',
                                                                           'random.safetensors']
    assert program('train', '--resume', 'here/random.safetensors', '--epochs', 5).returncode == 0


@pytest.mark.slow
def test_a_small_disk(tmp_path):
    """A file system of its own, of 500 kB, for a model that needs more, and for one that needs less."""
    (tmp_path / 'here').mkdir()
    results = []
    for hidden in [128, 2]:
        command = shlex.join([sys.executable, '-m', 'rnn_scratch', 'train', *map(str, SMALL), '--hidden', str(hidden),
                              '--epochs', '2'])
        results.append(subprocess.run(
            ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c',
             f'mount -t tmpfs -o size=500k none here || exit 77; {command}'],
            cwd=tmp_path, capture_output=True, encoding='utf-8'))
        if results[-1].returncode in (77, 126, 127) or 'unshare' in results[-1].stderr:
            pytest.skip(f'this machine lets nobody mount a file system: {results[-1].stderr}')
    large, small = results
    assert large.returncode == 1 and 'epoch' not in large.stdout
    assert 'cannot be written into the folder here (No space left on device)' in large.stderr
    assert small.returncode == 0, small.stderr


@pytest.mark.parametrize('out', ['file', 'file/under', '/proc/here', '/dev/null'])
def test_a_folder_that_cannot_be(program, tmp_path, out):
    (tmp_path / 'file').write_text('mine')
    result = program('train', *SMALL, '--out', out, '--epochs', 1)
    sentence, = result.stderr.splitlines()
    assert result.returncode == 1 and sentence.startswith(f'Nothing can be written into the folder {out} (')
    assert (tmp_path / 'file').read_text() == 'mine'


@pytest.mark.parametrize('flags', [['--out', '\udcff'], ['--out', 'a/\udce4'], ['--corpus', 'b\udcff.txt']])
def test_a_name_of_other_bytes_than_utf_8(program, tmp_path, flags):
    """As an archive from elsewhere may have it: refused before any work, because a checkpoint cannot keep the name."""
    (tmp_path / 'b\udcff.txt').write_text('分开不分开' * 99, 'utf-8')
    result = program('train', *SMALL, *flags, '--epochs', 1)
    assert result.returncode in (1, 2) and 'is not in UTF-8' in result.stderr.splitlines()[-1]
    assert ascii(flags[1])[1:-1] in result.stderr and not (tmp_path / 'here').exists()


def test_no_room_for_runs(program, tmp_path):
    (tmp_path / 'runs').write_text('mine')
    result = program('train', *SMALL[:-2], '--epochs', 1)
    assert result.returncode == 1
    sentence, = result.stderr.splitlines()
    assert sentence.startswith('Nothing can be written into the folder runs (File exists): choose another one')


# Two processes

def test_two_processes_do_not_train_in_one_folder(program, tmp_path):
    program('train', *SMALL, '--epochs', 1)
    before = {path: path.read_bytes() for path in (tmp_path / 'here').iterdir()}
    with locked(tmp_path / 'here'):
        for flags in [[*SMALL, '--sampling', 'consecutive'], ['--resume', 'here/random.safetensors']]:
            result = program('train', *flags, '--epochs', 2)
            assert result.returncode == 1
            assert re.fullmatch(f'Another process \\({os.getpid()}\\) trains in the folder .*here: wait until it has '
                                'ended, or choose another folder with --out.\n', result.stderr)
            assert (tmp_path / 'here/.lock').read_text() == str(os.getpid())
    assert {path: path.read_bytes() for path in (tmp_path / 'here').iterdir()} == before
    assert program('train', '--resume', 'here/random.safetensors', '--epochs', 2).returncode == 0


def test_a_neighbour_that_saves_while_its_file_is_read(program, tmp_path, monkeypatch):
    """It ends between our reading and our lock, with two epochs more: they are not overwritten."""
    from rnn_scratch.beyond.run import Run
    for folder, epochs in [('here', 1), ('later', 3)]:
        program('train', *SMALL, '--epochs', epochs, '--out', folder)
    resume = Run.resume

    def resume_late(*arguments, **others):
        run = resume(*arguments, **others)
        os.replace(tmp_path / 'later/random.safetensors', tmp_path / 'here/random.safetensors')
        return run
    monkeypatch.setattr(Run, 'resume', resume_late)
    result = program('train', '--resume', 'here/random.safetensors', '--epochs', 2)
    sentence, = result.stderr.splitlines()
    assert result.returncode == 1 and 'with 3 epochs in place of 1: run the command again' in sentence
    assert len(saved(tmp_path)) == 3


def test_a_lock_dies_with_its_process(run, program, tmp_path):
    """It is the system's; the file stays, and says nothing but who was the last to have it."""
    result = run('-c', 'import os; from pathlib import Path; from rnn_scratch.beyond.folders import locked\n'
                       'with locked(Path("here")): print(os.getpid(), flush=True); os.kill(os.getpid(), 9)')
    assert result.returncode == -9 and (tmp_path / 'here/.lock').read_text() == result.stdout.strip()
    assert program('train', *SMALL, '--epochs', 1).returncode == 0
    assert (tmp_path / 'here/.lock').read_text() == str(os.getpid())


def link(path, target):
    os.symlink(target, path)


def hard_link(path, target):
    os.link(target, path)


def a_folder(path, target):
    path.mkdir()


def a_pipe(path, target):
    os.mkfifo(path)


def a_socket(path, target):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def a_text(path, target):
    path.write_text('mine, too')


@pytest.mark.parametrize('make', [link, hard_link, a_folder, a_pipe, a_socket, a_text], ids=lambda make: make.__name__)
def test_what_is_no_lock_is_left_alone(program, tmp_path, monkeypatch, make):
    """A file of the user's under the name of the lock: nothing is followed, emptied or waited for."""
    (tmp_path / 'here').mkdir()
    (tmp_path / 'mine').write_text('mine')
    monkeypatch.chdir(tmp_path / 'here')        # the name of a socket must be short
    make(Path('.lock'), tmp_path / 'mine')
    result = program('train', *SMALL, '--epochs', 1)
    sentence, = result.stderr.splitlines()
    assert result.returncode == 1 and sentence.startswith('here/.lock is no lock of a training run, but a link, a ')
    assert (tmp_path / 'mine').read_text() == 'mine' and len(list((tmp_path / 'here').iterdir())) == 1
    assert make is not a_text or (tmp_path / 'here/.lock').read_text() == 'mine, too'


def test_a_link_to_nothing_is_no_lock(program, tmp_path):
    """It would make a file at another place."""
    (tmp_path / 'here').mkdir()
    (tmp_path / 'here/.lock').symlink_to(tmp_path / 'nothing')
    result = program('train', *SMALL, '--epochs', 1)
    assert result.returncode == 1 and 'here/.lock is no lock' in result.stderr
    assert not (tmp_path / 'nothing').exists() and (tmp_path / 'here/.lock').is_symlink()


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can be another user')
@pytest.mark.parametrize('name', ['.lock', '.corpus', 'random.safetensors', 'random-best.safetensors', 'training.png',
                                  'a.png', 'a.onnx', 'a.safetensors'])
@pytest.mark.parametrize('target', ['../mine', '../nothing'])
def test_what_another_user_plants_leads_nowhere(run, program, tmp_path, name, target):
    """In a folder that a group shares: a link to a file that is not theirs, in the way of a file of ours."""
    (tmp_path / 'here').mkdir()
    (tmp_path / 'here').chmod(0o777)
    (tmp_path / 'mine').write_text('mine')
    (tmp_path / 'poems.txt').write_text('分开不分开' * 40, 'utf-8')
    program('train', *SMALL, '--out', 'other', '--epochs', 1)
    planted = run('-c', f'import os; os.chdir("here"); os.setuid(65534); os.symlink({target!r}, {name!r})')
    assert planted.returncode == 0 and os.lstat(tmp_path / 'here' / name).st_uid == 65534, planted.stderr
    model = 'other/random.safetensors'
    for arguments in [['train', *SMALL, '--corpus', 'poems.txt', '--epochs', 1], ['plot', model, '-o', 'here/a.png'],
                      ['export', model, '--to', 'onnx', '--out', 'here/a.onnx'],
                      ['export', model, '--to', 'pytorch', '--out', 'here/a.safetensors']]:
        result = program(*arguments)
        wanted = 'Traceback' not in result.stderr and len([line for line in result.stderr.splitlines()
                                                           if 'Checkpoint(' not in line]) == result.returncode
        assert wanted, result.stderr
    assert (tmp_path / 'mine').read_text() == 'mine' and not (tmp_path / 'nothing').exists()
    assert (tmp_path / 'here' / name).is_symlink()


def test_a_file_system_without_locks(program, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(37, 'No locks available')
    monkeypatch.setattr(fcntl, 'flock', fail)
    result = program('train', *SMALL, '--epochs', 1)
    assert result.returncode == 0 and len(saved(tmp_path)) == 1
    assert result.stderr == ('The folder here cannot be locked (No locks available): see to it that no other process '
                             'trains there.\n')


# At random moments

@pytest.fixture(scope='module')
def chain(tmp_path_factory):
    return faults.Chain(tmp_path_factory.mktemp('chain'), seed=12)


@pytest.mark.slow
@pytest.mark.xdist_group('chain')
@pytest.mark.parametrize('number', range(18))
def test_a_fault_at_a_random_moment(chain, number):
    """kill -9, signals, a closed pipe, a full disk; the rest of the 200 rounds: python tools/faults.py."""
    chain.round()
