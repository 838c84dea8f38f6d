"""(七) 训练模型并创作歌词: train with the chapter's settings, random then consecutive sampling (随机采样, 相邻采样).

python examples/train_jaychou.py
python examples/train_jaychou.py --sampling consecutive --epochs 100 --prefix 分开 --prefix 雨
python examples/train_jaychou.py --resume runs/20261123-120000/random.json --epochs 500
"""
import argparse
import contextlib
import hashlib
import random
import sys
import time
from dataclasses import replace
from pathlib import Path

import rnn_scratch as d2l
from rnn_scratch.checkpoint import ENGINES, Checkpoint, check_same_settings, load_checkpoint, save_checkpoint
from rnn_scratch.evaluation import evaluate, unigram_perplexity
from rnn_scratch.training import Trained

from mxnet import random as mx_random
from plot_training import plot
from tqdm import tqdm

SAMPLINGS = {'random': '随机采样', 'consecutive': '相邻采样'}


def number_or_none(text):
    return None if text == 'none' else float(text)


# What a model is trained with: flag, type, the chapter's value, help. A resumed run has these from its checkpoint.
SETTINGS = [
    ('--num-chars', int, 10000, 'how many characters of the corpus to read; 0 for all'),
    ('--holdout', float, 0.0, 'the part of them, at the end, that is kept from training and measured apart'),
    ('--hidden', int, 256, 'h, the number of hidden units'),
    ('--num-steps', int, 35, 'T, the time steps of a mini-batch'),
    ('--batch-size', int, 32, 'n, the sequences of a mini-batch'),
    ('--lr', float, 1e2, 'learning rate'),
    ('--theta', number_or_none, 1e-2, 'θ, the largest norm of the gradient; none for no clipping'),
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
    what.add_argument('--engine', choices=sorted(ENGINES), default='fused',
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
    if args.patience and not (args.resume or getattr(args, 'holdout', 0)):
        parser.error('--patience looks at held-out text: give --holdout as well, for instance --holdout 0.1')
    return args


def load_corpus(path, num_chars, holdout):
    """The corpus as `load_data_jay_lyrics` gives it, of the part to train on; and the text of the part held out."""
    if not 0 <= holdout < 1:
        raise ValueError(f'--holdout is a part of the text, from 0 to less than 1, not {holdout}.')
    corpus_indices, _, idx_to_char, _ = d2l.load_data_jay_lyrics(path, num_chars or None)
    length = len(corpus_indices) - int(len(corpus_indices) * holdout)
    held_out = ''.join(idx_to_char[i] for i in corpus_indices[length:])
    # The vocabulary, too, is that of the part to train on.
    return d2l.load_data_jay_lyrics(path, length), held_out


class Run:
    """One training run: its settings and corpus, its checkpoint as of the last whole epoch, and the best one."""

    def __init__(self, args, path, settings, saved=None):
        self.args, self.path, self.settings, self.ctx = args, path, settings, d2l.try_gpu()
        self.corpus, self.held_out_text = load_corpus(settings['corpus'], settings['num_chars'], settings['holdout'])
        text = ''.join(self.corpus[2][i] for i in self.corpus[0]) + self.held_out_text
        described = {'corpus_sha256': hashlib.sha256(text.encode()).hexdigest(),
                     'unigram_perplexity': unigram_perplexity(self.corpus[0])}
        if saved:
            check_same_settings(path, saved, described)
        settings.update(described)
        random.seed(settings['seed'])           # shuffles the mini-batches of random sampling
        mx_random.seed(settings['seed'])        # draws the parameters
        self.start = self.last = self.best = None
        if saved:
            random.setstate(saved.random_state)
            self.start = Trained(saved.params, list(saved.perplexities))
            self.last = replace(saved, params=[param.copy() for param in saved.params])
            self.best = load_checkpoint(self.best_path()) if self.best_path().is_file() else self.last

    def best_path(self):
        return self.path.with_name(f'{self.path.stem}-best.json')

    def train(self):
        """The chapter's call; it returns when all epochs are done, or when there is a reason to stop early."""
        args, settings = self.args, self.settings
        corpus_indices, char_to_idx, idx_to_char, vocab_size = self.corpus

        def get_params():
            return d2l.get_params(vocab_size, settings['hidden'], vocab_size, self.ctx)

        with progress_bar(args.epochs, self.last.epoch if self.last else 0) as self.bar:
            d2l.train_and_predict_rnn(
                ENGINES[args.engine], get_params, d2l.init_rnn_state, settings['hidden'], vocab_size, self.ctx,
                corpus_indices, idx_to_char, char_to_idx, settings['sampling'] == 'random', args.epochs,
                settings['num_steps'], settings['lr'], settings['theta'], settings['batch_size'], args.pred_period,
                args.pred_len, args.prefix or ['分开', '不分开'], start=self.start, after_epoch=self.after_epoch)

    def after_epoch(self, trained):
        """Measure the held-out text, remember this epoch, save now and then; True to stop early."""
        args = self.args
        last = Checkpoint([param.copy() for param in trained.params], list(trained.perplexities), self.corpus[2],
                          self.settings['hidden'], args.engine, self.settings, random_state=random.getstate())
        if self.held_out_text:
            found = evaluate(self.held_out_text, *last.model())
            last.held_out = [*(self.last.held_out if self.last else []), found.perplexity]
            if last.epoch % args.pred_period == 0:
                print(f'held out: perplexity {found.perplexity:f} over {found.num_predicted} characters, '
                      f'{sum(found.unknown.values())} more are not in the vocabulary')
        # In one step, so that Ctrl-C finds a whole epoch here at any moment.
        self.last = last
        measured = last.held_out or last.perplexities
        if measured[-1] == min(measured):
            self.best = last
        self.bar.set_postfix_str(f'perplexity {last.perplexities[-1]:.2f}')
        self.bar.update()
        if last.epoch % args.save_every == 0:
            self.save()
        return (args.stop_at is not None and last.perplexities[-1] <= args.stop_at
                or args.patience is not None and last.epoch - self.best.epoch >= args.patience)

    def save(self):
        """The best epoch and the last one."""
        save_checkpoint(self.best_path(), self.best)
        save_checkpoint(self.path, self.last)


@contextlib.contextmanager
def progress_bar(num_epochs, done):
    """A bar below the printed lines on a terminal; nothing at all in a pipe."""
    terminal = sys.stdout
    with tqdm(total=num_epochs, initial=done, unit='epoch', file=terminal, leave=False,
              disable=not terminal.isatty()) as bar, contextlib.redirect_stdout(AboveTheBar(terminal)):
        yield bar


class AboveTheBar:
    """A standard output that moves the progress bar out of the way of each line."""

    def __init__(self, terminal):
        self.terminal, self.begun = terminal, ''

    def write(self, text):
        # `print` writes a line in pieces; the bar would be drawn over a piece that has no line end yet.
        *lines, self.begun = (self.begun + text).split('\n')
        for line in lines:
            tqdm.write(line, file=self.terminal)

    def flush(self):
        self.terminal.flush()


def new_runs(args):
    """One run for each sampling that is wanted, in a folder of their own."""
    folder = args.out or Path('runs', time.strftime('%Y%m%d-%H%M%S'))
    for sampling in SAMPLINGS if args.sampling in (None, 'both') else [args.sampling]:
        settings = {'sampling': sampling, 'corpus': args.corpus and str(Path(args.corpus).resolve())}
        for flag, _, default, _ in SETTINGS:
            settings[name_of(flag)] = getattr(args, name_of(flag), default)
        yield Run(args, folder / f'{sampling}.json', settings)


def resumed_run(args):
    """The run that a checkpoint is from; flags that say otherwise are refused."""
    saved = load_checkpoint(args.resume, d2l.try_gpu())
    if 'sampling' not in saved.settings or saved.random_state is None:
        raise ValueError(f'{args.resume} was not saved by this program, which needs to know its settings to go on.')
    given = {name_of(flag): getattr(args, name_of(flag)) for flag, *_ in SETTINGS if hasattr(args, name_of(flag))}
    if args.sampling:
        given['sampling'] = args.sampling
    check_same_settings(args.resume, saved, given)
    if saved.epoch >= args.epochs:
        raise ValueError(f'{args.resume} is trained for {saved.epoch} epochs: give a larger number to --epochs.')
    return Run(args, args.resume, {**saved.settings, 'corpus': args.corpus or saved.settings['corpus']}, saved)


def name_of(flag):
    return flag[2:].replace('-', '_')


def main(argv=None):
    args = parse_arguments(argv)
    done = []
    for run in [resumed_run(args)] if args.resume else new_runs(args):
        sampling = run.settings['sampling']
        print(f'{sampling} sampling ({SAMPLINGS[sampling]}), {args.engine} engine')
        try:
            run.train()
        except KeyboardInterrupt:
            if run.last is not None:
                run.save()
                print(f'\nstopped after epoch {run.last.epoch} and saved to {run.path}; to go on:\n'
                      f'python {sys.argv[0]} --resume {run.path} --epochs {args.epochs}')
            raise
        run.save()
        print(f'saved to {run.path}')
        done.append((run.path.stem, run.last))
    picture = run.path.with_name('training.png')
    plot(done, picture)
    print(f'picture in {picture}')


if __name__ == '__main__':
    try:
        main()
    except (OSError, ValueError, FloatingPointError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
