"""Several workers are one: the same parameters after the same steps. Here on two or three devices of this process.

The oracle is d2lzh's own loop, in one process. Processes are in test_launch.py.
"""
import random
import re
from types import SimpleNamespace

import rnn_scratch as d2l
from rnn_scratch.beyond import fused, parallel
from rnn_scratch.beyond.cells import get_lstm_params, init_lstm_state, lstm

import d2lzh
import mxnet as mx
import numpy as np
import pytest

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
@pytest.mark.parametrize('engine, count, kind', [
    (d2l, 2, 'local'), (fused, 3, 'device'), *(pytest.param(*values, marks=pytest.mark.slow) for values in [
        (d2l, 3, 'device'), (fused, 2, 'local')])])
def test_several_devices_are_one_process(sampling, engine, count, kind, capsys):
    """20 steps an epoch; two epochs, so that the copies and the second shuffling are seen, too."""
    expected, _ = train(d2lzh, sampling, epochs=2)
    printed = capsys.readouterr().out
    found, trained = train(engine, sampling, epochs=2,
                           train_epoch=parallel.on_contexts(engine, contexts(count), kind))
    assert_same(found, expected)
    theirs = [float(number) for number in re.findall('perplexity (.*),', printed)]
    np.testing.assert_allclose(trained.perplexities, theirs, rtol=1e-5)


def test_a_state_of_two_arrays_is_carried():
    """Each worker carries the rows of H and C that are its own. (d2lzh takes a cell of ours.)"""
    expected, _ = train(d2lzh, 'consecutive', cell=LSTM)
    found, _ = train(d2l, 'consecutive', cell=LSTM, train_epoch=parallel.on_contexts(d2l, contexts(2)))
    assert_same(found, expected)


@pytest.mark.parametrize('engine', [d2l, fused], ids=['tutorial', 'fused'])
def test_one_transfer_a_step(engine, monkeypatch):
    """And two more an epoch: for the perplexity and for the checksum, 8 and 32 bytes of each worker. Of W_xh the fused
    engine sends the rows of the 30 characters of a mini-batch at most, and there are few sizes."""
    sizes, add_up = [], parallel.Store.add_up

    def watched(self, arrays):
        sizes.append([array.size for array in arrays])
        add_up(self, arrays)

    monkeypatch.setattr(parallel.Store, 'add_up', watched)
    params, _ = train(engine, 'random', train_epoch=parallel.on_contexts(engine, contexts(2)))
    assert sizes[20:] == [[2 * 8, 2 * 8], [2 * 32, 2 * 32]]
    others = sum(param.size for param in params[1:])
    rows = {(size - others) / NUM_HIDDENS for pair in sizes[:20] for size in pair}
    if engine is fused:
        assert max(rows) <= 30 < len(params[0]) / 3 and rows <= set(range(2, 32, 2))
    else:
        assert rows == {len(params[0])}


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
        train(d2l, 'random', train_epoch=parallel.on_contexts(on_device_1(flip), contexts(3)))
    train(d2l, 'random', train_epoch=parallel.on_contexts(on_device_1(lambda params: None), contexts(3)))


def test_an_error_of_one_device_is_the_error_of_all():
    def fail(params):
        raise ArithmeticError('too many songs')

    with pytest.raises(ArithmeticError, match='too many songs'):
        train(d2l, 'random', train_epoch=parallel.on_contexts(on_device_1(fail), contexts(3)))


def test_a_model_that_blows_up_says_so():
    with pytest.raises(FloatingPointError, match='learning rate'):
        train(d2l, 'random', theta=1e4, epochs=3, lr=3e38, train_epoch=parallel.on_contexts(d2l, contexts(2)))


def test_a_mini_batch_that_cannot_be_divided():
    for call in [lambda: train(d2l, 'random', train_epoch=parallel.on_contexts(d2l, contexts(4))),
                 lambda: parallel.divisible(6, 4)]:
        with pytest.raises(ValueError, match='6 sequences .* among 4 workers: choose a batch size of 4 or 8, or 2 or '
                                             '3 or 6 workers'):
            call()
    with pytest.raises(ValueError, match='a batch size of 3, or 2 workers'):
        parallel.divisible(2, 3)
    with pytest.raises(ValueError, match='a batch size of 10 or 15, or 2 or 3 or 4 or 6 or 12 workers'):
        parallel.divisible(12, 5)


def test_the_first_device_is_that_of_the_parameters():
    with pytest.raises(ValueError, match=r'on cpu\(1\).* the first of the devices is cpu\(0\)'):
        train(d2l, 'random', ctx=mx.cpu(1), train_epoch=parallel.on_contexts(d2l, contexts(2)))
