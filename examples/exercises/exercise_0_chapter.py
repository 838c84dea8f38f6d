"""练习 0：把这一章写出来。 Exercise 0: write the chapter.

任务 Task
    七个函数，按书上的顺序，从空白写起。写好一个就运行一次：每个都单独检查，和 d2lzh 比。
    Seven functions, in the order of the book, from nothing. Write one, and run this file: each is checked by itself,
    beside d2lzh.

    可以用 You may use: `nd`, `autograd`, `d2l.sgd`, `d2l.data_iter_random`, `d2l.data_iter_consecutive`.
    后面的函数可以用前面写好的；前面的有错，后面会跟着错，所以先改最上面的 ✗。
    A function may use those that you have written before it. Then their mistakes show there, too: mend the first ✗
    first.

先预测 Predict first
    这一章有十几个常见的错误。有几个会报错？有没有困惑度反而更好看的？
    There are a dozen usual mistakes in this chapter. How many stop with an error? Does any look better than the truth?

检查时，错误后面方括号里的数 The numbers in brackets behind a mistake
    正确的和有这个错误的程序，随机采样训练 40 个迭代周期后的困惑度（2,000 字，h = 32；只知道字频的模型是 182）。
    由 mistakes_0_chapter.py 测量，各台机器略有不同。
    The perplexity after 40 epochs of random sampling, right and with this mistake (2,000 characters, h = 32; a model
    that knows only how frequent each character is has 182). That file measures them; machines differ a little.
"""
from checking import attempt, gluon_outputs, how_many, report  # before MXNet is imported

# isort: split
import contextlib
import functools
import io
import math
import random
import re

import rnn_scratch as d2l

import d2lzh
import mxnet as mx
import numpy as np
from mistakes_0_chapter import COST
from mxnet import autograd, nd  # noqa: F401 (autograd: for you to use)
from mxnet.gluon.loss import SoftmaxCrossEntropyLoss

PREDICTION = ''


def to_onehot(X, size):
    """索引 X (n, T) -> T 个矩阵 (n, size)，每个时间步一个。

    Indices X (n, T) -> a list of T matrices (n, size), one for each time step.
    """
    raise NotImplementedError('to_onehot: 用 nd.one_hot use it')


def get_params(num_inputs, num_hiddens, num_outputs, ctx):
    """五个数组 W_xh (d, h), W_hh (h, h), b_h (h,), W_hq (h, q), b_q (q,)。权重服从 N(0, 0.01²)，偏差是 0，都要有梯度。

    A list of these five arrays. Weights are drawn from N(0, 0.01²), biases are 0, and each has room for its gradient.
    """
    raise NotImplementedError('get_params: nd.random.normal, nd.zeros, attach_grad')


def rnn(inputs, state, params):
    """T 个 (n, d)，状态 (H,)，五个参数 -> T 个输出 (n, q) 的列表，新的状态 (H,)。

    H_t = tanh(X_t W_xh + H_{t-1} W_hh + b_h), Y_t = H_t W_hq + b_q -> a list of T outputs, and the new state.
    """
    raise NotImplementedError('rnn: 一个时间步一个时间步地算 one time step after the other')


def predict_rnn(prefix, num_chars, rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, idx_to_char, char_to_idx):
    """前缀，再加 num_chars 个字，每次取分数最大的 -> 一个字符串。

    The prefix and num_chars characters more, each the one with the largest score -> a string.
    """
    raise NotImplementedError('predict_rnn: 先读前缀, 再写 read the prefix, then write')


def grad_clipping(params, theta, ctx):
    """g ← min(θ / ‖g‖, 1) g，g 是所有参数的梯度连成的一个向量。就地改；θ 是 None 就不裁剪。

    g is the gradients of all parameters as one vector. It is changed in place. None: nothing is clipped.
    """
    raise NotImplementedError('grad_clipping: 先求范数 first the norm')


def perplexity(l_sum, n):
    """n 个预测的交叉熵之和 l_sum -> 困惑度。 The sum of the cross-entropies of n predictions -> the perplexity."""
    raise NotImplementedError('perplexity: 平均, 再取指数 the mean, and then exp')


def train_epoch(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, is_random_iter, num_steps,
                lr, clipping_theta, batch_size):
    """训练一个迭代周期，就地改变 params -> 困惑度。 Train for one epoch, params change in place -> the perplexity.

    is_random_iter：真是随机采样，假是相邻采样。损失用 The loss: `SoftmaxCrossEntropyLoss()(outputs, y).mean()`
    """
    raise NotImplementedError('train_epoch: 对每个小批量 for each mini-batch: state, record, backward, clip, sgd')


# What follows checks your functions. The models are small, and their weights large, so that the past counts.

n, T, h, V, ctx = 2, 5, 4, 7, mx.cpu()
TEXT = np.random.RandomState(3).randint(V, size=62).tolist()
LR, THETA = 3, 0.1
SETTINGS = h, V, ctx, TEXT

def costs(name):
    return f' [{COST[name]}]'


def new_params():
    rng = np.random.RandomState(0)
    params = [nd.array(rng.normal(size=shape)) for shape in [(V, h), (h, h), (h,), (h, V), (V,)]]
    for param in params:
        param.attach_grad()
    return params


def end_to_end(arrays):
    return nd.concat(*[array.reshape((-1,)) for array in arrays], dim=0).asnumpy()


def zeros_always(inputs, state, params):
    """A cell that forgets: each call begins with zeros."""
    return d2l.rnn(inputs, [s * 0 for s in state], params)


def in_another_order(inputs, state, params):
    """A cell whose outputs stand where `Y.reshape((-1,))` would look for them, so that the loss takes wrong pairs."""
    outputs, state = d2l.rnn(inputs, state, params)
    order = nd.arange(n * T).reshape((n, T)).T.reshape((-1,))
    return [nd.concat(*outputs, dim=0).take(order)], state


def d2lzh_epoch(is_random_iter, cell=d2l.rnn, init_rnn_state=d2l.init_rnn_state, lr=LR, theta=THETA):
    """One epoch of d2lzh's own loop: the perplexity that it prints, and the parameters, end to end."""
    params = new_params()
    random.seed(0)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        d2lzh.train_and_predict_rnn(cell, lambda: params, init_rnn_state, h, V, ctx, TEXT, None, None, is_random_iter,
                                    1, T, lr, theta, n, 1, 0, [])
    return float(re.search(r'perplexity (\S+),', printed.getvalue())[1]), end_to_end(params)


def losses(is_random_iter):
    """The cross-entropy of each prediction in d2lzh's epoch: an array, one row a mini-batch."""
    seen = []

    def remembers(*arguments):
        returned = d2l.rnn(*arguments)
        seen.append(nd.concat(*returned[0], dim=0).detach())
        return returned

    d2lzh_epoch(is_random_iter, remembers)
    random.seed(0)
    data_iter = d2lzh.data_iter_random if is_random_iter else d2lzh.data_iter_consecutive
    labels = [Y.T.reshape((-1,)) for _, Y in data_iter(TEXT, n, T, ctx)]
    return np.stack([SoftmaxCrossEntropyLoss()(*pair).asnumpy() for pair in zip(seen, labels)]).astype('float64')


def goes_on():
    """A cell and a first state such that also with random sampling the state goes on."""
    last = []

    def cell(*arguments):
        outputs, state = d2l.rnn(*arguments)
        last[:] = [s.detach() for s in state]
        return outputs, state

    return {'cell': cell, 'init_rnn_state': lambda *sizes: tuple(last) or d2l.init_rnn_state(*sizes)}


@functools.lru_cache(maxsize=None)
def epochs(is_random_iter):
    """What d2lzh's epoch gives, and what it would with the mistakes: each a perplexity and parameters, end to end."""
    return {'right': d2lzh_epoch(is_random_iter),
            'state': d2lzh_epoch(is_random_iter, **goes_on() if is_random_iter else {'cell': zeros_always}),
            'Y': d2lzh_epoch(is_random_iter, in_another_order), 'late': d2lzh_epoch(is_random_iter, theta=None),
            'sgd': d2lzh_epoch(is_random_iter, lr=LR / n), 'losses': losses(is_random_iter)}


def reached(train_epoch):
    """How much gradient the last mini-batch sends to the state that the one before gave it: 0 where it is detached."""
    bridge = nd.ones(1)
    bridge.attach_grad()

    def cell(inputs, state, params):
        outputs, state = d2l.rnn(inputs, state, params)
        return outputs, tuple(s.detach() * bridge for s in state)

    outcome = attempt(train_epoch, cell, new_params(), d2l.init_rnn_state, *SETTINGS, False, T, LR, THETA, n)
    return outcome if isinstance(outcome, Exception) else abs(bridge.grad.asscalar())


def check_onehot(to_onehot):
    X = nd.array([[0, 2, 5], [1, 0, 3]])
    found, right = attempt(to_onehot, X, V), d2lzh.to_onehot(X, V)
    yield 'to_onehot: 几个矩阵 the number of matrices', how_many(found), 3, {
        '写成了 X，要写 X.T：要按时间步切。 X for X.T: cut by sequences, and not by time steps.'
        + costs('X'): 2}
    if how_many(found) == 3:
        yield 'to_onehot', attempt(nd.stack, *found), nd.stack(*right)


def check_params(get_params):
    found = attempt(get_params, 60, 50, 70, ctx)
    yield 'get_params: 几个数组 the number of arrays', how_many(found), 5
    if how_many(found) != 5:
        return
    yield ('get_params: 形状 shapes', str([attempt(getattr, param, 'shape') for param in found]),
           str([(60, 50), (50, 50), (50,), (50, 70), (70,)]))
    yield 'get_params: 权重的标准差 the standard deviation of the weights', attempt(lambda: [
        round(float(found[i].asnumpy().std()), 3) for i in (0, 1, 3)]), [0.01] * 3, {
        '没有 scale=0.01。 Without scale=0.01.': lambda yours: np.allclose(yours, 1, atol=0.1)}
    yield 'get_params: 偏差 the biases', attempt(lambda: [abs(found[i]).sum().asscalar() for i in (2, 4)]), [0, 0]
    yield ('get_params: 都有梯度吗 Is there a gradient for each?',
           attempt(lambda: all(param.grad is not None for param in found)), True,
           {'还没有 attach_grad。 attach_grad is missing.': False})


def check_rnn(rnn):
    rng = np.random.RandomState(1)
    X, H_0, params = nd.array(rng.randint(V, size=(n, T))), nd.array(rng.normal(size=(n, h))), new_params()
    found = attempt(rnn, d2lzh.to_onehot(X, V), (H_0,), params)
    yield 'rnn: 几个结果 the number of results', how_many(found), 2
    if how_many(found) != 2:
        return
    outputs, state = found
    right, right_H = gluon_outputs(X, H_0, params, 'tanh')
    from_H_0 = [gluon_outputs(X[:, t:t + 1], H_0, params, 'tanh') for t in range(T)]
    yield 'rnn: 几个输出 the number of outputs', how_many(outputs), T, {
        'append 要写在循环里面。 outputs.append belongs inside the loop.': 1}
    if how_many(outputs) == T:
        yield 'rnn: 输出 outputs, beside gluon.rnn.RNN', attempt(nd.stack, *outputs), right, {
            '每一步都从同一个 H 开始：状态没有传给下一步。 Each step begins with the same H: it is not handed on.'
            + costs('H'): nd.concat(*[Y for Y, _ in from_H_0], dim=0),
            'Y 上也有 tanh：分数被压到 -1 和 1 之间。 tanh went over Y, too: scores between -1 and 1.'
            + costs('tanh'): nd.tanh(right),
            '没有用传进来的状态。 The state that was given is not used.':
                gluon_outputs(X, H_0 * 0, params, 'tanh')[0]}
    yield 'rnn: 状态 state, (H,)', how_many(state), 1, {
        '返回了 H，要元组 (H,)。 That is H, and not the tuple (H,).': lambda _: isinstance(state, nd.NDArray)}
    if how_many(state) == 1:
        yield 'rnn: 状态 state, beside gluon.rnn.RNN', state[0], right_H, {
            '返回的是旧状态。 That is the old state.': H_0,
            '每一步都从同一个 H 开始。 Each step begins with the same H.': from_H_0[-1][1]}


def check_predict(predict_rnn):
    chars = [*'abcdefg']
    assert len(chars) == V
    model = d2l.init_rnn_state, h, V, ctx, chars, {char: i for i, char in enumerate(chars)}
    params = new_params()

    def right(prefix, num_chars, cell=d2l.rnn):
        return d2lzh.predict_rnn(prefix, num_chars, cell, params, *model)

    for prefix, num in [('e', 12), ('cgb', 12)]:
        rest = len(prefix) - 1
        yield f'predict_rnn({prefix!r}, {num})', attempt(predict_rnn, prefix, num, d2l.rnn, params, *model), right(
            prefix, num), {
            '每个字都从零状态开始：状态没有传下去。 Each character begins with a state of zeros.'
            + costs('reset'): right(prefix, num, zeros_always),
            '前缀没有送进模型：从第二个字起就自己写了。 The prefix is not fed: it writes from the second character on.'
            + costs('prefix'): right(prefix[0], num + rest) if rest else None,
            '只送进了前缀的最后一个字。 Of the prefix the last character alone is fed.':
                prefix[:-1] + right(prefix[-1], num) if rest else None,
            'argmax 的轴错了：q 个分数在 axis=1。 argmax over the wrong axis: the q scores are along axis=1.'
            + costs('axis'): prefix + num * chars[0],
            'axis=0 给出 q 个数，asscalar 就报错：q 个分数在 axis=1。 argmax over axis=0 gives q numbers, and asscalar '
            'fails: the q scores are along axis=1.':
                lambda song: isinstance(song, Exception) and 'scalar' in str(song),
            '循环少了几次：要读完前缀，再写 num_chars 个字。 The loop is too short: it reads the prefix, then writes.':
                right(prefix, num - rest) if rest > 1 else None,
            '多写了一个字。 One character too many.': right(prefix, num + 1),
            '少写了一个字。 One character too few.': right(prefix, num - 1)}


def check_clipping(grad_clipping):
    def clipped(grad_clipping, theta, by_itself=False):
        """The gradients after clipping: of two arrays of length 5 and 12, that is, 13 together."""
        params = [nd.array([2, 0]), nd.array([[1]])]
        for param, grad in zip(params, [[3, 4], [[12]]]):
            param.attach_grad()
            param.grad[:] = nd.array(grad)
        parts = [[param] for param in params] if by_itself else [params]
        outcomes = [attempt(grad_clipping, part, theta, ctx) for part in parts]
        return next((o for o in outcomes if isinstance(o, Exception)), end_to_end([p.grad for p in params]))

    as_it_was = np.array([3, 4, 12])
    for theta in 6.5, 0.13:
        yield f'grad_clipping, θ = {theta}, ‖g‖ = 13', clipped(grad_clipping, theta), clipped(
            d2lzh.grad_clipping, theta), {
            '每个数组各裁各的：方向变了。要把所有梯度连成一个向量求范数。 '
            'Each array is clipped by itself, which changes the direction. Take one norm of all together.'
            + costs('each'): clipped(d2lzh.grad_clipping, theta, True),
            '没有改到 param.grad：要就地改。 param.grad did not change: change it in place.': as_it_was,
            '不能换成另一个数组，要就地改。 Another array cannot stand there: change it in place, param.grad[:] = …':
                lambda yours: isinstance(yours, AttributeError),
            '范数没有开方。 The square root is missing.': as_it_was * theta / 169,
            '用了参数的平方：范数是梯度的。 Squares of the parameters: it is the norm of the gradient.':
                as_it_was * min(theta / math.sqrt(5), 1),
            '每个数各裁各的。 Each number is clipped by itself.': as_it_was.clip(-theta, theta)}
    yield 'grad_clipping, θ = 26, ‖g‖ = 13', clipped(grad_clipping, 26), as_it_was, {
        '范数不超过 θ 的梯度，应该保持不变。 A short gradient is left as it is.': as_it_was * 2}
    yield 'grad_clipping, θ = None', clipped(grad_clipping, None), as_it_was


def check_perplexity(perplexity):
    # By hand: among 1,027 equally likely characters each prediction costs log 1027.
    for l_sum, count, right in [(5 * math.log(1027), 5, 1027), (0, 3, 1), (math.log(2) + math.log(8), 2, 4)]:
        yield f'perplexity({l_sum:.4g}, {count})', attempt(perplexity, l_sum, count), right, {
            '先把总和取了指数，再除以 n；要先除以 n。 exp of the sum, and then / n: divide first.':
                math.exp(l_sum) / count,
            '还要取指数。 exp is missing.': l_sum / count}


def check_epoch(train_epoch):
    start = end_to_end(new_params())
    for is_random_iter, sampling in [(False, '相邻采样 consecutive'), (True, '随机采样 random')]:
        params = new_params()
        random.seed(0)
        yours = attempt(train_epoch, d2l.rnn, params, d2l.init_rnn_state, *SETTINGS, is_random_iter, T, LR, THETA, n)
        made = epochs(is_random_iter)
        l = made['losses']
        sentences = {
            'state': '状态没有清零：小批量不相接。 The state goes on, but random mini-batches are not neighbours.'
                     + costs('goes on') if is_random_iter else
                     '状态每次都清零了。 The state is reset each time; with consecutive sampling it goes on.',
            'Y': '标签要写 Y.T，不然就配错了。 Take Y.T for the labels: else they are compared with wrong outputs.'
                 + costs('Y'),
            'late': '更新时还没有裁剪：先裁剪，再 sgd。 The update is not clipped: clip before sgd.' + costs('late'),
            'sgd': 'sgd 最后要写 1：损失已经是平均。 The last argument of sgd is 1: the loss is a mean already.'
                   + costs('sgd')}
        yield f'train_epoch, {sampling}: 困惑度 perplexity', yours, made['right'][0], {
            **{sentence: made[name][0] for name, sentence in sentences.items()},
            '各个小批量先取指数再平均；要先平均再取指数。 The mean of exps; take exp of the mean.'
            + costs('exps'): np.exp(l.mean(axis=1)).mean(),
            '每个字先取指数再平均。 The mean of the exps of all characters.': np.exp(l).mean(),
            'l 是平均：乘 y.size 才是和。 l is a mean: times y.size it is the sum.': math.exp(l.mean() / l.shape[1]),
            '用 l.asscalar() 取出数来。 l is an array: l.asscalar() is its number.':
                lambda yours: isinstance(yours, TypeError) and 'real number' in str(yours),
            '这是最后一个小批量的。 That is the last mini-batch alone.': math.exp(l[-1].mean())}
        if not isinstance(yours, Exception):
            yield f'train_epoch, {sampling}: 参数 parameters', end_to_end(params), made['right'][1], {
                **{sentence: made[name][1] for name, sentence in sentences.items()},
                '参数没有变：要就地改。 They did not change: change them in place.': start}
    yield 'train_epoch: 传回前一个小批量的梯度 gradient for the mini-batch before', reached(train_epoch), 0, {
        '没有分离：detach 返回新数组，要赋给 state。 Not detached: detach returns a new array; bind it.'
        + costs('detach'): lambda yours: not isinstance(yours, Exception)}


def check(to_onehot, get_params, rnn, predict_rnn, grad_clipping, perplexity, train_epoch):
    yield from check_onehot(to_onehot)
    yield from check_params(get_params)
    yield from check_rnn(rnn)
    yield from check_predict(predict_rnn)
    yield from check_clipping(grad_clipping)
    yield from check_perplexity(perplexity)
    yield from check_epoch(train_epoch)


if __name__ == '__main__':
    report(check(to_onehot, get_params, rnn, predict_rnn, grad_clipping, perplexity, train_epoch), PREDICTION)
