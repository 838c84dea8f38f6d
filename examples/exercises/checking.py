"""What all the checks share: a line for each thing that was looked at, and what is wrong with it.

A check is a generator. It yields `what, yours, right`, and may add the usual mistakes, each as a sentence with the
value that it leads to, or with a function that says whether yours is that mistake. What calls a student's function
goes through `attempt`, so that an error is one line, too:

>>> report([('2 + 3', 5, 5), ('|(3, 4)|', 7, 5, {'not 3 + 4: the squares add up': 7})])
Traceback (most recent call last):
SystemExit: 还有 1 处不对。 Still wrong: 1.
"""
import os
import re
import sys
from pathlib import Path

import numpy as np

# The models here are so small that two threads would spend their time waiting for each other.
# MXNet reads this when it is imported, so the exercises import this file first.
if 'mxnet' not in sys.modules:
    os.environ.setdefault('OMP_NUM_THREADS', '1')

TOLERANCE = 1e-4        # of the largest entry; two engines that round differently agree to this


def attempt(function, *arguments, **keywords):
    """What a student's function returns; where it fails, the error itself, of which `judge` makes a sentence."""
    try:
        return function(*arguments, **keywords)
    except NotImplementedError:
        raise
    except Exception as error:
        return error


def how_many(found):
    """How many values a function returned, in a tuple or a list.

    >>> how_many((3, 4)), how_many(None)
    (2, None)
    """
    if found is None or isinstance(found, Exception):
        return found
    return len(found) if isinstance(found, (tuple, list)) else TypeError(
        f'应是元组或列表，不是 {type(found).__name__}。 It should be a tuple or a list.')


def gluon_outputs(X, H_0, params, activation):
    """What gluon's own layers make of the same weights: outputs (T, n, q), H (n, h)."""
    from mxnet import gluon, nd
    W_xh, W_hh, b_h, W_hq, b_q = params
    rnn = gluon.rnn.RNN(len(b_h), activation=activation, input_size=len(b_q))
    rnn.initialize()
    for name, value in [('i2h_weight', W_xh.T), ('h2h_weight', W_hh.T), ('i2h_bias', b_h), ('h2h_bias', b_h * 0)]:
        rnn.collect_params()[f'{rnn.prefix}l0_{name}'].set_data(value)
    Hs, (H,) = rnn(nd.one_hot(X.T, len(b_q)), [H_0.expand_dims(axis=0)])        # (T, n, h)
    return nd.dot(Hs, W_hq) + b_q, H[0]


def failure(error):
    """In words, and with the line of the student's function, which is the first below `attempt`."""
    below = error.__traceback__ and error.__traceback__.tb_next
    where = f'第 {below.tb_lineno} 行 in line {below.tb_lineno}: ' if below else ''
    words = (str(error).splitlines() or [''])[-1]       # MXNet puts a traceback of its own before
    return f'出错了 It failed: {where}{type(error).__name__}: {words}'


def judge(yours, right):
    """Whether two values agree, and how well, in words.

    >>> judge(np.array([1, 2.5]), np.array([1, 2]))
    (False, '最大差 largest difference 0.5，在 at [1]：你的 yours 2.5，应是 right 2')
    >>> judge([2, 4], [1, 2])[1]
    '最大差 largest difference 2，在 at [1]：你的 yours 4，应是 right 2（都是 2 倍 each is 2 times the right value）'
    >>> judge(1.00001, 1)
    (True, '近似 approximate，最大差 largest difference 1e-05')
    >>> judge('abc', 'abc')
    (True, '完全一致 exact')
    """
    if yours is None:
        return False, '函数没有 return？ Does the function return something?'
    if isinstance(yours, Exception):
        return False, failure(yours)
    if isinstance(yours, (complex, np.ndarray, np.generic)) and np.iscomplexobj(yours):
        return False, '这是复数 These numbers are complex'
    if isinstance(right, (str, bool)):
        same = isinstance(yours, type(right)) and yours == right
        return same, '完全一致 exact' if same else f'你的 yours {yours!r}，应是 right {right!r}'
    try:
        yours, right = (np.array(x.asnumpy() if hasattr(x, 'asnumpy') else x, 'float64') for x in (yours, right))
    except (TypeError, ValueError):
        return False, f'这不是数 This is no number and no array of numbers: {yours!r}'
    if yours.shape != right.shape:
        return False, f'形状 shape：你的 yours {yours.shape}，应是 right {right.shape}'
    with np.errstate(invalid='ignore'):
        difference = np.where(yours == right, 0, abs(yours - right))    # ∞ is equal to ∞
        if not difference.any():
            return True, '完全一致 exact'
        # Of the finite entries: an ∞ is exact or wrong, and excuses no other entry.
        if difference.max() <= TOLERANCE * abs(right[np.isfinite(right)]).max(initial=0):
            return True, f'近似 approximate，最大差 largest difference {difference.max():.3g}'
        at = np.unravel_index(difference.argmax(), difference.shape)    # NaN counts as the largest
        place = f'，在 at [{", ".join(map(str, at))}]' if at else ''
        words = (f'最大差 largest difference {difference[at]:.3g}{place}：'
                 f'你的 yours {yours[at]:.5g}，应是 right {right[at]:.5g}')
        if right.size > 1 and right.any():
            factor = (yours * right).sum() / (right * right).sum()
            if abs(yours - factor * right).max() <= TOLERANCE * abs(yours).max():
                words += f'（都是 {factor:.4g} 倍 each is {factor:.4g} times the right value）'
    return False, words


def judged(lines):
    """For each line of a check: whether it is right, what is to be said of it, and the usual mistakes that it shows."""
    for what, yours, right, *mistakes in lines:
        sound, words = judge(yours, right)
        yield sound, f'{what}: {words}', [
            sentence for sentence, mistake in (mistakes[0].items() if mistakes and not sound else ())
            if (mistake(yours) if callable(mistake) else judge(yours, mistake)[0])]


def report(lines, prediction=None):
    """Print what a check found. Where something is wrong or missing, the program ends with a sentence that says so."""
    wrong = 0
    if prediction == '':
        print('✗ PREDICTION 还空着：先写一行。 It is still empty: write one line first.')
        wrong += 1
    elif prediction is not None:
        print('你的预测 You expected:', prediction)
    try:
        for sound, words, mistakes in judged(lines):
            print('✓' if sound else '✗', words)
            wrong += not sound
            for sentence in mistakes:
                print('   ', sentence)
    except NotImplementedError as todo:
        sys.exit(f'✗ 还没写 Still to write: {todo}')
    if wrong:
        sys.exit(f'还有 {wrong} 处不对。 Still wrong: {wrong}.')
    print('✓ 全对了。 All right.')
    number = re.search(r'exercise_(\d+)', os.path.basename(sys.argv[0]))
    if number:
        solution, = [path.name for path in Path(__file__).parent.glob(f'solution_{number[1]}_*.py')]
        print(f'现在运行 {solution}，和你的预测比一比。 Now run {solution} and compare with your prediction.')
