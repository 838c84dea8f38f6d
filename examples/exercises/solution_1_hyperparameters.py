"""练习 1 的解答。 Solution of exercise 1: one knob at a time, and what they have in common."""
from checking import report  # before MXNet is imported

# isort: split
import random
import time

import rnn_scratch as d2l
from rnn_scratch.beyond import fused

import mxnet as mx
from exercise_1_hyperparameters import char_to_idx, check, corpus_indices, ctx, idx_to_char, vocab_size


def updates(num_chars, num_steps, batch_size):
    # The last character is only a label: num_chars − 1 inputs, cut into whole windows, and these into whole batches.
    return (num_chars - 1) // num_steps // batch_size


def measure(num_hiddens=32, num_steps=35, lr=100, batch_size=8, num_epochs=30):
    random.seed(0)
    mx.random.seed(0)
    model = d2l.init_rnn_state, num_hiddens, vocab_size, ctx
    start = time.time()
    params, perplexities = fused.train_and_predict_rnn(
        d2l.rnn, lambda: d2l.get_params(vocab_size, num_hiddens, vocab_size, ctx), *model, corpus_indices, idx_to_char,
        char_to_idx, True, num_epochs, num_steps, lr, 0.01, batch_size, num_epochs + 1, 0, [])
    seconds = (time.time() - start) / num_epochs
    return perplexities[-1], seconds, fused.predict_rnn('分开', 20, d2l.rnn, params, *model, idx_to_char, char_to_idx)


ROWS = {
    '': {},
    'h = 8': {'num_hiddens': 8},
    'h = 128': {'num_hiddens': 128},
    'T = 10': {'num_steps': 10},
    'T = 70': {'num_steps': 70},
    'lr = 10': {'lr': 10},
    'lr = 1000': {'lr': 1000},
    'T = 70, 2×': {'num_steps': 70, 'num_epochs': 60},
    'n = 4': {'batch_size': 4},
    'n = 16': {'batch_size': 16},
    'n = 16, 2×': {'batch_size': 16, 'num_epochs': 60},
}


def finding():
    print('h = 32, T = 35, lr = 100, n = 8, 30 个迭代周期 epochs; 每行改一个 one change in a row\n'
          f'{"":12}{"更新 updates":>12}{"秒/迭代周期 s an epoch":>20}{"困惑度 perplexity":>18}')
    measure(num_epochs=1)       # the first run of a program also plans its memory
    found = {}
    for name, change in ROWS.items():
        perplexity, seconds, song = measure(**change)
        num_updates = change.get('num_epochs', 30) * updates(
            len(corpus_indices), change.get('num_steps', 35), change.get('batch_size', 8))
        found[name] = perplexity, num_updates, seconds, song
        print(f'{name:12}{num_updates:12}{seconds:16.3f}{perplexity:16.4g}    {song.replace(" ", "␣")}')
    print('发现：第一行里，每次的梯度都被裁剪（练习 2 量过 ‖g‖），每次走的路一样长：lr θ。所以先看更新了几次。\n'
          'n 或 T 加倍，次数少一半以上（每个迭代周期 7 → 3），困惑度变差；迭代周期数也加倍，就追上了。\n'
          'lr = 10 走不到；lr = 1000 学坏了，比瞎猜还差。h 大一些好一些。\n'
          '时间：h 大，更新的次数多，一个迭代周期就慢。\n'
          '歌（␣ 是空格）：困惑度高，就只重复几个字（学坏了的 lr = 1000 不算）；困惑度低，不同的字就多，有了短语。\n'
          'Finding: in the first row each gradient is clipped (exercise 2 measures ‖g‖), so each step has the length '
          'lr θ,\nand the number of updates comes first. Twice n or T is less than half the updates (7 → 3 an epoch), '
          'and a worse\nperplexity; twice the epochs make up for it. lr = 10 does not arrive; lr = 1000 goes wrong, '
          'and ends worse than\na guess. A larger h is a little better.\n'
          'Time: a larger h, or more updates, makes an epoch slower.\n'
          'Songs (␣ is a space): with a high perplexity a few characters come again and again (lr = 1000 '
          'went wrong, it does not count);\nwith a low one there are more of them, and phrases.')
    return found


if __name__ == '__main__':
    report(check(updates, measure))
    finding()
