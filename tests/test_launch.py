"""Processes that train together: started by `--workers` or by hand, on one host or two; when one dies, all end.

The oracle is d2lzh's own loop, in one process. The mathematics is in test_parallel.py.
"""
import contextlib
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

from rnn_scratch import _roles
from rnn_scratch.beyond import launch, member
from rnn_scratch.beyond.checkpoint import load_checkpoint

import d2lzh
import numpy as np
import pytest
from build_faults import FAULTS, HOST_FAULTS, SMALL, Trial, is_good, start_by_hand, try_hosts, try_once, two_hosts
from test_parallel import BATCH_SIZE, LENGTH, LR, NUM_HIDDENS, NUM_STEPS, assert_same, train

ADDRESS = {'DMLC_PS_ROOT_URI': '127.0.0.1', 'DMLC_PS_ROOT_PORT': '9091', 'DMLC_NUM_WORKER': '2', 'DMLC_NUM_SERVER': '1'}


@pytest.mark.parametrize('wrong, message', [
    ({'DMLC_ROLE': 'teacher'}, "DMLC_ROLE must be scheduler, server or worker, and it is 'teacher'"),
    ({'DMLC_ROLE': ''}, "DMLC_ROLE must be scheduler, server or worker, and it is ''"),
    ({'DMLC_PS_ROOT_URI': None}, 'DMLC_PS_ROOT_URI must be the address .* and it is not set'),
    ({'DMLC_PS_ROOT_URI': 'localhost'}, "DMLC_PS_ROOT_URI must be the address .* four numbers, .* it is 'localhost'"),
    ({'DMLC_PS_ROOT_URI': '::1'}, "DMLC_PS_ROOT_URI must be the address .* four numbers, .* it is '::1'"),
    ({'DMLC_PS_ROOT_PORT': None}, 'DMLC_PS_ROOT_PORT must be a whole number from 1 to 65535, and it is not set'),
    ({'DMLC_PS_ROOT_PORT': '70000'}, 'DMLC_PS_ROOT_PORT must be a whole number from 1 to 65535'),
    ({'DMLC_NUM_WORKER': '0'}, "DMLC_NUM_WORKER must be a whole number from 1 to 65535, and it is '0'"),
    ({'DMLC_NUM_WORKER': None}, 'DMLC_NUM_WORKER must be .* not set'),
    ({'DMLC_NUM_SERVER': 'two'}, "DMLC_NUM_SERVER must be a whole number .* 'two'"),
    ({'DMLC_INTERFACE': 'none0'}, "DMLC_INTERFACE must be a network interface of this machine, .* 'none0'"),
    ({'RNN_SCRATCH_WORKER': 'first'}, "RNN_SCRATCH_WORKER must be a whole number below DMLC_NUM_WORKER, .* 'first'"),
    ({'RNN_SCRATCH_WORKER': '2'}, "RNN_SCRATCH_WORKER must be a whole number below DMLC_NUM_WORKER, .* '2'"),
    ({'DMLC_NODE_HOST': '203.0.113.1'}, 'DMLC_NODE_HOST must be an address of this machine'),
    ({'DMLC_NODE_HOST': '::1'}, 'DMLC_NODE_HOST must be an address of this machine in four numbers'),
    ({'DMLC_ROLE': 'scheduler', 'DMLC_PS_ROOT_URI': '203.0.113.1'}, 'The scheduler cannot listen on 203.0.113.1'),
])
def test_variables_that_make_no_sense(wrong, message, monkeypatch):
    """MXNet waits for ever, or aborts, with each of them: they are refused before it is imported."""
    for name, text in {**ADDRESS, 'DMLC_ROLE': 'worker', **wrong}.items():
        if text is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, text)
    assert re.search(message, _roles.wrong_role())


@pytest.mark.parametrize('right', [{}, {'DMLC_INTERFACE': 'lo'}, {'DMLC_NODE_HOST': '127.0.0.1'},
                                   {'DMLC_ROLE': 'server'}])
def test_variables_that_make_sense(right, monkeypatch):
    for name, text in {**ADDRESS, 'DMLC_ROLE': 'worker', **right}.items():
        monkeypatch.setenv(name, text)
    assert _roles.wrong_role() is None


def test_a_wrong_role_is_refused_before_mxnet_is_imported(run):
    result = run('-c', 'import rnn_scratch', DMLC_ROLE='teacher')
    assert result.returncode == 1 and 'ImportError: DMLC_ROLE is \'teacher\', so' in result.stderr.splitlines()[-1]


def test_variables_of_several_machines_without_a_role(program, monkeypatch):
    """As they were set before a role was needed: each machine would train alone."""
    monkeypatch.setenv('DMLC_PS_ROOT_URI', '10.0.0.1')
    result = program('train', '--workers', 2, '--num-chars', 2000, '--out', 'new')
    sentence, = result.stderr.splitlines()
    assert result.returncode == 1 and 'DMLC_PS_ROOT_URI is set (10.0.0.1), but --workers' in sentence


def test_without_workers_nothing_of_it_is_imported(run):
    result = run('-c', 'import sys; from rnn_scratch.__main__ import main; main(["train", "--num-chars", "400", '
                       '"--hidden", "2", "--batch-size", "2", "--epochs", "1"]); '
                       'print([name for name in ["parallel", "launch", "member"] '
                       'if f"rnn_scratch.beyond.{name}" in sys.modules])')
    assert result.stdout.endswith('[]\n'), result.stderr


@pytest.mark.parametrize('flags, role, said', [
    ([], None, '--restarts is for the processes that --workers starts on this machine'),
    (['--workers', 2], 'worker', 'DMLC_ROLE is set, so nobody here can start this process again')])
def test_restarts_of_what_was_not_started_here(program, monkeypatch, flags, role, said):
    for name, text in {**ADDRESS, 'DMLC_ROLE': role}.items() if role else []:
        monkeypatch.setenv(name, text)
    result = program('train', '--restarts', 2, *flags, '--out', 'new')
    sentence, = result.stderr.splitlines()
    assert result.returncode == 1 and sentence.startswith(said)


# Stands in for member.py: worker 1 ends in a way of its own at each start, and all others wait for that.
STAND_IN = """
import os, signal, sys, time
def start(role, number, path, *ends):
    os.write(0, b'.')
    if number == '1':
        with open(path, 'a') as file:
            file.write('x')
        how = ends[os.path.getsize(path) - 1]
        if how.startswith('SIG'):
            os.kill(os.getpid(), getattr(signal, how))
        sys.exit(int(how))
    while not os.path.exists(path + '.done') and os.write(0, b'.'):
        time.sleep(0.05)
start(os.environ['DMLC_ROLE'], os.environ.get('RNN_SCRATCH_WORKER'), *sys.argv[1:])
"""


@pytest.mark.parametrize('restarts, ends, code, starts', [
    (0, ['SIGKILL'], 1, 1), (1, ['SIGKILL', 'SIGSEGV'], 1, 2), (3, ['SIGKILL', 'SIGABRT', '1'], 1, 3),
    (3, ['1'], 1, 1), (3, ['2'], 1, 1)])
def test_only_what_was_killed_begins_again(tmp_path, monkeypatch, capsys, restarts, ends, code, starts):
    """So many times; what ended by itself would do so again."""
    monkeypatch.setattr(launch, 'python', lambda file, *rest: [sys.executable, '-c', STAND_IN, *rest])
    path = tmp_path / 'starts'
    assert launch.launch([str(path), *ends], 2, restarts) == code
    assert path.stat().st_size == starts
    *again, last, end = [line for line in capsys.readouterr().err.splitlines() if line]
    assert [re.sub(r'\d{3,}', '…', line) for line in again] == [
        f'The run goes on with new processes (restarts left: {restarts - number - 1}): worker 1 (process …) was killed '
        f'by {name}.' for number, name in enumerate(ends[:starts - 1])]
    assert last.startswith('Worker 1') and end == 'All processes are ended.'


def test_a_signal_begins_nothing_again(tmp_path, monkeypatch, capsys):
    """Neither while all run, nor while they end because one was killed."""
    monkeypatch.setattr(launch, 'python', lambda file, *rest: [sys.executable, '-c', STAND_IN, *rest])
    timer = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGTERM])
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    timer.start()
    try:
        assert launch.launch([str(tmp_path / 'starts'), *999 * ['SIGKILL']], 2, 999) == 128 + signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)
    assert capsys.readouterr().err.count('All processes are ended') <= 1


@pytest.mark.parametrize('flags, first', [([], ''), (['-I'], None)])
def test_the_folder_of_member_shadows_no_module(tmp_path, flags, first):
    """What a file of this name would hide is Python's own; the working directory comes first, as for python -m."""
    folder = tmp_path / 'beyond'
    folder.mkdir()
    source = Path(member.__file__).read_text('utf-8')
    for name in ['threading', 'signal', 'select', 'runpy']:
        (folder / f'{name}.py').write_text('raise SystemExit("shadowed")', 'utf-8')
    (folder / 'member.py').write_text(source[:source.rindex("if __name__")] + 'print(sys.path[:2])', 'utf-8')
    result = subprocess.run([sys.executable, *flags, str(folder / 'member.py')], cwd=tmp_path, capture_output=True,
                            text=True)
    assert result.returncode == 0, result.stderr
    assert str(folder) not in result.stdout
    assert first is None or result.stdout.startswith(f'[{first!r}, ')


def flags(sampling, engine, epochs):
    return ['--num-chars', LENGTH[sampling], '--hidden', NUM_HIDDENS, '--num-steps', NUM_STEPS, '--batch-size',
            BATCH_SIZE, '--lr', LR, '--sampling', sampling, '--engine', engine, '--epochs', epochs, '--prefix', '夜',
            '--pred-period', 1]


def finish(*trials):
    try:
        for trial in trials:
            code, left = trial.wait()
            assert (code, left) == (0, {}), trial.text
    finally:
        for trial in trials:
            trial.clean_up()


@pytest.mark.slow
@pytest.mark.parametrize('count, sampling, engine', [(2, 'random', 'fused'), (3, 'consecutive', 'tutorial')])
def test_several_processes_are_one(tmp_path, count, sampling, engine, capsys):
    """After 20 steps and after 40. Then with another number of workers, 20 more."""
    trial = Trial(tmp_path, *flags(sampling, engine, 2), '--workers', count, '--out', '.')
    finish(trial)
    expected, _ = train(d2lzh, sampling, epochs=3)
    theirs = [float(number) for number in re.findall('perplexity (.*),', capsys.readouterr().out)]
    ours = [float(number) for number in re.findall(r'epoch \d, perplexity (.*),', trial.text)]
    np.testing.assert_allclose(ours, theirs[:2], rtol=1e-5)
    path = tmp_path / f'{sampling}.safetensors'
    assert_same([param.asnumpy() for param in load_checkpoint(path).params],
                train(d2lzh, sampling, epochs=2)[0])
    finish(Trial(tmp_path, '--resume', path, '--epochs', 3, '--workers', 5 - count, '--prefix', '夜'))
    assert_same([param.asnumpy() for param in load_checkpoint(path).params], expected, atol=2e-6)    # 60 steps


@pytest.mark.slow
def test_a_mini_batch_that_cannot_be_divided(tmp_path):
    """Said once, although each worker finds it; and nothing is made."""
    trial = Trial(tmp_path, '--workers', 5, '--batch-size', 12, '--num-chars', 1000, '--out', 'new')
    code, left = trial.wait()
    trial.clean_up()
    assert (code, left) == (1, {}) and not (tmp_path / 'new').exists()
    assert re.fullmatch(r'A mini-batch of 12 .* a batch size of 10 or 15, or 2 or 3 or 4 or 6 or 12 workers\.\n',
                        trial.text), trial.text


@pytest.mark.slow
@pytest.mark.parametrize('name', FAULTS)
def test_when_one_dies_all_end(tmp_path, name):
    outcome = try_once(name, tmp_path)
    assert is_good(name, outcome), outcome
    assert outcome.seconds < 10


def without_times(text):
    return re.sub(', time .* sec', '', text)


@pytest.mark.slow
def test_a_run_that_is_started_again_prints_what_it_would_have_printed(tmp_path):
    """Worker 0 is killed in the middle of the first run; the server stands still; and, before anything of the second
    run is saved, worker 0 is killed once more. The models are the same, too, to the last bit. The undisturbed run gets
    memory that is full of zeros: MXNet's server has a flag that it never sets, and rounds 64 bits to 32 by it."""
    folders = two_folders(tmp_path)
    arguments = [*SMALL, '--sampling', 'both', '--workers', 2, '--epochs', 9]
    alone = Trial(folders[0], *arguments, GLIBC_TUNABLES='glibc.malloc.tcache_count=0', MALLOC_PERTURB_='255')
    finish(alone)
    trial = Trial(folders[1], *arguments, '--save-every', 4, '--restarts', 3)
    try:
        for number, (after, role, kind) in enumerate([
                ('epoch 6,', 'worker 0', signal.SIGKILL), ('epoch 7,', 'server', signal.SIGSTOP),
                ('consecutive(.|\n)*epoch 2,', 'worker 0', signal.SIGKILL)]):
            trial.until(after)
            os.kill(trial.processes()[role], kind)
            trial.until(f'restarts left: {2 - number}')
        finish(trial)
    finally:
        trial.clean_up()
    said = r'\nThe run goes on with new processes \(restarts left: \d\): (.*)\n'
    assert re.findall(said, re.sub(r'process \d+', 'process 7', trial.text)) == [
        'worker 0 (process 7) was killed by SIGKILL.', 'the server has not answered for 5 seconds.',
        'worker 0 (process 7) was killed by SIGKILL.']
    assert without_times(re.sub(said, '', trial.text)) == without_times(alone.text)
    for name in ['random', 'random-best', 'consecutive', 'consecutive-best']:
        one, other = (load_checkpoint(folder / f'{name}.safetensors') for folder in folders)
        assert one.perplexities == other.perplexities
        assert_same([param.asnumpy() for param in one.params], [param.asnumpy() for param in other.params], atol=0)


@pytest.mark.slow
def test_a_resumed_run_that_is_started_again_and_then_fails(tmp_path):
    """The last start ends as one without restarts: with what is saved, and how to go on."""
    path = tmp_path / 'random.safetensors'
    finish(Trial(tmp_path, *SMALL, '--epochs', 3))
    trial = Trial(tmp_path, '--resume', path, '--epochs', 10 ** 6, '--pred-period', 1, '--pred-len', 2, '--workers', 2,
                  '--restarts', 1)
    try:
        for after, role in [('epoch 6,', 'scheduler'), (r'restarts left: 0(.|\n)*epoch \d+,', 'worker 1')]:
            trial.until(after)
            os.kill(trial.processes()[role], signal.SIGKILL)
        code, left = trial.wait()
    finally:
        trial.clean_up()
    epochs = [int(number) for number in re.findall(r'epoch (\d+),', trial.text)]
    assert (code, left) == (1, {}) and epochs == list(range(4, 4 + len(epochs)))
    assert load_checkpoint(path).epoch == epochs[-1]
    assert re.search(r'\nstopped after .* and saved to .*; to go on:\n.* --workers 2 .* --restarts 1\n', trial.text)
    assert trial.text.count('stopped') == trial.text.count('All processes are ended.') == 1


# Roles from the environment

@pytest.fixture
def hosts():
    with contextlib.ExitStack() as stack:
        try:
            yield stack.enter_context(two_hosts())
        except OSError as error:
            pytest.skip(f'this machine has no namespaces of the network for us: {error}')


def two_folders(tmp_path):
    folders = [tmp_path / 'first', tmp_path / 'other']
    for folder in folders:
        folder.mkdir()
    return folders


def one_line_each(text):
    """What was printed, without the digits that differ from run to run: seconds, and sums in another order."""
    return re.sub(r'(perplexity \d+\.\d)\d*(, time .*)?', r'\1', text)


def assert_one_process(tmp_path, **hosts):
    """Four processes, each with its role in its environment, print what one process prints, and all end."""
    folders = two_folders(tmp_path)
    (tmp_path / 'alone').mkdir()
    arguments = [*flags('random', 'fused', 2), '--out', '.']
    trials = start_by_hand(folders, arguments, **hosts)
    finish(*trials.values())
    alone = Trial(tmp_path / 'alone', *arguments)
    finish(alone)
    assert one_line_each(trials.pop('worker 0').text) == one_line_each(alone.text) != ''
    assert {trial.text for trial in trials.values()} == {''}
    assert_same([param.asnumpy() for param in load_checkpoint(folders[0] / 'random.safetensors').params],
                train(d2lzh, 'random', epochs=2)[0])
    assert not list(folders[1].glob('*.safetensors'))       # one worker writes


@pytest.mark.slow
def test_roles_by_hand_are_one_process(tmp_path):
    assert_one_process(tmp_path)


@pytest.mark.slow
def test_roles_on_two_hosts_are_one_process(tmp_path, hosts):
    names, addresses = hosts
    assert_one_process(tmp_path, names=names, uri=addresses[0])


@pytest.mark.slow
def test_without_numbers_the_store_gives_them(tmp_path):
    """And a variable that is not meant for it, PORT, does no harm."""
    trials = start_by_hand(two_folders(tmp_path), [*flags('random', 'fused', 1), '--out', tmp_path / 'both'],
                           RNN_SCRATCH_WORKER=None, PORT='1')
    finish(*trials.values())
    printed = sorted(trials[f'worker {k}'].text for k in [0, 1])
    assert printed[0] == '' and 'epoch 1, perplexity' in printed[1]


@pytest.mark.slow
@pytest.mark.parametrize('name', HOST_FAULTS)
def test_when_a_host_dies_a_signal_ends_the_others(tmp_path, hosts, name):
    outcome = try_hosts(name, tmp_path)
    assert is_good(name, outcome), outcome
    assert outcome.seconds < 10


@pytest.mark.slow
@pytest.mark.parametrize('there', [['--lr', 9], ['--epochs', 2]], ids=['lr', 'epochs'])
def test_workers_that_were_started_differently(tmp_path, there):
    trials = start_by_hand(two_folders(tmp_path), [*flags('random', 'fused', 1), '--out', '.'], there)
    try:
        for worker in [trials['worker 0'], trials['worker 1']]:
            assert worker.wait() == (1, {})
            assert re.search(r'not the same on all workers \(worker 1 differs\)', worker.text), worker.text
    finally:
        for trial in trials.values():
            trial.clean_up()


SEND = """
import os, sys
from rnn_scratch.beyond.parallel import Processes, d2l, nd
d2l.sgd                     # d2lzh is loaded, which another user may not be able to read
if os.geteuid() == 0:       # the server is root's, and this process is another user's
    os.setuid(65534)
team = Processes()
with team.training([]):
    team.sums.store._send_command_to_servers(0, {content!r})
    print(team.add_up(nd.ones(3)).asnumpy(), file=sys.stderr)
"""


class Stranger:
    """A pickle that makes a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


@pytest.mark.slow
def test_the_server_unpickles_nothing(tmp_path):
    """Whoever reaches its port can send it code, as a pickled optimizer: it does not run, and the training goes on."""
    trace = tmp_path / 'trace'
    content = pickle.dumps(Stranger(trace), 0).decode()
    pickle.loads(content.encode()).close()
    assert trace.exists()           # here it does run
    trace.unlink()
    trials = start_by_hand(two_folders(tmp_path), [], program=['-c', SEND.format(content=content)])
    finish(*trials.values())
    assert not trace.exists()
    assert trials['server'].text.count('refused: command 0') == 2
    assert {trials[f'worker {k}'].text for k in [0, 1]} == {'[2. 2. 2.]\n'}
