"""练习 0 的解答：这个包自己的七个函数。 Solution of exercise 0: the package's own seven functions."""
from checking import report  # before MXNet is imported

# isort: split
from rnn_scratch import get_params, grad_clipping, perplexity, predict_rnn, rnn, to_onehot, train_epoch

from exercise_0_chapter import check

if __name__ == '__main__':
    report(check(to_onehot, get_params, rnn, predict_rnn, grad_clipping, perplexity, train_epoch))
