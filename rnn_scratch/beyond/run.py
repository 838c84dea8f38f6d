"""Beyond the chapter: one training run, with all that `python -m rnn_scratch train` puts around an epoch.

Settings, a corpus of which a part may be held out, checkpoints, a progress bar, early stop; and whatever ends it, the
last whole epoch is saved.
"""
import contextlib
import hashlib
import random
import signal
import tempfile
import time
from pathlib import Path

import rnn_scratch as d2l

from mxnet import random as mx_random
from tqdm import tqdm

from .. import _checks
from . import evaluation, fused
from .cells import CELLS
from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint

SAMPLINGS = {'random': '随机采样', 'consecutive': '相邻采样'}


def load_corpus(path, num_chars, holdout):
    """The corpus as `load_data_jay_lyrics` gives it, of the part to train on; and the text of the part held out."""
    corpus_indices, _, idx_to_char, _ = d2l.load_data_jay_lyrics(path, num_chars or None)
    length = len(corpus_indices) - int(len(corpus_indices) * holdout)
    held_out = ''.join(idx_to_char[i] for i in corpus_indices[length:])
    _checks.check_holdout(holdout, held_out)
    # The vocabulary, too, is that of the part to train on.
    return d2l.load_data_jay_lyrics(path, length), held_out


def corpus_sha256(corpus, held_out):
    """What tells one text from another: the hash of both parts together."""
    return hashlib.sha256((text_of(corpus) + held_out).encode()).hexdigest()


def text_of(corpus):
    """The text of a corpus in the form that `load_data_jay_lyrics` gives it."""
    corpus_indices, _, idx_to_char, _ = corpus
    return ''.join(idx_to_char[i] for i in corpus_indices)


def trained_text(checkpoint):
    """The text that a model of a run was trained on, read from where the run read it.

    Raises
    ------
    OSError, ValueError
        The model is not from a run; the text is not there any more; or it is another one by now.
    """
    settings = checkpoint.settings
    _checks.check_trained_text(settings)
    corpus, held_out = load_corpus(settings['corpus'], settings['num_chars'], settings['holdout'])
    now = {'corpus': settings['corpus'], 'corpus_sha256': corpus_sha256(corpus, held_out)}
    _checks.check_same_corpus('The model', settings, now)
    return text_of(corpus)


class Run:
    """One training run. `last` is the checkpoint of the last whole epoch, `best` that of the best one, None before it.

    `args` has what may change when a run is resumed: epochs, stop_at, patience, pred_period, pred_len, prefix,
    save_every and workers. `settings` has what may not, under the names of the flags; it goes into the checkpoint.

    Raises
    ------
    OSError, ValueError
        The corpus cannot be read, or the settings do not fit it or each other: found here, before any work.
    """

    train_epoch = None      # another function for an epoch than the engine's: that of several workers together
    writes = True           # of several workers only one

    def __init__(self, args, settings, path=None):
        self.args, self.settings, self.ctx = args, settings, d2l.try_gpu()
        self.corpus, self.held_out_text = load_corpus(settings['corpus'], settings['num_chars'], settings['holdout'])
        corpus_indices, char_to_idx, _, vocab_size = self.corpus
        self.prefixes = args.prefix or ['分开', '不分开']
        _checks.check_engine(settings['engine'], settings['cell'])
        _checks.check_sizes(vocab_size, settings['hidden'], vocab_size)
        _checks.check_training(vocab_size, corpus_indices, char_to_idx, settings['sampling'] == 'random',
                               settings['num_steps'], settings['theta'], settings['batch_size'], args.pred_period,
                               args.pred_len, self.prefixes)
        _checks.check_divisible(settings['batch_size'], args.workers or 1)
        _checks.check_patience(args.patience, self.held_out_text)
        settings.update(corpus_sha256=corpus_sha256(self.corpus, self.held_out_text),
                        unigram_perplexity=evaluation.unigram_perplexity(corpus_indices))
        if self.held_out_text:
            known = [char_to_idx[char] for char in self.held_out_text if char in char_to_idx]
            _checks.check_held_out(len(known))
            settings.update(held_out_unigram_perplexity=evaluation.unigram_perplexity(corpus_indices, known))
        self.path, self.last_and_best, self.saved, self.stop = path, (None, None), None, StopSignals()

    @classmethod
    def resume(cls, args, path, saved, settings):
        """The run that a checkpoint is from."""
        _checks.check_known_cell(settings['cell'], CELLS)
        run = cls(args, settings, path)
        _checks.check_same_corpus(path, saved.settings, settings)
        best = load_checkpoint(run.best_path(), run.ctx) if run.best_path().exists() else saved
        _checks.check_best(run.best_path(), best, saved)
        run.last_and_best, run.saved = (saved, best), saved
        return run

    @property
    def last(self):
        return self.last_and_best[0]

    @property
    def best(self):
        return self.last_and_best[1]

    def best_path(self):
        return self.path.with_name(f'{self.path.stem}-best.safetensors')

    def epoch(self):
        return self.last.epoch if self.last else 0

    def prepare(self):
        """Find out now, while there is nothing to lose, whether the files can be written.

        Raises
        ------
        OSError, ValueError
            Nothing can be written into the folder; of a new run, a file is in the way.
        """
        if self.last is None:
            _checks.check_free(self.path, self.best_path())
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path.parent) as file:
                file.write(bytes(1))
        except OSError as error:
            raise OSError(f'Nothing can be written into the folder {self.path.parent} ({error.strerror}): choose '
                          'another one with --out.') from error

    def train(self):
        """Train up to args.epochs, or until there is a reason to stop early; save, whatever ends it.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C, SIGTERM or SIGHUP; the last whole epoch is saved.
        FloatingPointError
            The parameters have grown beyond all bounds; the last whole epoch is saved.
        """
        settings, vocab_size = self.settings, self.corpus[3]
        random.seed(settings['seed'])           # shuffles the mini-batches of random sampling
        mx_random.seed(settings['seed'])        # draws the parameters
        if self.last is None:
            self.params = CELLS[settings['cell']].get_params(vocab_size, settings['hidden'], vocab_size, self.ctx)
        else:
            random.setstate(self.last.random_state)
            self.params = with_gradients(self.last.params)
        with stop_signals(self.stop), progress_bar(self.args.epochs, self.epoch()) as bar:
            try:
                while self.epoch() < self.args.epochs and not self.is_enough():
                    self.train_one_epoch()
                    bar.set_postfix_str(f'perplexity {self.last.perplexities[-1]:.2f}')
                    bar.update()
                    if self.epoch() % self.args.save_every == 0:
                        self.save()
                    self.stop.check()
            finally:
                try:
                    self.save()
                except KeyboardInterrupt:       # the first signal, and at this very moment; it does not come twice
                    self.save()
            self.stop.check()

    def train_one_epoch(self):
        """The chapter's epoch and its printed lines; then `last` and `best` are this one."""
        args, settings = self.args, self.settings
        corpus_indices, _, idx_to_char, vocab_size = self.corpus
        cell = CELLS[settings['cell']]
        train_epoch = self.train_epoch or (fused.train_epoch if settings['engine'] == 'fused' else d2l.train_epoch)
        began = time.time()
        perplexity = train_epoch(
            cell.rnn, self.params, cell.init_rnn_state, settings['hidden'], vocab_size, self.ctx, corpus_indices,
            settings['sampling'] == 'random', settings['num_steps'], settings['lr'], settings['theta'],
            settings['batch_size'])
        seconds = time.time() - began
        _checks.check_finite_params(self.params)
        before = self.last or Checkpoint(None, [], None, None)
        last = Checkpoint([param.copy() for param in self.params], [*before.perplexities, perplexity], idx_to_char,
                          settings['hidden'], settings['cell'], settings['engine'], settings,
                          random_state=random.getstate())
        held_out = None
        if self.held_out_text:
            losses = fused.losses if settings['engine'] == 'fused' else evaluation.losses
            held_out = evaluation.evaluate(self.held_out_text, *last.model(), losses=losses)
            last.held_out = [*before.held_out, held_out.perplexity]
        measured = last.held_out or last.perplexities
        best = last if measured[-1] == min(measured) else self.best
        self.last_and_best = last, best         # in one step: Ctrl-C may come at any moment
        if last.epoch % args.pred_period == 0:
            tqdm.write(f'epoch {last.epoch}, perplexity {perplexity:f}, time {seconds:.2f} sec')
            for prefix in self.prefixes:
                tqdm.write(f' - {last.predict(prefix, args.pred_len)}')
            if held_out:
                tqdm.write(f'held out: perplexity {held_out.perplexity:f} over {held_out.num_predicted} characters, '
                           f'{sum(held_out.unknown.values())} more are not in the vocabulary')

    def is_enough(self):
        """Whether there is a reason to stop before the last epoch."""
        args = self.args
        reached = args.stop_at is not None and self.last is not None and self.last.perplexities[-1] <= args.stop_at
        waited = args.patience is not None and self.last is not None and (
            self.last.epoch - self.best.epoch >= args.patience)
        return reached or waited

    def save(self):
        """The best epoch and the last one, where they are not saved yet."""
        if self.last is not self.saved and self.writes:
            with self.stop.wait():
                save_checkpoint(self.best_path(), self.best)
                save_checkpoint(self.path, self.last)
                self.saved = self.last

    def outcome(self):
        """What is saved where, in a line or two."""
        lines = f'saved to {self.path}: epoch {self.last.epoch}, perplexity {self.last.perplexities[-1]:f}'
        if self.held_out_text:
            lines += (f'\nthe lowest perplexity on held-out text, {self.best.held_out[-1]:f}, was at epoch '
                      f'{self.best.epoch}, saved to {self.best_path()}')
        return lines


def with_gradients(params):
    """A copy of the parameters, to train with."""
    copies = [param.copy() for param in params]
    for copy in copies:
        copy.attach_grad()
    return copies


def progress_bar(num_epochs, done):
    """A bar below the printed lines on a terminal; nothing at all in a pipe."""
    return tqdm(total=num_epochs, initial=done, unit='epoch', leave=False, disable=None)


class StopSignals:
    """Ctrl-C, SIGTERM (a system that shuts down) and SIGHUP (a terminal that is closed) raise KeyboardInterrupt.

    While a file is written they wait. And an exception that comes while Python deletes an object is lost: `check`,
    after each epoch, finds the signal again.
    """

    def __init__(self):
        self.number, self.waiting = None, False

    def receive(self, number, frame):
        is_first, self.number = self.number is None, number
        if is_first and not self.waiting:       # those after it must not disturb the last save
            raise KeyboardInterrupt

    def check(self):
        if self.number is not None:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def wait(self):
        self.waiting = True
        try:
            yield
        finally:
            self.waiting = False


@contextlib.contextmanager
def stop_signals(stop):
    """Receive the three signals for a while; not those that are ignored, as they are in the background (nohup)."""
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
               if signal.getsignal(number) is not signal.SIG_IGN]
    before = [signal.signal(number, stop.receive) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


def new_folder():
    """A folder under runs/ with the time as its name, that no other process has."""
    Path('runs').mkdir(exist_ok=True)
    name, number = time.strftime('%Y%m%d-%H%M%S'), 1
    while True:
        folder = Path('runs', name if number == 1 else f'{name}-{number}')
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1


def newest_run(runs='runs'):
    """The checkpoints of the folder that was last saved to, the newest one last; not the best ones beside them."""
    def saved(path):
        return path.stat().st_mtime_ns, path

    found = sorted((path for path in Path(runs).glob('*/*.safetensors') if not path.stem.endswith('-best')), key=saved)
    _checks.check_found(found, runs)
    return [path for path in found if path.parent == found[-1].parent]
