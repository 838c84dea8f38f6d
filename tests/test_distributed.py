"""Several workers are one: the same parameters after the same steps, and when one dies, all end.

The oracle is d2lzh's own loop, in one process. The first half is about the mathematics, on two or three devices of this
process, the second about processes.
"""
import random

import rnn_scratch as d2l
from rnn_scratch.beyond import distributed, fused
from rnn_scratch.beyond.cells import get_lstm_params, init_lstm_state, lstm

import d2lzh
import mxnet as mx
import numpy as np
import pytest

NUM_HIDDENS, NUM_STEPS, BATCH_SIZE, LR = 8, 5, 6, 10
LENGTH = {'random': 20 * NUM_STEPS * BATCH_SIZE + 1, 'consecutive': (20 * NUM_STEPS + 1) * BATCH_SIZE}      # 20 steps


def train(engine, sampling, theta=0.01, epochs=1, cell=(d2l.rnn, d2l.get_params, d2l.init_rnn_state), **keywords):
    """The parameters after training, and what is returned."""
    corpus_indices, char_to_idx, idx_to_char, vocab_size = d2l.load_data_jay_lyrics(num_chars=LENGTH[sampling])
    rnn, get_params, init_state = cell
    random.seed(3)
    mx.random.seed(3)
    params = get_params(vocab_size, NUM_HIDDENS, vocab_size, mx.cpu())
    result = engine.train_and_predict_rnn(
        rnn, lambda: params, init_state, NUM_HIDDENS, vocab_size, mx.cpu(), corpus_indices, idx_to_char, char_to_idx,
        sampling == 'random', epochs, NUM_STEPS, LR, theta, BATCH_SIZE, 1, 5, ['夜'], **keywords)
    return [param.asnumpy() for param in params], result


def contexts(count):
    return [mx.cpu(number) for number in range(count)]


@pytest.mark.parametrize('sampling', ['random', 'consecutive'])
@pytest.mark.parametrize('engine, count, kind', [(d2l, 2, 'local'), (d2l, 3, 'device'), (fused, 2, 'device'),
                                                 (fused, 3, 'local')])
def test_several_devices_are_one_process(sampling, engine, count, kind, capsys):
    """20 steps an epoch; two epochs, so that copies and the shuffling of the second one are seen, too."""
    expected, _ = train(d2lzh, sampling, epochs=2)
    lines = capsys.readouterr().out
    found, trained = train(engine, sampling, epochs=2,
                           train_epoch=distributed.on_contexts(engine, contexts(count), kind))
    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    theirs = [float(line.split()[3].rstrip(',')) for line in lines.splitlines() if line.startswith('epoch')]
    np.testing.assert_allclose(trained.perplexities, theirs, rtol=1e-5)
