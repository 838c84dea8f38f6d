"""python -m rnn_scratch trace · plot · show: how a prediction goes, pictures, what is in a file."""
import argparse
from pathlib import Path

import rnn_scratch as d2l

from .. import _checks
from ..beyond.corpus import printable
from ..beyond.settings import whole
from . import flags
from .write import load


def add_trace(commands):
    parser = flags.add_command(
        commands, trace, 'walk through a prediction, one character at a time',
        'Walk through predict_rnn, one character at a time, with a model that has learnt nothing yet.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--prefix', type=flags.song, default='分开', help='the given beginning')
    flags.add(parser, 'num_chars', int, whole(0, 1000), default=10, help='how many characters to predict after it')
    parser.add_argument('--seed', type=int, default=0, help='the same seed gives the same parameters')


def add_plot(commands):
    parser = flags.add_command(
        commands, plot, 'draw perplexity by epoch', 'Draw the perplexity of each epoch of one or more runs.')
    parser.add_argument('models', nargs='*', type=Path, metavar='MODEL',
                        help='the .safetensors files (default: those of the newest folder under runs/)')
    parser.add_argument('-o', '--output', type=flags.path, metavar='PICTURE',
                        help='where it goes; the ending of the name is its kind (default: training.png, with a '
                             'number if that is taken)')


def add_show(commands):
    flags.add_model(flags.add_command(commands, show, 'say what is in a file: sizes, settings, perplexities',
                                      'Say what is in the file of a model: sizes, settings, perplexities.'))


def trace(args):
    """Print a line a time step. The model is handed to `predict_rnn` inside a function that watches what goes by."""
    from mxnet import random as mx_random

    from ..predict import greedy
    mx_random.seed(args.seed)
    _, char_to_idx, idx_to_char, vocab_size = d2l.load_data_jay_lyrics()
    num_hiddens, ctx, prefix, text = 256, d2l.try_gpu(), args.prefix, ''

    def watched_rnn(inputs, state, params):
        nonlocal text
        t = len(text)
        X, = inputs                                             # one time step: (1, 1027)
        index = int(X.argmax(axis=1).asscalar())
        text += idx_to_char[index]
        outputs, state = d2l.rnn(inputs, state, params)
        following, origin = (prefix[t + 1], 'given') if t + 1 < len(prefix) else (
            idx_to_char[int(greedy(outputs[0]).asscalar())], 'predicted')
        print(f't={t:<3} in {text[t]!r} = {index:<4}  one-hot {X.shape}  '
              f'next {following!r} {origin:<9}  {text + following}')
        return outputs, state

    params = d2l.get_params(vocab_size, num_hiddens, vocab_size, ctx)
    print(d2l.predict_rnn(prefix, args.num_chars, watched_rnn, params, d2l.init_rnn_state, num_hiddens, vocab_size,
                          ctx, idx_to_char, char_to_idx))


def plot(args):
    from ..beyond import pictures
    from ..beyond.checkpoint import load_checkpoint
    from ..beyond.folders import newest_run
    paths = args.models or newest_run()
    output = args.output or pictures.free_name(Path('training.png'))
    pictures.plot_training([*zip(flags.names_of(paths), map(load_checkpoint, paths))], output)
    print(printable(f'picture in {output}'))


def show(args):
    """A line for each thing that a person wants to know. Settings and versions may be whatever the file says."""
    def short(value):
        is_plain = isinstance(value, str) and value.strip() and value.isprintable() and len(value) <= 200
        return value if is_plain else _checks.show(value)

    from ..beyond.folders import newest_run
    checkpoint = load(args.model or newest_run()[-1])
    sizes = ', '.join(f'{symbol} {param.shape}' for symbol, param in zip(checkpoint.symbols, checkpoint.params))
    rows = [('cell', f'{checkpoint.cell}, {checkpoint.num_hiddens} hidden units'),
            ('arrays', f'{sizes}: {sum(param.size for param in checkpoint.params):,} numbers'),
            ('vocabulary', f'{len(checkpoint.idx_to_char):,} characters')]
    for name, perplexities in [('perplexity', checkpoint.perplexities), ('held out', checkpoint.held_out)]:
        if perplexities:
            rows.append((name, f'{perplexities[-1]:f} at epoch {len(perplexities)}; lowest {min(perplexities):f} at '
                               f'epoch {perplexities.index(min(perplexities)) + 1}'))
    settings = {**checkpoint.settings, 'engine': checkpoint.engine}
    read, there = settings.get('num_chars'), settings.get('corpus_chars')
    if isinstance(read, int) and isinstance(there, int) and 0 < read < there:
        rows.append(('text', f'{read:,} of its {there:,} characters were read'))
    if checkpoint.part:
        rows += [('stopped', f'after mini-batch {checkpoint.part["mini_batches"]:,} of epoch {checkpoint.epoch + 1}')]
    rows += sorted((short(name), short(value)) for name, value in settings.items() if name != 'cell')
    rows.append(('saved with', ', '.join(' '.join(map(short, pair)) for pair in checkpoint.versions.items())))
    for name, value in rows:
        print(f'{name:<28}{value}')
