"""The chapter's neighbours: against gluon, against NumPy, and through the command line."""
import dataclasses
import re

import rnn_scratch as d2l
from rnn_scratch.beyond.cells import CELLS, GRU, LSTM, RNN, gru, init_lstm_state, lstm, relu_rnn
from rnn_scratch.beyond.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

import mxnet as mx
import numpy as np
import pytest
from conftest import relative_error
from mxnet import autograd, gluon, nd

N, T, D, H, Q = 8, 12, 30, 16, 30
OTHERS = ['gru', 'lstm', 'relu']


def random_params(symbols, seed=0, scale=0.4, sizes=(D, H, Q)):
    """Weights large enough for the gates to open and close, and biases that are not zero."""
    rng = np.random.RandomState(seed)
    letters = {'x': sizes[0], 'q': sizes[2]}
    return [nd.array(rng.normal(scale=scale, size=[letters.get(letter, sizes[1]) for letter in symbol[2:]]))
            for symbol in symbols]


def random_inputs(seed=1):
    return d2l.to_onehot(nd.array(np.random.RandomState(seed).randint(D, size=(N, T))), D)


def random_states(number, seed=2):
    rng = np.random.RandomState(seed)
    return [nd.array(rng.uniform(-1, 1, size=(N, H))) for _ in range(number)]


LOSS = nd.array(np.random.RandomState(3).normal(size=(T * N, Q)))      # an arbitrary loss: a weighted sum of the scores


def ours(cell, params, inputs, states):
    """Scores, last states, and the gradients by symbol and of the first states."""
    for array in [*params, *states]:
        array.attach_grad()
    with autograd.record():
        outputs, last = cell(inputs, tuple(states), params)
        outputs = nd.concat(*outputs, dim=0)
        (outputs * LOSS).sum().backward()
    return outputs, last, [param.grad.copy() for param in params], [state.grad.copy() for state in states]


def gluons(layer, params, order, inputs, states):
    """The same by a layer of gluon, whose weights hold one gate above the other: in `order`, places in `params`."""
    dense = gluon.nn.Dense(Q, in_units=H)
    layer.initialize()
    dense.initialize()
    theirs = [layer.l0_i2h_weight, layer.l0_h2h_weight, layer.l0_i2h_bias, dense.weight, dense.bias]
    values = [nd.concat(*[params[3 * gate + kind].T for gate in order], dim=0) for kind in range(3)]
    for param, value in zip(theirs, [*values, params[-2].T, params[-1]]):
        param.set_data(value)
    states = [state.expand_dims(0) for state in states]
    for state in states:
        state.attach_grad()
    with autograd.record():
        hiddens, last = layer(nd.stack(*inputs), states)
        outputs = dense(hiddens.reshape((T * N, H)))
        (outputs * LOSS).sum().backward()
    gradients = [None] * len(params)
    for kind in range(3):
        for place, gradient in zip(order, theirs[kind].grad().split(len(order), axis=0) if len(order) > 1
                                   else [theirs[kind].grad()]):
            gradients[3 * place + kind] = gradient.T
    gradients[-2:] = [theirs[3].grad().T, theirs[4].grad()]
    return outputs, [state[0] for state in last], gradients, [state.grad[0] for state in states]


def assert_same(one, other, symbols):
    names = ['Y', *(f'last {s}' for s in 'HC'[:len(one[1])]), *(f'd{symbol}' for symbol in symbols),
             *(f'd first {s}' for s in 'HC'[:len(one[1])])]
    flat = [[result[0], *result[1], *result[2], *result[3]] for result in (one, other)]
    assert len(names) == len(flat[0]) == len(flat[1])
    for name, a, b in zip(names, *flat):
        if not abs(b).max().asscalar():
            assert not abs(a).max().asscalar(), name
        else:
            assert relative_error(a, b) < 1e-5, name


# Against gluon

def test_the_relu_cell_is_gluon_s():
    params, inputs, states = random_params(RNN, scale=0.2), random_inputs(), random_states(1)
    layer = gluon.rnn.RNN(H, activation='relu', input_size=D)
    assert_same(ours(relu_rnn, params, inputs, states), gluons(layer, params, [0], inputs, states), RNN)


def test_the_lstm_is_gluon_s():
    """gluon has the candidate before the output gate, the book after it."""
    params, inputs, states = random_params(LSTM), random_inputs(), random_states(2)
    layer = gluon.rnn.LSTM(H, input_size=D)
    assert_same(ours(lstm, params, inputs, states), gluons(layer, params, [0, 1, 3, 2], inputs, states), LSTM)


def in_numpy(params, inputs, H, resets_before=True):
    """Both GRUs in 64-bit floats: scores and last state. They differ only in the line with `resets_before`."""
    *params, H = (array.asnumpy().astype('float64') for array in [*params, H])
    p, outputs = dict(zip(GRU, params)), []
    for X in inputs:
        X = X.asnumpy()
        Z = 1 / (1 + np.exp(-(X @ p['W_xz'] + H @ p['W_hz'] + p['b_z'])))
        R = 1 / (1 + np.exp(-(X @ p['W_xr'] + H @ p['W_hr'] + p['b_r'])))
        read = (R * H) @ p['W_hh'] if resets_before else R * (H @ p['W_hh'])
        H = Z * H + (1 - Z) * np.tanh(X @ p['W_xh'] + read + p['b_h'])
        outputs.append(H @ p['W_hq'] + p['b_q'])
    return np.concatenate(outputs), H


def test_the_book_s_gru_and_gluon_s_are_two():
    """Each is what its equation says, and they are far apart with the same weights."""
    params, inputs, states = random_params(GRU), random_inputs(), random_states(1)
    Y, (H_last,), *_ = ours(gru, params, inputs, states)
    gluon_Y, (gluon_H_last,), *_ = gluons(gluon.rnn.GRU(H, input_size=D), params, [1, 0, 2], inputs, states)
    for found, resets_before in [((Y, H_last), True), ((gluon_Y, gluon_H_last), False)]:
        for array, expected in zip(found, in_numpy(params, inputs, states[0], resets_before)):
            assert relative_error(array, nd.array(expected)) < 1e-5
    assert relative_error(Y, gluon_Y) > 0.1


@pytest.mark.parametrize('where', ['W_hh is 0', 'R is 1'])
def test_where_the_two_grus_are_one(where):
    params, inputs, states = random_params(GRU), random_inputs(), random_states(1)
    if where == 'R is 1':
        params[3][:], params[4][:], params[5][:] = 0, 0, 99
    else:
        params[7][:] = 0
    mine, theirs = (ours(gru, params, inputs, states),
                    gluons(gluon.rnn.GRU(H, input_size=D), params, [1, 0, 2], inputs, states))
    if where == 'W_hh is 0':    # its gradient is not 0, and they differ in it: (R ⊙ H)ᵀ … here, Hᵀ (R ⊙ …) there
        assert relative_error(mine[2][7], theirs[2][7]) > 0.01
        mine[2][7] = theirs[2][7]
    assert_same(mine, theirs, GRU)


def test_a_gru_by_hand():
    """Two units, d = q = 1, one step: σ(0) = 1/2 and σ(99) = 1, so R = (1/2, 1) and Z = (1/2, 1/2).

    R ⊙ H = (1, −3), times W_hh = [[0, 1], [0.5, 0]] is (−1.5, 1); with W_xh = (0.5, 0) and b_h = (0, −0.2)
    H̃ = tanh(−1, 0.8) = (−0.761594, 0.664037), and H = (2, −3) / 2 + H̃ / 2 = (0.619203, −1.167982).
    Y = 0.619203 · 1 − 1.167982 · 2 + 3 = 1.283239.
    """
    zeros = [nd.zeros((1, 2)), nd.zeros((2, 2))]
    params = [*zeros, nd.zeros(2), *zeros, nd.array([0, 99]), nd.array([[0.5, 0]]), nd.array([[0, 1], [0.5, 0]]),
              nd.array([0, -0.2]), nd.array([[1], [2]]), nd.array([3])]
    (Y,), (H,) = gru([nd.array([[1]])], (nd.array([[2, -3]]),), params)
    np.testing.assert_allclose(H.asnumpy(), [[0.619203, -1.167982]], atol=1e-6)
    np.testing.assert_allclose(Y.asnumpy(), [[1.283239]], atol=1e-6)


def test_the_gradients_of_the_gru_by_finite_differences():
    """(L(w + ε) − L(w − ε)) / 2ε for every single number of every parameter, with NumPy's GRU, in 64-bit floats."""
    epsilon, rng = 1e-5, np.random.RandomState(4)
    params = [param.astype('float64') for param in random_params(GRU, scale=1, sizes=(3, 2, 3))]
    inputs = [X.astype('float64') for X in d2l.to_onehot(nd.array(rng.randint(3, size=(2, 4))), 3)]
    H_0, weights = nd.array(rng.uniform(-1, 1, size=(2, 2)), dtype='float64'), rng.normal(size=(8, 3))
    for param in params:
        param.attach_grad()
    with autograd.record():
        outputs, _ = gru(inputs, (H_0,), params)
        (nd.concat(*outputs, dim=0) * nd.array(weights, dtype='float64')).sum().backward()
    for symbol, param in zip(GRU, params):
        value, numeric = param.asnumpy(), np.zeros(param.shape)
        for i in np.ndindex(*param.shape):
            for sign in [1, -1]:
                shifted = value.copy()
                shifted[i] += sign * epsilon
                param[:] = nd.array(shifted, dtype='float64')
                numeric[i] += sign * (in_numpy(params, inputs, H_0)[0] * weights).sum() / (2 * epsilon)
            param[:] = nd.array(value, dtype='float64')
        np.testing.assert_allclose(param.grad.asnumpy(), numeric, rtol=1e-6, atol=1e-8, err_msg=symbol)


# Parameters and states

@pytest.mark.parametrize('name', CELLS)
def test_the_first_parameters(name):
    """Weights of N(0, 0.01²), biases of 0, each with a gradient; the chapter's cell's are drawn alike."""
    cell = CELLS[name]
    mx.random.seed(1)
    params = cell.get_params(60, 50, 40, mx.cpu())
    mx.random.seed(1)
    first = d2l.get_params(60, 50, 40, mx.cpu())[0]
    np.testing.assert_array_equal(params[0].asnumpy(), first.asnumpy())
    assert len(params) == len(cell.symbols) == {'rnn': 5, 'relu': 5, 'gru': 11, 'lstm': 14}[name]
    for symbol, param in zip(cell.symbols, params):
        value, sizes = param.asnumpy(), {'x': 60, 'q': 40}
        assert param.shape == tuple(sizes.get(letter, 50) for letter in symbol[2:]) and param.grad.shape == param.shape
        if symbol[0] == 'b':
            assert not value.any()
        else:
            assert abs(value.mean()) < 1e-3 and abs(value.std() - 0.01) < 1e-3, symbol
    with pytest.raises(ValueError, match='num_inputs must be a whole number, 1 or more, not 0'):
        cell.get_params(0, 5, 5, mx.cpu())


def test_the_first_states_are_zero():
    assert [len(CELLS[name].init_rnn_state(2, 3, mx.cpu())) for name in CELLS] == [1, 1, 2, 1]
    memory = init_lstm_state(2, 3, mx.cpu())
    assert isinstance(memory, tuple) and memory[0] is not memory[1]
    for state in memory:
        np.testing.assert_array_equal(state.asnumpy(), np.zeros((2, 3)))


def test_what_does_not_fit_is_named():
    ctx, X = mx.cpu(), [nd.zeros((2, 4))]
    gru_params, lstm_params = (CELLS[name].get_params(4, 3, 4, ctx) for name in ['gru', 'lstm'])
    H = d2l.init_rnn_state(2, 3, ctx)
    with pytest.raises(ValueError, match='has 11 parameters, W_xz .* b_q, not 14'):
        gru(X, H, lstm_params)
    with pytest.raises(ValueError, match=r'H and C .*\(2, 3\), \(2, 3\), not .* 1 array of shape \(2, 3\).*init_lstm'):
        lstm(X, H, lstm_params)
    with pytest.raises(ValueError, match=r'state, H .* of shape \(2, 3\), not .*\(5, 3\)'):
        gru(X, d2l.init_rnn_state(5, 3, ctx), gru_params)
    with pytest.raises(ValueError, match=r'W_xi has shape \(4, 3\), but \(5, 3\) .*\(2, 5\)'):
        lstm([nd.zeros((2, 5))], init_lstm_state(2, 3, ctx), lstm_params)


# Saved, loaded, and run from the command line

@pytest.mark.parametrize('name', OTHERS)
def test_a_cell_is_saved_under_the_book_s_symbols(name, tmp_path):
    path, cell = tmp_path / 'songs.safetensors', CELLS[name]
    params = [100 * param for param in cell.get_params(4, 3, 4, mx.cpu())]
    checkpoint = Checkpoint(params, [9.5], list('分开 雨'), 3, name)
    save_checkpoint(path, checkpoint)
    loaded = load_checkpoint(path)
    assert (loaded.cell, loaded.symbols) == (name, cell.symbols)
    for a, b in zip(loaded.params, params):
        np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())
    idx_to_char = list('分开 雨')
    theirs = d2l.predict_rnn('分开', 20, cell.rnn, params, cell.init_rnn_state, 3, 4, mx.cpu(), idx_to_char,
                             {char: i for i, char in enumerate(idx_to_char)})
    assert loaded.predict('分开', 20) == theirs
    with pytest.raises(ValueError, match=rf'{cell.symbols[0]}.*\(4, 7\)'):
        save_checkpoint(path, dataclasses.replace(checkpoint, num_hiddens=7))
    other = 'lstm' if name == 'gru' else 'gru'
    with pytest.raises(ValueError, match=f"symbols must be .* for the cell '{other}'"):
        save_checkpoint(path, dataclasses.replace(checkpoint, cell=other))
    with pytest.raises(ValueError, match=f"engine must be one of .* for the cell '{name}', not 'fused'"):
        dataclasses.replace(checkpoint, engine='fused')


SMALL = ['--num-chars', 500, '--hidden', 8, '--batch-size', 4, '--num-steps', 10, '--pred-period', 1, '--pred-len', 5,
         '--holdout', 0.1]


@pytest.mark.parametrize('name, sampling', [
    ('relu', 'random'), *(pytest.param(*values, marks=pytest.mark.slow) for values in [
        ('gru', 'random'), ('lstm', 'consecutive')])])
def test_the_command_line(program, tmp_path, name, sampling):
    """One epoch and two more are three, to the bit; and the model is shown, written with and drawn."""
    flags = ['train', *SMALL, '--cell', name, '--sampling', sampling]
    first = program(*flags, '--epochs', 1, '--out', 'stopped')
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines()[1].endswith(f', tutorial engine, {name} cell')
    path = tmp_path / 'stopped' / f'{sampling}.safetensors'
    for more, message in [(['--cell', 'rnn'], f"cell is '{name}' there and 'rnn' here"),
                          (['--engine', 'fused'], "fused engine computes the chapter's cell only")]:
        refused = program('train', '--resume', path, '--epochs', 3, *more)
        sentence, = refused.stderr.splitlines()
        assert refused.returncode == 1 and message in sentence
    second = program('train', '--resume', path, '--epochs', 3, '--pred-period', 1, '--pred-len', 5)
    whole = program(*flags, '--epochs', 3, '--out', 'straight')
    lines = [re.findall(r'epoch .*perplexity \S+,|^ - .*|^held out.*', result.stdout, re.MULTILINE)
             for result in (first, second, whole)]
    assert lines[0] + lines[1] == lines[2] and len(lines[2]) == 3 * 4, second.stderr
    perplexities = load_checkpoint(path).perplexities
    assert perplexities[-1] < perplexities[0]
    shown = program('show', path).stdout
    assert re.search(rf'^cell +{name}, 8 hidden units$', shown, re.MULTILINE) and shown.count('\ncell') == 0
    song = program('write', path, '--num-chars', 10, '--temperature', 0).stdout
    assert song == load_checkpoint(path).predict('分开', 10).replace(' ', '\n') + '\n'


def test_the_fused_engine_is_refused_for_another_cell(program, tmp_path):
    result = program('train', *SMALL, '--cell', 'lstm', '--engine', 'fused')
    sentence, = result.stderr.splitlines()
    assert result.returncode == 1 and '--engine tutorial for --cell lstm' in sentence
    assert list(tmp_path.iterdir()) == []
