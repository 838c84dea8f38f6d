"""练习 3 的解答。 Solution of exercise 3: a random map, then the commonest character, then phrases."""
from checking import report  # before MXNet is imported

# isort: split
from collections import Counter

import rnn_scratch as d2l
from rnn_scratch.beyond import fused

from exercise_3_untrained import (
    batch_size,
    char_to_idx,
    check,
    clipping_theta,
    corpus_indices,
    ctx,
    idx_to_char,
    lr,
    new_params,
    num_hiddens,
    num_steps,
    vocab_size,
)

MODEL = d2l.init_rnn_state, num_hiddens, vocab_size, ctx


def songs(num_epochs, num_chars, seed=0):
    params = new_params(seed)
    found = [fused.predict_rnn('分开', num_chars, d2l.rnn, params, *MODEL, idx_to_char, char_to_idx)]
    for _ in range(num_epochs):
        fused.train_epoch(d2l.rnn, params, *MODEL, corpus_indices, True, num_steps, lr, clipping_theta, batch_size)
        found.append(fused.predict_rnn('分开', num_chars, d2l.rnn, params, *MODEL, idx_to_char, char_to_idx))
    return found


def cycle(song):
    for p in range(1, len(song) // 3 + 1):
        if song.endswith(3 * song[-p:]):
            return p
    return 0


def share_of_the_last_character(song, seed=0):
    """How many of an untrained model's characters would be the same if it had forgotten all but the one before."""
    params = new_params(seed)
    written = range(2, len(song))
    return sum(fused.predict_rnn(song[i - 1], 1, d2l.rnn, params, *MODEL, idx_to_char, char_to_idx) == song[i - 1:i + 1]
               for i in written) / len(written)


def share_of_b_q(seed=0):
    """Of the way that the parameters go in the first epoch, squared, the part that b_q goes."""
    params = new_params(seed)
    before = [param.copy() for param in params]
    fused.train_epoch(d2l.rnn, params, *MODEL, corpus_indices, True, num_steps, lr, clipping_theta, batch_size)
    squares = [(a - b).square().sum().asscalar() for a, b in zip(params, before)]
    return squares[-1] / sum(squares)


def finding():
    found = {'songs': songs(30, 200)}
    found['untrained cycles'] = [cycle(songs(0, 200, seed)[0]) for seed in range(5)]
    found['share'] = share_of_the_last_character(found['songs'][0])
    found['b_q'] = share_of_b_q()
    found['commonest'] = idx_to_char[Counter(corpus_indices).most_common(1)[0][0]]
    for i in 0, 1, 2, 4, 8, 15, 30:
        song = found['songs'][i]
        print(f'第 {i:2} 首 song: {len(set(song)):3} 个不同的字 different; 循环 cycle {cycle(song):2}; '
              + song[:40].replace(' ', '␣'))
    commonest = found['commonest'].replace(' ', '␣（空格）')
    print(f'没训练过，五个种子的循环 Untrained, five seeds, cycles: {found["untrained cycles"]}\n'
          f'只看前一个字，{found["share"]:.0%} 的字不变 Seeing only the one character before, that many stay the same\n'
          f'第一个迭代周期里 b_q 走的路 The way that b_q goes in the first epoch: {found["b_q"]:.0%}\n'
          '发现：没训练过的模型不是每次抽签。参数抽好以后，每个字几乎只由前一个字决定 (W_hh 很小)，所以会走进循环。\n'
          f'一个迭代周期以后，它只写语料里最常见的字 {commonest}：先学会的是 b_q，即每个字有多常见。\n'
          'Finding: an untrained model does not draw lots. The parameters were drawn once; then each character follows '
          'almost only\nfrom the one before (W_hh is small), so it walks into a cycle. After one epoch it writes '
          'the commonest character,\nthe space ␣: what it learns first is b_q, how frequent each character is.')
    return found


if __name__ == '__main__':
    report(check(songs, cycle))
    finding()
