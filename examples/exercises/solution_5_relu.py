"""练习 5 的解答。 Solution of exercise 5: the slope is 1, and the gradient explodes all the same."""
from checking import report  # before MXNet is imported

# isort: split
import math
import random

import rnn_scratch as d2l

import mxnet as mx
import numpy as np
from exercise_5_relu import check
from mxnet import autograd, nd

RADII = (0.9, 1.0, 1.1, 1.6)
START_RADII = (0.1, 0.9, 1.1)       # the chapter's W_hh, 256 × 256 numbers from N(0, 0.01²), has 0.16

corpus_indices, _, _, vocab_size = d2l.load_data_jay_lyrics(num_chars=1200)


def relu_rnn(inputs, state, params):
    W_xh, W_hh, b_h, W_hq, b_q = params
    H, = state
    outputs = []
    for X in inputs:
        # H_t = ReLU(X_t W_xh + H_{t-1} W_hh + b_h)
        H = nd.relu(nd.dot(X, W_xh) + nd.dot(H, W_hh) + b_h)
        outputs.append(nd.dot(H, W_hq) + b_q)
    return outputs, (H,)


def scaled(W_hh, radius):
    return radius / abs(np.linalg.eigvals(W_hh)).max() * W_hh


def growth(rnn, W_hh, T=35, V=100, n=8):
    """How many times as long the gradient is at H_0 as at H_T, and the share of the units that are on in H_T."""
    rng = np.random.RandomState(1)
    h = len(W_hh)
    W_xh, H_0 = (nd.array(abs(rng.normal(scale=0.01, size=shape))) for shape in [(V, h), (n, h)])       # positive
    params = [W_xh, nd.array(W_hh), nd.zeros(h), nd.zeros((h, V)), nd.zeros(V)]
    H_0.attach_grad()
    with autograd.record():
        _, (H,) = rnn(d2l.to_onehot(nd.array(rng.randint(V, size=(n, T))), V), (H_0,), params)
    H.backward()                    # of the sum of H_T, so that the gradient at H_T is all ones: length √(n h)
    return H_0.grad.norm().asscalar() / math.sqrt(n * h), (H > 0).mean().asscalar()


def train(rnn, radius, lr, theta, num_epochs=4, h=32):
    """The perplexity of each epoch, where W_hh begins with this radius. NaN is the end: the training has failed."""
    random.seed(0)
    mx.random.seed(0)
    params = d2l.get_params(vocab_size, h, vocab_size, mx.cpu())
    params[1][:] = nd.array(scaled(params[1].asnumpy(), radius))
    found = []
    for _ in range(num_epochs):
        try:
            found.append(d2l.train_epoch(rnn, params, d2l.init_rnn_state, h, vocab_size, mx.cpu(), corpus_indices,
                                         True, 35, lr, theta, 8))
        except FloatingPointError:
            return found + [math.nan]
    return found


def finding():
    cells = [('ReLU', relu_rnn), ('tanh', d2l.rnn)]
    rng = np.random.RandomState(0)
    found = {}
    print('梯度从 H_35 传到 H_0，乘 35 次 W_hh（到 H_1 是 34 次），变成几倍\n'
          'The gradient from H_35 back to H_0, 35 times W_hh (34 to H_1): how many times as long '
          f'(0.9³⁵ = {0.9 ** 35:.4f}, 1.1³⁵ = {1.1 ** 35:.1f})\n'
          f'{"W_hh":14}{"谱半径 radius":>14}' + ''.join(f'{radius:>10}' for radius in RADII))
    for name, W_hh in [('> 0', abs(rng.normal(size=(64, 64)))), ('~ N(0, σ²)', rng.normal(size=(64, 64)))]:
        for cell, rnn in cells:
            grown = {radius: growth(rnn, scaled(W_hh, radius)) for radius in RADII}
            found[name, cell] = grown
            print(f'{name:14}{cell:>17}' + ''.join(f'{times:10.3g}' for times, _ in grown.values())
                  + f'    radius 1.1: {grown[1.1][1]:.0%} 个单元开着 of the units are on')
    print(f'训练 4 个迭代周期的困惑度；瞎猜是 {vocab_size} Perplexity, 4 epochs; a guess is {vocab_size}\n'
          f'{"":32}' + ''.join(f'{radius:>10}' for radius in START_RADII))
    for cell, rnn in cells:
        for lr, theta in [(100, 0.01), (10, None), (1, None)]:
            for radius in START_RADII:
                found[cell, lr, theta, radius] = train(rnn, radius, lr, theta)
            print(f'{cell:8}lr = {lr:<5} θ = {theta!s:10}'
                  + ''.join(f'{found[cell, lr, theta, radius][-1]:10.3g}' for radius in START_RADII))
    print('发现：W_hh > 0 时，ReLU 的斜率处处是 1，梯度按谱半径的 35 次方变：0.9 消失，1.1 爆炸。斜率不是全部，\n'
          '还有 W_hh 的幂。W_hh 有正有负时，一部分单元关着，爆炸要更大的谱半径。tanh 会饱和，斜率变小，状态不超过 1；\n'
          'ReLU 没有上限。从 0.9 或 1.1 开始，不裁剪，lr = 1：tanh 能训练，ReLU 失败 (nan)；lr = 10：两个都失败。\n'
          '从 0.1 开始（书里的 W_hh 约 0.16），lr = 1：ReLU 不裁剪也能训练，但是慢；lr = 10 也失败。\n'
          '有裁剪的两行，每一列都能训练。所以 ReLU 更需要裁剪。\n'
          'Finding: with W_hh > 0 the slope of ReLU is 1 everywhere, and the gradient changes as the 35th power of '
          'the radius:\nwith 0.9 it vanishes, with 1.1 it explodes. The slope is not all: the powers of W_hh count.\n'
          'With W_hh of both signs some units are off, and it takes a larger radius to explode.\n'
          'tanh saturates: its slope falls, and its state stays below 1. ReLU has no upper limit.\n'
          'From radius 0.9 or 1.1, without clipping, lr = 1: tanh trains, ReLU fails (nan); lr = 10: both fail.\n'
          "From 0.1 (the chapter's W_hh has 0.16), lr = 1: ReLU trains without clipping, but slowly; lr = 10 fails "
          'there, too.\nWith clipping both train from every radius. So ReLU needs clipping more, not less.')
    return found


if __name__ == '__main__':
    report(check(relu_rnn, scaled))
    finding()
