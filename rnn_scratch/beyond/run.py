"""Beyond the chapter: one training run, with all that `python -m rnn_scratch train` puts around an epoch.

A part of the text may be held out, there are checkpoints, a progress bar and an early stop; and whatever ends it, the
last whole epoch is saved or, where an epoch is long, how far it came within the epoch.
"""
import contextlib
import itertools
import math
import os
import random
import shlex
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import rnn_scratch as d2l

import numpy as np
from mxnet import nd
from mxnet import random as mx_random
from tqdm import tqdm

from .. import _checks
from .._platform import memory_bytes
from . import evaluation, fused
from .cells import CELLS, shape_of
from .checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from .corpus import keep_note, printable
from .stop import StopSignals

NOTES = 'RNN_SCRATCH_NOTES'     # the variable that tells a worker the number of a file: see `launch`
SEGMENT, WORK = 128, 6e11       # of a segment: mini-batches at most, and operations, some seconds of work


def notes():
    """The number of that file in a worker that `launch` has started, else None."""
    number = os.environ.get(NOTES, '')
    return int(number) if number.isdigit() and os.environ.get('DMLC_ROLE') == 'worker' else None


def noted(title):
    """Whether a text of this title was printed, by this process or by one before it (`train --restarts`)."""
    file = notes()
    return file is not None and title in os.fsdecode(os.pread(file, os.fstat(file).st_size, 0)).split('\n')


def show(title, text='', write=None):
    """Print a text, not a second time after a restart, and note its title."""
    if not noted(title):
        if text:
            (write or tqdm.write)(text)
        if notes() is not None:
            with contextlib.suppress(OSError):      # no room: after a restart it is printed twice
                os.write(notes(), os.fsencode(f'{title}\n'))


def check_run(settings, corpus, plan, workers=None):
    """Refuse, before anything is made, settings, a text and a plan that do not go together, or too large a model."""
    if plan.patience and not settings.holdout:
        raise ValueError('--patience looks at held-out text: train with --holdout, for instance --holdout 0.1.')
    needed, there_is = training_bytes(settings, corpus, workers), memory_bytes()
    if needed > there_is:       # the system may end the process, or another one
        raise ValueError(f'To train {settings.hidden} hidden units with {corpus.vocab_size} characters takes at least '
                         f'{needed / 1e9:,.1f} GB of memory, and there are {there_is / 1e9:,.1f} GB: make --hidden, '
                         '--batch-size or --num-steps smaller.')
    _checks.sizes(d2l.try_gpu(), settings.hidden, vocab_size=corpus.vocab_size)
    left, n, T = len(corpus.indices), settings.batch_size, settings.num_steps
    if num_mini_batches(settings, left) < 1 <= num_mini_batches(settings, corpus.num_there):
        raise ValueError(f'--num-chars {settings.num_chars} and --holdout {settings.holdout:g} leave {left} characters '
                         f'to train on, too few for one mini-batch of {n} sequences of {T} steps: read more, hold out '
                         'less, or make --batch-size or --num-steps smaller.')
    _checks.corpus(corpus.indices, corpus.vocab_size, settings.sampling == 'random', settings.num_steps,
                   settings.batch_size)
    _checks.prefixes(plan.prefix, corpus.char_to_idx)


def num_parameters(settings, corpus):
    sizes = corpus.vocab_size, settings.hidden, corpus.vocab_size
    return sum(math.prod(shape_of(symbol, *sizes)) for symbol in CELLS[settings.cell].symbols)


def num_mini_batches(settings, length):
    """How many mini-batches d2lzh's iterators cut from a text of this length."""
    n, T = settings.batch_size, settings.num_steps
    return (length - 1) // T // n if settings.sampling == 'random' else (length // n - 1) // T


def training_bytes(settings, corpus, workers=None):
    """What training needs at least: a number takes four bytes."""
    # Each process has the parameters five times: themselves, their gradients, and the checkpoints of the last epoch, of
    # the one before and of the best. Of a mini-batch there are the scores, their softmax and their gradients, and H.
    parameters, rows = num_parameters(settings, corpus), settings.num_steps * settings.batch_size
    return 4 * (5 * parameters * (workers or 1) + rows * (3 * corpus.vocab_size + settings.hidden))


class Run:
    """一次训练，从开始到存档。

    A training run: its last epoch goes to `path` (`….safetensors`), the best one to `…-best.safetensors`. `last`
    is the checkpoint of the last whole epoch or, in a long one, segment, `best` that of the best epoch, `saved` the
    last one that is in the file. A new run begins with the parameters of the checkpoint `begin`, where one is given:
    the vocabulary of the corpus begins with its. Where several workers train together, `train_epoch` is called for an
    epoch, in place of the engine's own; `writes` says whether this one saves and prints, and `workers` how many of
    them this machine has. OSError or ValueError where settings, text and plan do not go together.
    """

    def __init__(self, settings, corpus, plan, path, *, last=None, best=None, begin=None, train_epoch=None,
                 writes=True, workers=None):
        check_run(settings, corpus, plan, workers)
        self.settings, self.corpus, self.plan, self.path = settings, corpus, plan, Path(path)
        if self.path.suffix != '.safetensors':
            raise ValueError(f"A checkpoint's name ends in .safetensors, and {str(path)!r} does not.")
        self.num_mini_batches = num_mini_batches(settings, len(corpus.indices))
        work = 6 * settings.num_steps * settings.batch_size * num_parameters(settings, corpus)     # of a mini-batch
        self.segment = max(1, min(SEGMENT, int(WORK / work)))
        # Of several segments; and a larger state would not fit into the header of a checkpoint.
        self.is_long = (not train_epoch and self.num_mini_batches > self.segment
                        and settings.batch_size * settings.hidden <= 10 ** 6)
        self.engine, self.begin, self.bar = fused if settings.engine == 'fused' else d2l, begin, None
        self.train_epoch = train_epoch or (self.train_segments if self.is_long else self.engine.train_epoch)
        self.writes, self.workers, self.ctx = writes, workers, d2l.try_gpu()
        self.prefixes = plan.prefix or corpus.default_prefixes()
        self.facts = {**vars(settings), **corpus.facts()}       # what a checkpoint says of the run
        del self.facts['cell'], self.facts['engine']            # of these it has fields of their own
        self.last, self.best, self.saved, self.stop = last, best, last, StopSignals()

    @classmethod
    def resume(cls, path, saved, settings, corpus, plan, **others):
        """接着训练一个存档。

        The run that a checkpoint, read from `path`, is from; `others` as for `Run`. ValueError: there is nothing to
        train any more, if this is no restart, the corpus is another one, or the best model is not of this run.
        """
        if saved.random_state is None:
            raise ValueError(f'{path} does not say where the shuffling of its run stood, so that it cannot go on: it '
                             'was not saved by python -m rnn_scratch train.')
        if saved.part and ('train_epoch' in others or others.get('workers')):
            raise ValueError(f'{path} was stopped within an epoch, and several workers go on after a whole one only: '
                             'leave --workers out until the epoch is over.')
        if saved.epoch >= plan.epochs and not noted('prepared'):
            raise ValueError(f'{path} is trained for {saved.epoch} epochs: give a larger number to --epochs.')
        corpus.check_same(path, saved)
        best_path, best = best_of(Path(path)), saved if saved.epoch else None
        if best_path.exists():
            best = load_checkpoint(best_path, d2l.try_gpu())
            # It may be of the past, or, where the run was killed while it saved, of the next epoch.
            n = min(best.epoch, saved.epoch)
            if best.perplexities[:n] != saved.perplexities[:n] or best.idx_to_char != saved.idx_to_char:
                raise ValueError(f'{best_path} is not the best epoch of this run, and would be overwritten: move it '
                                 'to another place.')
        run = cls(settings, corpus, plan, path, last=saved, best=best, **others)
        if saved.part:      # of a state (n, h) each number has eight digits
            cell, length = CELLS[settings.cell], 8 * settings.batch_size * settings.hidden
            lengths = [] if settings.sampling == 'random' else [length for _ in cell.init_rnn_state(1, 1, run.ctx)]
            is_of_run = run.is_long and saved.part['mini_batches'] < run.num_mini_batches
            if not is_of_run or [*map(len, saved.part['state'])] != lengths:
                raise ValueError(f'{path} says that it stopped within an epoch, and not in one of this run: take an '
                                 'older model.')
        if run.enough() and not noted('prepared'):
            raise ValueError(f'{path} has reached {run.enough()} already, so there is nothing to train: leave that '
                             'out, or give another number.')
        if best is saved:
            warnings.warn(f'{best_path} is not there any more: epoch {saved.epoch} stands in for the best one until '
                          'an epoch is better than all before it.', stacklevel=2)
        return run

    def epoch(self):
        return self.last.epoch if self.last else 0

    def prepare(self):
        """Find out now, while there is nothing to lose, whether the files can be written. OSError or ValueError: there
        is no room for them; of a new run, a file is in the way; of a resumed one, the file has changed meanwhile."""
        if self.last is None and not noted('prepared'):
            for path in self.path, best_of(self.path):
                if os.path.lexists(path):       # a link that leads nowhere is in the way, too
                    raise ValueError(f'There is a file at {path} already: choose another --out, or --resume it.')
        elif self.last:     # another process may have saved its last epoch between our reading and our lock
            now = load_checkpoint(self.path)
            if (now.perplexities, now.part) != (self.saved.perplexities, self.saved.part):
                raise ValueError(f'{self.path} was saved by another process in this moment, with {now.epoch} epochs in '
                                 f'place of {self.saved.epoch}: run the command again.')
        num_files = 3 if self.last is None else 1       # best, last, and the new one that takes the place of either
        size = 4 * num_parameters(self.settings, self.corpus) + 100_000
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
        keep_note(self.path.parent, self.settings.corpus)

    def train(self):
        """Train up to plan.epochs, or until there is a reason to stop early; save, whatever ends it: KeyboardInterrupt
        (any signal to stop), OSError (a file or standard output), FloatingPointError (beyond all bounds)."""
        settings, plan, vocab_size = self.settings, self.plan, self.corpus.vocab_size
        random.seed(settings.seed)          # shuffles the mini-batches of random sampling
        mx_random.seed(settings.seed)       # draws the parameters
        if self.last is None:
            params = CELLS[settings.cell].get_params(vocab_size, settings.hidden, vocab_size, self.ctx)
            for param, known in zip(params, self.begin.params if self.begin else []):
                # Its characters come first; what belongs to new ones stays as it was drawn.
                param[tuple(map(slice, known.shape))] = known
        else:
            random.setstate(self.last.random_state)
            params = [param.copy() for param in self.last.params]
            for param in params:
                param.attach_grad()
        # A bar below the printed lines on a terminal; nothing at all in a pipe.
        each, unit = (self.num_mini_batches, ' mini-batches') if self.is_long else (1, 'epoch')
        done = self.last.part['mini_batches'] if self.last and self.last.part else 0
        with tqdm(total=plan.epochs * each, initial=self.epoch() * each + done, unit=unit, leave=False,
                  disable=None if self.writes else True) as self.bar:
            try:
                while self.epoch() < plan.epochs and not self.enough():
                    if self.is_long:
                        self.bar.set_description(f'epoch {self.epoch() + 1} of {plan.epochs}')
                    self.train_one_epoch(params)
                    self.bar.set_postfix_str(f'perplexity {self.last.perplexities[-1]:.2f}')
                    self.bar.update(not self.is_long)
                    if self.epoch() % plan.save_every == 0:
                        self.save()
                    self.stop.check()
            finally:
                try:
                    self.save()
                except KeyboardInterrupt:       # the first signal, and at this very moment; it does not come twice
                    self.save()
            self.stop.check()

    def train_one_epoch(self, params):
        """The chapter's epoch and its printed lines; then `last` and `best` are this one."""
        settings, plan, corpus, cell = self.settings, self.plan, self.corpus, CELLS[self.settings.cell]
        model = cell.rnn, params, cell.init_rnn_state, settings.hidden, corpus.vocab_size, self.ctx
        began = time.time()
        perplexity = self.train_epoch(*model, corpus.indices, settings.sampling == 'random', settings.num_steps,
                                      settings.lr, settings.theta, settings.batch_size)
        _checks.finite('A parameter', *[param.asnumpy() for param in params])
        perplexities, held_out = map(list, (self.last.perplexities, self.last.held_out) if self.last else ([], []))
        perplexities.append(perplexity)
        if corpus.held_out:
            found = evaluation.evaluate(corpus.held_out, *model, corpus.idx_to_char, corpus.char_to_idx,
                                        losses=(fused if settings.engine == 'fused' else evaluation).losses,
                                        rows=settings.batch_size)
            held_out.append(found.perplexity)
        seconds = time.time() - began
        last = self.checkpoint(params, perplexities, held_out, random.getstate())
        measured = held_out or perplexities
        is_best = not self.best or measured[-1] < min(measured[:-1], default=math.inf)
        lines = []
        if self.writes and last.epoch % plan.pred_period == 0:
            lines.append(f'epoch {last.epoch}, perplexity {perplexity:f}, time {seconds:.2f} sec')
            for prefix in self.prefixes:        # on one line, as in the chapter, but for line breaks of the text itself
                lines.append(f' - {printable(last.predict(prefix, plan.pred_len))}'.replace('\n', '\n   '))
            if corpus.held_out:
                lines.append(f'held out: perplexity {found.perplexity:f} over {found.num_predicted} characters, '
                             f'{sum(found.unknown.values())} more are not in the vocabulary')
        # An epoch that could be saved is printed, too, or a restart would leave it out.
        with self.stop.wait() if self.workers else contextlib.nullcontext():
            vars(self).update(last=last, best=last if is_best else self.best)       # one step: Ctrl-C may come
            if lines:
                show(f'{self.path.stem} {last.epoch}', '\n'.join(lines))

    def checkpoint(self, params, perplexities, held_out, random_state, part=None):
        return Checkpoint([param.copy() for param in params], perplexities, self.corpus.idx_to_char,
                          self.settings.hidden, self.settings.cell, self.settings.engine, self.facts, held_out,
                          random_state, part=part)

    def train_segments(self, rnn, params, init_rnn_state, h, vocab_size, ctx, corpus_indices, is_random_iter, T, *rest):
        """`train_epoch` of the engine for a long epoch, a segment at a time: what it has trained is then in `last`. An
        epoch that `last` is within goes on there: with the same order of the mini-batches and, where one follows the
        other, with the state (n, h) that it had."""
        part = self.last and self.last.part or {'mini_batches': 0, 'loss': '0', 'state': []}
        done, l_sum, n, in_order = part['mini_batches'], float(part['loss']), rest[-1], random.getstate()
        # The state after the last mini-batch
        ended = [nd.array(np.frombuffer(bytes.fromhex(s), 'float32').reshape(n, -1), ctx) for s in part['state']]

        def watched(step):      # the engines' seams: the cell, or what gives gradients; both give the state second
            def watching(*arguments):
                found = step(*arguments)
                ended[:] = found[1]
                self.bar.update()
                return found
            return watching

        def first_state(*sizes):        # of a segment or, with random sampling, of a mini-batch
            is_new = is_random_iter or not ended
            return init_rnn_state(*sizes) if is_new else tuple(s.detach() for s in ended)

        data_iter = d2l.data_iter_random if is_random_iter else d2l.data_iter_consecutive
        mini_batches = data_iter(corpus_indices, n, T, ctx)
        next(itertools.islice(mini_batches, done, done), None)      # those are behind it
        cell, seam = watched(rnn), {}
        if self.engine is fused:
            cell, seam = rnn, {'gradients': watched(fused.gradients_of_checked)}
        while True:
            size = min(self.segment, self.num_mini_batches - done)
            segment = itertools.islice(mini_batches, size)
            perplexity = self.engine.train_epoch(cell, params, first_state, h, vocab_size, ctx, corpus_indices,
                                                 is_random_iter, T, *rest, **seam,
                                                 data_iter=lambda *_: segment)      # noqa: B023
            done, l_sum = done + size, l_sum + size * math.log(perplexity)
            so_far = evaluation.perplexity(l_sum, done)
            if done == self.num_mini_batches:
                return so_far
            self.bar.set_postfix_str(f'perplexity {so_far:.2f}')
            states = [] if is_random_iter else [s.asnumpy().tobytes().hex() for s in ended]
            self.last = self.checkpoint(
                params, *((self.last.perplexities, self.last.held_out) if self.last else ([], [])), in_order,
                {'mini_batches': done, 'loss': repr(l_sum), 'state': states})

    def enough(self):
        """The flag that says to stop before the last epoch, or None."""
        plan, last = self.plan, self.last
        if not self.epoch():
            return None
        if plan.stop_at is not None and last.perplexities[-1] <= plan.stop_at:
            return f'--stop-at {plan.stop_at:g}'
        if plan.patience is not None and last.epoch - self.best.epoch >= plan.patience:
            return f'--patience {plan.patience}'
        return None

    def save(self):
        """The best epoch and the last one, where they are not saved yet."""
        if self.last is not self.saved and self.writes:
            with self.stop.wait():
                if self.best:
                    save_checkpoint(best_of(self.path), self.best)
                save_checkpoint(self.path, self.last)
                self.saved = self.last

    def place(self, checkpoint):
        """How far it is trained."""
        part, epoch = checkpoint.part, checkpoint.epoch
        return (f'mini-batch {part["mini_batches"]:,} of {self.num_mini_batches:,} of epoch {epoch + 1}' if part else
                f'epoch {epoch}')

    def outcome(self):
        lines = f'saved to {self.path}: epoch {self.last.epoch}, perplexity {self.last.perplexities[-1]:f}'
        if self.best.held_out:
            lines += (f'\nthe lowest perplexity on held-out text, {self.best.held_out[-1]:f}, was at epoch '
                      f'{self.best.epoch}, saved to {best_of(self.path)}')
        unigram, lr, theta = self.facts['unigram_perplexity'], self.settings.lr, self.settings.theta
        if self.last.perplexities[-1] >= unigram:
            step = f'lr · θ is {lr:g} · {theta:g} = {lr * theta:g} here' if theta else f'lr is {lr:g}, without θ, here'
            cure = 'more --epochs' if theta and math.isclose(lr * theta, 1) else '--lr 100 --theta 0.01'
            lines += (f'\nThat is no better than {unigram:f}, which the frequencies of the characters alone give. '
                      f'{step}, and 100 · 0.01 = 1 in the chapter: try {cure}.')
        return lines

    def show_how_it_ended(self, later=(), can_go_on=True, write=print):
        """Of a run that did not reach its end: what is saved, and how to go on; `later` are the runs after it."""
        if self.last is None:
            text = '\nstopped before the end of the first epoch: there is nothing to save'
        elif self.saved is not self.last:
            text = f'\nstopped after {self.place(self.last)}, which could not be saved; ' + (
                f'{self.place(self.saved)} is in {self.path}' if self.saved else 'nothing before it was saved')
        else:
            text = f'\nstopped after {self.place(self.last)} and saved to {self.path}'
        if self.saved and can_go_on:
            text += f'; to go on:\n{self.how_to_go_on()}'
        text += ''.join(f'\n({run.settings.sampling} sampling has not begun)' for run in later)
        show(f'stopped {os.getpid()}', text, write)     # where a restart follows, that is noted already

    def how_to_go_on(self):
        """The command that resumes: the settings are in the checkpoint, the plan is not."""
        command = ['python', '-m', 'rnn_scratch', 'train', '--resume', str(self.path)]
        for name, value in {'workers': self.workers, **vars(self.plan)}.items():
            for each in value if name == 'prefix' else [value]:
                if each is not None:
                    command += [f'--{name.replace("_", "-")}', str(each)]
        return (subprocess.list2cmdline if os.name == 'nt' else shlex.join)(command)


def best_of(path):
    return path.with_name(f'{path.stem}-best.safetensors')
