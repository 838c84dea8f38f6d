"""The seconds of all rounds as tables, put into the pages of docs/, and as a picture."""
import datetime
import os
import platform
import re
import time
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure

D2LZH = 'd2lzh 1.0.0 as shipped'
FLOOR = 'matrix products alone'
QUIET = 0.1     # cores: what other programs may use before it spoils the figures


def fill(path, blocks):
    """Put each text into a page, between its two marks: `<!-- name -->` and `<!-- /name -->`."""
    page = path.read_text('utf-8')
    for name, text in blocks.items():
        before, begin, rest = page.partition(f'<!-- {name} -->')
        _, end, after = rest.partition(f'<!-- /{name} -->')
        if not end:
            raise SystemExit(f'{path} has no marks <!-- {name} --> and <!-- /{name} -->.')
        page = f'{before}{begin}\n\n{text}\n\n{end}{after}'
    path.write_text(page, 'utf-8')
    print(f'\nWritten: {path}')


def as_table(heading, rows):
    """A Markdown table that is readable as it stands."""
    widths = [max(3, *(len(row[i]) for row in [heading, *rows])) for i in range(len(heading))]
    rule = ['-' * widths[0], *('-' * (width - 1) + ':' for width in widths[1:])]
    return '\n'.join(
        '| ' + ' | '.join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))])
        + ' |' for row in [heading, rule, *rows])


def ratio(above, below):
    """The median over the rounds of the ratio within a round, which a machine's slow minutes hardly touch."""
    return f'{median(a / b for a, b in zip(above, below)):.2f}'


def spread(seconds, scale=1):
    """Median and extremes of the rounds, as two cells of a table."""
    return [f'{median(seconds) * scale:.3f}', f'{min(seconds) * scale:.3f} – {max(seconds) * scale:.3f}']


def slowest_first(seconds):
    return sorted(seconds.items(), key=lambda item: -median(item[1]))


def fastest_floor(seconds):
    """The name of the fastest matrix products."""
    return [name for name, _ in slowest_first(seconds) if name.startswith(FLOOR)][-1]


def bench_tables(seconds, operations):
    """The tables of `make bench`, from {(kind, are threads set?): {peer: seconds of rounds}} and the operations of an
    epoch's matrix products."""
    trained, unset = seconds['epoch', True], seconds['epoch', False]
    written, written_unset = seconds['character', True], seconds['character', False]
    floor = fastest_floor(trained)
    as_fast = 'times as fast as d2lzh'
    return {
        'training': as_table(['', 's/epoch', 'min – max', as_fast, 'time / floor'], [
            [name, *spread(values), ratio(trained[D2LZH], values), ratio(values, trained[floor])]
            for name, values in slowest_first(trained)]),
        'floor': f'The floor is *{floor}*: {operations / 1e9:.1f} GFLOP an epoch, '
                 f'{operations / median(trained[floor]) / 1e9:.0f} GFLOP/s.',
        'unset': as_table(['', 's/epoch', 'min – max', as_fast, 'time / time above'], [
            [name, *spread(values), ratio(unset[D2LZH], values), ratio(values, trained[name])]
            for name, values in slowest_first(unset)]),
        'writing': as_table(['', 'ms/character', 'min – max', as_fast, 'ms/character, nothing set'], [
            [name, *spread(values, 1e3), ratio(written[D2LZH], values), spread(written_unset[name], 1e3)[0]]
            for name, values in slowest_first(written)]),
    }


def draw(seconds, path):
    """A bar for each peer's median, a line over its extremes, and a mark where it stands with nothing set."""
    trained, unset = seconds['epoch', True], seconds['epoch', False]
    names = [name for name, _ in slowest_first(trained)]
    medians = [median(trained[name]) for name in names]
    beyond = [[middle - min(trained[name]) for middle, name in zip(medians, names)],
              [max(trained[name]) - middle for middle, name in zip(medians, names)]]
    colors = ['tab:orange' if 'engine' in name else 'tab:gray' if name.startswith(FLOOR) else 'tab:blue'
              for name in names]
    figure = Figure(figsize=(9, 0.4 * len(names) + 1.2), layout='constrained')
    axes = figure.subplots()
    axes.barh(names, medians, color=colors, xerr=beyond, error_kw={'ecolor': 'black', 'capsize': 2, 'lw': 1})
    axes.plot([median(values) for values in unset.values()], list(unset), 'D', color='black', markerfacecolor='white',
              label='nothing set about threads')
    axes.axvline(median(trained[fastest_floor(trained)]), color='tab:gray', linestyle='--', label='the floor')
    axes.invert_yaxis()
    axes.set_xlabel(f'seconds an epoch (median, minimum and maximum; rounds: {len(trained[D2LZH])})')
    axes.legend(loc='lower right')
    figure.savefig(path, dpi=120)


def about(versions, cores, rounds, others, seconds):
    """The machine and the run, for a page. It says so where the figures are spoilt."""
    spoilt = '**, so these figures are spoilt: measure again on a quiet machine.**' if others > QUIET else '.'
    return '\n'.join([
        f'- Machine: {processor()}, {cores} cores; {platform.system()} {platform.machine()}; '
        f'Python {platform.python_version()}',
        f'- Versions: {", ".join(sorted(versions))}',
        f'- Run: {datetime.date.today()}, {seconds / 60:.0f} minutes; rounds: {rounds}',
        f'- Load: other programs used {others:.2f} of the {cores} cores meanwhile{spoilt}'])


def processor():
    """Its name and kind: which of its vector instructions the libraries can use."""
    try:
        text = Path('/proc/cpuinfo').read_text()
    except OSError:     # not Linux
        return platform.processor() or platform.machine()
    name = re.search(r'model name\s*: (.+)', text)
    kind = 'AVX-512' if ' avx512f ' in text else 'AVX2 and no AVX-512' if ' avx2 ' in text else 'no AVX2'
    return f'{name.group(1) if name else platform.machine()} ({kind})'


class Begun:
    """When a measurement began, and how busy the processors had been."""

    def __init__(self):
        self.time, self.busy = time.time(), busy_seconds()

    def until_now(self):
        """How many cores other programs used since, and the seconds since."""
        seconds, ours = time.time() - self.time, sum(os.times()[:4])    # and the processes of ours that have ended
        return max(0, busy_seconds() - self.busy - ours) / seconds, seconds


def busy_seconds():
    """How long the processors have been taken from this program or worked for it, all of them together; 0 where that
    cannot be seen."""
    try:
        user, nice, system, _, _, irq, softirq, steal = map(int, Path('/proc/stat').read_text().split()[1:9])
    except OSError:
        return 0
    return (user + nice + system + irq + softirq + steal) / os.sysconf('SC_CLK_TCK')
