"""What all the checks share: a line for each thing that was looked at, and what is wrong with it.

A check is a generator. It yields `what, yours, right`, and may add the usual mistakes, each as a sentence with the
value that it leads to:

>>> report([('2 + 3', 5, 5), ('|(3, 4)|', 7, 5, {'not 3 + 4: the squares add up': 7})])
Traceback (most recent call last):
SystemExit: 还有 1 处不对。 Still wrong: 1.
"""
import os
import sys

import numpy as np

# The models here are so small that two threads spend their time waiting for each other: one is many times as fast.
# MXNet reads this when it is imported, so the exercises import this file first.
if 'mxnet' not in sys.modules:
    os.environ.setdefault('OMP_NUM_THREADS', '1')

TOLERANCE = 1e-4        # of the largest entry; two engines that round differently agree to this


def judge(yours, right):
    """Whether two values agree, and how well, in words.

    >>> judge(np.array([1, 2.5]), np.array([1, 2]))
    (False, 'largest difference 0.5 at [1], where 2.5 should be 2')
    >>> judge([2, 4], [1, 2])
    (False, 'largest difference 2 at [1], where 4 should be 2 (all of it is 2 times what it should be)')
    >>> judge(1.00001, 1)
    (True, '近似 approximate, largest difference 1e-05')
    >>> judge('abc', 'abc')
    (True, '完全一致 exact')
    """
    if yours is None:
        return False, 'None: 函数要 return does the function return something?'
    if isinstance(right, (str, bool)):
        return yours == right, '完全一致 exact' if yours == right else f'{yours!r} should be {right!r}'
    try:
        yours, right = (np.array(x.asnumpy() if hasattr(x, 'asnumpy') else x, 'float64') for x in (yours, right))
    except (TypeError, ValueError):
        return False, f'这不是数 this is no number and no array of numbers: {yours!r}'
    if yours.shape != right.shape:
        return False, f'形状 shape {yours.shape} should be {right.shape}'
    with np.errstate(invalid='ignore'):
        difference = np.where(yours == right, 0, abs(yours - right))    # ∞ is equal to ∞
    if not difference.any():
        return True, '完全一致 exact'
    if np.isfinite(difference).all() and difference.max() <= TOLERANCE * abs(right).max():
        return True, f'近似 approximate, largest difference {difference.max():.3g}'
    at = np.unravel_index(difference.argmax(), difference.shape)        # NaN counts as the largest
    place = f' at [{", ".join(map(str, at))}]' if at else ''
    words = f'largest difference {difference[at]:.3g}{place}, where {yours[at]:.5g} should be {right[at]:.5g}'
    if right.size > 1 and right.any():
        factor = (yours * right).sum() / (right * right).sum()
        if abs(yours - factor * right).max() <= TOLERANCE * abs(yours).max():
            words += f' (all of it is {factor:.4g} times what it should be)'
    return False, words


def report(lines, prediction=None):
    """Print what a check found. Where something is wrong or missing, the program ends with a sentence that says so."""
    wrong = 0
    if prediction == '':
        print('✗ PREDICTION 还空着：先写一行。 It is still empty: write one line first.')
        wrong += 1
    elif prediction is not None:
        print('你的预测 You expected:', prediction)
    try:
        for what, yours, right, *mistakes in lines:
            sound, words = judge(yours, right)
            print('✓' if sound else '✗', f'{what}: {words}')
            if not sound:
                wrong += 1
                for sentence, value in mistakes[0].items() if mistakes else ():
                    if judge(yours, value)[0]:
                        print('   ', sentence)
    except NotImplementedError as todo:
        sys.exit(f'✗ 还没写 Still to write: {todo}')
    if wrong:
        sys.exit(f'还有 {wrong} 处不对。 Still wrong: {wrong}.')
    print('✓ 全对了。 All right.')
