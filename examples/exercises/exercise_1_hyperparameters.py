"""练习 1：调超参数。 Exercise 1: change the hyper-parameters.

任务 Task
    隐藏单元数、时间步数、学习率、批量大小：每次只改一个，看时间、困惑度、歌词怎么变。
    Hidden units, time steps, learning rate, batch size: change one at a time. What happens to the time, the
    perplexity, the song?

    1. 写 `updates`：随机采样时，一个迭代周期里参数更新几次？
       With random sampling, how many times are the parameters updated in one epoch?
    2. 写 `measure`：训练一个模型，给出困惑度、时间、一首歌。 Train one model: its perplexity, time and song.

先预测 Predict first
    批量大小加倍，迭代周期数不变：困惑度变好还是变差？为什么？
    Twice the batch size, as many epochs as before: is the perplexity better or worse? Why?
"""
from checking import attempt, how_many, report  # before MXNet is imported

# isort: split
import random
import time

import rnn_scratch as d2l

import mxnet as mx

PREDICTION = ''

corpus_indices, char_to_idx, idx_to_char, vocab_size = d2l.load_data_jay_lyrics(num_chars=2000)
ctx = mx.cpu()


def updates(num_chars, num_steps, batch_size):
    """一个整数。想一想：标签是下一个字，所以最后一个字后面没有标签。

    A whole number. Think: each label is the next character, so the last character has no label.
    """
    raise NotImplementedError('updates: 一个迭代周期有几个小批量 how many mini-batches one epoch has')


def measure(num_hiddens=32, num_steps=35, lr=100, batch_size=8, num_epochs=30):
    """θ = 0.01，随机采样 -> 最后一个迭代周期的困惑度，每个迭代周期的秒数，一首歌：分开 再加 20 个字。

    θ = 0.01, random sampling -> the perplexity of the last epoch, the seconds an epoch takes, and a song: 分开 and 20
    characters more. 训练用 Train with `fused.train_and_predict_rnn`, 写歌用 write with `fused.predict_rnn`.
    """
    random.seed(0)
    mx.random.seed(0)
    raise NotImplementedError('measure: 训练, 再写一首歌 train, then let it write')


def check(updates, measure):
    for num_chars, num_steps, batch_size in [(10000, 35, 32), (2000, 35, 8), (70, 35, 1), (71, 35, 1)]:
        mini_batches = d2l.data_iter_random(list(range(num_chars)), batch_size, num_steps)
        yield (f'updates({num_chars}, {num_steps}, {batch_size})',
               attempt(updates, num_chars, num_steps, batch_size), sum(1 for _ in mini_batches))

    start = time.time()
    found = attempt(measure, num_hiddens=16, num_steps=10, lr=80, batch_size=6, num_epochs=3)
    wall = time.time() - start
    yield 'measure: 几个结果 the number of results', how_many(found), 3
    if how_many(found) != 3:
        return
    perplexity, seconds, song = found

    def write(params):
        return d2l.predict_rnn('分开', 20, d2l.rnn, params, d2l.init_rnn_state, 16, vocab_size, ctx, idx_to_char,
                               char_to_idx)

    def new_params():
        params = d2l.get_params(vocab_size, 16, vocab_size, ctx)
        untrained.append(write(params))
        return params

    # The chapter's engine, with the same seeds. After these three epochs the song is not one character repeated.
    untrained = []
    random.seed(0)
    mx.random.seed(0)
    params, right = d2l.train_and_predict_rnn(
        d2l.rnn, new_params, d2l.init_rnn_state, 16, vocab_size, ctx, corpus_indices, idx_to_char, char_to_idx, True, 3,
        10, 80, 0.01, 6, 9, 0, [])
    yield '困惑度 perplexity', perplexity, right[-1], {
        '这是第一个迭代周期的。 That is the first epoch.': right[0],
        '这是各迭代周期的平均。 That is the mean of the epochs.': sum(right) / 3}
    sound = isinstance(seconds, float) and 0 < 3 * seconds <= wall
    yield '每个迭代周期的秒数 seconds an epoch', seconds, seconds if sound else wall / 3, {
        f'3 个迭代周期一共只用了 {wall:.3g} 秒。 The 3 epochs took {wall:.3g} s all together.': seconds}
    yield '歌 the song', song, write(params), {
        '这是训练之前写的。 That was written before any training.': untrained[0]}


if __name__ == '__main__':
    report(check(updates, measure), PREDICTION)
