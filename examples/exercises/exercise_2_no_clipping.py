"""练习 2：不裁剪梯度。 Exercise 2: no clipping.

任务 Task
    去掉裁剪（θ = None），用几个学习率训练。 Train without clipping (θ = None), with several learning rates.

    1. 写 `train`。 Write `train`.
    2. 写 `effective_lr`：裁剪以后，参数实际按多大的学习率更新？
       After clipping, which learning rate do the parameters really see?

先预测 Predict first
    不裁剪，lr = 100 会怎样？lr 要多小才行？ Without clipping, what happens at lr = 100? Which lr is small enough?
"""
from checking import attempt, report  # before MXNet is imported

# isort: split
import functools
import random

import rnn_scratch as d2l
from rnn_scratch.beyond import fused  # noqa: F401 (for you to use)

import mxnet as mx

PREDICTION = ''

corpus_indices, char_to_idx, idx_to_char, vocab_size = d2l.load_data_jay_lyrics(num_chars=2000)
ctx, num_hiddens, num_steps, batch_size = mx.cpu(), 32, 35, 8


def new_params(seed=0):
    """开始时的参数；种子一样就一样，后面的小批量也一样。已写好，直接用。

    The parameters to begin with; they, and the mini-batches after it, depend on the seed. To be used as it is.
    """
    random.seed(seed)
    mx.random.seed(seed)
    return d2l.get_params(vocab_size, num_hiddens, vocab_size, ctx)


def train(lr, clipping_theta, num_epochs):
    """从 `new_params()` 开始，随机采样 -> 列表：每个迭代周期的困惑度。用 `fused.train_epoch`。

    Begin with `new_params()`; random sampling -> a list, the perplexity of each epoch. Use `fused.train_epoch`.
    """
    raise NotImplementedError('train: 每个迭代周期调用一次 fused.train_epoch call it once an epoch')


def effective_lr(lr, clipping_theta, norm):
    """一个数 a，使得更新是 param ← param − a · g，g 是裁剪*之前*的梯度。θ 是 None 就是不裁剪。

    The number a, such that the update is param ← param − a · g, with g the gradient *before* it is clipped. With
    θ = None nothing is clipped.
    """
    raise NotImplementedError('effective_lr: 由 lr, θ 和 ‖g‖ from lr, θ and ‖g‖')


@functools.lru_cache(maxsize=None)      # 只算一次 computed once
def of_the_chapter(is_random_iter, lr, clipping_theta):
    """The perplexities of two epochs, by the chapter's own engine."""
    params = new_params()
    return [d2l.train_epoch(d2l.rnn, params, d2l.init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices,
                            is_random_iter, num_steps, lr, clipping_theta, batch_size) for _ in range(2)]


def check(train, effective_lr):
    for lr, theta in [(1, None), (100, 0.01)]:
        right = of_the_chapter(True, lr, theta)
        yield f'train({lr}, {theta}, 2)', attempt(train, lr, theta, 2), right, {
            '每个迭代周期都重新初始化了：new_params 只调用一次。 New parameters each epoch: call new_params once.':
                [right[0], right[0]],
            '这是相邻采样。 That is consecutive sampling.': of_the_chapter(False, lr, theta)}
    for lr, theta, norm, right in [(100, 0.01, 0.5, 2), (100, 0.01, 0.005, 100), (3, None, 0.5, 3)]:
        short = '范数不超过 θ 的梯度，应该保持不变。 A short gradient is left as it is.'
        mistakes = {short: lr * theta / norm} if theta else {}
        yield f'effective_lr({lr}, {theta}, {norm})', attempt(effective_lr, lr, theta, norm), right, mistakes


if __name__ == '__main__':
    report(check(train, effective_lr), PREDICTION)
