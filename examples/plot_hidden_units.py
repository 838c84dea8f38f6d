"""Beyond the chapter: draw what the hidden units do while the model reads a line: a heat map of H.

python examples/plot_hidden_units.py                                                (the newest checkpoint)
python examples/plot_hidden_units.py runs/20261123-120000/random.json --text 分开 -o hidden.png
"""
import argparse
import sys
from pathlib import Path

import rnn_scratch as d2l
from rnn_scratch.checkpoint import load_checkpoint
from rnn_scratch.onehot import model_inputs

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font
from mxnet import nd
from plot_training import newest_run, save

PREFIX, NUM_CHARS = '分开', 30      # the line that is read where none is given: the prefix and what the model writes
SPACE = '\u2423'                    # how a space is shown; matplotlib's own font has it
# No character has this code point. A font that has it shows the same box for everything that it does not know.
NO_CHARACTER = '\U00050000'


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description='Draw the hidden units of a model over the characters of a line.')
    parser.add_argument('checkpoint', nargs='?', type=Path, metavar='CHECKPOINT',
                        help='a .json file that training left (default: the newest one under runs/)')
    parser.add_argument('--text', metavar='LINE', help=f'the line to read (default: {PREFIX} and the {NUM_CHARS} '
                        'characters that the model writes after it)')
    parser.add_argument('--units', type=int, default=40,
                        help='how many units to show: those that change most along the line (default: 40)')
    parser.add_argument('-o', '--output', type=Path, default='hidden.png', metavar='PICTURE',
                        help='where it goes (default: hidden.png)')
    return parser.parse_args(argv)


def line_for(checkpoint, text=None):
    """The line to read, with nothing in it that the model does not know."""
    unknown = sorted(set(text or PREFIX) - set(checkpoint.idx_to_char))
    if unknown:
        raise ValueError(f'The vocabulary of the model does not have {", ".join(map(repr, unknown))}: '
                         'give a line of other characters with --text.')
    return text or d2l.predict_rnn(PREFIX, NUM_CHARS, *checkpoint.model())


def hidden_states(checkpoint, text):
    """H after each character: array (T, h)."""
    rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, _, char_to_idx = checkpoint.model()
    state, hiddens = init_rnn_state(1, num_hiddens, ctx), []
    for char in text:
        X = nd.array([char_to_idx[char]], ctx=ctx)
        _, state = rnn(model_inputs(rnn, X, vocab_size), state, params)
        hiddens.append(state[0].asnumpy())              # (1, h)
    return np.concatenate(hiddens)


def choose_units(hiddens, num_units):
    """The units that change most along the line (largest variance), each next to the one most like it.

    The first is the one that changes most; then comes, again and again, the nearest of those that are left. So units
    that switch at the same characters form visible blocks.
    """
    if num_units < 1:
        raise ValueError(f'--units must be 1 or more, not {num_units}.')
    left = np.argsort(-hiddens.var(axis=0), kind='stable')[:num_units].tolist()
    chosen = [left.pop(0)]
    while left:
        distances = np.square(hiddens[:, left] - hiddens[:, chosen[-1:]]).sum(axis=0)
        chosen.append(left.pop(distances.argmin()))
    return chosen


def find_font(text):
    """The path of a font on this machine that has every character of a text.

    The character maps of the font files decide, not their names. matplotlib's own font comes first, then those that
    call themselves regular. The files are looked for anew, because matplotlib's list of fonts may be older than they.

    Raises
    ------
    FileNotFoundError
        There is none; the message says how to get one.
    """
    codes = {ord(char) for char in text if not char.isspace()}
    own = Path(matplotlib.get_data_path(), 'fonts/ttf/DejaVuSans.ttf')
    found = []
    for path in [str(own), *sorted(font_manager.findSystemFonts())]:
        try:
            font = FT2Font(path)
        except (OSError, RuntimeError):     # damaged, or of a kind that matplotlib cannot draw
            continue
        if all(map(font.get_char_index, codes)) and not font.get_char_index(ord(NO_CHARACTER)):
            if path == str(own) or font.style_name == 'Regular':
                return path
            found.append(path)
    if not found:
        raise FileNotFoundError(
            f'No font on this machine has all the characters of the line {text!r}: install one (Debian and Ubuntu: '
            'apt-get install fonts-noto-cjk or fonts-wqy-microhei; macOS comes with one), or give another --text.')
    return found[0]


def figure(checkpoint, text, num_units):
    """The picture, as a matplotlib Figure: a row for each chosen unit, a column for each character."""
    font = FontProperties(fname=find_font(text))
    hiddens = hidden_states(checkpoint, text)
    units = choose_units(hiddens, num_units)
    fig = Figure(figsize=(max(4, 0.27 * len(text) + 1.5), max(3, 0.16 * len(units) + 0.6)), dpi=120,
                 layout='constrained')
    axes = fig.add_subplot()
    image = axes.imshow(hiddens[:, units].T, cmap='RdBu_r', vmin=-1, vmax=1, aspect='auto', interpolation='nearest')
    fig.colorbar(image, label='H after the character', ticks=[-1, -0.5, 0, 0.5, 1], pad=0.01, aspect=40)
    axes.set_xticks(range(len(text)), [SPACE if char.isspace() else char for char in text], parse_math=False)
    for label in axes.get_xticklabels():
        if label.get_text() != SPACE:
            label.set_fontproperties(font)
        label.set_size(13)
    axes.set_yticks(range(len(units)), units, size=7)
    axes.tick_params(length=0)
    axes.set_ylabel('hidden unit')
    return fig


def main(argv=None):
    args = parse_arguments(argv)
    checkpoint = load_checkpoint(args.checkpoint or newest_run()[-1])
    save(figure(checkpoint, line_for(checkpoint, args.text), args.units), args.output)
    print(f'picture in {args.output}')


if __name__ == '__main__':
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(str(error))
