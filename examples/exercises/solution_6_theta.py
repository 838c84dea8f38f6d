"""练习 6 的解答。 Solution of exercise 6: a clipped step has length lr θ, so keep the product."""
from checking import report  # before MXNet is imported

# isort: split
import math

from exercise_6_theta import batch_size, check, num_steps, train


def new_lr(lr, theta, new_theta):
    # ‖lr · θ/‖g‖ · g‖ = lr θ
    return lr * theta / new_theta


def step_length(before, after):
    return math.sqrt(sum((a - b).square().sum().asscalar() for a, b in zip(after, before)))


def finding():
    num_epochs = 20
    one_mini_batch = num_steps * batch_size + 1
    found = {}
    print(f'{"lr":>6}{"θ":>8}{"lr θ":>8}{"第一步的长度 first step":>19}{"困惑度 perplexity":>20}')
    for lr, theta in [(100, 0.01), *((new_lr(100, 0.01, theta), theta) for theta in (0.001, 0.1, 1, 10)),
                      (100, 0.001), (100, 1)]:
        before, after, _ = train(lr, theta, 1, one_mini_batch)
        _, _, perplexities = train(lr, theta, num_epochs)
        found[lr, theta] = step_length(before, after), perplexities[-1]
        print(f'{lr:6g}{theta:8g}{lr * theta:8g}{found[lr, theta][0]:24.4f}{perplexities[-1]:22.6g}')
    print('发现：裁剪过的一步长 lr θ，方向是梯度的反方向。lr θ 不变，训练就不变。\n'
          'θ 比 ‖g‖ 还大时，不再裁剪，只剩下 lr。书里 100 × 0.01 = 1：每一步长 1。\n'
          '最后两行：lr θ = 0.1 太慢，= 100 就毁了。\n'
          'Finding: a clipped step has length lr θ, straight against the gradient. With the same lr θ the training is '
          'the same.\nWhere θ is larger than ‖g‖ nothing is clipped, and lr alone counts. '
          'In the chapter 100 × 0.01 = 1: each step has length 1.\n'
          'The last two rows: lr θ = 0.1 is too slow, 100 ruins it.')
    return found


if __name__ == '__main__':
    report(check(new_lr, step_length))
    finding()
