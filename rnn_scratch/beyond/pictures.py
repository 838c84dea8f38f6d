"""Beyond the chapter: draw perplexity by epoch, of training and held-out text, by both samplings, with two baselines.

python examples/plot_training.py                                                    (the newest run)
python examples/plot_training.py runs/20261123-120000/random.json -o random.png
"""
import argparse
import math
import os
import sys
import uuid
from pathlib import Path

from rnn_scratch.checkpoint import load_checkpoint

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

GREY = '0.45'


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description='Draw the perplexity of each epoch of one or more training runs.')
    parser.add_argument('checkpoints', nargs='*', type=Path, metavar='CHECKPOINT',
                        help='a .json file that training left (default: those of the newest folder under runs/)')
    parser.add_argument('-o', '--output', type=Path, default='training.png', metavar='PICTURE',
                        help='where it goes (default: training.png)')
    return parser.parse_args(argv)


def newest_run(runs='runs'):
    """The checkpoints of the folder that was last saved to, the newest one last; not the best ones beside them."""
    def saved(path):
        return path.stat().st_mtime_ns, path

    found = sorted((path for path in Path(runs).glob('*/*.json') if not path.stem.endswith('-best')), key=saved)
    if not found:
        raise FileNotFoundError(f'There is no checkpoint under {runs}: name one, or make one with '
                                'python examples/train_jaychou.py.')
    return [path for path in found if path.parent == found[-1].parent]


def name_runs(checkpoints):
    """A label for each (name, Checkpoint): its sampling, with the name where that does not tell them apart."""
    samplings = [checkpoint.settings.get('sampling') for _, checkpoint in checkpoints]
    labels = []
    for (name, _), sampling in zip(checkpoints, samplings):
        if sampling not in ('random', 'consecutive'):
            labels.append(name)
        elif samplings.count(sampling) == 1:
            labels.append(f'{sampling} sampling')
        else:
            labels.append(f'{sampling} sampling, {name}')
    return labels


def baselines(checkpoints):
    """What to compare with, as (label, perplexity), each once: guessing, and knowing how frequent characters are."""
    uniform = {len(checkpoint.idx_to_char) for _, checkpoint in checkpoints}
    unigram = {checkpoint.settings.get('unigram_perplexity') for _, checkpoint in checkpoints} - {None}
    return [('uniform guess', p) for p in sorted(uniform)] + [('unigram', p) for p in sorted(unigram)]


def figure(checkpoints):
    """The picture of a list of (name, Checkpoint), as a matplotlib Figure."""
    curves = []     # label, perplexities, style
    for i, (label, (_, checkpoint)) in enumerate(zip(name_runs(checkpoints), checkpoints)):
        curves.append((label, checkpoint.perplexities, {'color': f'C{i}', 'linestyle': '-'}))
        if checkpoint.held_out:
            curves.append((f'{label}, held out', checkpoint.held_out, {'color': f'C{i}', 'linestyle': '--'}))
    levels = baselines(checkpoints)
    last_epoch = max(len(perplexities) for _, perplexities, _ in curves)
    numbers = [p for _, perplexities, _ in curves for p in perplexities] + [p for _, p in levels]

    fig = Figure(figsize=(9, max(4.8, 0.28 * len(curves + levels))), dpi=120, layout='constrained')
    axes = fig.add_subplot()
    axes.set_yscale('log')
    top = max(2, *filter(math.isfinite, numbers))
    axes.set_ylim(1, 1.15 * top)
    axes.set_xlim(0, max(1, last_epoch))
    axes.set_xlabel('epoch')
    axes.set_ylabel('perplexity (log scale)')
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if top < 1e5 else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda p, _: f'{p:g}'))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(color='0.92')
    axes.spines[['top', 'right']].set_visible(False)
    ends = []       # label, last perplexity, colour
    for label, perplexity in levels:
        axes.axhline(perplexity, label=label, color=GREY, linestyle=':')
        ends.append((label, perplexity, GREY))
    for label, perplexities, style in curves:
        # A single epoch is no line: mark it.
        marker = 'o' if len(perplexities) == 1 else ''
        axes.plot(range(1, len(perplexities) + 1), perplexities, label=label, marker=marker, clip_on=False,
                  **style)
        ends.append((label, perplexities[-1] if perplexities else math.nan, style['color']))
    label_ends(axes, ends)
    return fig


def label_ends(axes, ends):
    """Write (label, perplexity, colour) to the right of the axes, as near to its height as the others leave room."""
    low, high = (math.log(limit) for limit in axes.get_ylim())
    ends = sorted((min(1, (math.log(p) - low) / (high - low)), f'{label}: {p:.4g}', colour)
                  for label, p, colour in ends if p > 0)        # a run without epochs has no end
    heights, gap = [height for height, _, _ in ends], 1 / max(18, len(ends))
    for i in range(1, len(ends)):                       # upwards as far as needed,
        heights[i] = max(heights[i], heights[i - 1] + gap)
    for i in reversed(range(len(ends))):                # and down again below the upper edge
        heights[i] = min(heights[i], 1 - gap * (len(ends) - 1 - i))
    for height, (_, text, colour) in zip(heights, ends):
        axes.text(1.02, height, text, color=colour, va='center', transform=axes.transAxes, parse_math=False)


def save(fig, path):
    """Write a picture, whole or not at all; its kind is the ending of the name."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}-{uuid.uuid4().hex}.tmp')
    try:
        fig.savefig(temporary, format=path.suffix[1:] or 'png')
        os.replace(temporary, path)
    finally:
        if temporary.exists():
            temporary.unlink()


def plot(checkpoints, path):
    """Draw a list of (name, Checkpoint) into a file."""
    save(figure(checkpoints), path)


def main(argv=None):
    args = parse_arguments(argv)
    paths = args.checkpoints or newest_run()
    names = [path.stem for path in paths]
    if len(set(names)) < len(names):        # random.json of one folder beside random.json of another
        names = [str(path.with_suffix('')) for path in paths]
    plot([(name, load_checkpoint(path)) for name, path in zip(names, paths)], args.output)
    print(f'picture in {args.output}')


if __name__ == '__main__':
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(str(error))
