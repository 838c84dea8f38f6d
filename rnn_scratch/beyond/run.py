"""Beyond the chapter: one training run, with all that `python -m rnn_scratch train` puts around an epoch.

Settings, a corpus of which a part may be held out, checkpoints, a progress bar, early stop; and whatever ends it, the
last whole epoch is saved.
"""
import contextlib
import fcntl
import hashlib
import math
import os
import random
import shlex
import signal
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import rnn_scratch as d2l

from mxnet import random as mx_random
from tqdm import tqdm

from .. import _checks
from . import evaluation, fused
from .cells import CELLS, shape_of
from .checkpoint import Checkpoint, is_exported, load_checkpoint, save_checkpoint

SAMPLINGS = {'random': '随机采样', 'consecutive': '相邻采样'}
PREFIXES = ['分开', '不分开']       # the chapter's
# Ctrl-C; a system that shuts down; a terminal that is closed; Ctrl-\\
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


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


def default_prefixes(corpus):
    """The chapter's where the text has their characters; else the two characters that the text begins with."""
    text = text_of(corpus)
    return PREFIXES if set(''.join(PREFIXES)) <= set(text) else [text.strip()[:2] or text[:1]]


def default_prefix(idx_to_char):
    """The chapter's where the vocabulary has its characters; else the first letter of the vocabulary."""
    known = set(PREFIXES[0]) <= set(idx_to_char)
    return PREFIXES[0] if known else next((char for char in idx_to_char if char.isalpha()), idx_to_char[0])


def trained_text(checkpoint):
    """模型训练用的文本，从当时的地方重新读出来。

    The text that a model of a run was trained on, read from where the run read it.

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
    """一次训练，从开始到存档。

    One training run. `last` is the checkpoint of the last whole epoch, `best` that of the best one, None before it.

    `args` has what may change when a run is resumed: epochs, stop_at, patience, pred_period, pred_len, prefix,
    save_every and workers. `settings` has what may not, and the engine, under the names of the flags; it goes into the
    checkpoint.

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
        self.prefixes = args.prefix or default_prefixes(self.corpus)
        self.cell, self.engine = settings.pop('cell'), settings.pop('engine')       # a checkpoint has fields for them
        _checks.check_engine(self.engine, self.cell)
        _checks.check_memory(settings['hidden'], vocab_size, self.training_bytes(), _checks.memory_bytes())
        _checks.check_sizes(self.ctx, settings['hidden'], vocab_size=vocab_size)
        _checks.check_training(vocab_size, corpus_indices, char_to_idx, settings['sampling'] == 'random',
                               settings['num_steps'], settings['theta'], settings['batch_size'], args.pred_period,
                               args.pred_len, self.prefixes)
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
        _checks.check_not_enough(path, run.enough())
        if best is saved:
            warnings.warn(f'{run.best_path()} is not there any more: epoch {saved.epoch} stands in for the best one '
                          'until an epoch is better than all before it.', stacklevel=2)
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

    def size(self):
        """How many numbers the parameters are."""
        vocab_size, h = self.corpus[3], self.settings['hidden']
        return sum(math.prod(shape_of(symbol, vocab_size, h, vocab_size)) for symbol in CELLS[self.cell].symbols)

    def training_bytes(self):
        """The memory that training needs at least, in bytes: a number takes four.

        Each process has the parameters five times: themselves, their gradients, and the checkpoints of the last epoch,
        of the one before and of the best. Of a mini-batch there are the scores, their softmax and their gradients, and
        H.
        """
        rows = self.settings['num_steps'] * self.settings['batch_size']
        return 4 * (5 * self.size() * (self.args.workers or 1) + rows * (3 * self.corpus[3] + self.settings['hidden']))

    def prepare(self):
        """Find out now, while there is nothing to lose, whether the files can be written.

        Raises
        ------
        OSError, ValueError
            There is no room for them in the folder; of a new run, a file is in the way; of a resumed one, the file has
            changed since it was read.
        """
        _checks.check_suffix(self.path)
        _checks.check_run_settings(self.path, self.settings, self.settings['hidden'])
        if self.last is None:
            _checks.check_free(self.path, self.best_path())
        else:
            _checks.check_unchanged(self.path, load_checkpoint(self.path), self.saved)
        # The best model, the last one, and the new one that takes the place of either.
        num_files, size = 3 if self.last is None else 1, 4 * self.size() + 100_000
        try:
            with contextlib.ExitStack() as files:
                for _ in range(num_files):
                    file = files.enter_context(tempfile.TemporaryFile(dir=self.path.parent))
                    file.write(bytes(size))
                    file.flush()
        except OSError as error:
            raise OSError(f'The models of this run ({num_files * size / 1e6:.1f} MB) cannot be written into the folder '
                          f'{self.path.parent} ({error.strerror}): make room there, or choose another folder with '
                          '--out.') from error

    def train(self):
        """Train up to args.epochs, or until there is a reason to stop early; save, whatever ends it.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C or another signal to stop; the last whole epoch is saved.
        OSError
            A file cannot be written, or standard output; where only that, the last whole epoch is saved.
        FloatingPointError
            The parameters have grown beyond all bounds; the last whole epoch is saved.
        """
        settings, vocab_size = self.settings, self.corpus[3]
        random.seed(settings['seed'])           # shuffles the mini-batches of random sampling
        mx_random.seed(settings['seed'])        # draws the parameters
        if self.last is None:
            self.params = CELLS[self.cell].get_params(vocab_size, settings['hidden'], vocab_size, self.ctx)
        else:
            random.setstate(self.last.random_state)
            self.params = with_gradients(self.last.params)
        with progress_bar(self.args.epochs, self.epoch()) as bar:
            try:
                while self.epoch() < self.args.epochs and not self.enough():
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
        cell = CELLS[self.cell]
        train_epoch = self.train_epoch or (fused.train_epoch if self.engine == 'fused' else d2l.train_epoch)
        began = time.time()
        perplexity = train_epoch(
            cell.rnn, self.params, cell.init_rnn_state, settings['hidden'], vocab_size, self.ctx, corpus_indices,
            settings['sampling'] == 'random', settings['num_steps'], settings['lr'], settings['theta'],
            settings['batch_size'])
        seconds = time.time() - began
        _checks.check_finite_params(self.params)
        before = self.last or Checkpoint(None, [], None, None)
        last = Checkpoint([param.copy() for param in self.params], [*before.perplexities, perplexity], idx_to_char,
                          settings['hidden'], self.cell, self.engine, settings, random_state=random.getstate())
        held_out = None
        if self.held_out_text:
            losses = fused.losses if self.engine == 'fused' else evaluation.losses
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

    def enough(self):
        """The flag that says to stop before the last epoch, or None."""
        args, last = self.args, self.last
        if last and args.stop_at is not None and last.perplexities[-1] <= args.stop_at:
            return f'--stop-at {args.stop_at:g}'
        if last and args.patience is not None and last.epoch - self.best.epoch >= args.patience:
            return f'--patience {args.patience}'
        return None

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

    def how_to_go_on(self):
        """The command that resumes: the settings are in the checkpoint, the other flags are not."""
        command = ['python', '-m', 'rnn_scratch', 'train', '--resume', str(self.path)]
        for name in ['workers', 'epochs', 'stop_at', 'patience', 'pred_period', 'pred_len', 'save_every']:
            value = vars(self.args)[name]
            if value is not None:
                command += [f'--{name.replace("_", "-")}', str(value)]
        for prefix in self.args.prefix or []:
            command += ['--prefix', prefix]
        return shlex.join(command)


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
    """让训练停下的四个信号：Ctrl-C、SIGTERM、SIGHUP、SIGQUIT。

    The signals that ask to stop raise KeyboardInterrupt, and `number` is the first one that came.

    While a file is written they wait, and `check` finds them afterwards. Where `once` is true, no signal after the
    first raises anything: it must not disturb the last save.
    """

    def __init__(self, once=True):
        self.number, self.once, self.waiting = None, once, False

    def receive(self, number, frame):
        is_first, self.number = self.number is None, self.number or number
        if not self.waiting and (is_first or not self.once):
            raise KeyboardInterrupt

    def receive_again(self, number, frame):
        if not self.waiting:
            raise KeyboardInterrupt

    def swallowed(self, unraisable):
        """Python calls this where it cannot raise an exception, as in `__del__`: raise it a moment later.

        After a signal, other exceptions there are those of arrays that it left half made.
        """
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
        elif self.number is None:
            sys.__unraisablehook__(unraisable)

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
    """Receive the signals for a while; not those that are ignored, as they are in the background (nohup)."""
    if threading.current_thread() is not threading.main_thread():       # Python gives signals to that one only
        yield
        return
    handlers = {number: stop.receive for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}
    handlers[signal.SIGALRM] = stop.receive_again
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    hook, sys.unraisablehook = sys.unraisablehook, stop.swallowed
    try:
        yield
    finally:
        stop.waiting = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def locked(folder):
    """一个文件夹同时只让一个进程训练。

    Keep other processes from training in a folder. The system ends the lock with the process, even after kill -9.

    Raises
    ------
    OSError
        Another process trains there, or nothing can be written there.
    """
    path = folder / '.lock'
    with contextlib.ExitStack() as stack:
        with writing_into(folder):
            folder.mkdir(parents=True, exist_ok=True)
            file, other = take(path)
            stack.enter_context(file)
            if other is None:
                stack.callback(path.unlink, missing_ok=True)    # before the file is closed, which ends the lock
                os.write(file.fileno(), str(os.getpid()).encode())
        _checks.check_no_other_process(folder, other)
        yield


def take(path):
    """Open a file and lock it: the file, and None, or else what the process that has the lock wrote there."""
    while True:
        file = open(path, 'a+')
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            return file, file.read()
        except OSError as error:        # some network file systems have no locks
            warnings.warn(f'The folder {path.parent} cannot be locked ({error.strerror}): see to it that no other '
                          'process trains there.', stacklevel=2)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate(0)
                return file, None
        file.close()        # the process that had it has removed it in the meantime: try again


@contextlib.contextmanager
def writing_into(folder):
    """Say of an OSError which folder it is about, and what to do."""
    try:
        yield
    except OSError as error:
        raise OSError(f'Nothing can be written into the folder {folder} ({error.strerror}): choose another one with '
                      '--out, or make this one writable.') from error


def new_folder():
    """A folder under runs/ with the time as its name, that no other process has."""
    with writing_into(Path('runs')):
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
    """最近一次存过的文件夹里的模型，最新的在最后。

    The checkpoints of the folder that was last saved to, the newest one last.

    Not the best ones beside them, and not what was exported from them.
    """
    def saved(path):
        return path.stat().st_mtime_ns, path

    found = sorted((path for path in Path(runs).glob('*/*.safetensors')
                    if not path.stem.endswith('-best') and not is_exported(path)), key=saved)
    _checks.check_found(found, runs)
    return [path for path in found if path.parent == found[-1].parent]
