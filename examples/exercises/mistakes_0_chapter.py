"""练习 0 的常见错误，每个只改一两行，和它的代价。 The usual mistakes of exercise 0, a line or two each, and their cost.

    python examples/exercises/mistakes_0_chapter.py         几分钟 some minutes

给老师：现场写代码时，照着写错一行，让全班猜会怎样。先在练习 0 里做完，再看这个文件。
For teachers: in a lesson, write one of these lines, and let the class guess what will happen. For students: first do
exercise 0, then read this file.
"""
import checking  # noqa: F401 (before MXNet is imported)

# isort: split
import inspect
import math
import random
import time
from typing import NamedTuple

import rnn_scratch as d2l
from rnn_scratch.predict import greedy

import mxnet as mx
from mxnet import autograd, gluon, nd


class Mistake(NamedTuple):
    """`wrong` stands where `right` should; `says` is what the check answers."""
    name: str
    function: str
    right: str
    wrong: str
    says: str
    is_random_iter: bool = True
    more: tuple = ()            # another such pair


MISTAKES = [
    Mistake('X', 'to_onehot', 'in X.T]', 'in X]', 'X for X.T: cut by sequences'),
    Mistake('H', 'rnn', 'nd.dot(H, W_hh)', 'nd.dot(state[0], W_hh)', 'it is not handed on'),
    Mistake('tanh', 'rnn', 'nd.dot(H, W_hq) + b_q', 'nd.tanh(nd.dot(H, W_hq) + b_q)', 'tanh went over Y, too'),
    Mistake('reset', 'predict_rnn', 'rnn(X, state, params)', 'rnn(X, init_rnn_state(1, num_hiddens, ctx), params)',
            'Each character begins with a state of zeros'),
    Mistake('prefix', 'predict_rnn', 'char_to_idx[prefix[t]] if t < len(prefix) else pick(Y).asscalar()',
            'pick(Y).asscalar()', 'The prefix is not fed'),
    Mistake('axis', 'predict_rnn', 'pick(Y).asscalar()', 'Y.argmax(axis=0)[0].asscalar()', 'over the wrong axis'),
    Mistake('each', 'grad_clipping', 'norm = sum(nd.square(param.grad).sum() for param in params).sqrt().asscalar()\n'
            "    _checks.finite('The norm of the gradient', norm)\n"
            '    if norm > theta:\n        for param in params:\n',
            'for param in params:\n        norm = nd.square(param.grad).sum().sqrt().asscalar()\n'
            '        if norm > theta:\n', 'Each array is clipped by itself'),
    Mistake('late', 'train_epoch', 'grad_clipping(params, clipping_theta, ctx)\n        d2l.sgd(params, lr, 1)',
            'd2l.sgd(params, lr, 1)\n        grad_clipping(params, clipping_theta, ctx)', 'clip before sgd'),
    Mistake('exps', 'train_epoch', 'l_sum += l.asscalar() * y.size', 'l_sum += math.exp(l.asscalar()) * y.size',
            'The mean of exps', more=('return perplexity(l_sum, n)', 'return l_sum / n')),
    Mistake('Y', 'train_epoch', 'Y.T.reshape((-1,))', 'Y.reshape((-1,))', 'Y.T for the labels'),
    Mistake('sgd', 'train_epoch', 'd2l.sgd(params, lr, 1)', 'd2l.sgd(params, lr, batch_size)',
            'The last argument of sgd is 1'),
    Mistake('goes on', 'train_epoch', 'state = init_rnn_state(batch_size, num_hiddens, ctx)\n        else',
            'state = tuple(s.detach() for s in state)\n        else', 'random mini-batches are not neighbours'),
    Mistake('detach', 'train_epoch', 'state = tuple(s.detach() for s in state)', '[s.detach() for s in state]',
            'detach returns a new array', is_random_iter=False),
]
# The perplexity after 40 epochs, right and with each mistake; where it stays, what happens. Measured by `finding`, with
# random sampling, but for `detach`.
COST = {
    'X': 'n ≠ T 时训练报错 training stops with an error about shapes, where n ≠ T',
    'H': '56.7 → 73.7',
    'tanh': '56.7 → 175',
    'reset': '歌变成 the song becomes 我 我 我 我 …',
    'prefix': '歌变成 the song becomes 分的 有什么 …',
    'axis': '歌里只有空格 the song is nothing but spaces',
    'each': '56.7 → 9.2：更低，却不是书上的裁剪 lower, and yet not what the book does',
    'late': '56.7 → ∞',
    'exps': '56.7 → 58.4，模型一样 the same model',
    'Y': '56.7 → 188，不报错，歌里只有空格 no error, and the song is nothing but spaces',
    'sgd': '56.7 → 185',
    'goes on': '56.7 → 60.6',
    'detach': '49.3 → 49.3：这里没有代价，见练习 4 no cost here, see exercise 4',
}
FUNCTIONS = ['to_onehot', 'get_params', 'rnn', 'predict_rnn', 'grad_clipping', 'perplexity', 'train_epoch']


class NoChecks:
    """A student's file refuses nothing."""
    LONGEST_TEXT = None

    def __getattr__(self, name):
        return lambda *arguments, **keywords: None


def chapter(mistake=None):
    """The seven functions, from the package's own source, one of them with this mistake: a dictionary."""
    names = {'d2l': d2l, 'nd': nd, 'autograd': autograd, 'gluon': gluon, 'math': math, 'greedy': greedy,
             '_checks': NoChecks(), '_own_cell': NoChecks()}
    for name in FUNCTIONS:
        source = inspect.getsource(getattr(d2l, name))
        if mistake and mistake.function == name:
            for right, wrong in zip(*[iter([mistake.right, mistake.wrong, *mistake.more])] * 2):
                assert source.count(right) == 1, f'{right}: {source.count(right)} places'
                source = source.replace(right, wrong)
        exec(compile(source, f'{name}, {mistake.name if mistake else "right"}', 'exec'), names)
    return {name: names[name] for name in FUNCTIONS}


def train(mistake=None, is_random_iter=True, num_epochs=40):
    """The settings of exercise 1: the last perplexity, and a song; or how it failed."""
    corpus_indices, char_to_idx, idx_to_char, V = d2l.load_data_jay_lyrics(num_chars=2000)
    functions, ctx, h = chapter(mistake), mx.cpu(), 32
    random.seed(0)
    mx.random.seed(0)
    params = functions['get_params'](V, h, V, ctx)
    model = functions['rnn'], params, d2l.init_rnn_state, h, V, ctx
    try:
        for _ in range(num_epochs):
            perplexity = functions['train_epoch'](*model, corpus_indices, is_random_iter, 35, 100, 0.01, 8)
        return perplexity, functions['predict_rnn']('分开', 20, *model, idx_to_char, char_to_idx)
    except Exception as error:
        return None, f'{type(error).__name__}: {(str(error).splitlines() or [""])[-1]}'


def finding():
    found = {}
    for is_random_iter in True, False:
        found[is_random_iter] = train(None, is_random_iter)
        print(f'{"随机 random" if is_random_iter else "相邻 consecutive":12} 正确 right: '
              f'{found[is_random_iter][0]:.1f}  {found[is_random_iter][1]}', flush=True)
    for mistake in MISTAKES:
        start = time.time()
        found[mistake.name] = perplexity, song = train(mistake, mistake.is_random_iter)
        print(f'{mistake.name:8}{"-" if perplexity is None else f"{perplexity:.1f}":>10}  {song}'
              f'   ({time.time() - start:.0f} s)\n    {mistake.wrong!r}', flush=True)
    return found


if __name__ == '__main__':
    finding()
