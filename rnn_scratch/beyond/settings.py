"""Beyond the chapter: each setting of a training run, once: its name, its default, what it must be, and its help.

One that exists is right. The flags of the command line are made from these fields (`cli/flags.py`), and what a
checkpoint says comes in here, too.
"""
import math
from dataclasses import dataclass, field, fields
from functools import partial
from numbers import Integral, Real

from .. import _checks
from .cells import CELLS

SAMPLINGS = {'random': '随机采样', 'consecutive': '相邻采样'}
ENGINES = ('fused', 'tutorial')
LONGEST_SONG = 10_000       # characters of a song that is kept until it is whole

# What a setting must be. A rule is called with a name and its value, and raises a sentence or does nothing.
any_whole = partial(_checks.must_be, Integral, 'a whole number', lambda x: not isinstance(x, bool))
largest_norm = partial(_checks.must_be, (Real, type(None)), 'above 0 and finite',
                       lambda x: x is None or 0 < x < math.inf)
yes_or_no = partial(_checks.must_be, bool, 'True or False')
texts = partial(_checks.must_be, (list, tuple), 'a list of texts', lambda items: all(isinstance(i, str) for i in items),
                'put the texts in brackets, each in quotes')
at_least_1 = partial(_checks.number, '1 or more, as each perplexity is, and finite', lambda x: 1 <= x < math.inf)
a_part = partial(_checks.number, 'from 0 to less than 1', lambda x: 0 <= x < 1)


def whole(*bounds):
    return partial(_checks.whole, *bounds)


def one_of(choices):
    return partial(_checks.must_be, str, f'one of {", ".join(choices)}', choices.__contains__)


def path_name(**values):
    """A name of other bytes than UTF-8 can neither be printed, nor kept in a checkpoint."""
    _checks.must_be(str, 'a path, as a text', **values)
    for path in values.values():
        try:
            path.encode()
        except UnicodeEncodeError:
            raise ValueError(f'The name {path!r} is not in UTF-8: give the file or folder another name or, if it is, '
                             'set PYTHONUTF8=1.') from None


def setting(default, rule, help):
    return field(default=default, metadata={'rule': rule, 'help': help})


class Checked:
    """Each value obeys the rule of its field, or is the default None, and has the field's type: 100 becomes 100.0."""

    def __post_init__(self):
        for this in fields(self):
            value = vars(self)[this.name]
            if value is not None or this.default is not None:
                this.metadata['rule'](**{this.name: value})
            if value is not None:
                object.__setattr__(self, this.name, this.type(value))       # the class is frozen


@dataclass(frozen=True)
class Settings(Checked):
    """训练一个模型用的设置。存在的就是对的。

    What a model is trained with. When a run goes on these stay, but for `engine`, and the place of the corpus.
    TypeError or ValueError names a value that is not what it must be, or two that do not go together.
    """
    sampling: str = setting('random', one_of(SAMPLINGS), 'which mini-batches: windows of the text in random order '
                            '(随机采样), or one after the other (相邻采样) (default: both, in turn)')
    corpus: str = setting(None, path_name, 'a text in UTF-8, or a zip archive with one in it (default: the '
                          'lyrics that come with the package)')
    num_chars: int = setting(10000, whole(0), 'how many characters of the corpus to read; 0 for all')
    holdout: float = setting(0.0, a_part, 'the fraction of them, at the end, that is kept from training and measured '
                             'apart')
    keep_lines: bool = setting(False, yes_or_no, 'a line break is a character of its own, and no space as in the '
                               'chapter: for code, poems, plays and chats')
    hidden: int = setting(256, whole(1), 'h, the number of hidden units')
    num_steps: int = setting(35, whole(1), 'T, the time steps of a mini-batch')
    batch_size: int = setting(32, whole(1), 'n, the sequences of a mini-batch')
    lr: float = setting(1e2, _checks.learning_rate, 'learning rate')
    theta: float = setting(1e-2, largest_norm, 'θ, the largest norm of the gradient; none for no clipping')
    seed: int = setting(0, any_whole, 'on one machine the same seed gives the same digits')
    cell: str = setting('rnn', one_of(CELLS), "the chapter's cell, a GRU, an LSTM, or the chapter's with ReLU for tanh")
    engine: str = setting('fused', one_of(ENGINES), "the chapter's cell on fast operators, or any cell on the "
                          "chapter's (default: fused for rnn, tutorial for the others)")

    def __post_init__(self):
        super().__post_init__()
        if self.engine == 'fused' and self.cell != 'rnn':
            raise ValueError("The fused engine computes the chapter's cell only, --cell rnn: use --engine tutorial for "
                             f'--cell {self.cell}.')

    @classmethod
    def of(cls, path, checkpoint):
        """The settings of a run, from its checkpoint; `path` is for the sentence when they are missing or wrong."""
        # Older versions had no keep_lines.
        saved = {'keep_lines': False, **checkpoint.settings, 'cell': checkpoint.cell, 'engine': checkpoint.engine}
        names = [this.name for this in fields(cls)]
        for name in [*names, 'corpus_sha256']:
            if name not in saved:
                raise ValueError(f'{path} was not saved by python -m rnn_scratch train: its settings have no {name}.')
        try:
            found = cls(**{name: saved[name] for name in names})
            if found.hidden != checkpoint.num_hiddens:
                raise ValueError(f'hidden is {found.hidden}, but the model has {checkpoint.num_hiddens} hidden units.')
            return found
        except (TypeError, ValueError) as error:
            raise ValueError(f'The settings of {path} are wrong: {error}') from error


@dataclass(frozen=True)
class Plan(Checked):
    """How long to train, what is shown, how often it is saved, and how often a lost process is made good."""
    epochs: int = setting(250, whole(1), 'how often to read the whole text')
    stop_at: float = setting(None, at_least_1, 'stop when an epoch reaches it; no perplexity is below 1')
    patience: int = setting(None, whole(1), 'stop when the held-out perplexity has not fallen for so many '
                            'epochs; needs --holdout')
    pred_period: int = setting(50, whole(1), 'print after every so many epochs')
    pred_len: int = setting(50, whole(0, LONGEST_SONG), 'how many characters to write after a prefix')
    prefix: tuple = setting((), texts, 'how a song begins; may be given several times (default: 分开 and 不分开, or '
                            'how the text begins where it does not have these)')
    save_every: int = setting(50, whole(1), 'save after every so many epochs, besides at the end')
    restarts: int = setting(None, whole(0), 'with --workers: when a process is killed or stands still, go on from the '
                            'last checkpoint with new processes, at most so many times (default: 0)')
