"""Beyond the chapter: what train_jaychou.py puts around the chapter's call.

A corpus of which a part may be held out, checkpoints, early stop, a progress bar.
"""
import contextlib
import hashlib
import random
import sys
from dataclasses import replace

import rnn_scratch as d2l
from rnn_scratch.checkpoint import ENGINES, Checkpoint, load_checkpoint, save_checkpoint
from rnn_scratch.evaluation import evaluate, unigram_perplexity
from rnn_scratch.training import Trained

from mxnet import random as mx_random
from tqdm import tqdm


def load_corpus(path, num_chars, holdout):
    """The corpus as `load_data_jay_lyrics` gives it, of the part to train on; and the text of the part held out."""
    if not 0 <= holdout < 1:
        raise ValueError(f'--holdout is a part of the text, from 0 to less than 1, not {holdout}.')
    corpus_indices, _, idx_to_char, _ = d2l.load_data_jay_lyrics(path, num_chars or None)
    length = len(corpus_indices) - int(len(corpus_indices) * holdout)
    held_out = ''.join(idx_to_char[i] for i in corpus_indices[length:])
    if holdout and len(held_out) < 2:
        raise ValueError(f'--holdout {holdout} holds out {len(held_out)} characters, too few to predict one.')
    # The vocabulary, too, is that of the part to train on.
    return d2l.load_data_jay_lyrics(path, length), held_out


class Run:
    """One training run: its settings and corpus, its checkpoint as of the last whole epoch, and the best one."""

    def __init__(self, args, path, settings, saved=None):
        self.args, self.path, self.settings, self.ctx = args, path, settings, d2l.try_gpu()
        self.corpus, self.held_out_text = load_corpus(settings['corpus'], settings['num_chars'], settings['holdout'])
        if args.patience and not self.held_out_text:
            raise ValueError('--patience looks at held-out text: train with --holdout, for instance --holdout 0.1.')
        text = ''.join(self.corpus[2][i] for i in self.corpus[0]) + self.held_out_text
        checksum = {'corpus_sha256': hashlib.sha256(text.encode()).hexdigest()}
        if saved and saved.settings.get('corpus_sha256') != checksum['corpus_sha256']:
            raise ValueError(f'{path} was trained on another text than {settings["corpus"] or "the shipped lyrics"}.')
        settings.update(checksum, unigram_perplexity=unigram_perplexity(self.corpus[0]))
        random.seed(settings['seed'])           # shuffles the mini-batches of random sampling
        mx_random.seed(settings['seed'])        # draws the parameters
        self.start, self.last, self.best = None, None, None     # before the first epoch there is nothing
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
        # Now, while there is nothing to lose.
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.start is None and self.path.exists():
            raise ValueError(f'There is a run at {self.path} already: choose another --out, or --resume it.')
        corpus_indices, char_to_idx, idx_to_char, vocab_size = self.corpus

        def get_params():
            return d2l.get_params(vocab_size, settings['hidden'], vocab_size, self.ctx)

        with progress_bar(args.epochs, self.last.epoch if self.last else 0) as self.bar:
            d2l.train_and_predict_rnn(
                ENGINES[settings['engine']], get_params, d2l.init_rnn_state, settings['hidden'], vocab_size, self.ctx,
                corpus_indices, idx_to_char, char_to_idx, settings['sampling'] == 'random', args.epochs,
                settings['num_steps'], settings['lr'], settings['theta'], settings['batch_size'], args.pred_period,
                args.pred_len, args.prefix or ['分开', '不分开'], start=self.start, after_epoch=self.after_epoch)

    def after_epoch(self, trained):
        """Measure the held-out text, remember this epoch, save now and then; True ends the training early."""
        args = self.args
        last = Checkpoint([param.copy() for param in trained.params], list(trained.perplexities), self.corpus[2],
                          self.settings['hidden'], self.settings['engine'], self.settings,
                          random_state=random.getstate())
        if self.held_out_text:
            found = evaluate(self.held_out_text, *last.model())
            last.held_out = [*(self.last.held_out if self.last else []), found.perplexity]
            if last.epoch % args.pred_period == 0:
                print(f'held out: perplexity {found.perplexity:f} over {found.num_predicted} characters, '
                      f'{sum(found.unknown.values())} more are not in the vocabulary')
        measured = last.held_out or last.perplexities
        if measured[-1] == min(measured):
            self.best = last
        self.last = last        # in one step, so that Ctrl-C finds a whole epoch here at any moment
        self.bar.set_postfix_str(f'perplexity {last.perplexities[-1]:.2f}')
        self.bar.update()
        if last.epoch % args.save_every == 0:
            self.save()
        reached = args.stop_at is not None and last.perplexities[-1] <= args.stop_at
        waited = args.patience is not None and last.epoch - self.best.epoch >= args.patience
        return reached or waited

    def save(self):
        """The best epoch and the last one."""
        save_checkpoint(self.best_path(), self.best)
        save_checkpoint(self.path, self.last)

    def outcome(self):
        """What is saved where, in a line or two."""
        lines = f'saved to {self.path}: epoch {self.last.epoch}, perplexity {self.last.perplexities[-1]:f}'
        if self.held_out_text:
            lines += (f'\nthe lowest perplexity on held-out text, {self.best.held_out[-1]:f}, was at epoch '
                      f'{self.best.epoch}, saved to {self.best_path()}')
        return lines


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
