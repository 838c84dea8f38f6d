"""练习 3：没训练过的模型写什么？ Exercise 3: what does an untrained model write?

任务 Task
    把 pred_period 设为 1，每个迭代周期都写一首歌；再加上第 0 首：训练之前写的。
    Set pred_period to 1, so that it writes after each epoch. And add song number 0, from before any training.

    1. 写 `songs`。 Write `songs`.
    2. 写 `cycle`：很多歌最后只是重复同一段。这一段有多长？
       Many songs end in the same few characters, again and again. How many?

先预测 Predict first
    参数是随机的。第 0 首歌每个字都随机吗？第 1 首呢？
    The parameters are random. Is each character of song 0 random, too? And of song 1?
"""
from checking import attempt, how_many, report  # before MXNet is imported

# isort: split
import functools
import random

import rnn_scratch as d2l
from rnn_scratch.beyond import fused  # noqa: F401 (for you to use)

import mxnet as mx

PREDICTION = ''

corpus_indices, char_to_idx, idx_to_char, vocab_size = d2l.load_data_jay_lyrics(num_chars=2000)
num_hiddens, num_steps, lr, clipping_theta, batch_size = 64, 35, 100, 0.01, 8
ctx = mx.cpu()


def new_params(seed):
    """开始时的参数；它们和后面的小批量都由 seed 决定。已写好，直接用。

    The parameters to begin with; they, and the mini-batches after it, depend on the seed. To be used as it is.
    """
    random.seed(seed)
    mx.random.seed(seed)
    return d2l.get_params(vocab_size, num_hiddens, vocab_size, ctx)


def songs(num_epochs, num_chars, seed=0):
    """从 `new_params(seed)` 开始 -> 列表：num_epochs + 1 首歌，每首是 分开 再加 num_chars 个字。第 0 首在训练之前。

    Begin with `new_params(seed)` -> a list of num_epochs + 1 songs, each 分开 and num_chars characters more. Song 0 is
    the untrained one. 随机采样 Sampling is random. 用 Use `fused.train_epoch`, `fused.predict_rnn`.
    """
    raise NotImplementedError('songs: 先写, 再训练, 再写 … write, train, write, …')


def cycle(song):
    """最小的 p，使得歌的结尾是同样的 p 个字连着三次；没有就是 0。

    The smallest p such that the last p characters stand there three times in a row; 0 where there is none.

    cycle('分开天地天地天地') == 2, cycle('分开天地人') == 0
    """
    raise NotImplementedError('cycle: 从 p = 1 开始试 try p = 1 first')


@functools.lru_cache(maxsize=None)      # 只算一次 computed once
def of_the_chapter():
    """Songs 0, 1 and 2, by the chapter's own engine."""
    params = new_params(1)
    found = []
    for _ in range(3):
        found.append(d2l.predict_rnn('分开', 5, d2l.rnn, params, d2l.init_rnn_state, num_hiddens, vocab_size, ctx,
                                     idx_to_char, char_to_idx))
        d2l.train_epoch(d2l.rnn, params, d2l.init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, True,
                        num_steps, lr, clipping_theta, batch_size)
    return found


def check(songs, cycle):
    for song, p in [('分开天地天地天地', 2), ('分开天地人', 0), ('天天天', 1), ('天天', 0), ('天天地天天地天天地', 3),
                    ('天地天地天地人', 0), ('天天天天天天', 1)]:
        yield f'cycle({song!r})', attempt(cycle, song), p

    right = of_the_chapter()
    found = attempt(songs, 2, 5, seed=1)
    yield '几首歌 the number of songs', how_many(found), 3
    for i, (yours, should) in enumerate(zip(found if isinstance(found, (tuple, list)) else (), right)):
        later = '这首是再训练一个迭代周期以后的。 That is the song of one epoch later.'
        mistakes = {later: right[i + 1]} if i < 2 else {}
        yield f'第 {i} 首 song {i}', yours, should, mistakes


if __name__ == '__main__':
    report(check(songs, cycle), PREDICTION)
