"""examples/exercises: the stubs ask, the checks accept the solutions and refuse usual mistakes, the findings hold."""
import doctest
import importlib
import inspect
import math
import pickle
import re
import sys

import rnn_scratch as d2l
from rnn_scratch.beyond import fused

import mxnet as mx
import numpy as np
import pytest
from conftest import ROOT, unix
from mxnet import autograd, nd

FOLDER = ROOT / 'examples/exercises'
sys.path.insert(0, str(FOLDER))

# Each exercise, and the functions that are to be written.
EXERCISES = {
    '0_chapter': ['to_onehot', 'get_params', 'rnn', 'predict_rnn', 'grad_clipping', 'perplexity', 'train_epoch'],
    '1_hyperparameters': ['updates', 'measure'],
    '2_no_clipping': ['train', 'effective_lr'],
    '3_untrained': ['songs', 'cycle'],
    '4_detach': ['one_by_one', 'all_at_once'],
    '5_relu': ['relu_rnn', 'scaled'],
    '6_theta': ['new_lr', 'step_length'],
    '7_bptt': ['gradients'],
}
EACH = pytest.mark.parametrize('name', EXERCISES)


def load(kind, name):
    return importlib.import_module(f'{kind}_{name}')


def functions(name, **others):
    """The solution's functions in the order in which `check` takes them, but for those given."""
    return [others.get(function) or getattr(load('solution', name), function) for function in EXERCISES[name]]


def report(*arguments):
    importlib.import_module('checking').report(*arguments)


def test_the_examples_in_the_helper():
    assert doctest.testmod(importlib.import_module('checking'), raise_on_error=True).attempted == 6


def test_what_a_check_says_of_a_value(capsys):
    judge = importlib.import_module('checking').judge
    assert judge(None, 1) == (False, '函数没有 return？ Does the function return something?')
    assert judge(nd.zeros((2, 3)), np.zeros((3, 2))) == (False, '形状 shape：你的 yours (2, 3)，应是 right (3, 2)')
    assert judge([1, math.inf], [1, math.inf])[0]
    assert judge([1, math.nan], [1, 2]) == (
        False, '最大差 largest difference nan，在 at [1]：你的 yours nan，应是 right 2')
    assert judge(math.inf, 1)[0] is False and judge(1, math.inf)[0] is False
    assert judge([0, 1e-9], [0, 0])[0] is False
    # An infinity excuses no other entry, and hides none.
    assert judge([7, math.inf], [5, math.inf]) == (
        False, '最大差 largest difference 2，在 at [0]：你的 yours 7，应是 right 5')
    assert judge([5.0001, math.inf], [5, math.inf])[0] and judge([5.001, math.inf], [5, math.inf])[0] is False
    assert judge([5, -math.inf], [5, math.inf])[0] is False
    assert judge(nd.ones(3), 'abc')[0] is False
    assert judge('人', 3) == (False, "这不是数 This is no number and no array of numbers: '人'")
    assert judge(True, False) == (False, '你的 yours True，应是 right False')


def test_every_file_belongs_to_an_exercise():
    assert {path.stem for path in FOLDER.glob('*.py')} == {
        'checking', 'grade', 'mistakes_0_chapter',
        *(f'{kind}_{name}' for name in EXERCISES for kind in ('exercise', 'solution'))}


@EACH
def test_an_unfilled_stub_says_what_is_to_be_written(name, capsys):
    exercise = load('exercise', name)
    with pytest.raises(SystemExit, match=f'Still to write: ({"|".join(EXERCISES[name])}): '):
        report(exercise.check(*(getattr(exercise, function) for function in EXERCISES[name])), exercise.PREDICTION)
    assert 'PREDICTION 还空着：先写一行。 It is still empty: write one line first.' in capsys.readouterr().out


def test_a_stub_is_run_as_a_program(run):
    result = run(FOLDER / 'exercise_7_bptt.py')
    assert result.returncode == 1 and 'Still to write: gradients: ' in result.stderr and '✗ PREDICTION' in result.stdout


def test_a_finished_exercise_names_the_solution_to_compare_with(capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['examples/exercises/exercise_7_bptt.py'])
    report([('2 + 3', 5, 5)], 'as I thought')
    assert capsys.readouterr().out.endswith(
        '✓ 全对了。 All right.\n'
        '现在运行 solution_7_bptt.py，和你的预测比一比。 '
        'Now run solution_7_bptt.py and compare with your prediction.\n')


@EACH
def test_the_check_accepts_the_solution(name, capsys):
    report(load('exercise', name).check(*functions(name)), 'as I thought')
    printed = capsys.readouterr().out
    assert printed.startswith('你的预测 You expected: as I thought\n')
    assert printed.endswith('✓ 全对了。 All right.\n') and '✗' not in printed


def test_the_prediction_alone_is_missing(capsys):
    with pytest.raises(SystemExit, match=r'Still wrong: 1\.'):
        report(load('exercise', '6_theta').check(*functions('6_theta')), '')


def second(function):
    """The function, with the first epoch forgotten."""
    return lambda *arguments, **keywords: function(*arguments, **keywords)[1:]


def first_perplexity(num_epochs=30, **settings):
    return load('solution', '1_hyperparameters').measure(num_epochs=1, **settings)


def in_total(num_epochs=30, **settings):
    perplexity, seconds, song = load('solution', '1_hyperparameters').measure(num_epochs=num_epochs, **settings)
    return perplexity, num_epochs * seconds, song


def with_song(change):
    """`measure`, with something done to the song."""
    def measure(**settings):
        perplexity, seconds, song = load('solution', '1_hyperparameters').measure(**settings)
        return perplexity, seconds, change(song)
    return measure


def untrained_song(num_hiddens, **settings):
    perplexity, seconds, _ = load('solution', '1_hyperparameters').measure(num_hiddens, **settings)
    exercise = load('exercise', '1_hyperparameters')
    mx.random.seed(0)
    params = d2l.get_params(exercise.vocab_size, num_hiddens, exercise.vocab_size, exercise.ctx)
    return perplexity, seconds, d2l.predict_rnn(
        '分开', 20, d2l.rnn, params, d2l.init_rnn_state, num_hiddens, exercise.vocab_size, exercise.ctx,
        exercise.idx_to_char, exercise.char_to_idx)


def never_recorded(mini_batches, state, params, detach, retain_graph=False):
    load('exercise', '4_detach').loss(*mini_batches[0], state, params)[0].backward()


def with_state(between):
    """`one_by_one` and `all_at_once`, with something done to the state before each mini-batch."""
    loss = load('exercise', '4_detach').loss

    def one_by_one(mini_batches, state, params, detach, retain_graph=False):
        for X, Y in mini_batches:
            with autograd.record():
                l, state = loss(X, Y, between(state), params)
            l.backward(retain_graph=retain_graph)

    def all_at_once(mini_batches, state, params):
        total = 0
        with autograd.record():
            for X, Y in mini_batches:
                l, state = loss(X, Y, between(state), params)
                total = total + l
        total.backward()

    return {'one_by_one': one_by_one, 'all_at_once': all_at_once}


def detach_dropped(mini_batches, state, params, detach, retain_graph=False):
    """As in the book: the result of `detach` is not used."""
    for X, Y in mini_batches:
        if detach:
            [s.detach() for s in state]
        with autograd.record():
            l, state = load('exercise', '4_detach').loss(X, Y, state, params)
        l.backward(retain_graph=retain_graph)


def anew_each_epoch(lr, theta, num_epochs):
    return [load('solution', '2_no_clipping').train(lr, theta, 1)[0] for _ in range(num_epochs)]


def consecutively(lr, theta, num_epochs):
    exercise = load('exercise', '2_no_clipping')
    params = exercise.new_params()
    return [fused.train_epoch(d2l.rnn, params, d2l.init_rnn_state, exercise.num_hiddens, exercise.vocab_size,
                              exercise.ctx, exercise.corpus_indices, False, exercise.num_steps, lr, theta,
                              exercise.batch_size) for _ in range(num_epochs)]


def last_loss(mini_batches, state, params):
    with autograd.record():
        for X, Y in mini_batches:
            l, state = load('exercise', '4_detach').loss(X, Y, state, params)
    l.backward()


def relu_outputs(inputs, state, params):
    outputs, state = load('solution', '5_relu').relu_rnn(inputs, state, params)
    return [nd.relu(Y) for Y in outputs], state


def without_recursion(X, Y, H_0, params):
    return load('exercise', '7_bptt').autograd_gradients(X, Y, H_0, params, through_time=False)


def with_line(right, wrong):
    """The solution of exercise 7, with another line in place of the right one."""
    def gradients(X, Y, H_0, params):
        source = inspect.getsource(load('solution', '7_bptt').gradients)
        assert source.count(right) == 1
        names = {'np': np}
        exec(source.replace(right, wrong), names)
        return names['gradients'](X, Y, H_0, params)
    return gradients


added_once = with_line('np.add.at(dW_xh, X[:, t], dZ)', 'dW_xh[X[:, t]] += dZ')
not_transposed = with_line('dZ @ W_hh.T', 'dZ @ W_hh')


def of_the_sum(X, Y, H_0, params):
    return [X.size * grad for grad in load('solution', '7_bptt').gradients(X, Y, H_0, params)]


MISTAKES = [
    ('1_hyperparameters', {'updates': lambda chars, steps, batch: chars // steps // batch},
     ['updates(70, 35, 1): 最大差 largest difference 1：你的 yours 2，应是 right 1']),
    ('1_hyperparameters', {'measure': first_perplexity}, ['That is the first epoch.']),
    ('1_hyperparameters', {'measure': in_total}, ['✗ 每个迭代周期的秒数 seconds an epoch: 最大差 largest difference',
                                                  'The 3 epochs took ', '✓ 歌 the song']),
    ('1_hyperparameters', {'measure': with_song(lambda song: '分开' + 20 * ' ')}, ['✗ 歌 the song: 你的 yours']),
    ('1_hyperparameters', {'measure': with_song(lambda song: song[:20])}, ['✗ 歌 the song: 你的 yours']),
    ('1_hyperparameters', {'measure': untrained_song},
     ['✓ 困惑度', '✗ 歌 the song: 你的 yours', 'That was written before any training.']),
    ('1_hyperparameters', {'measure': lambda **settings: None},
     ['✗ measure: 几个结果 the number of results: 函数没有 return？ Does the function return something?']),
    ('1_hyperparameters', {'measure': lambda **settings: 3.5},
     ['the number of results: 出错了 It failed: TypeError: 应是元组或列表，不是 float。']),
    ('1_hyperparameters', {'measure': lambda **settings: (None, None, None)},
     ['✗ 困惑度 perplexity: 函数没有', '✗ 每个迭代周期的秒数 seconds an epoch: 函数没有', '✗ 歌 the song: 函数没有']),
    ('2_no_clipping', {'effective_lr': lambda lr, theta, norm: lr * min(theta / norm, 1)},
     ['✓ effective_lr(100, 0.01, 0.5)', '✗ effective_lr(3, None, 0.5): 出错了 It failed: 第 ', ' 行 in line ',
      ": TypeError: unsupported operand type(s) for /: 'NoneType' and 'float'"]),
    ('2_no_clipping', {'train': lambda lr, theta: []}, ['✗ train(1, None, 2): 出错了 It failed: TypeError: ']),
    ('2_no_clipping', {'effective_lr': lambda lr, theta, norm: lr if theta is None else lr * theta / norm},
     ['effective_lr(100, 0.01, 0.005): 最大差 largest difference 100：你的 yours 200，应是 right 100',
      'A short gradient is left as it is.']),
    ('2_no_clipping', {'train': lambda lr, theta, epochs: functions('2_no_clipping')[0](lr, 0.01, epochs)},
     ['✗ train(1, None, 2): 最大差 largest difference', '✓ train(100, 0.01, 2)']),
    ('2_no_clipping', {'train': anew_each_epoch}, ['call new_params once.']),
    ('2_no_clipping', {'train': consecutively}, ['That is consecutive sampling.']),
    ('3_untrained', {'songs': second(lambda epochs, *more, **seed: functions('3_untrained')[0](
        epochs + 1, *more, **seed))}, ['✗ 第 0 首 song 0', 'That is the song of one epoch later.']),
    ('3_untrained', {'songs': second(lambda *more, **seed: functions('3_untrained')[0](*more, **seed))},
     ['the number of songs: 最大差 largest difference 1：你的 yours 2，应是 right 3']),
    ('3_untrained', {'songs': lambda *more, **seed: None},
     ['the number of songs: 函数没有 return？ Does the function return something?']),
    ('3_untrained', {'cycle': lambda song: 0}, ["✗ cycle('分开天地天地天地'): ", "✓ cycle('分开天地人')"]),
    ('4_detach', with_state(lambda state: (state[0] * 0,)),
     ['✗ one_by_one, detach', 'The state was reset: its values are lost, too.', 'The state was reset.']),
    ('4_detach', with_state(lambda state: (state[0].detach(),)),
     ['✓ one_by_one, detach', '✓ one_by_one, 不分离 attached: ', '✗ one_by_one, 不分离 attached, retain_graph=True',
      'the history is cut.', 'The state was detached.']),
    ('4_detach', {'all_at_once': last_loss}, ['The last loss alone; it is to be the sum of all.']),
    ('4_detach', {'one_by_one': never_recorded},
     ['✗ one_by_one, detach: 出错了 It failed: 第 ', 'MXNetError: ', 'not in a computational graph', '✓ all_at_once']),
    ('4_detach', {'one_by_one': detach_dropped},
     ['✓ one_by_one, detach: ', '✗ one_by_one, detach, retain_graph=True: ', 'Nothing was detached',
      '✓ one_by_one, 不分离 attached, retain_graph=True']),
    ('5_relu', {'relu_rnn': lambda inputs, state, params: None},
     ['✗ relu_rnn: 几个结果 the number of results: 函数没有 return？ Does the function return something?',
      '✓ scaled(W, 1.1)']),
    ('5_relu', {'relu_rnn': lambda *arguments: (d2l.rnn(*arguments)[0], d2l.rnn(*arguments)[1][0])},
     ['✗ state: 一个元组 a tuple (H,): 出错了 It failed: TypeError: 应是元组或列表，不是 NDArray。']),
    ('5_relu', {'relu_rnn': lambda *arguments: (d2l.rnn(*arguments)[0][:3], d2l.rnn(*arguments)[1])},
     ['✗ outputs: 几个 how many: 最大差 largest difference 1：你的 yours 3，应是 right 4']),
    ('5_relu', {'relu_rnn': d2l.rnn}, ['✗ outputs', '✗ state', 'This is still tanh.']),
    ('5_relu', {'relu_rnn': relu_outputs}, ['✗ outputs', '✓ state', 'ReLU went over the outputs, too.']),
    ('5_relu', {'relu_rnn': lambda *arguments: (d2l.rnn(*arguments)[0], d2l.rnn(*arguments)[1][0])},
     ['That is H, and not the tuple (H,).']),
    ('5_relu', {'scaled': lambda W, radius: radius / np.linalg.eigvals(W).max() * W},
     ['These numbers are complex', 'take the absolute value.']),
    ('5_relu', {'scaled': lambda W, radius: radius / np.linalg.norm(W, 2) * W},
     ['That is the largest singular value.']),
    ('6_theta', {'new_lr': lambda lr, theta, new: lr}, ['With the same lr each step has another length.']),
    ('6_theta', {'new_lr': lambda lr, theta, new: lr * new / theta}, ['The other way round']),
    ('6_theta', {'step_length': lambda before, after: sum(
        (a - b).norm().asscalar() for a, b in zip(before, after))}, ['Lengths do not add up, their squares do.']),
    ('6_theta', {'step_length': lambda before, after: sum(
        (a - b).square().sum() for a, b in zip(before, after)).sqrt()}, ['An array of one number']),
    ('7_bptt', {'gradients': not_transposed}, ['✗ W_xh: ', '✓ W_hq: ', 'W_hh is not transposed']),
    ('7_bptt', {'gradients': without_recursion},
     ['✗ W_xh: ', '✗ W_hh: ', '✗ b_h: ', '✓ W_hq: ', '✓ b_q: ', 'H_t also reaches L through Z_{t+1}.']),
    ('7_bptt', {'gradients': of_the_sum}, ['✗ W_hq: ', 'each is 24 times the right value']),
    ('7_bptt', {'gradients': added_once},
     ['✗ W_xh: ', '✓ W_hh: ', '✓ b_h: ', '✓ W_hq: ', '✓ b_q: ', 'adds once; use np.add.at.']),
    ('7_bptt', {'gradients': lambda *arguments: None},
     ['the number of arrays: 函数没有 return？ Does the function return something?']),
    ('7_bptt', {'gradients': lambda *arguments: []},
     ['the number of arrays: 最大差 largest difference 5：你的 yours 0，应是 right 5']),
]


@pytest.mark.parametrize('name, wrong, sentences', [
    pytest.param(*mistake, id=f'{mistake[0]}-{"-".join(mistake[1])}-{i}',
                 marks=pytest.mark.slow if mistake[0] == '1_hyperparameters' and i else ())     # it trains
    for i, mistake in enumerate(MISTAKES)])
def test_a_usual_mistake_is_named(name, wrong, sentences, capsys):
    with pytest.raises(SystemExit, match='Still wrong: '):
        report(load('exercise', name).check(*functions(name, **wrong)))
    printed = capsys.readouterr().out
    for sentence in sentences:
        assert sentence in printed


PLANTED = importlib.import_module('mistakes_0_chapter').MISTAKES


def test_the_seven_solutions_are_the_packages_own():
    assert all(function is getattr(d2l, name) for name, function in zip(EXERCISES['0_chapter'], functions('0_chapter')))
    assert len({mistake.name for mistake in PLANTED}) == 13


def test_the_chapter_without_a_mistake_passes(capsys):
    """The functions that the mistakes are planted in: of the package, without what it refuses."""
    planted = importlib.import_module('mistakes_0_chapter').chapter()
    report(load('exercise', '0_chapter').check(**planted))
    assert '✗' not in capsys.readouterr().out


@pytest.mark.parametrize('mistake', PLANTED, ids=lambda mistake: mistake.name.replace(' ', '_'))
def test_each_mistake_in_the_chapter_has_its_own_sentence(mistake, capsys):
    """In both languages; of all thirteen sentences this one alone; and no other function is blamed."""
    planted = importlib.import_module('mistakes_0_chapter').chapter(mistake)
    own = {**{name: getattr(d2l, name) for name in EXERCISES['0_chapter']}, mistake.function: planted[mistake.function]}
    with pytest.raises(SystemExit, match='Still wrong: '):
        report(load('exercise', '0_chapter').check(**own))
    lines = capsys.readouterr().out.splitlines()
    said = [line for line in lines if mistake.says in line]
    assert said and all(re.search('[\u4e00-\u9fff]{2}', line) for line in said)
    assert {other.name for other in PLANTED for line in lines if other.says in line} == {mistake.name}
    assert all(line.startswith(f'✗ {mistake.function}') for line in lines if line.startswith('✗'))
    cost = load('exercise', '0_chapter').COST[mistake.name]
    assert f'[{cost}]' in said[0]


@pytest.mark.parametrize('function, wrong, sentence', [
    ('get_params', lambda *sizes: [param.detach() for param in d2l.get_params(*sizes)], 'attach_grad is missing.'),
    ('to_onehot', lambda X, size: nd.one_hot(X.T, size), 'Make a list, one matrix for each time step.'),
    ('to_onehot', lambda X, size: [nd.one_hot(X[:, t], size) for t in range(X.shape[1])], '✗ to_onehot, X (1,): 出错'),
    ('get_params', lambda *sizes: [param + 1 for param in d2l.get_params(*sizes)], '✗ get_params: 权重的平均'),
    ('get_params', lambda *sizes: [100 * param for param in d2l.get_params(*sizes)], 'Without scale=0.01.'),
    ('rnn', lambda inputs, state, params: (d2l.rnn(inputs, state, params)[0], state), 'That is the old state.'),
    ('rnn', lambda *arguments: (d2l.rnn(*arguments)[0], d2l.rnn(*arguments)[1][0]), 'and not the tuple (H,).'),
    ('rnn', lambda inputs, state, params: d2l.rnn(inputs, (state[0] * 0,), params), 'The state that was given is not'),
    ('predict_rnn', lambda prefix, *more: prefix[:-1] + d2l.predict_rnn(prefix[-1], *more), 'the last character alone'),
    ('predict_rnn', lambda prefix, num, *more: d2l.predict_rnn(prefix, num - 1, *more), 'One character too few.'),
    ('predict_rnn', lambda *arguments: int(nd.ones(3).asscalar()), 'gives q numbers, and asscalar '),
    ('grad_clipping', lambda params, theta, ctx: None, 'change it in place.'),
    ('predict_rnn', lambda prefix, num, *more: d2l.predict_rnn(prefix, num + 1, *more)[:num + 1],
     'The loop is too short'),
    ('rnn', lambda *arguments: (d2l.rnn(*arguments)[0][-1:], d2l.rnn(*arguments)[1]), 'belongs inside the loop.'),
    ('grad_clipping', lambda params, theta, ctx: setattr(params[0], 'grad', 3), 'Another array cannot stand there'),
    ('perplexity', lambda l_sum, n: math.exp(l_sum) / n, 'exp of the sum, and then / n: divide first.'),
    ('perplexity', lambda l_sum, n: l_sum / n, 'exp is missing.'),
    ('train_epoch', ('l_sum += l.asscalar() * y.size', 'l_sum += l.asscalar()'), 'l is a mean: times y.size'),
    ('train_epoch', ('tuple(s.detach() for s in state)', 'init_rnn_state(batch_size, num_hiddens, ctx)'),
     'with consecutive sampling it goes on.'),
    ('train_epoch', lambda *arguments: 3.5 + 0 * len(arguments), 'They did not change: change them in place.'),
])
def test_other_mistakes_in_the_chapter(function, wrong, sentence, capsys):
    if isinstance(wrong, tuple):
        mistakes = importlib.import_module('mistakes_0_chapter')
        wrong = mistakes.chapter(mistakes.Mistake('', function, *wrong, ''))[function]
    own = {**{name: getattr(d2l, name) for name in EXERCISES['0_chapter']}, function: wrong}
    with pytest.raises(SystemExit, match='Still wrong: '):
        report(load('exercise', '0_chapter').check(**own))
    assert sentence in capsys.readouterr().out


@pytest.mark.slow
def test_0_what_the_mistakes_cost():
    """Of the figures beside the mistakes, that of one that looks healthy, and of the one that fails in silence."""
    mistakes, exercise = importlib.import_module('mistakes_0_chapter'), load('exercise', '0_chapter')
    found = {mistake.name: mistakes.train(mistake) for mistake in PLANTED if mistake.name in ('each', 'Y')}
    for name, (perplexity, _) in found.items():
        printed = re.match(r'56.7 → ([\d.]+)', exercise.COST[name])
        assert perplexity == pytest.approx(float(printed[1]), rel=0.15)
    assert found['each'][0] < 56.7 / 3 and found['Y'][0] > 182      # the model that knows frequencies alone
    assert found['Y'][1] == '分开' + 20 * ' '


def test_one_record_beside_finite_differences():
    """The right gradient of exercise 4 is the slope of the summed loss, with all of the history in it."""
    exercise, (_, all_at_once) = load('exercise', '4_detach'), functions('4_detach')
    mini_batches, (H,), params = exercise.small_model()
    found = exercise.gradients(all_at_once, mini_batches, (H,), params).asnumpy()
    arrays = [param.astype('float64').asnumpy() for param in params]

    def total(arrays):
        """In NumPy, by itself."""
        W_xh, W_hh, b_h, W_hq, b_q = arrays
        l, state = 0, H.astype('float64').asnumpy()
        for X, Y in ((X.asnumpy().astype(int), Y.asnumpy().astype(int)) for X, Y in mini_batches):
            for x, y in zip(X.T, Y.T):
                state = np.tanh(W_xh[x] + state @ W_hh + b_h)
                O = state @ W_hq + b_q
                l -= (O[range(len(y)), y] - np.log(np.exp(O).sum(axis=1))).sum() / X.size
        return l

    slopes, step = [], 1e-5
    for array in arrays:
        for i in np.ndindex(array.shape):
            kept = array[i]
            array[i] = kept + step
            above = total(arrays)
            array[i] = kept - step
            slopes.append((above - total(arrays)) / (2 * step))
            array[i] = kept
    np.testing.assert_allclose(found, slopes, atol=1e-5)


# The findings

@pytest.fixture
def finding(run, tmp_path):
    """Run a solution as a program, and give back what it measured and what it printed."""
    def finding(name):
        program = (f'import sys; sys.path.insert(0, {str(FOLDER)!r}); import pickle, runpy\n'
                   f'found = runpy.run_path({str(FOLDER / f"solution_{name}.py")!r})["finding"]()\n'
                   'pickle.dump(found, open("found", "wb"))')
        result = run('-c', program)
        assert result.returncode == 0, result.stderr
        assert 'Finding: ' in result.stdout and '发现：' in result.stdout
        return pickle.loads((tmp_path / 'found').read_bytes())
    return finding


@pytest.mark.slow
def test_1_the_number_of_updates_comes_first(finding):
    perplexity, updates, _, songs = (
        {name: row[i] for name, row in finding('1_hyperparameters').items()} for i in range(4))
    assert updates[''] == 30 * 7 and updates['n = 4'] == 30 * 14 and updates['T = 70'] == updates['n = 16'] == 30 * 3
    assert updates['T = 70, 2×'] == updates['n = 16, 2×'] == 60 * 3
    assert perplexity['n = 4'] < perplexity[''] < perplexity['n = 16']
    assert perplexity['T = 10'] < perplexity[''] < perplexity['T = 70']
    # With less than half the updates an epoch, twice the epochs make up for it.
    assert perplexity['n = 16, 2×'] < 1.15 * perplexity[''] and perplexity['T = 70, 2×'] < 1.15 * perplexity['']
    assert perplexity['lr = 10'] > 2 * perplexity[''] and perplexity['lr = 1000'] > 10 * perplexity['']
    assert perplexity['lr = 1000'] > load('exercise', '1_hyperparameters').vocab_size
    assert perplexity['h = 8'] > perplexity[''] > perplexity['h = 128'] > 0.8 * perplexity['']
    # With a high perplexity a song has few different characters; that of lr = 1000 has learnt nothing at all.
    different = {name: len(set(song)) for name, song in songs.items()}
    high, low = ({different[name] for name in songs if there(perplexity[name])}
                 for there in (lambda p: 110 < p < 1000, lambda p: p < 85))
    assert max(high) < 6 < min(low) and len(different) == 11


@pytest.mark.slow
def test_2_without_clipping_a_hundredth_of_the_learning_rate_is_left(finding):
    found = finding('2_no_clipping')
    guess = load('exercise', '2_no_clipping').vocab_size
    for lr in 100, 10:
        assert max(found[lr, None]) > guess
    below = {lr: sum(perplexity < guess for perplexity in row) for lr, row in found['seeds'].items()}
    assert below[10] == 0 < below[3] < below[1] == 8
    assert found[100, None][0] > guess
    assert found[100, 0.01][-1] < found[1, None][-1] / 1.5 < found[0.1, None][-1] < guess
    # With clipping each step was clipped, and the rate that counted was between those that train and those that do not.
    assert min(found['norms']) > 0.01 and 1 < found['rates'][0] < found['rates'][-1] < 10


@pytest.mark.slow
def test_3_an_untrained_model_walks_in_a_cycle(finding):
    found = finding('3_untrained')
    assert all(found['untrained cycles']) and max(found['untrained cycles']) > 1
    assert 0.8 < found['share'] < 1 and 0.8 < found['b_q'] < 1
    assert found['commonest'] == ' ' and found['songs'][1] == '分开' + 200 * ' '
    assert len(set(found['songs'][0])) > 10 > len(set(found['songs'][1]))


def test_3_the_cycle_is_that_of_the_last_character_alone():
    """Without W_hh the song is a map of characters, applied again and again: so it must come back."""
    exercise, (_, cycle) = load('exercise', '3_untrained'), functions('3_untrained')
    V = exercise.vocab_size
    mx.random.seed(0)
    params = d2l.get_params(V, 16, V, mx.cpu())
    params[1][:] = 0
    song = fused.predict_rnn('分', 400, d2l.rnn, params, d2l.init_rnn_state, 16, V, mx.cpu(), exercise.idx_to_char,
                             exercise.char_to_idx)
    following = dict(zip(song, song[1:]))
    assert all(following[a] == b for a, b in zip(song, song[1:]))
    p = cycle(song)
    assert p and song[-3 * p:] == 3 * song[-p:]


@pytest.mark.slow
def test_4_the_cost_grows_in_one_record_and_not_in_the_chapters_loop(finding):
    found = finding('4_detach')
    assert found['graph'] == {False: False, True: True}
    assert found['attached'] == 0 and found['kept'] > 0.01
    memory = {name: [mb for _, mb in row] for name, row in found['cost'].items()}
    for name in 'detach', 'attached':
        assert memory[name][-1] - memory[name][0] < 5
    assert memory['retain_graph'][-1] - memory['retain_graph'][0] > 12
    assert memory['one record'][-1] - memory['one record'][0] > 20


def test_4_the_state_is_values_alone_after_backward():
    """The reason: MXNet's backward() clears the graph, unless it is told to keep it."""
    exercise, solution = load('exercise', '4_detach'), load('solution', '4_detach')
    mini_batches, state, params = exercise.small_model()
    for keep in False, True:
        after = solution.one_by_one(mini_batches[:1], state, params, False, keep)
        assert solution.can_go_back(after) is keep
    after = solution.one_by_one(mini_batches[:1], state, params, False)
    with pytest.raises(mx.MXNetError, match='not in a computational graph'):
        after[0].backward()


@pytest.mark.slow
def test_5_the_powers_of_w_hh_count_and_relu_needs_clipping(finding):
    found = finding('5_relu')
    positive = {radius: times for radius, (times, _) in found['> 0', 'ReLU'].items()}
    assert all(on == 1 for _, on in found['> 0', 'ReLU'].values())          # so each slope is 1
    assert positive[0.9] / positive[1.0] == pytest.approx(0.9 ** 35, rel=1e-3)
    assert positive[1.1] / positive[1.0] == pytest.approx(1.1 ** 35, rel=1e-3)
    assert positive[1.1] == pytest.approx(1.1 ** 35, rel=0.02)
    assert found['> 0', 'tanh'][1.1][0] < 1                                 # saturated
    both_signs = found['~ N(0, σ²)', 'ReLU']
    assert both_signs[1.1][0] < 1 < both_signs[1.6][0] and both_signs[1.1][1] < 0.9
    guess = load('solution', '5_relu').vocab_size
    for radius in 0.9, 1.1:
        assert found['ReLU', 100, 0.01, radius][-1] < guess
        assert math.isnan(found['ReLU', 10, None, radius][-1]) and math.isnan(found['ReLU', 1, None, radius][-1])
        assert found['tanh', 1, None, radius][-1] < guess
    assert load('solution', '5_relu').START_RADII == (0.1, 0.9, 1.1)
    for cell in 'ReLU', 'tanh':
        for radius in 0.1, 0.9, 1.1:
            assert found[cell, 100, 0.01, radius][-1] < guess and not found[cell, 10, None, radius][-1] < guess
    # From the chapter's small radius both train at lr = 1 without clipping, slowly.
    for cell in 'ReLU', 'tanh':
        assert 1.2 * found[cell, 100, 0.01, 0.1][-1] < found[cell, 1, None, 0.1][-1] < guess


@pytest.mark.slow
def test_6_the_product_of_lr_and_theta_counts(finding):
    found = finding('6_theta')
    length, perplexity = found[100, 0.01]
    assert length == pytest.approx(1, rel=1e-5)
    for other in (1000, 0.001), (10, 0.1):
        assert found[other] == pytest.approx((1, perplexity), rel=1e-3)
    for lr, theta in (1, 1), (0.1, 10):         # nothing is clipped: shorter steps
        assert found[lr, theta][0] < 0.5 * lr * theta and found[lr, theta][1] > 1.5 * perplexity
    assert found[100, 0.001][0] == pytest.approx(0.1, rel=1e-5) and found[100, 0.001][1] > 1.5 * perplexity
    assert found[100, 1][1] > 1e6


@pytest.mark.slow
def test_7_all_five_gradients_are_mxnets(finding):
    found = finding('7_bptt')
    names = load('exercise', '7_bptt').NAMES
    assert all(found['float32'][name] < 1e-5 and found['float64'][name] < 1e-13 for name in names)
    assert all((found['one way'][name] > 0.5) == (name in ('W_xh', 'W_hh', 'b_h')) for name in names)


# grade.py: a student's file is a stranger's

HEAD = ('import math\nPREDICTION = "the \x1b[2J same"\n'
        'def new_lr(lr, theta, new_theta):\n    return lr * theta / new_theta\n')
RIGHT = HEAD + ('def step_length(before, after):\n'
                '    return math.sqrt(sum((a - b).square().sum().asscalar() for a, b in zip(after, before)))\n')


@pytest.mark.parametrize('source, failed, wrong, mistakes', [
    (RIGHT, None, 0, []),
    (RIGHT.replace('math.sqrt(', '('), None, 1, ['还要开方。 The square root is missing.']),
    (HEAD, '没有这个函数 There is no function step_length', 0, []),
    (HEAD + 'def step_length(before, after):\n    raise NotImplementedError("it")', 'Still to write: it', 0, []),
    ('import sys\nsys.exit("✓ 全对了。")', 'It failed, line 2: SystemExit: ', 0, []),
    ('def f(:', 'It failed, line 1: SyntaxError: ', 0, []),
    (b'x = "\xb7\xd6"', 'SyntaxError: ', 0, []),
    ('raise KeyboardInterrupt', 'It failed, line 1: KeyboardInterrupt: ', 0, []),
], ids=['right', 'mistake', 'half', 'stub', 'exit', 'syntax', 'GBK', 'Ctrl-C'])
def test_what_is_found_in_a_students_file(tmp_path, source, failed, wrong, mistakes):
    path = tmp_path / 'exercise_6.py'
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    found = load_grade().examine(path, 'exercise_6_theta')
    assert failed in found['failed'] if failed else found['failed'] is None
    assert (len(found['wrong']), found['mistakes']) == (wrong, mistakes)
    assert (found['right'] == 7) == (source == RIGHT)


def load_grade():
    return importlib.import_module('grade')


@unix
@pytest.mark.slow
def test_a_class_is_graded(run, tmp_path):
    """One that is right; one that hangs; one that ends; one that makes a verdict itself; one that eats the memory."""
    folder = tmp_path / 'class'
    (folder / '韩梅梅').mkdir(parents=True)
    files = {
        '韩梅梅/exercise_6.py': RIGHT,
        'b_exercise_6.py': RIGHT.replace('math.sqrt(', '('),
        'c_exercise_6.py': 'import subprocess, sys, time\nsubprocess.Popen([sys.executable, "-c", "import time; '
                           'time.sleep(5000)"])\nwhile True:\n    print("✓")',
        'd_exercise_6.py': 'import os\nos._exit(0)',
        'e_exercise_6.py': 'import os, sys\nos.mkfifo(sys.argv[4])\nos._exit(0)',
        'f_exercise_6.py': 'x = []\nwhile True:\n    x.append(bytes(10 ** 8))',
        'g_exercise_9.py': RIGHT,
        'h_exercise_6.py': '#' * 1_000_001,
    }
    for name, source in files.items():
        (folder / name).write_text(source, 'utf-8')
    result = run(FOLDER / 'grade.py', folder, '--seconds', 25)
    assert result.returncode == 0, result.stderr
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert ' ✓ ' in lines['韩梅梅/exercise_6.py'] and 'the ?[2J same' in lines['韩梅梅/exercise_6.py']
    for name, words in [('b', 'The square root is missing.'), ('c', 'It took more than 25 s'), ('d', 'ended before'),
                        ('e', 'ended before'), ('f', 'MemoryError'), ('h', 'larger than 1,000,000 bytes')]:
        assert words in lines[f'{name}_exercise_6.py'], lines
    assert 'The name names no exercise' in lines['g_exercise_9.py']
    assert '8 files, 1 all right.' in result.stdout and '   1 × 还要开方。' in result.stdout
    assert '\x1b' not in result.stdout


def test_grade_asks_for_a_folder(run, tmp_path):
    result = run(FOLDER / 'grade.py', tmp_path / 'none')
    assert result.returncode == 1 and 'is no folder: give the one that has the .py files.' in result.stderr
