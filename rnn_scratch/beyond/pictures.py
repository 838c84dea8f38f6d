"""Beyond the chapter: every picture that the package draws.

The ending of the name chooses the kind: .png, .pdf, .svg. A file that is there already is never overwritten.
"""
import io
import math
import unicodedata
import warnings
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from .checkpoint import check_named, is_perplexity
from .files import free_name, new_file, write_whole  # noqa: F401 (free_name is for those who draw)

GREY = '0.45'
OWN_FONT = str(Path(matplotlib.get_data_path(), 'fonts/ttf/DejaVuSans.ttf'))
# No character has this code point. A font that has it shows the same box for everything that it does not know.
NO_CHARACTER = '\U00050000'


def plot_training(checkpoints, path):
    """画出每个迭代周期的困惑度：训练的文本、留出的文本和两条基线。

    Draw perplexity by epoch: a curve for each run, a broken one for its held-out text, and two baselines, a uniform
    guess and (where the run measured it) a guess by how frequent each character is.

        plot_training([('random', one), ('consecutive', other)], free_name('training.png'))

    `checkpoints` is a list of (name, Checkpoint); the name is shown where the kind of sampling does not tell the runs
    apart. ValueError: the ending is not one that matplotlib can write, or the list is empty. FileExistsError: there is
    a file of that name. OSError: it cannot be written. Warns if no font on this machine has the characters of the
    names: the runs are numbered instead.
    """
    path = new_picture(path)
    check_named(checkpoints)
    save(training_figure(checkpoints), path)


# Perplexity by epoch

def training_figure(checkpoints):
    """The picture of a list of (name, Checkpoint), as a matplotlib Figure."""
    names, font = readable(name_runs(checkpoints))
    curves = []     # label, perplexities, style
    for i, (label, (_, checkpoint)) in enumerate(zip(names, checkpoints)):
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
        marker = 'o' if len(perplexities) == 1 else ''      # a single epoch is no line
        axes.plot(range(1, len(perplexities) + 1), perplexities, label=label, marker=marker, clip_on=False, **style)
        ends.append((label, perplexities[-1] if perplexities else math.nan, style['color']))
    label_ends(axes, ends, font)
    return fig


def name_runs(checkpoints):
    """Its sampling, with the name where that does not tell the runs apart."""
    kinds = []
    for name, checkpoint in checkpoints:
        sampling = checkpoint.settings.get('sampling')
        cell = '' if checkpoint.cell == 'rnn' else f'{checkpoint.cell}, '
        kinds.append(f'{cell}{sampling} sampling' if sampling in ('random', 'consecutive') else name)
    return [kind if kinds.count(kind) == 1 or kind == name else f'{kind}, {name}'
            for kind, (name, _) in zip(kinds, checkpoints)]


def baselines(checkpoints):
    """What to compare with, as (label, perplexity), each once: guessing, and knowing how frequent characters are."""
    uniform = {len(checkpoint.idx_to_char) for _, checkpoint in checkpoints}
    levels = [('uniform guess', p) for p in sorted(uniform)]
    for label, name in [('unigram', 'unigram_perplexity'), ('unigram, held out', 'held_out_unigram_perplexity')]:
        found = [checkpoint.settings.get(name) for _, checkpoint in checkpoints]
        levels += [(label, p) for p in sorted({*filter(is_perplexity, found)})]
    return levels


def label_ends(axes, ends, font):
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
        axes.text(1.02, height, text, color=colour, va='center', transform=axes.transAxes, parse_math=False,
                  fontproperties=font)


# Fonts

def readable(names):
    """The names of runs, with a font that has all their characters; where there is none, numbers, and a warning."""
    text = ', '.join(names)
    font = find_font(text)
    if font is None:
        warnings.warn(f'No font on this machine has all the characters of {text!r}, so the runs are numbered in the '
                      f'picture: {cure_for(text)}.', stacklevel=4)
        return [f'run {i + 1}' for i in range(len(names))], FontProperties(fname=OWN_FONT)
    return names, FontProperties(fname=font)


def cure_for(text):
    """What may bring a font for the scripts of a text; the first word of a character's name is its script."""
    if any(unicodedata.category(char) == 'So' and char > '\U00010000' for char in text):
        return 'no font that matplotlib can draw has emoji, so take a name without them'
    # Chinese, Japanese and Korean characters are wide, and one font has them all.
    scripts = {'CJK' if unicodedata.east_asian_width(char) in 'WFH' else unicodedata.name(char, 'CJK').split()[0]
               for char in text if char.isalpha()} - {'LATIN', 'GREEK', 'CYRILLIC'}
    if len(scripts) > 1:
        return f'take a name in one script, since few fonts have {" and ".join(sorted(scripts))} together'
    package = 'fonts-noto-cjk or fonts-wqy-microhei' if scripts <= {'CJK'} else 'fonts-noto-core'
    return f'install one (Debian and Ubuntu: apt-get install {package}; on Windows, in its settings for fonts)'


def find_font(text):
    """The path of a font on this machine that has every character of a text, by its character map; or None."""
    codes = {ord(char) for char in text if not char.isspace()}
    found = []
    for path in [OWN_FONT, *sorted(font_manager.findSystemFonts())]:
        try:
            font = FT2Font(path)
        except (OSError, RuntimeError):     # damaged, or of a kind that matplotlib cannot draw
            continue
        if all(map(font.get_char_index, codes)) and not font.get_char_index(ord(NO_CHARACTER)):
            if path == OWN_FONT or font.style_name == 'Regular':
                return path
            found.append(path)
    return found[0] if found else None


# Files

def new_picture(path):
    """The path of a picture that can be written, looked at before any work is done."""
    path = Path(path)
    # PGF is for LaTeX only, and a picture of it is several files.
    kinds = sorted(set(Figure().canvas.get_supported_filetypes()) - {'pgf'})
    if path.suffix[1:].lower() not in kinds:
        raise ValueError(f'The name {str(path)!r} does not say which kind of picture it is to be: end it in one of '
                         f'{", ".join(f".{kind}" for kind in kinds)}.')
    new_file(path)
    return path


def save(fig, path):
    """Write a figure to a file of a new name, whole or not at all."""
    content = io.BytesIO()
    fig.savefig(content, format=path.suffix[1:])
    write_whole(path, content.getvalue(), is_new=True)
