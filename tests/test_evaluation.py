"""Perplexity on a text that the model was not trained on, and what is copied from the one that it was."""
import rnn_scratch as d2l
from rnn_scratch.beyond import evaluation, fused
from rnn_scratch.beyond.evaluation import NUM_STEPS, copied, evaluate, unigram_perplexity

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


def by_brute_force(text, corpus, n):
    """Every piece of the text, looked for in every place of the corpus."""
    pieces = {(i, j) for i in range(len(text)) for j in range(i + 1, len(text) + 1)
              if any(corpus[k:k + j - i] == text[i:j] for k in range(len(corpus)))}
    longest = max(j - i for i, j in pieces)
    runs = [(i, j) for i, j in sorted(pieces) if j - i >= n and not {(i - 1, j), (i, j + 1)} & pieces]
    return longest, sum(j - i == n for i, j in pieces) / (len(text) - n + 1), runs


@pytest.mark.parametrize('seed', range(40))
def test_what_is_copied(seed):
    """Texts of three characters, in which much is copied, and of some that the corpus does not have."""
    rng = np.random.RandomState(seed)
    corpus = ''.join(rng.choice(list('风吹雨'), size=30))
    text = ''.join(rng.choice(list('风吹雨打'[:3 + seed % 2]), size=25))
    n = 1 + seed % 5
    found = copied(text, corpus, n)
    longest, share, runs = by_brute_force(text, corpus, n)
    assert (len(found.longest), found.share, found.runs) == (longest, pytest.approx(share), runs)
    assert corpus[found.position:found.position + longest] == found.longest and found.longest in text


def test_copied_by_hand():
    corpus = '一二三四五六七八九十'
    nothing = copied('十九八七六五', corpus)            # backwards: no two characters in a row are in the corpus
    assert nothing == ('十', 9, 0, [], 5)
    everything = copied('三四五六七八', corpus)
    assert everything == ('三四五六七八', 2, 1, [(0, 6)], 5)
    part = copied('零二三四五六零一二三四零', corpus)   # 12 characters, 8 pieces of 5, of which 二三四五六 is one
    assert part == ('二三四五六', 1, 1 / 8, [(1, 6)], 5)
    assert repr(part) == ("12% of its 5-grams are copied; the longest copied run, 5 characters, begins at index 1 of "
                          "the corpus: '二三四五六'")
    assert copied('龘龘龘龘龘', corpus) == ('', 0, 0, [], 5)


def test_copied_refuses_what_has_no_n_grams():
    with pytest.raises(ValueError, match='has 2 characters, and runs of 5'):
        copied('分开', '分开不分开')
    with pytest.raises(ValueError, match='runs of 0'):
        copied('分开', '分开不分开', n=0)
