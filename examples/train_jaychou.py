"""(七) 训练模型并创作歌词: train with the chapter's settings, random then consecutive sampling (随机采样, 相邻采样).

python examples/train_jaychou.py
python examples/train_jaychou.py --sampling consecutive --epochs 100 --prefix 分开 --prefix 雨
"""
import argparse
import contextlib
import random
import sys

import rnn_scratch as d2l  # before MXNet: it mends what a machine of today lacks

from mxnet import random as mx_random
from tqdm import tqdm

SAMPLINGS = {'random': '随机采样', 'consecutive': '相邻采样'}


def parse_arguments(argv):
    parser = argparse.ArgumentParser(
        description='Train a recurrent network from scratch to write song lyrics, with the settings of the chapter.',
        epilog='Every pred_period epochs it prints the perplexity of the epoch, its time, and a song for each prefix.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--sampling', choices=['random', 'consecutive', 'both'], default='both',
                        help='how mini-batches are cut from the text: at random places, or one after the other')
    parser.add_argument('--epochs', type=int, default=250, help='how often to read the whole text')
    parser.add_argument('--corpus', metavar='PATH', help='a text in UTF-8, or a zip archive with one in it '
                        '(default: the lyrics that come with the package)')
    parser.add_argument('--num-chars', type=int, default=10000, help='how many characters of it to read; 0 for all')
    parser.add_argument('--hidden', type=int, default=256, help='h, the number of hidden units')
    parser.add_argument('--num-steps', type=int, default=35, help='T, the time steps of a mini-batch')
    parser.add_argument('--batch-size', type=int, default=32, help='n, the sequences of a mini-batch')
    parser.add_argument('--lr', type=float, default=1e2, help='learning rate')
    parser.add_argument('--theta', type=number_or_none, default=1e-2,
                        help='θ, the largest norm of the gradient; none for no clipping')
    parser.add_argument('--pred-period', type=int, default=50, help='print after every so many epochs')
    parser.add_argument('--pred-len', type=int, default=50, help='how many characters to write after a prefix')
    parser.add_argument('--prefix', action='append', help='how a song begins; may be given several times '
                        '(default: 分开 and 不分开)')
    parser.add_argument('--seed', type=int, default=0, help='the same seed gives the same digits')
    return parser.parse_args(argv)


def number_or_none(text):
    return None if text == 'none' else float(text)


def train(sampling, corpus, args):
    """One training run of the chapter; returns what `train_and_predict_rnn` returns."""
    corpus_indices, char_to_idx, idx_to_char, vocab_size = corpus
    ctx = d2l.try_gpu()
    random.seed(args.seed)              # shuffles the mini-batches of random sampling
    mx_random.seed(args.seed)           # draws the parameters

    def get_params():
        return d2l.get_params(vocab_size, args.hidden, vocab_size, ctx)

    def show(trained):
        bar.set_postfix_str(f'perplexity {trained.perplexities[-1]:.2f}')
        bar.update()

    print(f'{sampling} sampling ({SAMPLINGS[sampling]})')
    with progress_bar(args.epochs) as bar:
        return d2l.train_and_predict_rnn(
            d2l.rnn, get_params, d2l.init_rnn_state, args.hidden, vocab_size, ctx, corpus_indices, idx_to_char,
            char_to_idx, sampling == 'random', args.epochs, args.num_steps, args.lr, args.theta, args.batch_size,
            args.pred_period, args.pred_len, args.prefix or ['分开', '不分开'],
            after_epoch=show)


@contextlib.contextmanager
def progress_bar(num_epochs):
    """A bar below the printed lines on a terminal; nothing at all in a pipe."""
    terminal = sys.stdout
    with tqdm(total=num_epochs, unit='epoch', file=terminal, leave=False, disable=not terminal.isatty()) as bar, \
            contextlib.redirect_stdout(AboveTheBar(terminal)):
        yield bar


class AboveTheBar:
    """A standard output that moves the progress bar out of the way of each line."""

    def __init__(self, terminal):
        self.terminal = terminal

    def write(self, text):
        tqdm.write(text, file=self.terminal, end='')

    def flush(self):
        self.terminal.flush()


def main(argv=None):
    args = parse_arguments(argv)
    try:
        corpus = d2l.load_data_jay_lyrics(args.corpus, args.num_chars or None)
        for sampling in SAMPLINGS:
            if args.sampling in (sampling, 'both'):
                train(sampling, corpus, args)
    except (OSError, ValueError, FloatingPointError) as error:
        sys.exit(f'{error}')


if __name__ == '__main__':
    main()
