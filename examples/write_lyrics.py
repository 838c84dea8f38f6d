"""Beyond the chapter: let a trained model write.

python examples/write_lyrics.py --prefix 分开 --num-chars 200 --temperature 0.8 --top-k 20 --seed 1
python examples/write_lyrics.py --temperature 0 0.5 1        greedy, careful and bold, side by side
python examples/write_lyrics.py --interactive
"""
import argparse
import itertools
import sys
import unicodedata

import rnn_scratch as d2l
from rnn_scratch.checkpoint import load_checkpoint
from rnn_scratch.predict import greedy
from rnn_scratch.sampling import sampler, stream_rnn

from plot_training import newest_run

COLUMN = 26     # cells of the terminal; a Chinese character takes two


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description='Let a model that train_jaychou.py has trained write a song.',
                                     epilog='Name the checkpoint before --temperature, which takes all that follows.')
    parser.add_argument('checkpoint', nargs='?', metavar='CHECKPOINT',
                        help='the .json file of a checkpoint (default: the newest under runs/)')
    parser.add_argument('--prefix', default='分开', help='how the song begins (default: 分开)')
    parser.add_argument('--num-chars', type=int, default=200,
                        help='how many characters to write after it (default: 200)')
    parser.add_argument('--temperature', type=float, nargs='+', default=[0.8],
                        help="how bold to be: 0 is greedy, 1 the model's own distribution; several stand side by side "
                             '(default: 0.8)')
    parser.add_argument('--top-k', type=int, help='pick among the k most probable characters only')
    parser.add_argument('--top-p', type=float,
                        help='pick among the most probable characters that reach this probability together')
    parser.add_argument('--seed', type=int, help='the same seed gives the same song')
    parser.add_argument('--interactive', action='store_true', help='type a prefix, read on, type another')
    return parser.parse_args(argv)


def lines(characters):
    """A line for each space: the corpus has them for its line breaks, and for pauses within a line."""
    return ('\n' if char == ' ' else char for char in characters)


def write(model, prefix, args):
    """Print a song as it is written or, at several temperatures, the songs beside each other."""
    picks = [greedy if t == 0 else sampler(t, args.top_k, args.top_p, args.seed) for t in args.temperature]
    songs = [lines(stream_rnn(prefix, args.num_chars, *model, pick=pick)) for pick in picks]
    if len(songs) == 1:
        for char in songs[0]:
            print(char, end='', flush=True)
        print()
        return
    columns = [[f'temperature {t:g}', *wrap(''.join(song))] for t, song in zip(args.temperature, songs)]
    for row in itertools.zip_longest(*columns, fillvalue=''):
        print(''.join(text + ' ' * (COLUMN - width(text)) for text in row).rstrip())


def wrap(song):
    """Lines that fit a column with two cells to spare."""
    for line in song.split('\n'):
        while line:
            fits = len(line)
            while width(line[:fits]) > COLUMN - 2:
                fits -= 1
            yield line[:fits]
            line = line[fits:]


def width(text):
    return sum(2 if unicodedata.east_asian_width(char) in 'WF' else 1 for char in text)


def converse(model, args):
    """Prefix after prefix, until the input ends."""
    while True:
        try:
            prefix = input('prefix> ')
        except EOFError:
            print()
            return
        try:
            write(model, prefix, args)
        except ValueError as error:
            print(error)


def main(argv=None):
    args = parse_arguments(argv)
    path = args.checkpoint or newest_run()[-1]
    checkpoint = load_checkpoint(path, d2l.try_gpu())
    print(f'{path}: {checkpoint}', file=sys.stderr)
    if args.interactive:
        converse(checkpoint.model(), args)
    else:
        write(checkpoint.model(), args.prefix, args)


if __name__ == '__main__':
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
