"""Perplexity on a text that the model was not trained on."""
import rnn_scratch as d2l
from rnn_scratch.beyond import evaluation, fused
from rnn_scratch.beyond.evaluation import NUM_STEPS, evaluate, unigram_perplexity

import mxnet as mx
import numpy as np
import pytest

CHARACTERS = list(' 分开不在雨')


def model(scale=100):
    mx.random.seed(1)
    params = d2l.get_params(6, 5, 6, mx.cpu())
    for param in params:
        param *= scale
    return d2l.rnn, params, d2l.init_rnn_state, 5, 6, mx.cpu(), CHARACTERS, {c: i for i, c in enumerate(CHARACTERS)}


def by_hand(text, params):
    """The mean cross-entropy in NumPy and 64-bit floats, one character after the other."""
    W_xh, W_hh, b_h, W_hq, b_q = (param.asnumpy().astype('float64') for param in params)
    indices = [CHARACTERS.index(char) for char in text]
    H, losses = np.zeros(5), []
    for x, y in zip(indices, indices[1:]):
        H = np.tanh(W_xh[x] + H @ W_hh + b_h)
        Y = H @ W_hq + b_q
        losses.append(np.log(np.exp(Y).sum()) - Y[y])
    return np.exp(np.mean(losses))


@pytest.mark.parametrize('losses', [evaluation.losses, fused.losses], ids=['tutorial', 'fused'])
@pytest.mark.parametrize('length', [2, 3, NUM_STEPS, NUM_STEPS + 1, NUM_STEPS + 2, 2 * NUM_STEPS + 7])
def test_against_numpy(losses, length):
    text = ''.join(np.random.RandomState(length).choice(CHARACTERS, size=length))
    arguments = model()
    found = evaluate(text, *arguments, losses=losses)
    assert found.perplexity == pytest.approx(by_hand(text, arguments[1]), rel=1e-5)
    assert (found.num_predicted, found.unknown) == (length - 1, {})


def test_unknown_characters_are_counted():
    arguments = model()
    found = evaluate('分龘开不龘靐在', *arguments)
    assert found.unknown == {'龘': 2, '靐': 1}
    assert found == (evaluate('分开不在', *arguments).perplexity, 3, found.unknown)
    assert repr(found).endswith('over 3 characters, 3 more unknown)')


def test_a_model_that_knows_nothing_has_the_perplexity_of_the_vocabulary():
    assert evaluate('分开不在雨', *model(scale=0)).perplexity == pytest.approx(6, rel=1e-5)


@pytest.mark.parametrize('text', ['', '分', '龘分龘'])
def test_too_short_a_text_is_refused(text):
    with pytest.raises(ValueError, match='at least two'):
        evaluate(text, *model())


def test_unigram_perplexity():
    """Probabilities 1/2, 1/4, 1/4: entropy 1.5 bits."""
    assert unigram_perplexity([0, 0, 1, 2]) == pytest.approx(2 ** 1.5)
