"""The seconds of all rounds as tables, on the screen and in benchmarks.md, and as a picture, benchmarks.png."""
import datetime
import platform
import re
import statistics
from pathlib import Path

from matplotlib.figure import Figure

D2LZH = 'd2lzh 1.0.0 as shipped'
FLOOR = 'matrix products alone'

PAGE = '''# Benchmarks

Written by `make bench` on {date}; every number comes from that one run.

- Machine: {processor}, {cores} cores; {system}; Python {python}
- Versions: {versions}
- Rounds: {rounds}, after one that does not count
- Other programs used {others} of the {cores} cores meanwhile

## What is measured

One epoch of the chapter: n = 32 sequences of T = 35 time steps, h = 256 hidden units, 1,027 characters, the 10,000
characters of the corpus in 8 mini-batches, random sampling, learning rate 100, θ = 0.01. Before anything is timed,
each peer gets the same five parameters and the same mini-batch and must find the tutorial engine's loss and its five
gradients, to 1e-5 of each array's largest entry, and (but for gluon, below) the same parameters after a clipped step.

Each peer is a process of its own. In a round each has one turn; every second round goes in the opposite order, and
the first epoch of a turn is not timed. A row gives the median of the rounds and their extremes. The ratios are taken
within each round, and their median is given.

{training}

{default}

{writing}

![Seconds an epoch](benchmarks.png)

## The peers

*d2lzh 1.0.0 as shipped* is its `train_and_predict_rnn` with the chapter's cell; *the book's gluon version* its
`train_and_predict_rnn_gluon` with `rnn.RNN` and a `Dense` layer, which reads mini-batches of the same number and shape
by consecutive sampling, because d2lzh offers it no other, and which has a second bias in the hidden layer. The
*tutorial engine* and the *fused engine* are this package's `train_epoch` with `rnn` and with `fused.rnn`. *NumPy,
gradients by hand* is NumPy in an environment of its own, with a look-up of rows for the one-hot product, one output
product for all time steps, and back-propagation through time written out. The *PyTorch* peers are the chapter's loop
with one-hot products; the loop with a look-up and one output product; `torch.nn.RNN` in place of that loop; and the
loop's loss compiled by `torch.compile`. *Matrix products alone* is the floor: H W_hh step by step, H W_hq for all
steps at once, and the two products that each needs on the way back, 17.7 GFLOP an epoch and nothing else, by the
libraries that the peers call; the floor of the table is the fastest of them here, **{floor}**, at {gflops:.0f} GFLOP/s.

## How to read it

*Times as fast as d2lzh*: 6.00 means a sixth of its time. *Time / floor*: 1.40 means that 40 % of the floor's time
goes to something other than matrix products.

The first and the third table are for a machine that has nothing else to do: `OMP_NUM_THREADS` is the number of cores
and `GOMP_SPINCOUNT` what it is by default, 300000 (threads spin for some 10 ms while they wait for each other), for
all peers. With nothing set, MXNet starts half as many OpenMP threads as there are processors, NumPy and PyTorch as many
as there are cores. rnn_scratch chooses for MXNet before it starts it: as many threads as there are cores, which spin
only briefly, because that is far better on a machine with other work; and the kind of processor for MXNet's OpenBLAS,
which knows no recent one. The last choice also holds in the first table. None of them holds for d2lzh as shipped and
for gluon's version, which run here without rnn_scratch. One setting holds for all peers on MXNet, also with nothing
set: `MXNET_CPU_PARALLEL_SIZE`, because the benchmark itself copies large arrays ([speed.md](speed.md), "Threads").

Processes that compete for the same cores make every peer slower, and those with many small parallel operations by far
the most: measure on a machine that has nothing else to do.
'''


def ratio(above, below):
    """The median over the rounds of the ratio within a round, which a machine's slow minutes hardly touch."""
    return f'{statistics.median(a / b for a, b in zip(above, below)):.2f}'


def spread(seconds, scale=1):
    """Median and extremes of the rounds, as two cells of a table."""
    low, middle, high = (f'{value * scale:.3f}' for value in (min(seconds), statistics.median(seconds), max(seconds)))
    return [middle, f'{low} – {high}']


def make_tables(trained, trained_unset, written, written_unset, cores):
    """Three tables: a title, a heading, and rows of texts, the slowest first."""
    d2lzh, floor = trained[D2LZH], trained[fastest_floor(trained)]
    as_fast = 'times as fast as d2lzh'
    return [
        (f'Training, {cores} threads', ['', 's/epoch', 'min – max', as_fast, 'time / floor'],
         [[name, *spread(values), ratio(d2lzh, values), ratio(values, floor)]
          for name, values in slowest_first(trained)]),
        ('Training, nothing set', ['', 's/epoch', 'min – max', as_fast, f'time / time with {cores} threads'],
         [[name, *spread(values), ratio(trained_unset[D2LZH], values), ratio(values, trained[name])]
          for name, values in slowest_first(trained_unset)]),
        (f'Writing, {cores} threads', ['', 'ms/character', 'min – max', as_fast, 'ms/character, nothing set'],
         [[name, *spread(values, 1e3), ratio(written[D2LZH], values), spread(written_unset[name], 1e3)[0]]
          for name, values in slowest_first(written)]),
    ]


def slowest_first(seconds):
    return sorted(seconds.items(), key=lambda item: -statistics.median(item[1]))


def fastest_floor(trained):
    return [name for name, _ in slowest_first(trained) if name.startswith(FLOOR)][-1]


def as_text(title, heading, rows):
    widths = [max(len(row[i]) for row in [heading, *rows]) for i in range(len(heading))]
    lines = ['  '.join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
             for row in [heading, *rows]]
    return '\n'.join(['', title, *lines])


def as_markdown(title, heading, rows):
    alignment = ['---', *['---:'] * (len(heading) - 1)]
    lines = [f'| {" | ".join(row)} |' for row in [heading, alignment, *rows]]
    return '\n'.join([f'### {title}', '', *lines])


def draw(trained, trained_unset, cores, path):
    """A bar for each peer's median, a line over its extremes, and a mark where it stands with nothing set."""
    names = [name for name, _ in slowest_first(trained)]
    medians = [statistics.median(trained[name]) for name in names]
    beyond = [[middle - min(trained[name]) for middle, name in zip(medians, names)],
              [max(trained[name]) - middle for middle, name in zip(medians, names)]]
    colors = ['tab:orange' if 'engine' in name else 'tab:gray' if name.startswith(FLOOR) else 'tab:blue'
              for name in names]
    figure = Figure(figsize=(9, 0.4 * len(names) + 1.2), layout='constrained')
    axes = figure.subplots()
    axes.barh(names, medians, color=colors, xerr=beyond, error_kw={'ecolor': 'black', 'capsize': 2, 'lw': 1})
    unset = [name for name in names if name in trained_unset]
    axes.plot([statistics.median(trained_unset[name]) for name in unset], unset, 'D', color='black',
              markerfacecolor='white', label='nothing set about threads')
    floor = statistics.median(trained[fastest_floor(trained)])
    axes.axvline(floor, color='tab:gray', linestyle='--', label='the floor: matrix products alone')
    axes.invert_yaxis()
    axes.set_xlabel(f'seconds an epoch, {cores} threads (median, minimum and maximum of {len(trained[D2LZH])} rounds)')
    axes.legend(loc='lower right')
    figure.savefig(path, dpi=120)


def processor_name():
    try:
        return re.search(r'model name\s*: (.+)', Path('/proc/cpuinfo').read_text()).group(1)
    except (OSError, AttributeError):
        return platform.processor() or platform.machine()


def write(seconds, versions, cores, others, gflop, folder):
    """Print the tables and write the page and the picture, from {(kind, peer, set_threads): seconds of rounds}."""
    by_kind = {(kind, is_set): {} for kind, _, is_set in seconds}
    for (kind, name, is_set), values in seconds.items():
        by_kind[kind, is_set][name] = values
    trained, trained_unset = by_kind['epoch', True], by_kind['epoch', False]
    tables = make_tables(trained, trained_unset, by_kind['character', True], by_kind['character', False], cores)
    for table in tables:
        print(as_text(*table))
    print(f'\nMeanwhile other programs used {others:.2f} of the {cores} cores.')

    floor = fastest_floor(trained)
    page = PAGE.format(
        date=datetime.date.today(), processor=processor_name(), cores=cores,
        system=f'{platform.system()} {platform.machine()}', python=platform.python_version(),
        versions=', '.join(versions), others=f'{others:.2f}', rounds=len(trained[D2LZH]), floor=floor.split(', ')[1],
        gflops=gflop / statistics.median(trained[floor]),
        **dict(zip(['training', 'default', 'writing'], [as_markdown(*table) for table in tables])))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'benchmarks.md').write_text(page, 'utf-8')
    draw(trained, trained_unset, cores, folder / 'benchmarks.png')
    print(f'Written: {folder / "benchmarks.md"} and {folder / "benchmarks.png"}')
