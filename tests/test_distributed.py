"""Several workers are one: the same parameters after the same steps, and when one dies, all end.

The oracle is d2lzh's own loop, in one process. The first half is about the mathematics, on two or three devices of this
process; the second is about processes.
"""
import contextlib
import os
import random
import re
import socket
from types import SimpleNamespace

import rnn_scratch as d2l
from rnn_scratch import _checks
from rnn_scratch.beyond import distributed, fused
from rnn_scratch.beyond.cells import get_lstm_params, init_lstm_state, lstm
from rnn_scratch.beyond.checkpoint import load_checkpoint

import d2lzh
import mxnet as mx
import numpy as np
import pytest
from build_faults import FAULTS, HOST_FAULTS, Trial, is_good, start_hosts, try_hosts, try_once, two_hosts

NUM_HIDDENS, NUM_STEPS, BATCH_SIZE, LR = 8, 5, 6, 10
LENGTH = {'random': 20 * NUM_STEPS * BATCH_SIZE + 1, 'consecutive': (20 * NUM_STEPS + 1) * BATCH_SIZE}      # 20 steps
RNN, LSTM = (d2l.rnn, d2l.get_params, d2l.init_rnn_state), (lstm, get_lstm_params, init_lstm_state)


def train(engine, sampling, theta=0.01, epochs=1, cell=RNN, lr=LR, ctx=None, **keywords):
    """The parameters after training, and what is returned."""
    corpus_indices, char_to_idx, idx_to_char, vocab_size = d2l.load_data_jay_lyrics(num_chars=LENGTH[sampling])
    rnn, get_params, init_state = cell
    ctx = ctx or mx.cpu()
    random.seed(0)
    mx.random.seed(0)
    params = get_params(vocab_size, NUM_HIDDENS, vocab_size, ctx)
    result = engine.train_and_predict_rnn(
        rnn, lambda: params, init_state, NUM_HIDDENS, vocab_size, ctx, corpus_indices, idx_to_char, char_to_idx,
        sampling == 'random', epochs, NUM_STEPS, lr, theta, BATCH_SIZE, 1, 5, ['夜'], **keywords)
    return [param.asnumpy() for param in params], result


def assert_same(found, expected, atol=1e-6):
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)


def contexts(count):
    return [mx.cpu(number) for number in range(count)]


@pytest.mark.parametrize('sampling', ['random', 'consecutive'])
@pytest.mark.parametrize('engine, count, kind', [(d2l, 2, 'local'), (d2l, 3, 'device'), (fused, 2, 'device'),
                                                 (fused, 3, 'local')])
def test_several_devices_are_one_process(sampling, engine, count, kind, capsys):
    """20 steps an epoch; two epochs, so that the copies and the second shuffling are seen, too."""
    expected, _ = train(d2lzh, sampling, epochs=2)
    printed = capsys.readouterr().out
    found, trained = train(engine, sampling, epochs=2,
                           train_epoch=distributed.on_contexts(engine, contexts(count), kind))
    assert_same(found, expected)
    theirs = [float(number) for number in re.findall('perplexity (.*),', printed)]
    np.testing.assert_allclose(trained.perplexities, theirs, rtol=1e-5)


def test_a_state_of_two_arrays_is_carried():
    """Each worker carries the rows of H and C that are its own. (d2lzh takes a cell of ours.)"""
    expected, _ = train(d2lzh, 'consecutive', cell=LSTM)
    found, _ = train(d2l, 'consecutive', cell=LSTM, train_epoch=distributed.on_contexts(d2l, contexts(2)))
    assert_same(found, expected)


@pytest.mark.parametrize('engine', [d2l, fused], ids=['tutorial', 'fused'])
def test_one_transfer_a_step(engine, monkeypatch):
    """And two more an epoch: for the perplexity and for the checksum, one number of each worker."""
    sizes, add_up_all = [], distributed.Contexts.add_up_all

    def watched(self):
        sizes.append([array.size for array in self.arrays])
        add_up_all(self)

    monkeypatch.setattr(distributed.Contexts, 'add_up_all', watched)
    params, _ = train(engine, 'random', train_epoch=distributed.on_contexts(engine, contexts(2)))
    assert sizes == 20 * [2 * [sum(param.size for param in params)]] + 2 * [[2, 2]]


def on_device_1(change):
    """The tutorial engine, with something that happens on the second device after the epoch."""
    def train_epoch(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, *arguments, **keywords):
        perplexity = d2l.train_epoch(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, *arguments, **keywords)
        if ctx == mx.cpu(1):
            change(params)
        return perplexity
    return SimpleNamespace(train_epoch=train_epoch)


def test_a_single_bit_that_differs_is_found():
    def flip(params):
        bits = params[1].asnumpy()
        bits.view('uint32')[2, 3] ^= 1
        params[1][:] = bits

    with pytest.raises(FloatingPointError, match=r'parameters are not the same .* \(worker 1 differs\)'):
        train(d2l, 'random', train_epoch=distributed.on_contexts(on_device_1(flip), contexts(3)))
    train(d2l, 'random', train_epoch=distributed.on_contexts(on_device_1(lambda params: None), contexts(3)))


def test_an_error_of_one_device_is_the_error_of_all():
    def fail(params):
        raise ArithmeticError('too many songs')

    with pytest.raises(ArithmeticError, match='too many songs'):
        train(d2l, 'random', train_epoch=distributed.on_contexts(on_device_1(fail), contexts(3)))


def test_a_model_that_blows_up_says_so():
    with pytest.raises(FloatingPointError, match='learning rate'):
        train(d2l, 'random', theta=1e4, epochs=3, lr=3e38, train_epoch=distributed.on_contexts(d2l, contexts(2)))


def test_a_mini_batch_that_cannot_be_divided(program):
    for call in [lambda: train(d2l, 'random', train_epoch=distributed.on_contexts(d2l, contexts(4))),
                 lambda: _checks.check_divisible(6, 4)]:
        with pytest.raises(ValueError, match='6 sequences .* among 4 workers: choose a batch size of 4 or 8, or 2 or '
                                             '3 or 6 workers'):
            call()
    with pytest.raises(ValueError, match='a batch size of 3, or 2 workers'):
        _checks.check_divisible(2, 3)
    result = program('train', '--workers', 5, '--batch-size', 12, '--num-chars', 1000, '--out', 'new')
    sentence, = result.stderr.splitlines()
    assert result.returncode == 1 and 'a batch size of 10 or 15, or 2 or 3 or 4 or 6 or 12 workers' in sentence
    assert not os.path.exists('new')


def test_the_first_device_is_that_of_the_parameters():
    with pytest.raises(ValueError, match=r'on cpu\(1\).* the first of the devices is cpu\(0\)'):
        train(d2l, 'random', ctx=mx.cpu(1), train_epoch=distributed.on_contexts(d2l, contexts(2)))


@pytest.mark.parametrize('variables, message', [
    ({'DMLC_ROLE': 'worker'}, 'DMLC_ROLE is set'),
    ({'DMLC_PS_ROOT_URI': '10.0.0.1', 'DMLC_NUM_WORKER': '4'}, 'DMLC_PS_ROOT_PORT must be set, too'),
    ({'DMLC_PS_ROOT_URI': '10.0.0.1', 'DMLC_PS_ROOT_PORT': '70000', 'DMLC_NUM_WORKER': '4'}, "PORT is '70000'"),
    ({'DMLC_PS_ROOT_URI': '10.0.0.1', 'DMLC_PS_ROOT_PORT': '9091', 'DMLC_NUM_WORKER': '1'}, 'from 2 to'),
    ({'DMLC_NUM_SERVER': 'two'}, "DMLC_NUM_SERVER is 'two'"),
])
def test_variables_that_make_no_sense(variables, message, program, monkeypatch):
    for name in [name for name in os.environ if name.startswith('DMLC_')]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = program('train', '--workers', 2, '--num-chars', 2000, '--out', 'new')
    sentence, = result.stderr.splitlines()
    assert result.returncode == 1 and message in sentence


def test_a_message_may_come_in_pieces_and_a_stranger_is_told_from_a_host():
    here, there = socket.socketpair()
    with here, there:
        member = distributed.Member('host', here)
        there.sendall(b'{}\n{"nu')
        assert member.receive() == [{}]
        there.sendall(b'mber": 2}\n')
        assert member.receive() == [{'number': 2}]
        there.sendall(b'GET / HTTP/1.1\r\n\r\n')
        assert member.receive() is None


def test_without_workers_nothing_of_it_is_imported(run):
    result = run('-c', 'import sys; from rnn_scratch.__main__ import main; main(["train", "--num-chars", "400", '
                       '"--hidden", "2", "--batch-size", "2", "--epochs", "1"]); '
                       'print("rnn_scratch.beyond.distributed" in sys.modules)')
    assert result.stdout.endswith('False\n'), result.stderr


# Processes

def flags(sampling, engine, epochs):
    return ['--num-chars', LENGTH[sampling], '--hidden', NUM_HIDDENS, '--num-steps', NUM_STEPS, '--batch-size',
            BATCH_SIZE, '--lr', LR, '--sampling', sampling, '--engine', engine, '--epochs', epochs, '--prefix', '夜',
            '--pred-period', 1]


def finish(*trials):
    for trial in trials:
        code, left = trial.wait()
        trial.clean_up()
        assert (code, left) == (0, {}), trial.text


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
@pytest.mark.parametrize('name', FAULTS)
def test_when_one_dies_all_end(tmp_path, name):
    outcome = try_once(name, tmp_path)
    assert is_good(name, outcome), outcome
    assert outcome.seconds < (10 if 'port' not in name else 20)     # there the start of the program counts, too


@pytest.fixture
def hosts():
    with contextlib.ExitStack() as stack:
        try:
            yield stack.enter_context(two_hosts())
        except OSError as error:
            pytest.skip(f'this machine has no namespaces of the network for us: {error}')


@pytest.mark.slow
def test_two_hosts_are_one_process(tmp_path, hosts):
    folders = [tmp_path / 'first', tmp_path / 'other']
    for folder in folders:
        folder.mkdir()
    finish(*start_hosts(folders, *hosts, *flags('random', 'fused', 1), '--out', '.', DMLC_NUM_SERVER='2'))
    assert_same([param.asnumpy() for param in load_checkpoint(folders[0] / 'random.safetensors').params],
                train(d2lzh, 'random')[0])
    assert not list(folders[1].glob('*.safetensors'))       # one worker writes


@pytest.mark.slow
@pytest.mark.parametrize('name', [name for name in HOST_FAULTS if 'worker' in name or 'cable' in name])
def test_when_a_host_dies_all_end(tmp_path, hosts, name):
    outcome = try_hosts(name, tmp_path)
    assert is_good(name, outcome), outcome
    assert outcome.seconds < 10


@pytest.mark.slow
@pytest.mark.parametrize('there, variables, message', [
    (['--lr', 9], {}, r'not the same on all workers \(worker 1 differs\)'),
    (['--epochs', 2], {}, r'not the same on all workers \(worker 1 differs\)'),
    ([], {'DMLC_NUM_WORKER': '3'}, 'here are 2 workers in all .* there 3'),
], ids=['lr', 'epochs', 'number'])
def test_hosts_that_were_started_differently(tmp_path, hosts, there, variables, message):
    names, addresses = hosts
    trials = []
    for folder, name, arguments, other in zip(['first', 'other'], names, [[], there], [{}, variables]):
        (tmp_path / folder).mkdir()
        trials += start_hosts([tmp_path / folder], [name], addresses, *flags('random', 'fused', 1), *arguments, '--out',
                              '.', **other)
    code, left = trials[1].wait()
    assert (code, left) == (1, {})
    if not variables:
        assert trials[0].wait() == (1, {})
    seen = trials[1].text if variables else trials[0].text
    for trial in trials:
        trial.clean_up()
    assert re.search(message, seen), seen
