"""The fused engine computes what the chapter's computes."""
import random

import rnn_scratch as d2l
from rnn_scratch import fused
from rnn_scratch.training import Trained

import mxnet as mx
import numpy as np
import pytest
from conftest import relative_error
from mxnet import autograd, nd
from mxnet.gluon.loss import SoftmaxCrossEntropyLoss

CTX = mx.cpu()


def larger_params(vocab_size, num_hiddens, seed):
    """Larger weights than the first ones, so that tanh bends; not so large that rounding errors grow with T."""
    mx.random.seed(seed)
    params = d2l.get_params(vocab_size, num_hiddens, vocab_size, CTX)
    for param in params:
        param *= 5
    params[2][:] = nd.random.normal(scale=0.1, shape=num_hiddens)
    params[4][:] = nd.random.normal(scale=0.1, shape=vocab_size)
    return params


SETTINGS = [(n, T, h, V) for n, T in [(32, 35), (1, 35), (32, 1), (1, 1), (2, 5)]
            for h, V in [(256, 1027), (1, 2), (64, 100), (7, 1500)]]


@pytest.mark.parametrize('n, T, h, V', SETTINGS)
def test_loss_state_and_gradients(n, T, h, V):
    """Two mini-batches, the second from the carried state, by both engines from the same parameters."""
    rng = np.random.RandomState(n + T + h + V)
    params = larger_params(V, h, seed=1)
    batches = [(nd.array(rng.randint(V, size=(n, T))), nd.array(rng.randint(V, size=(n, T)))) for _ in range(2)]
    loss, found = SoftmaxCrossEntropyLoss(), []
    for rnn, to_inputs in [(d2l.rnn, d2l.to_onehot), (fused.rnn, fused.to_inputs)]:
        state = (nd.array(np.random.RandomState(0).uniform(-1, 1, size=(n, h))),)
        for X, Y in batches:
            state = tuple(s.detach() for s in state)
            with autograd.record():
                outputs, state = rnn(to_inputs(X, V), state, params)
                l = loss(nd.concat(*outputs, dim=0), Y.T.reshape((-1,))).mean()
            l.backward()
        found.append([l, *state, *(param.grad.copy() for param in params)])
    for name, ours, theirs in zip(['loss', 'H', 'W_xh', 'W_hh', 'b_h', 'W_hq', 'b_q'], *reversed(found)):
        assert relative_error(ours, theirs) < 1e-5, name


@pytest.mark.parametrize('is_random_iter', [True, False], ids=['random', 'consecutive'])
def test_twenty_epochs(corpus, is_random_iter):
    """A learning rate of 30. With the chapter's 100 the first epochs are chaotic: there, a change of the parameters in
    their seventh digit changes perplexities in their fourth, whichever the engine.
    """
    histories = []
    for rnn in [d2l.rnn, fused.rnn]:
        histories.append(train(rnn, corpus, is_random_iter, 20, lr=30).perplexities)
    np.testing.assert_allclose(histories[1], histories[0], rtol=1e-3)
    assert histories[1][-1] < 300


def train(rnn, corpus, is_random_iter, num_epochs, lr=1e2):
    corpus_indices, char_to_idx, idx_to_char, vocab_size = corpus
    random.seed(0)
    mx.random.seed(0)
    return d2l.train_and_predict_rnn(
        rnn, lambda: d2l.get_params(vocab_size, 256, vocab_size, CTX), d2l.init_rnn_state, 256, vocab_size, CTX,
        corpus_indices, idx_to_char, char_to_idx, is_random_iter, num_epochs, 35, lr, 1e-2, 32, 1000, 50, [])


def test_the_same_text(corpus):
    """From a model that has learnt some songs by heart: random weights would write a chaotic or a dull text."""
    corpus_indices, char_to_idx, idx_to_char, vocab_size = corpus
    random.seed(2)
    mx.random.seed(2)
    params, _ = d2l.train_and_predict_rnn(
        fused.rnn, lambda: d2l.get_params(vocab_size, 64, vocab_size, CTX), d2l.init_rnn_state, 64, vocab_size, CTX,
        corpus_indices[:1000], idx_to_char, char_to_idx, True, 150, 20, 1e2, 1e-2, 8, 1000, 50, [])
    for prefix in ['分开', '不分开', '夜车', '雨']:
        chapter, ours = (d2l.predict_rnn(prefix, 100, rnn, params, d2l.init_rnn_state, 64, vocab_size, CTX, idx_to_char,
                                         char_to_idx) for rnn in [d2l.rnn, fused.rnn])
        assert ours == chapter
        assert len(set(chapter)) > 10, 'too dull a text to compare'


def test_models_move_between_the_engines(corpus):
    """Two epochs of one engine, then one of the other, are three epochs of either."""
    straight = train(d2l.rnn, corpus, True, 3, lr=30).perplexities
    begun = train(fused.rnn, corpus, True, 2, lr=30)
    moved = d2l.train_and_predict_rnn(
        d2l.rnn, None, d2l.init_rnn_state, 256, 1027, CTX, corpus[0], corpus[2], corpus[1], True, 3, 35, 30, 1e-2, 32,
        1000, 50, [], start=Trained(begun.params, begun.perplexities))
    np.testing.assert_allclose(moved.perplexities, straight, rtol=1e-3)


def test_a_state_that_does_not_fit_is_quoted():
    with pytest.raises(ValueError, match=r'\(32, 8\).*\(3, 8\) is needed'):
        fused.rnn(nd.zeros((6, 3)), d2l.init_rnn_state(32, 8, CTX), larger_params(50, 8, seed=3))


def test_a_kept_state_stays_what_it_was():
    """A call must not write into the arrays that the call before it returned."""
    params = larger_params(50, 8, seed=3)
    X = fused.to_inputs(nd.array(np.random.RandomState(4).randint(50, size=(3, 6))), 50)
    (Y,), (H,) = fused.rnn(X, d2l.init_rnn_state(3, 8, CTX), params)
    before = Y.asnumpy().copy(), H.asnumpy().copy()
    fused.rnn(X, (H,), params)[0][0].wait_to_read()
    np.testing.assert_array_equal(Y.asnumpy(), before[0])
    np.testing.assert_array_equal(H.asnumpy(), before[1])


@pytest.mark.parametrize('h, V', [(256, 1027), (1, 2), (7, 1500)])
def test_one_step_is_the_chapter_s(h, V):
    """Three steps with two models of the same sizes, in turns; all results are looked at only at the end, so that a
    step that wrote over the results of another would be seen."""
    models = [larger_params(V, h, seed) for seed in [5, 6]]
    steps = [fused.one_step(params) for params in models]
    ours = [(nd.array(np.random.RandomState(7).uniform(-1, 1, size=(1, h))),)] * 2
    theirs, found, expected = ours.copy(), [], []
    for index in [1, 0, 1]:
        X = nd.array([index])
        for i, (params, step) in enumerate(zip(models, steps)):
            Y, ours[i] = step(X, ours[i])
            (chapter_Y,), theirs[i] = d2l.rnn(d2l.to_onehot(X, V), theirs[i], params)
            found += [Y, *ours[i]]
            expected += [chapter_Y, *theirs[i]]
    assert all(relative_error(a, b) < 1e-5 for a, b in zip(found, expected))


def test_one_step_quotes_a_state_that_does_not_fit():
    with pytest.raises(ValueError, match=r'\(32, 8\).*\(1, 8\) is needed'):
        fused.one_step(larger_params(50, 8, seed=3))(nd.array([0]), d2l.init_rnn_state(32, 8, CTX))
