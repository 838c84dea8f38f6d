"""The command line: python -m rnn_scratch train · write · trace · plot · show · export · download · doctor.

Each command imports what it needs, when it runs: to write a song takes no matplotlib.
"""
import argparse
import contextlib
import io
import itertools
import math
import os
import signal
import sys
import unicodedata
import warnings
from pathlib import Path

import rnn_scratch as d2l

from ._checks import LONGEST_TEXT, check_name

COLUMN = 26     # cells of the terminal; a Chinese character takes two
LONGEST_SONG = 10_000       # characters that are kept until the song is whole

def finite(text):
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f'{text!r} is not a finite number')
    return number


def positive(text):
    number = finite(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f'{text} is not above 0')
    if not 1e-37 < number < 3e38:       # beyond these, a number of 32 bits is 0 or infinite
        raise argparse.ArgumentTypeError(f'{text} is not from 1e-37 to 3e38')
    return number


def not_negative(text):
    number = finite(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f'{text} is below 0')
    return number


def positive_or_none(text):
    return None if text == 'none' else positive(text)


def part(text):
    number = finite(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f'{text} is not a part of the text, from 0 to less than 1')
    return number


def probability(text):
    number = finite(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f'{text} is not a probability, above 0 and at most 1')
    return number


def at_least(lowest, most=None):
    def whole(text):
        try:
            number = int(text)
        except ValueError:
            number = None
        if number is None or number < lowest or most is not None and number > most:
            bounds = f'of {lowest} or more' if most is None else f'from {lowest} to {most:,}'
            raise argparse.ArgumentTypeError(f'{text!r} is not a whole number {bounds}')
        return number
    return whole


def song(text):
    """What was typed in UTF-8, also where the language settings of the terminal say something else."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        pass
    try:
        return os.fsencode(text).decode('utf-8')
    except UnicodeDecodeError:
        raise argparse.ArgumentTypeError(f'{text!a} is not a text in UTF-8') from None


def path(text):
    """The name of a file or folder to write to."""
    try:
        check_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return Path(text)


# What a model is trained with: flag, type, the chapter's value, help. A resumed run has these from its checkpoint.
SETTINGS = [
    ('--num-chars', at_least(0), 10000, 'how many characters of the corpus to read; 0 for all'),
    ('--holdout', part, 0.0, 'the fraction of them, at the end, that is kept from training and measured apart'),
    ('--hidden', at_least(1), 256, 'h, the number of hidden units'),
    ('--num-steps', at_least(1), 35, 'T, the time steps of a mini-batch'),
    ('--batch-size', at_least(1), 32, 'n, the sequences of a mini-batch'),
    ('--lr', positive, 1e2, 'learning rate'),
    ('--theta', positive_or_none, 1e-2, 'θ, the largest norm of the gradient; none for no clipping'),
    ('--seed', int, 0, 'on one machine the same seed gives the same digits'),
]


class Parser(argparse.ArgumentParser):
    def print_help(self, file=None):
        """argparse says nothing where this cannot be written."""
        (file or sys.stdout).write(self.format_help())


def parse_arguments(argv):
    parser = Parser(
        prog='python -m rnn_scratch', description='A recurrent network from scratch that writes songs: train it, let '
        'it write, look inside.', epilog='python -m rnn_scratch COMMAND --help tells more of each command.')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for add in [add_train, add_write, add_trace, add_plot, add_show, add_export, add_download, add_doctor]:
        add(commands)
    return parser.parse_args(argv, argparse.Namespace(argv=sys.argv[1:] if argv is None else argv))


def add_train(commands):
    from .beyond.cells import CELLS
    parser = commands.add_parser(
        'train', help='train a model, with the settings of the chapter unless told otherwise',
        description='Train a model to write song lyrics, with the settings of the chapter unless told otherwise.',
        epilog='After every pred-period epochs it prints the perplexity of the epoch, its time, and a song for each '
               'prefix. Each run leaves its model, the model of its best epoch, and a picture. Ctrl-C saves, too.')
    parser.set_defaults(run=train)
    what = parser.add_argument_group('what is trained, and with what')
    what.add_argument('--sampling', choices=['random', 'consecutive', 'both'],
                      help='how mini-batches are cut from the text: at random places (随机采样), or one after the '
                           'other (相邻采样) (default: both, in turn)')
    what.add_argument('--corpus', metavar='PATH', help='a text in UTF-8, or a zip archive with one in it '
                      '(default: the lyrics that come with the package)')
    for flag, kind, default, text in SETTINGS:
        what.add_argument(flag, type=kind, default=argparse.SUPPRESS, help=f'{text} (default: {default:g})')
    what.add_argument('--cell', choices=list(CELLS),
                      help="the chapter's cell, a GRU, an LSTM, or the chapter's with ReLU for tanh (default: rnn)")
    what.add_argument('--engine', choices=['fused', 'tutorial'],
                      help="the chapter's cell on fast operators, or any cell on the chapter's (default: fused for "
                           'rnn, tutorial for the others)')
    what.add_argument('--workers', type=at_least(1), metavar='K',
                      help='so many processes train together, each with its part of the n sequences of a mini-batch, '
                           'which K must divide; leave --lr and --theta as they are, because a step is the same as '
                           'with one process (docs/distributed.md tells more, and how to use several machines)')
    length = parser.add_argument_group('how long')
    length.add_argument('--epochs', type=at_least(1), default=250,
                        help='how often to read the whole text (default: 250)')
    length.add_argument('--stop-at', type=positive, metavar='PERPLEXITY', help='stop when an epoch reaches it')
    length.add_argument('--patience', type=at_least(1), metavar='EPOCHS',
                        help='stop when the held-out perplexity has not fallen for so many epochs; needs --holdout')
    shown = parser.add_argument_group('what is shown')
    shown.add_argument('--pred-period', type=at_least(1), default=50,
                       help='print after every so many epochs (default: 50)')
    shown.add_argument('--pred-len', type=at_least(0, LONGEST_SONG), default=50,
                       help='how many characters to write after a prefix (default: 50)')
    shown.add_argument('--prefix', type=song, action='append', metavar='TEXT',
                       help='how a song begins; may be given several times (default: 分开 and 不分开, or how the text '
                            'begins where it does not have these)')
    kept = parser.add_argument_group('what is kept')
    kept.add_argument('--out', type=path, metavar='FOLDER',
                      help='where models and picture go (default: a new folder under runs/)')
    kept.add_argument('--save-every', type=at_least(1), default=50, metavar='EPOCHS',
                      help='save after every so many epochs, besides at the end (default: 50)')
    kept.add_argument('--resume', type=Path, metavar='MODEL',
                      help='go on with the run that this model is from, up to --epochs in all, and save to it')


def add_write(commands):
    parser = commands.add_parser('write', help='let a model write a song',
                                 description='Let a model write a song.',
                                 epilog='Name the model before --temperature, which takes all that follows.')
    parser.set_defaults(run=write)
    add_model(parser)
    parser.add_argument('--prefix', type=song, help='how the song begins (default: 分开, or a character that the '
                                                    'model knows where it does not know these)')
    parser.add_argument('--num-chars', type=at_least(0, LONGEST_TEXT), default=200,
                        help='how many characters to write after it (default: 200)')
    parser.add_argument('--temperature', type=not_negative, nargs='+', default=[0.8],
                        help="how bold to be: 0 is greedy, 1 the model's own distribution; several stand side by side "
                             '(default: 0.8)')
    parser.add_argument('--top-k', type=at_least(1), help='pick among the k most probable characters only')
    parser.add_argument('--top-p', type=probability,
                        help='pick among the most probable characters that reach this probability together')
    parser.add_argument('--seed', type=at_least(0), help='the same seed gives the same song')
    parser.add_argument('--copied', action='store_true',
                        help='say how much of the song stands word for word in the text that the model was trained on, '
                             'and show it in colour on a terminal')
    parser.add_argument('--interactive', action='store_true', help='type a prefix, read on, type another')


def add_trace(commands):
    parser = commands.add_parser(
        'trace', help='walk through a prediction, one character at a time',
        description='Walk through predict_rnn, one character at a time, with a model that has learnt nothing yet.',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.set_defaults(run=trace)
    parser.add_argument('--prefix', type=song, default='分开', help='the given beginning')
    parser.add_argument('--num-chars', type=at_least(0, 1000), default=10,
                        help='how many characters to predict after it')
    parser.add_argument('--seed', type=int, default=0, help='the same seed gives the same parameters')


def add_plot(commands):
    parser = commands.add_parser(
        'plot', help='draw perplexity by epoch or, with --hidden, what the hidden units do',
        description='Draw the perplexity of each epoch of one or more runs or, with --hidden, what the hidden units of '
                    'a model do while it reads a line.')
    parser.set_defaults(run=plot)
    parser.add_argument('models', nargs='*', type=Path, metavar='MODEL',
                        help='the .safetensors files (default: those of the newest folder under runs/)')
    parser.add_argument('-o', '--output', type=path, metavar='PICTURE',
                        help='where it goes; the ending of the name is its kind (default: training.png or hidden.png, '
                             'with a number if that is taken)')
    parser.add_argument('--hidden', action='store_true', help='draw the hidden units (of the last of the models)')
    parser.add_argument('--text', type=song, metavar='LINE', help='with --hidden: the line to read (default: how '
                        'a song of the model begins: 分开, and the 30 characters that it writes after it)')
    parser.add_argument('--units', type=at_least(1),
                        help='with --hidden: how many units to show, those that change most (default: 40)')


def add_show(commands):
    parser = commands.add_parser('show', help='say what is in a file: sizes, settings, perplexities',
                                 description='Say what is in the file of a model: sizes, settings, perplexities.')
    parser.set_defaults(run=show)
    add_model(parser)


def add_export(commands):
    parser = commands.add_parser(
        'export', help='write a model as a file for PyTorch or for ONNX Runtime',
        description='Write a model as a file for PyTorch or for ONNX Runtime.',
        epilog='docs/leaving-mxnet.md shows how such a file is loaded there and writes a song.')
    parser.set_defaults(run=export)
    add_model(parser)
    parser.add_argument('--to', choices=['pytorch', 'onnx'], required=True, help='what the file is for')
    parser.add_argument('--out', type=Path, required=True, metavar='FILE',
                        help='where it goes: a new file, whose name ends in .safetensors for PyTorch, in .onnx for '
                             'ONNX')


def add_download(commands):
    parser = commands.add_parser(
        'download', help="fetch the book's own lyrics",
        description="Fetch the book's own lyrics into MXNet's data folder and print the path to pass on to --corpus. "
                    'The lyrics belong to their owners.')
    parser.set_defaults(run=download)
    parser.add_argument('--url', help='another address of the same archive')


def add_doctor(commands):
    parser = commands.add_parser(
        'doctor', help='say what this machine has, what is wrong, and how to mend it',
        description='Say what this machine has, what is wrong with it, and the command that mends it: also what a '
                    'question to others should contain.')
    parser.set_defaults(run=doctor)


def add_model(parser):
    parser.add_argument('model', nargs='?', type=Path, metavar='MODEL',
                        help='the .safetensors file (default: the newest one under runs/)')


# train

def train(args):
    """One run for each sampling, or the one that is resumed, in a folder that no other process trains in."""
    from .beyond.run import locked, new_folder
    team = None
    if args.workers and 'DMLC_ROLE' not in os.environ:
        from .beyond.launch import launch
        sys.exit(launch(args.argv, args.workers))
    if 'DMLC_ROLE' in os.environ:
        from .beyond.parallel import worker
        team = worker()
    runs = [resumed_run(args)] if args.resume else new_runs(args)
    if team:
        import json

        from .beyond import fused, parallel
        for run in runs:
            parallel.divisible(run.settings['batch_size'], team.count)
            run.train_epoch = parallel.data_parallel(fused if run.engine == 'fused' else d2l, team)
            run.writes = team.number == 0
        settings = [{k: v for k, v in run.settings.items() if k != 'corpus'} for run in runs]
        what = [[run.cell, run.engine] for run in runs] + settings + [args.epochs, args.stop_at, args.patience]
        parallel.agree(team, 'settings', json.dumps(what, sort_keys=True).encode() + b''.join(
            param.asnumpy().tobytes() for run in runs if run.last for param in run.last.params), d2l.try_gpu())
        if team.number:
            args.pred_period = sys.maxsize
            with team.training(runs):
                for run in runs:
                    run.train()
            return
    if not args.resume:
        folder = args.out or new_folder()
        for run in runs:
            run.path = folder / f'{run.settings["sampling"]}.safetensors'
    with locked(runs[0].path.parent), team.training(runs) if team else contextlib.nullcontext():
        train_all(args, runs)


def train_all(args, runs):
    """Train them, one after the other, and draw the picture."""
    from .beyond.run import PREFIXES, SAMPLINGS, stop_signals
    for run in runs:
        run.prepare()
    if not args.prefix and runs[0].prefixes != PREFIXES:
        print(f'(the text does not have the characters of {" and ".join(PREFIXES)}: songs begin as it does, with '
              f'{runs[0].prefixes[0]!r}; --prefix takes another beginning)')
    for run in runs:
        sampling, cell = run.settings['sampling'], '' if run.cell == 'rnn' else f', {run.cell} cell'
        print(f'{sampling} sampling ({SAMPLINGS[sampling]}), {run.engine} engine{cell}')
        with stop_signals(run.stop):
            try:
                run.train()
            except BaseException as error:
                say(how_it_ended(args, run, runs, can_go_on=not isinstance(error, FloatingPointError)))
                # MXNet turns an exception inside `nd.array` into a TypeError, KeyboardInterrupt as well.
                if not run.stop.number:
                    raise
            if run.stop.number:
                sys.exit(128 + run.stop.number)
        say(run.outcome())
    from .beyond.pictures import free_name, plot_training
    picture = free_name(runs[0].path.with_name('training.png'))
    plot_training([(run.path.stem, run.last) for run in runs], picture)
    say(f'picture in {picture}')


def new_runs(args):
    """Checked, all of them, before the first begins."""
    from .beyond.run import SAMPLINGS, Run
    cell, runs = args.cell or 'rnn', []
    for sampling in SAMPLINGS if args.sampling in (None, 'both') else [args.sampling]:
        settings = {'sampling': sampling, 'corpus': absolute(args.corpus), 'cell': cell,
                    'engine': args.engine or ('fused' if cell == 'rnn' else 'tutorial')}
        for flag, _, default, _ in SETTINGS:
            settings[name_of(flag)] = vars(args).get(name_of(flag), default)
        runs.append(Run(args, settings))
    return runs


def resumed_run(args):
    """The run that a checkpoint is from, with its settings; of these a flag may change the engine only."""
    from ._checks import check_can_resume, check_same_settings
    from .beyond.checkpoint import load_checkpoint
    from .beyond.run import Run
    if args.out:
        raise ValueError(f'A resumed run is saved where it was: leave --out {args.out} out.')
    if args.resume.stem.endswith('-best'):
        raise ValueError(f'{args.resume} is the best epoch of a run and would be overwritten by the last: copy it to '
                         'another name and resume the copy.')
    saved = load_checkpoint(args.resume, d2l.try_gpu())
    flags = {name_of(flag) for flag, *_ in SETTINGS}
    given = {name: value for name, value in vars(args).items() if name in flags}
    given.update({name: value for name, value in [('sampling', args.sampling), ('cell', args.cell)] if value})
    check_can_resume(args.resume, saved, args.epochs)
    settings = {**saved.settings, 'cell': saved.cell}
    check_same_settings(args.resume, settings, given)
    settings.update(corpus=absolute(args.corpus) or settings['corpus'], engine=args.engine or saved.engine)
    return Run.resume(args, args.resume, saved, settings)


def absolute(path):
    """So that the run can be resumed from another folder."""
    if path is None:
        return None
    whole = str(Path(path).resolve())
    check_name(whole)       # a checkpoint is to keep it
    return whole


def name_of(flag):
    return flag[2:].replace('-', '_')


def say(text):
    """To the user, who is at standard error where standard output is closed or full; or has gone."""
    for stream in [sys.stdout, sys.stderr]:
        with contextlib.suppress(OSError):
            print(text, file=stream, flush=True)
            return


def how_it_ended(args, run, runs, can_go_on):
    """After a run that did not reach its end: what is saved, and how to go on."""
    if run.last is None:
        text = '\nstopped before the end of the first epoch: there is nothing to save'
    elif run.saved is not run.last:
        text = (f'\nstopped after epoch {run.last.epoch}, which could not be saved; '
                + (f'epoch {run.saved.epoch} is in {run.path}' if run.saved else 'no epoch before it was saved'))
    else:
        text = f'\nstopped after epoch {run.last.epoch} and saved to {run.path}'
    if run.saved and can_go_on:
        text += f'; to go on:\n{run.how_to_go_on()}'
    for later in runs[runs.index(run) + 1:]:
        text += f'\n({later.settings["sampling"]} sampling has not begun)'
    return text


# write

def write(args):
    """Print a song, or one after the other for the prefixes that are typed."""
    from .beyond.run import trained_text
    checkpoint = load(args.model)
    corpus = trained_text(checkpoint) if args.copied else None
    check_song_length(args)
    if not args.interactive:
        write_song(checkpoint, beginning(checkpoint) if args.prefix is None else args.prefix, args, corpus)
        return
    while True:
        try:
            prefix = input('prefix> ')
        except EOFError:
            print()
            return
        try:
            write_song(checkpoint, prefix, args, corpus)
        except ValueError as error:
            print(error)


def check_song_length(args):
    from ._checks import check_song
    if args.copied or len(args.temperature) > 1:
        check_song(args.num_chars, LONGEST_SONG)


def beginning(checkpoint):
    """Where no prefix is given: the chapter's or, where the model does not know it, one that it knows."""
    from .beyond.run import PREFIXES, default_prefix
    prefix = default_prefix(checkpoint.idx_to_char)
    if prefix != PREFIXES[0]:
        note(f'(the model does not know {PREFIXES[0]}: the song begins with {prefix!r}; --prefix takes another '
             'beginning)')
    return prefix


def load(path):
    """The model of this path, or else the newest one under runs/."""
    from .beyond.checkpoint import load_checkpoint
    from .beyond.run import newest_run
    path = path or newest_run()[-1]
    checkpoint = load_checkpoint(path)      # on the CPU: one character at a time, a GPU has nothing to do
    note(f'{path}: {checkpoint}')
    return checkpoint


def note(text):
    """On standard error, for a reader; if there is none, nothing is lost."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def write_song(checkpoint, prefix, args, corpus):
    """Print a song as it is written or, at several temperatures, the songs beside each other.

    With --copied a song is printed when it is whole, and then how much of it stands in the corpus.
    """
    from .beyond.evaluation import copied
    from .beyond.sampling import sampler
    from .predict import greedy
    picks = [greedy if t == 0 else sampler(t, args.top_k, args.top_p, args.seed) for t in args.temperature]
    if len(picks) == 1 and not args.copied:
        print_while_writing(checkpoint, prefix, args.num_chars, picks[0])
        return
    songs = [checkpoint.predict(prefix, args.num_chars, pick=pick) for pick in picks]
    found = [copied(song, corpus) for song in songs] if args.copied else []
    if len(songs) == 1:
        print(in_colour(songs[0], found[0].runs) if sys.stdout.isatty() else lines(songs[0]))
        print(found[0])
        return
    columns = [[f'temperature {t:g}', *wrap(lines(song))] for t, song in zip(args.temperature, songs)]
    for row in itertools.zip_longest(*columns, fillvalue=''):
        print(''.join(text + ' ' * (COLUMN - width(text)) for text in row).rstrip())
    for t, result in zip(args.temperature, found):
        print(f'temperature {t:g}: {result}')


def print_while_writing(checkpoint, prefix, num_chars, pick):
    def pick_and_print(Y):
        X = pick(Y)
        print(lines(checkpoint.idx_to_char[int(X.asscalar())]), end='', flush=True)
        return X

    checkpoint.predict(prefix, 0)       # refuses a prefix that it does not know before anything is printed
    print(lines(prefix), end='', flush=True)
    checkpoint.predict(prefix, num_chars, pick=pick_and_print)
    print()


def in_colour(song, runs):
    """The lines of a song for a terminal, with what is in a run in red."""
    red = {i for start, end in runs for i in range(start, end)}
    text = ''
    for is_red, group in itertools.groupby(range(len(song)), red.__contains__):
        part = ''.join(lines(song[i]) for i in group)
        text += f'\033[31m{part}\033[0m' if is_red else part
    return text


def lines(song):
    """A line for each space: the corpus has them for its line breaks, and for pauses within a line."""
    return song.replace(' ', '\n')


def wrap(song):
    """Lines that fit a column with two cells to spare."""
    for line in song.split('\n'):
        if not line:
            yield line
        while line:
            fits = len(line)
            while width(line[:fits]) > COLUMN - 2:
                fits -= 1
            yield line[:fits]
            line = line[fits:]


def width(text):
    return sum(2 if unicodedata.east_asian_width(char) in 'WF' else 1 for char in text)


# trace

def trace(args):
    """Print a line a time step. The model is handed to `predict_rnn` inside a function that watches what goes by."""
    from mxnet import random as mx_random

    from .predict import greedy
    mx_random.seed(args.seed)
    _, char_to_idx, idx_to_char, vocab_size = d2l.load_data_jay_lyrics()
    num_hiddens, ctx, prefix = 256, d2l.try_gpu(), args.prefix
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
            following, origin = idx_to_char[int(greedy(outputs[0]).asscalar())], 'predicted'
        print(f't={t:<3} in {text[t]!r} = {index:<4}  one-hot {X.shape}  '
              f'next {following!r} {origin:<9}  {text + following}')
        return outputs, state

    params = d2l.get_params(vocab_size, num_hiddens, vocab_size, ctx)
    print(d2l.predict_rnn(prefix, args.num_chars, watched_rnn, params, d2l.init_rnn_state, num_hiddens, vocab_size,
                          ctx, idx_to_char, char_to_idx))


# plot, show, export, download

def plot(args):
    from ._checks import check_needs_hidden
    from .beyond import pictures
    from .beyond.checkpoint import load_checkpoint
    from .beyond.run import newest_run
    check_needs_hidden(args)
    paths = args.models or newest_run()
    if args.hidden:
        output = args.output or pictures.free_name(Path('hidden.png'))
        checkpoint = load_checkpoint(paths[-1])
        text = args.text
        if text is None:
            text = checkpoint.predict(beginning(checkpoint), pictures.NUM_CHARS)
        pictures.plot_hidden_units(checkpoint, output, text, args.units or 40)
    else:
        names = [path.stem for path in paths]
        if len(set(names)) < len(names):        # random of one folder beside random of another
            names = [str(path.with_suffix('')) for path in paths]
        output = args.output or pictures.free_name(Path('training.png'))
        pictures.plot_training([(name, load_checkpoint(path)) for name, path in zip(names, paths)], output)
    print(f'picture in {output}')


def show(args):
    """A line for each thing that a person wants to know."""
    checkpoint = load(args.model)
    sizes = ', '.join(f'{symbol} {param.shape}' for symbol, param in zip(checkpoint.symbols, checkpoint.params))
    numbers = sum(param.size for param in checkpoint.params)
    rows = [('cell', f'{checkpoint.cell}, {checkpoint.num_hiddens} hidden units'),
            ('arrays', f'{sizes}: {numbers:,} numbers'),
            ('vocabulary', f'{len(checkpoint.idx_to_char):,} characters')]
    for name, perplexities in [('perplexity', checkpoint.perplexities), ('held out', checkpoint.held_out)]:
        if perplexities:
            lowest = min(perplexities)
            rows.append((name, f'{perplexities[-1]:f} at epoch {len(perplexities)}; lowest {lowest:f} at epoch '
                               f'{perplexities.index(lowest) + 1}'))
    settings = {**checkpoint.settings, 'engine': checkpoint.engine}
    rows += sorted((name, value) for name, value in settings.items() if name != 'cell')      # that is the first row
    rows.append(('saved with', ', '.join(f'{name} {version}' for name, version in checkpoint.versions.items())))
    for name, value in rows:
        print(f'{name:<20}{value}')


def export(args):
    from .beyond.export import layer_for, to_onnx, to_pytorch
    checkpoint = load(args.model)
    if args.to == 'onnx':
        to_onnx(checkpoint, args.out)
        print(f'saved to {args.out}')
    else:
        to_pytorch(checkpoint, args.out)
        print(f'saved to {args.out}: weights for rnn = {layer_for(checkpoint)} and linear = '
              f'nn.Linear({checkpoint.num_hiddens}, {len(checkpoint.idx_to_char)})')


def download(args):
    from .beyond.download import BOOK_URL, download_book_corpus
    print(download_book_corpus(args.url or BOOK_URL))


def doctor(args):
    """From a terminal it does not come here: the package runs the doctor before it imports MXNet."""
    from ._doctor import main
    sys.exit(main())


def open_streams():
    """A stream that is closed becomes an empty one, and a character that the terminal does not know is shown as ?."""
    sys.stdin = sys.stdin or open(os.devnull)
    sys.stdout = sys.stdout or open(os.devnull, 'w')
    sys.stderr = sys.stderr or open(os.devnull, 'w')
    for stream in [sys.stdin, sys.stdout]:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='replace')
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)     # a line is seen, and fails, when it is printed; in a pipe, too


def why(error, stop):
    """The exit status of a command that an exception ended or, as for `sys.exit`, the sentence to end with."""
    if stop.number or isinstance(error, KeyboardInterrupt):
        note('\nstopped' if sys.stderr.isatty() else 'stopped')        # a terminal may be in the middle of a line
        return 128 + (stop.number or signal.SIGINT)
    if isinstance(error, MemoryError):
        return 'There is not enough memory for this: take a smaller text or model.'
    if isinstance(error, (OSError, ValueError, FloatingPointError, ModuleNotFoundError)):
        return str(error)
    raise error


def lost_output():
    """What keeps standard output from being written, or None. From then on it goes nowhere: Python tries once more."""
    try:
        sys.stdout.flush()
        return None
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error


def main(argv=None):
    """Run one command; a mistake is one sentence on standard error."""
    from .beyond.run import StopSignals, stop_signals
    open_streams()
    status, lost, stop = 0, None, StopSignals(once=False)
    try:
        with stop_signals(stop), warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: note(message)
            args = parse_arguments(argv)
            try:
                args.run(args)
            except BaseException:
                if not stop.number:
                    raise
            stop.check()        # out here, the exception and what it held are gone
    except SystemExit as end:
        status = end.code
    except BaseException as error:
        status = why(error, stop)
        # What the system says of a file has the file's name with it; of a stream, no name.
        lost = error if isinstance(error, OSError) and error.errno and error.filename is None else None
    unwritten = lost_output()
    if lost or unwritten and not status:
        # As with `… | head -1`, where whoever read has gone away and knows; or as on a full disk.
        status = 1 if isinstance(lost or unwritten, BrokenPipeError) else (
            f'Standard output cannot be written ({(lost or unwritten).strerror}): send it to another place.')
    if status:
        sys.exit(status)


def ignore_signals():
    """While Python closes down, there is nothing to stop any more."""
    from .beyond.run import STOP_SIGNALS
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


if __name__ == '__main__':
    try:
        main()
    finally:
        ignore_signals()
