"""(四) 定义预测函数, seen step by step: what goes into the model, what comes out, what is given and what is predicted.

python examples/trace_prediction.py --prefix 分开
"""
import argparse
import sys

import rnn_scratch as d2l

from mxnet import random as mx_random


def parse_arguments(argv):
    parser = argparse.ArgumentParser(
        description='Walk through predict_rnn, one character at a time, with a model that has learnt nothing yet.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--prefix', default='分开', help='the given beginning')
    parser.add_argument('--num-chars', type=int, default=10, help='how many characters to predict after it')
    parser.add_argument('--seed', type=int, default=0, help='the same seed gives the same parameters')
    return parser.parse_args(argv)


def trace(prefix, num_chars):
    """Print a line a time step. The model is handed to `predict_rnn` inside a function that watches what goes by."""
    _, char_to_idx, idx_to_char, vocab_size = d2l.load_data_jay_lyrics()
    num_hiddens, ctx = 256, d2l.try_gpu()
    text = ''

    def watched_rnn(inputs, state, params):
        nonlocal text
        t = len(text)
        X, = inputs                                             # one time step: (1, 1027)
        index = int(X.argmax(axis=1).asscalar())
        text += idx_to_char[index]
        outputs, state = d2l.rnn(inputs, state, params)
        if t + 1 < len(prefix):
            following, origin = prefix[t + 1], 'given'
        else:
            following, origin = idx_to_char[int(outputs[0].argmax(axis=1).asscalar())], 'predicted'
        print(f't={t:<3} in {text[t]!r} = {index:<4}  one-hot {X.shape}  '
              f'next {following!r} {origin:<9}  {text + following}')
        return outputs, state

    params = d2l.get_params(vocab_size, num_hiddens, vocab_size, ctx)
    return d2l.predict_rnn(prefix, num_chars, watched_rnn, params, d2l.init_rnn_state, num_hiddens, vocab_size, ctx,
                           idx_to_char, char_to_idx)


if __name__ == '__main__':
    args = parse_arguments(None)
    mx_random.seed(args.seed)
    try:
        print(trace(args.prefix, args.num_chars))
    except ValueError as error:
        sys.exit(str(error))
