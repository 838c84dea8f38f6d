"""(七) 训练模型并创作歌词: train with the chapter's settings, random then consecutive sampling (随机采样, 相邻采样).

python examples/train_jaychou.py
python examples/train_jaychou.py --sampling consecutive --epochs 100 --prefix 分开 --prefix 雨
python examples/train_jaychou.py --resume runs/20261123-120000/random.json --epochs 500
"""
import argparse
import math
import shlex
import sys
import time
from pathlib import Path

import rnn_scratch as d2l
from rnn_scratch.checkpoint import ENGINES, check_same_settings, load_checkpoint

from plot_training import plot
from training_run import Run

SAMPLINGS = {'random': '随机采样', 'consecutive': '相邻采样'}


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
    return number


def positive_or_none(text):
    return None if text == 'none' else positive(text)


# What a model is trained with: flag, type, the chapter's value, help. A resumed run has these from its checkpoint.
SETTINGS = [
    ('--num-chars', int, 10000, 'how many characters of the corpus to read; 0 for all'),
    ('--holdout', finite, 0.0, 'the part of them, at the end, that is kept from training and measured apart'),
    ('--hidden', int, 256, 'h, the number of hidden units'),
    ('--num-steps', int, 35, 'T, the time steps of a mini-batch'),
    ('--batch-size', int, 32, 'n, the sequences of a mini-batch'),
    ('--lr', positive, 1e2, 'learning rate'),
    ('--theta', positive_or_none, 1e-2, 'θ, the largest norm of the gradient; none for no clipping'),
    ('--seed', int, 0, 'the same seed gives the same digits'),
]


def parse_arguments(argv):
    parser = argparse.ArgumentParser(
        description='Train a recurrent network from scratch to write song lyrics, with the settings of the chapter.',
        epilog='Every pred_period epochs it prints the perplexity of the epoch, its time, and a song for each prefix. '
               'It leaves a checkpoint and a picture of each run; Ctrl-C saves, too.')
    what = parser.add_argument_group('what is trained, and with what')
    what.add_argument('--sampling', choices=['random', 'consecutive', 'both'],
                      help='how mini-batches are cut from the text: at random places, or one after the other '
                           '(default: both, in turn)')
    what.add_argument('--corpus', metavar='PATH', help='a text in UTF-8, or a zip archive with one in it '
                      '(default: the lyrics that come with the package)')
    for flag, kind, default, text in SETTINGS:
        what.add_argument(flag, type=kind, default=argparse.SUPPRESS, help=f'{text} (default: {default:g})')
    what.add_argument('--engine', choices=sorted(ENGINES),
                      help="the chapter's own operators, or the same model on faster ones (default: fused)")
    length = parser.add_argument_group('how long')
    length.add_argument('--epochs', type=int, default=250, help='how often to read the whole text (default: 250)')
    length.add_argument('--stop-at', type=float, metavar='PERPLEXITY', help='stop when an epoch reaches it')
    length.add_argument('--patience', type=int, metavar='EPOCHS',
                        help='stop when the held-out perplexity has not fallen for so many epochs; needs --holdout')
    shown = parser.add_argument_group('what is shown')
    shown.add_argument('--pred-period', type=int, default=50, help='print after every so many epochs (default: 50)')
    shown.add_argument('--pred-len', type=int, default=50,
                       help='how many characters to write after a prefix (default: 50)')
    shown.add_argument('--prefix', action='append',
                       help='how a song begins; may be given several times (default: 分开 and 不分开)')
    kept = parser.add_argument_group('what is kept')
    kept.add_argument('--out', type=Path, metavar='FOLDER',
                      help='where the checkpoints and the picture go (default: a new folder under runs/)')
    kept.add_argument('--save-every', type=int, default=50, metavar='EPOCHS',
                      help='save after so many epochs, besides the end (default: 50)')
    kept.add_argument('--resume', type=Path, metavar='CHECKPOINT',
                      help='go on from this checkpoint, with its settings, and save to it')
    args = parser.parse_args(argv)
    for flag in ['--epochs', '--pred-period', '--save-every', '--patience']:
        value = getattr(args, name_of(flag))
        if value is not None and value < 1:
            parser.error(f'{flag} must be 1 or more, not {value}')
    if args.resume and args.out:
        parser.error('--resume saves to the checkpoint that it goes on from: leave --out out')
    return args


def new_runs(args):
    """One run for each sampling that is wanted, in a folder of their own."""
    folder = args.out or Path('runs', time.strftime('%Y%m%d-%H%M%S'))
    for sampling in SAMPLINGS if args.sampling in (None, 'both') else [args.sampling]:
        settings = {'sampling': sampling, 'corpus': absolute(args.corpus), 'engine': args.engine or 'fused'}
        for flag, _, default, _ in SETTINGS:
            settings[name_of(flag)] = getattr(args, name_of(flag), default)
        yield Run(args, folder / f'{sampling}.json', settings)


def resumed_run(args):
    """The run that a checkpoint is from, with its settings; of these a flag may change the engine only."""
    saved = load_checkpoint(args.resume, d2l.try_gpu())
    if 'sampling' not in saved.settings or saved.random_state is None:
        raise ValueError(f'{args.resume} was not saved by this program, which needs to know its settings to go on.')
    given = {name_of(flag): getattr(args, name_of(flag)) for flag, *_ in SETTINGS if hasattr(args, name_of(flag))}
    if args.sampling:
        given['sampling'] = args.sampling
    check_same_settings(args.resume, saved, given)
    if saved.epoch >= args.epochs:
        raise ValueError(f'{args.resume} is trained for {saved.epoch} epochs: give a larger number to --epochs.')
    settings = {**saved.settings, 'corpus': absolute(args.corpus) or saved.settings['corpus'],
                'engine': args.engine or saved.engine}
    return Run(args, args.resume, settings, saved)


def absolute(path):
    """So that the checkpoint can be resumed from another folder."""
    return path and str(Path(path).resolve())


def name_of(flag):
    return flag[2:].replace('-', '_')


def how_to_go_on(args, path):
    """The command that resumes: the settings are in the checkpoint, the other flags are not."""
    command = ['python', sys.argv[0], '--resume', str(path)]
    for flag in ['--epochs', '--stop-at', '--patience', '--pred-period', '--pred-len', '--save-every']:
        value = getattr(args, name_of(flag))
        if value is not None:
            command += [flag, str(value)]
    for prefix in args.prefix or []:
        command += ['--prefix', prefix]
    return shlex.join(command)


def main(argv=None):
    args = parse_arguments(argv)
    done = []
    for run in [resumed_run(args)] if args.resume else new_runs(args):
        sampling = run.settings['sampling']
        print(f'{sampling} sampling ({SAMPLINGS[sampling]}), {run.settings["engine"]} engine')
        try:
            run.train()
            run.save()
        except (KeyboardInterrupt, FloatingPointError):
            if run.last is None:
                print('\nstopped before the end of the first epoch: there is nothing to save')
            else:
                run.save()
                print(f'\nstopped after epoch {run.last.epoch} and saved to {run.path}; to go on:\n'
                      f'{how_to_go_on(args, run.path)}')
            if sampling == 'random' and not args.resume and args.sampling in (None, 'both'):
                print('(consecutive sampling has not begun)')
            raise
        print(run.outcome())
        done.append(run)
    picture = done[0].path.with_name('training.png')
    plot([(run.path.stem, run.last) for run in done], picture)
    print(f'picture in {picture}')


if __name__ == '__main__':
    try:
        main()
    except (OSError, ValueError, FloatingPointError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
