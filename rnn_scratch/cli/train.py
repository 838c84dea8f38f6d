"""python -m rnn_scratch train: new runs or one that goes on, in one process or in several."""
import argparse
import json
import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import rnn_scratch as d2l

from ..beyond.cells import CELLS
from ..beyond.settings import ENGINES, SAMPLINGS, Plan, Settings, whole
from ..beyond.stop import stop_signals
from . import flags
from .shell import say


def add_train(commands):
    parser = flags.add_command(
        commands, train, 'train a model, with the settings of the chapter unless told otherwise',
        'Train a model to write song lyrics, with the settings of the chapter unless told otherwise.',
        epilog='After every pred-period epochs it prints the perplexity of the epoch, its time, and a song for each '
               'prefix. Each run leaves its model, the model of its best epoch, and a picture. Ctrl-C saves, too.')
    what = parser.add_argument_group('what is trained, and with what')
    flags.add_setting(what, Settings, 'sampling', type=str, choices=[*SAMPLINGS, 'both'])
    flags.add_setting(what, Settings, 'corpus', read=corpus_path, metavar='PATH')
    for name in ['num_chars', 'holdout', 'keep_lines', 'hidden', 'num_steps', 'batch_size', 'lr']:
        flags.add_setting(what, Settings, name)
    flags.add_setting(what, Settings, 'theta', read=lambda text: None if text == 'none' else float(text))
    flags.add_setting(what, Settings, 'seed')
    flags.add_setting(what, Settings, 'cell', choices=list(CELLS))
    flags.add_setting(what, Settings, 'engine', choices=list(ENGINES))
    flags.add(what, 'workers', int, whole(1), metavar='K',
              help='so many processes train together, each with its part of the n sequences of a mini-batch, '
                   'which K must divide; leave --lr and --theta as they are, because a step is the same as '
                   'with one process (docs/distributed.md tells more, and how to use several machines)')
    flags.add_setting(what, Plan, 'restarts', metavar='R')
    what.add_argument('--from', type=Path, metavar='MODEL', dest='begin', help='begin with what this model has learnt, '
                      'also with another text or other settings; characters that are new to it come after its own')
    length = parser.add_argument_group('how long')
    flags.add_setting(length, Plan, 'epochs')
    flags.add_setting(length, Plan, 'stop_at', metavar='PERPLEXITY')
    flags.add_setting(length, Plan, 'patience', metavar='EPOCHS')
    shown = parser.add_argument_group('what is shown')
    flags.add_setting(shown, Plan, 'pred_period')
    flags.add_setting(shown, Plan, 'pred_len')
    flags.add_setting(shown, Plan, 'prefix', type=flags.song, action='append', metavar='TEXT')
    kept = parser.add_argument_group('what is kept')
    kept.add_argument('--out', type=flags.path, metavar='FOLDER',
                      help='where models and picture go (default: a new folder under runs/)')
    flags.add_setting(kept, Plan, 'save_every', metavar='EPOCHS')
    kept.add_argument('--resume', type=Path, metavar='MODEL',
                      help='go on with the run that this model is from, up to --epochs in all, and save to it')


def corpus_path(text):
    """From the root on, so that the run can be resumed from another folder."""
    if text == '-':
        raise argparse.ArgumentTypeError('a run reads its text again when it goes on: save standard input in a file')
    text = os.path.expanduser(text)     # the shell leaves the ~ of --corpus=~/poem.txt
    return os.path.realpath(text) if os.path.isfile(text) else text


def train(args):
    """One run for each sampling, or the one that is resumed, in a folder that no other process trains in."""
    from ..beyond.folders import locked
    from ..beyond.run import notes
    role, team = os.environ.get('DMLC_ROLE'), None      # is this process one of a team of workers?
    if os.name == 'nt' and (args.workers or role):
        raise ValueError('--workers and DMLC_ROLE need Linux, since MXNet for Windows has no parameter server: leave '
                         'them out.')
    restarts = vars(args).get('restarts', 0)
    if restarts and not args.workers:
        raise ValueError('--restarts is for the processes that --workers starts on this machine: give --workers, too.')
    if restarts and role and notes() is None:
        raise ValueError('DMLC_ROLE is set, so nobody here can start this process again: leave --restarts out, and '
                         'after a fault start all of them with --resume.')
    if role is not None:
        from ..beyond.parallel import Processes, agree
        if args.workers not in (None, int(os.environ['DMLC_NUM_WORKER'])):
            raise ValueError(f'DMLC_ROLE is set ({role}), so this process is one of {os.environ["DMLC_NUM_WORKER"]} '
                             f'workers, and not of {args.workers}: leave --workers out, or unset DMLC_ROLE.')
        team = Processes()      # it waits for all others
    runs = make_runs(args, team)
    folder, writes = runs[0].path.parent, runs[0].writes
    if args.workers and not team:
        from ..beyond.launch import launch
        del runs        # from here on this process only watches
        sys.exit(launch([*args.argv, *([] if args.resume else ['--out', str(folder)])], args.workers, restarts))
    if team:
        agree(team, 'settings', b''.join(map(what_decides, runs)), runs[0].ctx)
    with locked(folder) if writes else nullcontext(), team.training(runs) if team else nullcontext():
        if writes:
            train_all(runs)
        else:           # another worker prints and saves
            for run in runs:
                run.train()


def make_runs(args, team):
    """The flags become settings, a text, a plan and runs, which are checked before anything is made or trained."""
    from ..beyond import fused
    from ..beyond.checkpoint import load_checkpoint
    from ..beyond.corpus import Corpus
    from ..beyond.folders import new_folder
    from ..beyond.run import Run, check_run, noted
    plan = Plan(**flags.given(args, Plan))
    begin = model_to_begin_with(args) if args.begin else None
    saved, all_settings = resumed(args) if args.resume else (None, new_settings(args))
    first, writes = all_settings[0], not team or team.number == 0
    vocabulary = (saved or begin).idx_to_char if saved or begin else ()
    corpus = Corpus.read(first.corpus, first.num_chars, first.holdout, first.keep_lines, vocabulary)    # one for all
    for settings in all_settings:       # they differ in their sampling only
        check_run(settings, corpus, plan, args.workers)
    if team or args.workers:
        from ..beyond.parallel import data_parallel, divisible
        divisible(first.batch_size, team.count if team else args.workers)
    others = {'writes': writes, 'workers': args.workers, 'begin': begin}
    if team:
        others['train_epoch'] = data_parallel(fused if first.engine == 'fused' else d2l, team)
    folder = args.out or (new_folder() if writes and not args.resume else Path('runs'))
    runs = []
    for settings in all_settings:
        path = args.resume or folder / f'{settings.sampling}.safetensors'
        is_restart = not saved and noted('prepared') and path.exists()
        last = load_checkpoint(path, d2l.try_gpu()) if is_restart else saved
        runs.append(Run.resume(path, last, settings, corpus, plan, **others) if last else
                    Run(settings, corpus, plan, path, **others))
    return runs


def model_to_begin_with(args):
    """The checkpoint that --from names, whose cell and size are those of the new run."""
    from ..beyond.checkpoint import load_checkpoint
    if args.resume:
        raise ValueError('--from begins a new run, and --resume goes on with an old one: leave one of them out.')
    begin = load_checkpoint(args.begin, d2l.try_gpu())
    if begin.cell not in CELLS:
        raise ValueError(f'{args.begin} has a cell of your own, {begin.cell!r}: train it with train_and_predict_rnn.')
    for name, value in {'cell': begin.cell, 'hidden': begin.num_hiddens}.items():
        if vars(args).setdefault(name, value) != value:
            raise ValueError(f'The model {args.begin} has --{name} {value}, and not {vars(args)[name]}: leave --{name} '
                             'out.')
    return begin


def new_settings(args):
    """Those that the flags say, once for each sampling."""
    given = flags.given(args, Settings)
    if given.get('cell', 'rnn') != 'rnn':
        given.setdefault('engine', 'tutorial')
    sampling = given.pop('sampling', 'both')
    return [Settings(sampling=each, **given) for each in (SAMPLINGS if sampling == 'both' else [sampling])]


def resumed(args):
    """The checkpoint to go on with, and its settings; of these a flag may change the engine only."""
    from ..beyond.checkpoint import load_checkpoint
    from ..beyond.corpus import place_of_text
    if args.out:
        raise ValueError(f'A resumed run is saved where it was: leave --out {args.out} out.')
    if args.resume.stem.endswith('-best'):
        raise ValueError(f'{args.resume} is the best epoch of a run and would be overwritten by the last: copy it to '
                         'another name and resume the copy.')
    try:
        saved = load_checkpoint(args.resume, d2l.try_gpu())
    except (OSError, ValueError) as error:
        raise ValueError(f'--resume cannot go on: {error}') from error
    settings = Settings.of(args.resume, saved)
    given = flags.given(args, Settings)
    differences = [f'{name} is {vars(settings)[name]!r} there and {value!r} here' for name, value in given.items()
                   if vars(settings)[name] != value and name not in ('engine', 'corpus')]   # the text may have moved
    if differences:
        raise ValueError(f'{args.resume} does not fit: {"; ".join(differences)}.')
    if 'corpus' not in given:
        given['corpus'] = place_of_text(args.resume, settings.corpus)
    return saved, [replace(settings, **given)]


def what_decides(run):
    """All that the steps of a run, and their number, depend on, as bytes. It must be the same on all workers."""
    facts = {**vars(run.settings), **run.facts, 'corpus': None}     # where the text is may differ; its hash is there
    models = [model for model in (run.last, run.best, run.begin) if model]
    entries = [facts, run.plan.epochs, run.plan.stop_at, run.plan.patience,
               [[model.perplexities, model.held_out, model.random_state] for model in models]]
    return b''.join([json.dumps(entries, sort_keys=True).encode(),
                     *(param.asnumpy().tobytes() for model in models for param in model.params)])


def train_all(runs):
    """Train them, one after the other, and draw the picture."""
    from ..beyond.corpus import PREFIXES
    from ..beyond.run import noted, show
    for run in runs:
        run.prepare()
    show('prepared')
    lines = [f'({line})' for line in runs[0].corpus.how_read()]
    if not runs[0].plan.prefix and runs[0].prefixes != PREFIXES:
        lines.append(f'(the text does not have the characters of {" and ".join(PREFIXES)}: songs begin as it does, '
                     f'with {runs[0].prefixes[0]!r}; --prefix takes another beginning)')
    for number, run in enumerate(runs):
        sampling, cell = run.settings.sampling, run.settings.cell
        lines.append(f'{sampling} sampling ({SAMPLINGS[sampling]}), {run.settings.engine} engine'
                     + (f', {cell} cell' if cell != 'rnn' else ''))
        show(f'{sampling} begins', '\n'.join(lines))
        lines = []
        with stop_signals(run.stop):
            try:
                run.train()
            except BaseException as error:
                run.show_how_it_ended(runs[number + 1:], not isinstance(error, FloatingPointError), say)
                # MXNet turns an exception inside `nd.array` into a TypeError, KeyboardInterrupt as well.
                if not run.stop.number:
                    raise
            if run.stop.number:
                sys.exit(128 + run.stop.number)
        show(f'{sampling} ends', run.outcome(), say)
    from ..beyond.pictures import free_name, plot_training
    if noted('picture'):
        return
    picture = free_name(runs[0].path.with_name('training.png'))
    plot_training([(run.path.stem, run.last) for run in runs], picture)
    show('picture', f'picture in {picture}', say)
