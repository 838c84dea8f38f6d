"""练习 4：不从计算图分离隐藏状态。 Exercise 4: do not detach the state.

任务 Task
    相邻采样时，状态从一个小批量传到下一个。书里说要 `detach`，否则梯度的代价会越来越大。真的吗？
    With consecutive sampling the state goes on from one mini-batch to the next. The book detaches it, so that the
    cost of the gradients does not grow. Would it grow?

    1. 写 `one_by_one`：像书里那样，每个小批量一次 `record`、一次 `backward`；可以分离，也可以不分离。
       As in the chapter: one `record` and one `backward` for each mini-batch; with `detach` or without it.
    2. 写 `all_at_once`：k 个小批量放在一次 `record` 里，最后一次 `backward`。
       All mini-batches in one `record`, and one `backward` at the end.

    参数不更新；状态的值总是传下去，不清零。 No parameter changes. The state's values always go on: no zeros in between.

先预测 Predict first
    `one_by_one` 分离和不分离，梯度差多少？时间呢？
    `one_by_one` with and without `detach`: how far apart are the gradients? And the times?
"""
from checking import attempt, report  # before MXNet is imported

# isort: split
import rnn_scratch as d2l

import numpy as np
from mxnet import autograd, nd
from mxnet.gluon.loss import SoftmaxCrossEntropyLoss

PREDICTION = ''


def loss(X, Y, state, params):
    """一个小批量的平均交叉熵，和之后的状态。已写好，直接用。

    The mean cross-entropy of one mini-batch, as in the chapter, and the state after it. To be used as it is.
    """
    outputs, state = d2l.rnn(d2l.to_onehot(X, len(params[4])), state, params)
    return SoftmaxCrossEntropyLoss()(nd.concat(*outputs, dim=0), Y.T.reshape((-1,))).mean(), state


def one_by_one(mini_batches, state, params, detach, retain_graph=False):
    """对每一对 X, Y 调用一次 `l.backward(retain_graph=retain_graph)`。检查的是最后留在 `.grad` 里的值。

    Call `l.backward(retain_graph=retain_graph)` for each of the X, Y. What is left in `.grad` at the end counts.
    """
    raise NotImplementedError('one_by_one: 循环 for X, Y in mini_batches, 每次一个 record 和一个 backward one of each')


def all_at_once(mini_batches, state, params):
    """只调用一次 `backward`，对所有 X, Y 的损失之和。检查的是最后留在 `.grad` 里的值。

    Call `backward` once, on the sum of the losses of all the X, Y. What is left in `.grad` at the end counts.
    """
    raise NotImplementedError('all_at_once: 整个循环在一个 record 里 the whole loop in one record')


def gradients(function, mini_batches, state, params, *more):
    """What a function leaves in the `.grad` of the five parameters, end to end as one vector; or how it failed."""
    for param in params:
        param.grad[:] = 0
    outcome = attempt(function, mini_batches, state, params, *more)
    if isinstance(outcome, Exception):
        return outcome
    return nd.concat(*[param.grad.reshape((-1,)) for param in params], dim=0)


def small_model():
    """Three mini-batches (2, 3), a state, and large weights, so that the past counts."""
    n, T, h, V = 2, 3, 4, 5
    rng = np.random.RandomState(0)
    params = [nd.array(rng.normal(size=shape)) for shape in [(V, h), (h, h), (h,), (h, V), (V,)]]
    for param in params:
        param.attach_grad()
    text = nd.array(rng.randint(V, size=(n, 3 * T + 1)))
    mini_batches = [(text[:, i:i + T], text[:, i + 1:i + 1 + T]) for i in range(0, 3 * T, T)]
    return mini_batches, (nd.array(rng.normal(size=(n, h))),), params


def check(one_by_one, all_at_once):
    """Beside gradients that are made in another way: of the last mini-batch by itself, and of one long window."""
    mini_batches, state, params = small_model()
    X, Y = (nd.concat(*arrays, dim=1) for arrays in zip(*mini_batches))     # one window, three times as long
    T = X.shape[1] // 3
    zeros = (state[0] * 0,)
    states = [state] + [loss(X[:, :t], Y[:, :t], state, params)[1] for t in (T, 2 * T)]     # recorded nowhere: values

    def by_itself(mini_batches, state, params):
        with autograd.record():
            l, _ = loss(*mini_batches[-1], state, params)
        l.backward()

    def long_window(mini_batches, state, params, first):
        """The mean loss of the steps from `first` on, with all the history."""
        with autograd.record():
            outputs, _ = d2l.rnn(d2l.to_onehot(X, len(params[4])), state, params)
            l = SoftmaxCrossEntropyLoss()(nd.concat(*outputs[first:], dim=0), Y[:, first:].T.reshape((-1,))).mean()
        l.backward()

    values = gradients(by_itself, mini_batches, states[-1], params)
    history = gradients(long_window, mini_batches, state, params, 2 * T)
    others = {
        '状态被清零了：值也丢了。 The state was reset: its values are lost, too.':
            gradients(by_itself, mini_batches, zeros, params),
        '状态被分离了，或图已清掉：历史断了。 It was detached, or its graph cleared: the history is cut.': values,
        '历史没有断。 The history is not cut.': history,
    }
    yield 'one_by_one, detach', gradients(one_by_one, mini_batches, state, params, True), values, others
    # Only here can one see it: where the graphs are kept, detach alone cuts the history.
    yield ('one_by_one, detach, retain_graph=True',
           gradients(one_by_one, mini_batches, state, params, True, True), values, {
        'detach 没起作用：要接住它的返回值。 Nothing was detached: it returns a new array; bind it.': history})
    yield ('one_by_one, 不分离 attached',
           gradients(one_by_one, mini_batches, state, params, False), values, others)
    yield ('one_by_one, 不分离 attached, retain_graph=True',
           gradients(one_by_one, mini_batches, state, params, False, True), history, others)

    # The gradient of a sum is the sum of the gradients.
    yield ('all_at_once', gradients(all_at_once, mini_batches, state, params),
           3 * gradients(long_window, mini_batches, state, params, 0), {
        '只有最后一个损失；要所有损失的和。 The last loss alone; it is to be the sum of all.': history,
        '状态被清零了。 The state was reset.': sum(gradients(by_itself, [m], zeros, params) for m in mini_batches),
        '状态被分离了。 The state was detached.':
            sum(gradients(by_itself, [m], s, params) for m, s in zip(mini_batches, states))})


if __name__ == '__main__':
    report(check(one_by_one, all_at_once), PREDICTION)
