"""Other ways to pick the next character."""
import rnn_scratch as d2l
from rnn_scratch.beyond.sampling import distribution, sampler

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd

SCORES = np.random.RandomState(0).normal(scale=2, size=12)
# What a chi-square variable with 11 degrees of freedom exceeds with probability 0.001; with fewer, it is less.
BOUND = 31.264


def softmax(scores):
    return np.exp(scores) / np.exp(scores).sum()


def chi_square(counts, expected):
    return ((counts - expected) ** 2 / expected).sum()


@pytest.mark.parametrize('temperature', [0.5, 1.0, 2.0])
def test_frequencies_are_the_softmax(temperature):
    draws = 4000
    pick = sampler(temperature, seed=1)
    Y = nd.array([SCORES])
    counts = np.bincount([int(pick(Y).asscalar()) for _ in range(draws)], minlength=12)
    expected = draws * softmax(Y.asnumpy()[0].astype('float64') / temperature)
    kept = expected >= 5                    # Pearson's rule: rare classes are counted together
    counts, expected = [np.append(a[kept], a[~kept].sum()) if not kept.all() else a for a in (counts, expected)]
    assert chi_square(counts, expected) < BOUND
    other = draws * np.full(len(counts), 1 / len(counts))
    assert chi_square(counts, other) > BOUND, 'the test must notice a wrong distribution'


@pytest.mark.parametrize('k', [1, 4, 12, 50])
def test_top_k(k):
    expected = softmax(SCORES)
    expected[expected < np.sort(expected)[::-1][min(k, 12) - 1]] = 0
    np.testing.assert_allclose(distribution(SCORES, top_k=k), expected / expected.sum(), rtol=1e-12)
    assert np.count_nonzero(distribution(SCORES, top_k=k)) == min(k, 12)


@pytest.mark.parametrize('top_p', [0.01, 0.5, 0.9, 0.999, 1.0])
def test_top_p(top_p):
    p = softmax(SCORES)
    kept, total = [], 0.0
    for i in sorted(range(12), key=lambda i: -p[i]):
        kept.append(i)
        total += p[i]
        if total >= top_p:
            break
    expected = np.zeros(12)
    expected[kept] = p[kept] / p[kept].sum()
    np.testing.assert_allclose(distribution(SCORES, top_p=top_p), expected, rtol=1e-12)


def test_equal_scores_are_cut_in_the_order_of_their_indices():
    np.testing.assert_array_equal(distribution(np.zeros(4), top_k=2), [0.5, 0.5, 0, 0])


def test_a_low_temperature_is_greedy():
    pick = sampler(1e-3, seed=2)
    assert {int(pick(nd.array([SCORES])).asscalar()) for _ in range(20)} == {SCORES.argmax()}


def test_huge_scores_do_no_harm():
    np.testing.assert_array_equal(distribution(np.array([1e30, -1e30, 0])), [1, 0, 0])
    np.testing.assert_array_equal(distribution(np.array([2.0, 1.0]), temperature=1e-308), [1, 0])


def model():
    mx.random.seed(3)
    params = d2l.get_params(6, 4, 6, mx.cpu())
    return d2l.rnn, params, d2l.init_rnn_state, 4, 6, mx.cpu(), list('abcdef'), {c: i for i, c in enumerate('abcdef')}


def test_a_seed_repeats_the_text_and_another_does_not():
    texts = [d2l.predict_rnn('ab', 60, *model(), pick=sampler(seed=seed)) for seed in [4, 4, 5]]
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].startswith('ab') and len(texts[0]) == 62
    assert set(texts[0]) == set('abcdef'), 'the parameters are small, so that all six are about equally likely'


@pytest.mark.parametrize('settings', [{}, {'temperature': 0.7, 'top_k': 5}, {'top_p': 0.8}])
def test_each_row_is_drawn_as_numpy_draws_it_alone(settings):
    """200 draws in each of 30 rows: what `Generator.choice`, with the seed of the row, makes of its distribution."""
    seeds, scores = [3, 3, *range(28)], np.random.RandomState(1).normal(scale=2, size=(200, 30, 12)).astype('float32')
    scores[:, 1] = scores[:, 0]
    pick, alone = sampler(seed=seeds, **settings), [np.random.default_rng(seed) for seed in seeds]
    for Y in scores:
        drawn = pick(nd.array(Y)).asnumpy()
        expected = [generator.choice(12, p=distribution(y, **settings)) for generator, y in zip(alone, Y)]
        np.testing.assert_array_equal(drawn, expected)
        assert drawn[0] == drawn[1]


def test_the_rows_of_a_distribution_do_not_touch():
    scores = np.random.RandomState(2).normal(size=(5, 12))
    for settings in [{}, {'top_k': 3}, {'top_p': 0.6}, {'temperature': 0.3, 'top_k': 6, 'top_p': 0.9}]:
        np.testing.assert_array_equal(distribution(scores, **settings), [distribution(y, **settings) for y in scores])


@pytest.mark.parametrize('settings, message', [
    ({'seed': [1, -1]}, 'seed must be a whole number, 0 or more, not -1'),
    ({'temperature': 0}, 'temperature must be above 0 and finite, not 0'),
    ({'temperature': float('nan')}, 'not nan'),
    ({'top_k': 0}, 'top_k must be a whole number, 1 or more, not 0'),
    ({'top_p': 1.5}, 'top_p must be above 0 and at most 1, not 1.5'),
])
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        sampler(**settings)
