"""The fused engine computes what the chapter's computes."""
import functools
import json
import math
import os
import random
import re

import rnn_scratch as d2l
from rnn_scratch.beyond import fused
from rnn_scratch.beyond.cells import gru
from rnn_scratch.beyond.sampling import sampler
from rnn_scratch.training import Trained

import mxnet as mx
import numpy as np
import pytest
from conftest import relative_error
from mxnet import autograd, gluon, nd
from mxnet.gluon.loss import SoftmaxCrossEntropyLoss

CTX = mx.cpu()
NAMES = ['loss', 'H', 'W_xh', 'W_hh', 'b_h', 'W_hq', 'b_q']


def larger_params(vocab_size, num_hiddens, seed):
    """Larger weights than the first ones, so that tanh bends; not so large that rounding errors grow with T."""
    mx.random.seed(seed)
    params = d2l.get_params(vocab_size, num_hiddens, vocab_size, CTX)
    for param in params:
        param *= 5
    params[2][:] = nd.random.normal(scale=0.1, shape=num_hiddens)
    params[4][:] = nd.random.normal(scale=0.1, shape=vocab_size)
    return params


def random_batch(n, T, V, rng):
    return nd.array(rng.randint(V, size=(n, T))), nd.array(rng.randint(V, size=(n, T)))


def random_state(n, h):
    return (nd.array(np.random.RandomState(0).uniform(-1, 1, size=(n, h))),)


def tutorial_gradients(X, Y, state, params):
    """What `fused.gradients` gives, by the chapter's cell, the chapter's loss and autograd, in 64-bit floats.

    In 32 bits autograd itself is not exact to 1e-5 where softmax(Y) − one-hot(y) nearly cancels, as it does with two
    characters.
    """
    params, (H,) = [param.astype('float64') for param in params], (s.astype('float64') for s in state)
    for param in params:
        param.attach_grad()
    inputs = [x.astype('float64') for x in d2l.to_onehot(X, len(params[4]))]
    with autograd.record():
        outputs, state = d2l.rnn(inputs, (H,), params)
        l = SoftmaxCrossEntropyLoss()(nd.concat(*outputs, dim=0), Y.T.reshape((-1,))).sum()
    l.backward()
    return l, state, [param.grad for param in params]


def gluon_gradients(X, Y, state, params):
    """The same by gluon's RNN and Dense layers, which know nothing of this project."""
    W_xh, W_hh, b_h, W_hq, b_q = params
    (d, h), q = W_xh.shape, len(b_q)
    layer, dense = gluon.rnn.RNN(h, activation='tanh', input_size=d), gluon.nn.Dense(q, in_units=h)
    layer.initialize()
    dense.initialize()
    theirs = [layer.l0_i2h_weight, layer.l0_h2h_weight, layer.l0_i2h_bias, dense.weight, dense.bias]
    for param, value in zip(theirs, [W_xh.T, W_hh.T, b_h, W_hq.T, b_q]):
        param.set_data(value)
    with autograd.record():
        hiddens, (H,) = layer(nd.one_hot(X.T, d), [state[0].expand_dims(0)])
        l = SoftmaxCrossEntropyLoss()(dense(hiddens.reshape((-1, h))), Y.T.reshape((-1,))).sum()
    l.backward()
    g_xh, g_hh, g_h, g_hq, g_q = (param.grad() for param in theirs)
    return l, (H[0],), [g_xh.T, g_hh.T, g_h, g_hq.T, g_q]


def assert_the_same(n, T, h, V, gradients):
    """Two mini-batches, the second from the state that the first ended with: loss, state and all five gradients."""
    rng = np.random.RandomState(n + T + h + V)
    params, ours, theirs = larger_params(V, h, seed=1), random_state(n, h), random_state(n, h)
    for X, Y in [random_batch(n, T, V, rng) for _ in range(2)]:
        (l, ours, grads), (l_theirs, theirs, grads_theirs) = (
            find(X, Y, state, params) for find, state in [(fused.gradients, ours), (gradients, theirs)])
        for name, a, b in zip(NAMES, [l.reshape(1), *ours, *grads], [l_theirs.reshape(1), *theirs, *grads_theirs]):
            assert relative_error(a, b) < 1e-5, name


@pytest.mark.parametrize('h, V', [(256, 1027), (1, 2), (64, 100), (7, 1500)])
@pytest.mark.parametrize('n, T', [(32, 35), (1, 35), (32, 1), (1, 1), (2, 5)])
def test_the_tutorial_engine_s_gradients(n, T, h, V):
    assert_the_same(n, T, h, V, tutorial_gradients)


@pytest.mark.parametrize('n, T, h, V', [(32, 35, 256, 1027), (3, 5, 64, 100)])
def test_gluon_s_gradients(n, T, h, V):
    assert_the_same(n, T, h, V, gluon_gradients)


@pytest.mark.parametrize('n, sizes', [(26, [9, 9, 8]), (23, [12, 11]), (15, [15])])
def test_parts(monkeypatch, n, sizes):
    """A mini-batch in parts for three cores, of eight sequences or more: a row of H each, and the sums are the same."""
    monkeypatch.setattr(fused, 'NUM_PARTS', 3)
    assert [len(X) for _, (X,) in fused.parts(nd.zeros((n, 2)))] == sizes
    assert_the_same(n, 5, 20, 30, tutorial_gradients)


def test_two_parts_at_the_same_time(run):
    """With two operators at a time, as on two cores: five epochs of both engines, and of two devices in one process."""
    result = run('-c', """if True:
        import random
        import rnn_scratch as d2l, mxnet as mx
        from rnn_scratch.beyond import fused, parallel
        corpus = [i * i % 29 for i in range(2000)]
        def perplexities(train_epoch):
            random.seed(1)
            mx.random.seed(1)
            params = d2l.get_params(29, 16, 29, mx.cpu())
            return [train_epoch(d2l.rnn, params, d2l.init_rnn_state, 16, 29, mx.cpu(), corpus, True, 7, 10, 1e-2, 32)
                    for _ in range(5)]
        devices = parallel.on_contexts(fused, [mx.cpu(0), mx.cpu(1)])
        print(fused.NUM_PARTS, *map(perplexities, [d2l.train_epoch, fused.train_epoch, devices]), sep=';')
    """, OMP_NUM_THREADS='2')
    assert result.returncode == 0, result.stderr
    count, expected, *found = result.stdout.split(';')
    assert count == '2'
    for perplexities in found:
        np.testing.assert_allclose(json.loads(perplexities), json.loads(expected), rtol=1e-5)


def test_finite_differences():
    """(L(w + ε) − L(w − ε)) / 2ε along a random direction of each parameter, with L summed by `losses`."""
    n, T, h, V, epsilon = 3, 4, 6, 9, 1e-2
    rng = np.random.RandomState(2)
    params, state, (X, Y) = larger_params(V, h, seed=2), random_state(n, h), random_batch(n, T, V, rng)
    _, _, grads = fused.gradients(X, Y, state, params)
    for i, grad in enumerate(grads):
        direction = nd.array(rng.normal(size=grad.shape))
        sums = []
        for sign in [1, -1]:
            shifted = [param + sign * epsilon * direction if i == j else param for j, param in enumerate(params)]
            sums.append(fused.losses(d2l.rnn, X, Y, state, shifted, V)[0].asnumpy().astype('float64').sum())
        numeric = (sums[0] - sums[1]) / (2 * epsilon)
        # Each of the n T losses of some 2 nats is rounded by up to 1.2e-7, and divided by 2ε: 7e-5. The gradient has
        # its own 1e-5. (Linux rounds better here.)
        room = n * T * 1.2e-7 / (2 * epsilon) + 1e-5 if os.name == 'nt' else 0
        assert numeric == pytest.approx((grad * direction).sum().asscalar(), rel=1e-3, abs=room), NAMES[2 + i]


@pytest.mark.parametrize('n', [3, 26])
def test_losses(monkeypatch, n):
    """Each position's cross-entropy, in the order of the chapter's outputs."""
    monkeypatch.setattr(fused, 'NUM_PARTS', 3)
    X, Y = random_batch(n, 5, 40, np.random.RandomState(3))
    params, state = larger_params(40, 8, seed=3), random_state(n, 8)
    l, (H,) = fused.losses(d2l.rnn, X, Y, state, params, 40)
    outputs, (H_theirs,) = d2l.rnn(d2l.to_onehot(X, 40), state, params)
    theirs = SoftmaxCrossEntropyLoss()(nd.concat(*outputs, dim=0), Y.T.reshape((-1,)))
    assert relative_error(l, theirs) < 1e-5
    assert relative_error(H, H_theirs) < 1e-5


def test_a_label_held_for_impossible_has_a_large_loss_and_not_an_infinite_one():
    """Scores 300 and 0: the second's probability, e^−300, is no number of 32 bits; its loss is 300."""
    params = [nd.ones((2, 1)), nd.ones((1, 1)), nd.zeros(1), nd.zeros((1, 2)), nd.array([300, 0])]
    for param in params:
        param.attach_grad()
    X = nd.zeros((1, 1))
    l, _ = fused.losses(d2l.rnn, X, X + 1, (nd.zeros((1, 1)),), params, 2)
    assert l.asscalar() == pytest.approx(300, rel=1e-6)
    for theta in [1e-2, None]:
        found = fused.train_epoch(d2l.rnn, params, d2l.init_rnn_state, 1, 2, CTX, [0, 1], False, 1, 1e-30, theta, 1)
        assert math.log(found) == pytest.approx(300, rel=1e-6)


def train(engine, corpus, is_random_iter, num_epochs, h=64, T=20, lr=30, n=8, theta=1e-2, get_params=None, rnn=d2l.rnn,
          init_state=d2l.init_rnn_state, pred_period=1000, pred_len=50, prefixes=(), **more):
    """The first thousand characters, from the same seeds by either engine: 6 steps an epoch."""
    corpus_indices, char_to_idx, idx_to_char, vocab_size = corpus
    random.seed(0)
    mx.random.seed(0)
    get_params = get_params or functools.partial(d2l.get_params, vocab_size, h, vocab_size, CTX)
    return engine.train_and_predict_rnn(
        rnn, get_params, init_state, h, vocab_size, CTX, corpus_indices[:1000], idx_to_char, char_to_idx,
        is_random_iter, num_epochs, T, lr, theta, n, pred_period, pred_len, prefixes, **more)


SAMPLINGS = pytest.mark.parametrize('is_random_iter', [True, False], ids=['random', 'consecutive'])


@pytest.mark.parametrize('is_random_iter, lr, theta', [
    (True, 30, 1e-2), (False, 0.2, None), *(pytest.param(*values, marks=pytest.mark.slow) for values in [
        (False, 30, 1e-2), (True, 0.2, None)])])
def test_the_same_training(corpus, is_random_iter, lr, theta):
    """A learning rate of 30. With the chapter's 100 the first epochs are chaotic: there, a change of the parameters in
    their seventh digit changes perplexities in their fourth, whichever the engine. Without clipping so does 1.
    """
    chapter, ours = (train(engine, corpus, is_random_iter, 10, lr=lr, theta=theta) for engine in [d2l, fused])
    np.testing.assert_allclose(ours.perplexities, chapter.perplexities, rtol=1e-4)
    assert all(relative_error(a, b) < 1e-3 for a, b in zip(ours.params, chapter.params))
    assert isinstance(ours, Trained)
    assert ours.perplexities[-1] < 0.9 * ours.perplexities[0]


@pytest.mark.slow
def test_the_same_text(corpus):
    """From a model that has learnt some songs by heart: random weights would write a chaotic or a dull text."""
    corpus_indices, char_to_idx, idx_to_char, vocab_size = corpus
    params, _ = train(fused, corpus, True, 100, lr=1e2)
    for prefix in ['分开', '不分开', '夜车', '雨']:
        chapter, ours = (engine.predict_rnn(prefix, 100, d2l.rnn, params, d2l.init_rnn_state, 64, vocab_size, CTX,
                                            idx_to_char, char_to_idx) for engine in [d2l, fused])
        assert ours == chapter
        assert len(set(chapter)) > 10, 'too dull a text to compare'


def test_the_printed_lines(corpus, capsys):
    """Perplexities and songs are the chapter's, and both `pick` and another `predict_rnn` reach the songs."""
    printed = []
    for engine in [d2l, fused]:
        last_but_one = functools.partial(engine.predict_rnn, pick=lambda Y: Y.argsort(axis=1)[:, -2])
        train(engine, corpus, True, 4, pred_period=2, pred_len=5, prefixes=['分开'], predict_rnn=last_but_one)
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == ['epoch', '-', 'epoch', '-']
        printed.append(lines)
    for chapter, ours in zip(*printed):
        assert re.sub(r'\d+\.\d+', '#', ours) == re.sub(r'\d+\.\d+', '#', chapter)


def test_models_move_between_the_engines(corpus):
    """Two epochs of one engine, then two of the other, are four epochs of either."""
    straight = train(d2l, corpus, False, 4)
    for first, second in [(d2l, fused), (fused, d2l)]:
        begun = train(first, corpus, False, 2)
        moved = train(second, corpus, False, 2, get_params=lambda params=begun.params: params)
        np.testing.assert_allclose(begun.perplexities + moved.perplexities, straight.perplexities, rtol=1e-4)


def test_any_first_state(corpus):
    """init_rnn_state may give other values than zeros: both engines start each mini-batch from them."""
    def init_state(batch_size, num_hiddens, ctx):
        return (nd.ones((batch_size, num_hiddens), ctx=ctx),)
    params = functools.partial(larger_params, corpus[3], 64, seed=8)
    chapter, ours, zeros = (train(engine, corpus, True, 1, init_state=init, get_params=params).perplexities
                            for engine, init in [(d2l, init_state), (fused, init_state), (fused, d2l.init_rnn_state)])
    np.testing.assert_allclose(ours, chapter, rtol=1e-5)
    assert abs(zeros[0] - ours[0]) > 1e-3 * ours[0]


def test_another_cell_is_refused(corpus):
    """Even one that only wraps the chapter's: this engine would not run what it adds."""
    params, X = larger_params(2, 8, seed=3), nd.zeros((1, 1))
    for cell in [gru, functools.partial(d2l.rnn)]:
        model = cell, params, d2l.init_rnn_state, 8, 2, CTX
        for call in [functools.partial(train, fused, corpus, True, 1, rnn=cell),
                     functools.partial(fused.train_epoch, *model, [0] * 9, True, 2, 1, 1, 2),
                     functools.partial(fused.losses, cell, X, X, d2l.init_rnn_state(1, 8, CTX), params, 2),
                     functools.partial(fused.predict_rnn, 'a', 1, *model, ['a', 'b'], {'a': 0, 'b': 1})]:
            with pytest.raises(ValueError, match="computes the chapter's cell"):
                call()


def test_a_state_that_does_not_fit_is_quoted(corpus):
    def init_state(batch_size, num_hiddens, ctx):
        return (nd.zeros((batch_size, num_hiddens + 1), ctx=ctx),)
    with pytest.raises(ValueError, match=r'\(8, 64\), not .*\(8, 65\)'):
        train(fused, corpus, True, 1, init_state=init_state)
    params, X = larger_params(50, 8, seed=3), nd.zeros((3, 6))
    with pytest.raises(ValueError, match=r'\(3, 8\), not .*\(32, 8\)'):
        fused.losses(d2l.rnn, X, X, d2l.init_rnn_state(32, 8, CTX), params, 50)
    with pytest.raises(ValueError, match=r'\(1, 8\), not .*\(1, 9\)'):
        fused.predict_rnn('a', 1, d2l.rnn, params, init_state, 8, 50, CTX, 'a' * 50, {'a': 0})


def test_other_refusals_are_the_chapter_s(corpus):
    with pytest.raises(ValueError, match='theta.*above 0'):
        train(fused, corpus, True, 1, theta=0)
    params = larger_params(50, 8, seed=3)
    with pytest.raises(ValueError, match='龘'):
        fused.predict_rnn('龘', 1, d2l.rnn, params, d2l.init_rnn_state, 8, 50, CTX, 'a' * 50, {'a': 0})


def test_a_wild_run_stops_and_says_why(corpus):
    params = larger_params(corpus[3], 64, seed=3)
    params[1][:] = np.nan
    with pytest.raises(FloatingPointError, match='A parameter is nan'):
        train(fused, corpus, True, 5, lr=1e38, theta=None)
    with pytest.raises(ValueError, match='parameter 1, of shape .* not finite'):
        train(fused, corpus, True, 1, get_params=lambda: params)


def test_what_a_call_gave_stays_what_it_was():
    """Two models of the same sizes in turns, each from its own last state. All that the calls gave is looked at only at
    the end, so that one that wrote over the results of another would be seen."""
    models = [larger_params(50, 8, seed) for seed in [5, 6]]
    X, Y = random_batch(3, 6, 50, np.random.RandomState(4))
    found, expected, ours, theirs = [], [], [random_state(3, 8)] * 2, [random_state(3, 8)] * 2
    for _ in range(3):
        for i, params in enumerate(models):
            l, ours[i], grads = fused.gradients(X, Y, ours[i], params)
            found += [l, *ours[i], *grads]
            l, theirs[i], grads = tutorial_gradients(X, Y, theirs[i], params)
            expected += [l.reshape(1), *theirs[i], *grads]
    assert all(relative_error(a, b) < 1e-5 for a, b in zip(found, expected))


@pytest.mark.parametrize('h, V', [(256, 1027), (1, 2), (7, 1500)])
def test_one_step_is_the_chapter_s(h, V):
    """The same for the graph of one character: three steps with two models of the same sizes, in turns."""
    models = [larger_params(V, h, seed) for seed in [5, 6]]
    ours, theirs, found, expected = [random_state(1, h)[0]] * 2, [random_state(1, h)] * 2, [], []
    for index in [1, 0, 1]:
        X = nd.array([index])
        for i, (W_xh, W_hh, b_h, W_hq, b_q) in enumerate(models):
            Y, ours[i] = fused.one_step(1, h, V)(X=X, H=ours[i], W_xh=W_xh, W_hh_T=W_hh.T, b_h=b_h, W_hq_T=W_hq.T,
                                                 b_q=b_q)
            (Y_theirs,), theirs[i] = d2l.rnn(d2l.to_onehot(X, V), theirs[i], models[i])
            found += [Y, ours[i]]
            expected += [Y_theirs, *theirs[i]]
    assert all(relative_error(a, b) < 1e-5 for a, b in zip(found, expected))


def test_the_graphs_that_are_kept_are_few():
    for h in range(1, 21):
        X, params = nd.zeros((2, 3)), larger_params(5, h, seed=7)
        fused.gradients(X, X, d2l.init_rnn_state(2, h, CTX), params)
        fused.predict_rnn('a', 2, d2l.rnn, params, d2l.init_rnn_state, h, 5, CTX, 'abcde', {'a': 0})
    for kept in [fused.forward, fused.there_and_back, fused.one_step]:
        assert kept.cache_info().currsize <= 4 * fused.NUM_PARTS


def resident_megabytes():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 1e6


def songs(write, params, vocabulary, num_chars=80, **keywords):
    char_to_idx, idx_to_char, vocab_size = vocabulary
    return write('分开', num_chars, d2l.rnn, params, d2l.init_rnn_state, len(params[2]), vocab_size, CTX, idx_to_char,
                 char_to_idx, **keywords)


@pytest.mark.parametrize('settings', [(0.8,), (1.5, 20), (1.0, None, 0.9)], ids=['plain', 'top_k', 'top_p'])
def test_each_of_many_songs_is_the_song_alone(corpus, settings):
    """By this engine, with a model that makes a difference in a last digit larger from step to step: in 32 bits, half
    of the songs would be others. By the chapter's engine, which has 32, with a model that does not.
    """
    _, *vocabulary = corpus
    wild, calm, seeds = larger_params(vocabulary[2], 32, seed=3), larger_params(vocabulary[2], 32, seed=3), range(5, 25)
    wild[1] *= 8
    for params, write, num_songs in [(wild, fused.predict_rnn, 20), (calm, d2l.predict_rnn, 3)]:
        many = songs(fused.predict_many, params, vocabulary, n=20, pick=sampler(*settings, seed=seeds))
        assert len(set(many)) == 20
        alone = [songs(write, params, vocabulary, pick=sampler(*settings, seed=seed)) for seed in seeds[:num_songs]]
        assert alone == many[:num_songs]


def test_many_greedy_songs(corpus):
    """A pick of one's own: the second best in one row, the best in the others."""
    _, *vocabulary = corpus
    params = larger_params(vocabulary[2], 32, seed=4)
    best, second = (lambda Y, place=place: Y.argsort(axis=1)[:, place] for place in [-1, -2])
    found = songs(fused.predict_many, params, vocabulary, n=3,
                  pick=lambda Y: nd.concat(second(Y)[:1], best(Y)[1:], dim=0))
    expected = [songs(d2l.predict_rnn, params, vocabulary, pick=pick) for pick in [second, best, best]]
    assert found == expected and found[0] != found[1]
    assert songs(fused.predict_many, params, vocabulary, n=2, num_chars=0, pick=best) == ['分开', '分开']


@pytest.mark.parametrize('n, pick, error, words', [
    (0, sampler(seed=1), ValueError, 'n must be a whole number, 1 or more, not 0'),
    (2.0, sampler(seed=1), TypeError, 'n must be a whole number'),
    (3, sampler(seed=[1, 2]), ValueError, 'for each seed, of shape (2, q), not (3, 1027)'),
    (3, lambda Y: Y.argmax(axis=1)[:2], ValueError, 'What pick returns must be an NDArray of shape (3,), not'),
    (2, lambda Y: [0, 0], TypeError, 'What pick returns must be an NDArray of shape (2,), not [0, 0]'),
    (2, lambda Y: nd.array([0, 1027]), ValueError, 'a whole number from 0 to 1026, not 1027')])
def test_what_many_songs_cannot_be(corpus, n, pick, error, words):
    _, *vocabulary = corpus
    with pytest.raises(error, match=re.escape(words)):
        songs(fused.predict_many, larger_params(vocabulary[2], 8, seed=3), vocabulary, n=n, pick=pick)


@pytest.mark.slow
def test_memory_is_flat(corpus):
    """Ten thousand steps; then models of sixty sizes, whose graphs and results would fill hundreds of megabytes."""
    # 99 small steps an epoch. The smallest large array of a step, the scores, has 40 kB: kept, it would make 400 MB.
    few, many = (functools.partial(train, fused, corpus, True, epochs, h=16, T=5, n=2) for epochs in [2, 101])
    few()
    before = resident_megabytes()
    many()
    assert resident_megabytes() - before < 20
    largest = []
    for V in [5000, 5001, 5002]:
        sizes = []
        for h in range(20, 40):
            X, Y = random_batch(32, 10, V, np.random.RandomState(h))
            fused.gradients(X, Y, d2l.init_rnn_state(32, h, CTX), larger_params(V, h, seed=9))
            nd.waitall()
            sizes.append(resident_megabytes())
        largest.append(max(sizes))
    assert largest[2] - largest[1] < 80
