"""练习 6：θ 变了，学习率怎么变？ Exercise 6: when θ changes, how must the learning rate change?

任务 Task
    书里 lr = 100，θ = 0.01。换一个 θ，想要训练不变，lr 应该是多少？
    The chapter has lr = 100 and θ = 0.01. With another θ, which lr keeps the training as it is?

    1. 写 `new_lr`。 Write `new_lr`.
    2. 写 `step_length`：一次更新里，所有参数一起走了多远？ In one update, how far do all parameters go together?

先预测 Predict first
    梯度被裁剪时，一次更新走多远？用 lr 和 θ 写出来。
    Where the gradient is clipped, how far does one update go? Write it with lr and θ.
"""
from checking import attempt, report  # before MXNet is imported

# isort: split
import random

import rnn_scratch as d2l
from rnn_scratch.beyond import fused

import mxnet as mx

PREDICTION = ''

corpus_indices, char_to_idx, idx_to_char, vocab_size = d2l.load_data_jay_lyrics(num_chars=2000)
num_hiddens, num_steps, batch_size = 32, 35, 8
ctx = mx.cpu()


def new_lr(lr, theta, new_theta):
    """换成 new_theta 以后的学习率，使裁剪过的每一步和用 lr, theta 时一样。

    The learning rate for new_theta, such that clipped steps stay as they were with lr and theta.
    """
    raise NotImplementedError('new_lr: 由 lr, θ 和新的 θ from lr, θ and the new θ')


def step_length(before, after):
    """从一组数组到另一组走了多远：所有数组连成一个向量，求差的欧氏长度。

    The Euclidean length of the step from one list of arrays to another, all arrays end to end as one vector.
    """
    raise NotImplementedError('step_length: 像 grad_clipping 里的范数 like the norm in grad_clipping')


def train(lr, clipping_theta, num_epochs, num_chars=None):
    """训练之前的参数，之后的参数，困惑度。已写好，直接用。

    The parameters before, the parameters after, and the perplexities. To be used as it is.
    """
    random.seed(0)
    mx.random.seed(0)
    params = d2l.get_params(vocab_size, num_hiddens, vocab_size, ctx)
    before = [param.copy() for param in params]
    perplexities = [fused.train_epoch(d2l.rnn, params, d2l.init_rnn_state, num_hiddens, vocab_size, ctx,
                                      corpus_indices[:num_chars], True, num_steps, lr, clipping_theta, batch_size)
                    for _ in range(num_epochs)]
    return before, params, perplexities


def check(new_lr, step_length):
    for lr, theta, new_theta, right in [(100, 0.01, 0.1, 10), (100, 0.01, 0.001, 1000), (30, 0.1, 0.05, 60)]:
        yield f'new_lr({lr}, {theta}, {new_theta})', attempt(new_lr, lr, theta, new_theta), right, {
            'lr 没变，每一步的长短就变了。 With the same lr each step has another length.': lr,
            '反了：θ 大，步就长。 The other way round: a larger θ makes longer steps.': lr * new_theta / theta}
    _, right, _ = train(100, 0.01, 1)
    yours = attempt(lambda: train(new_lr(100, 0.01, 0.002), 0.002, 1)[1][3])
    yield 'θ = 0.002：一个迭代周期后的 W_hq / W_hq after one epoch', yours, right[3]

    arrays = [mx.nd.array([[3, 0], [0, 0]]), mx.nd.array([4])]
    zeros = [array * 0 for array in arrays]
    yield 'step_length: 3 和 and 4', attempt(step_length, zeros, arrays), 5, {
        '不是各个长度的和：相加的是平方。 Lengths do not add up, their squares do.': 7,
        '还要开方。 The square root is missing.': 25,
        '这是一个数的数组：用 asscalar() 变成数。 An array of one number: asscalar() makes a number of it.':
            lambda yours: getattr(yours, 'shape', None) == (1,)}
    yield 'step_length: 没动 no step', attempt(step_length, arrays, arrays), 0
    before, after, _ = train(100, 0.01, 1, num_chars=num_steps * batch_size + 1)
    yield 'step_length: 一个小批量, lr = 100, θ = 0.01 one mini-batch', attempt(step_length, before, after), 1


if __name__ == '__main__':
    report(check(new_lr, step_length), PREDICTION)
