"""Beyond the chapter: the text of a training run, a part of which may be held out, and how a song of it begins."""
import hashlib
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import rnn_scratch as d2l

from .. import _files
from .evaluation import unigram_perplexity
from .files import write_whole
from .settings import Settings

PREFIXES = ('分开', '不分开')       # the chapter's
NOTE = '.corpus'                    # a model has the name of its text only: its place would tell who made it
FIRST_LINE = 'For rnn_scratch on this machine, not to be given away: where the text of the models here is.\n'


@dataclass(frozen=True, repr=False)
class Corpus:
    """一次训练的文本：用来训练的部分，和留出的部分。

    The text of a run; make one with `Corpus.read`. `text` is the part to train on, and the rest is what
    `load_data_jay_lyrics` gives for it; `held_out` is the end of what was read, '' where nothing is held out.
    """
    path: str
    text: str
    held_out: str
    indices: list
    char_to_idx: dict
    idx_to_char: list
    vocab_size: int

    @classmethod
    def read(cls, path=None, num_chars=10000, holdout=0.0):
        """读取文本，按 holdout 分成两部分。

        Read a text, as `load_data_jay_lyrics` does (num_chars 0 is all of it), and hold out its end. The errors are
        the same; and ValueError where what is held out is too short to predict a character of it.
        """
        found = d2l.load_data_jay_lyrics(path, num_chars or None)
        text = ''.join(map(found[2].__getitem__, found[0]))
        length = len(text) - int(len(text) * holdout)
        text, held_out = text[:length], text[length:]
        corpus = cls(path, text, held_out, *(d2l.load_data_jay_lyrics(path, length) if held_out else found))
        known = len(corpus.known())
        if holdout and known < 2:
            raise ValueError(f'--holdout {holdout} holds out {len(held_out)} characters, {known} of them known from '
                             'the text to train on, and two are needed, one to read and one to predict.')
        return corpus

    def known(self):
        """The held-out text as indices, less the characters that the vocabulary lacks."""
        return [self.char_to_idx[char] for char in self.held_out if char in self.char_to_idx]

    @property
    def sha256(self):
        """What tells one text from another: the hash of both parts together."""
        return hashlib.sha256((self.text + self.held_out).encode()).hexdigest()

    def facts(self):
        """What a checkpoint says of the text, besides the settings."""
        facts = {'corpus': self.path and Path(self.path).name, 'corpus_sha256': self.sha256,
                 'unigram_perplexity': unigram_perplexity(self.indices)}
        if self.held_out:
            facts['held_out_unigram_perplexity'] = unigram_perplexity(self.indices, self.known())
        return facts

    def default_prefixes(self):
        """The chapter's where the text has their characters; else the two characters that the text begins with."""
        return PREFIXES if set(''.join(PREFIXES)) <= set(self.text) else (self.text.strip()[:2] or self.text[:1],)

    def check_same(self, who, checkpoint):
        """Refuse a model that was trained on another text, or numbers its characters in another way."""
        if checkpoint.settings['corpus_sha256'] != self.sha256 or checkpoint.idx_to_char != self.idx_to_char:
            raise ValueError(f'{who} was trained on another text than '
                             f'{_files.shown(self.path or "the shipped lyrics")}: name that text with --corpus.')


def printable(song):
    """The song, but what a terminal would obey, and not show, is escaped."""
    obeyed = {char for char in song if unicodedata.category(char) == 'Cc'} - {'\n', '\t'}
    return ''.join(repr(char)[1:-1] if char in obeyed else char for char in song)


def read_note(folder):
    """Where the text of the models in this folder is, None where no note says it; ValueError if the file is no note."""
    path = Path(folder, NOTE)
    if not os.path.lexists(path):
        return None
    try:
        first, place = _files.read_file('note', path, 10_000, 'a file').decode().split('\n', 1)
        if f'{first}\n' == FIRST_LINE and os.path.isabs(place) and place.endswith('\n'):
            return place[:-1]
        reason = 'it does not begin and end like one'
    except (OSError, ValueError) as error:
        reason = str(error).rstrip('.')
    raise ValueError(f'{_files.shown(path)} is not the note in which training keeps the place of a text ({reason}): '
                     'move it to another place, and name the text with --corpus.')


def keep_note(folder, place):
    """Say in a note beside the models where their text is, unless it is the one that comes with the package."""
    if place and read_note(folder) != place:
        write_whole(Path(folder, NOTE), f'{FIRST_LINE}{place}\n'.encode())


def place_of_text(path, name):
    """Where the text of this name is that the model at `path` was trained on; ValueError where nothing says it."""
    if name is None or os.path.isabs(name):     # version 0.2 wrote the place itself
        return name
    place = read_note(Path(path).parent)
    if place is None or Path(place).name != name:
        raise ValueError(f'{_files.shown(path)} was trained on a text named {_files.shown(name)}, and no note {NOTE} '
                         'beside it says where that is: name the text with --corpus.')
    return place


def trained_text(path, checkpoint, corpus=None):
    """The text that a model was trained on, from `corpus` or where its run read it; OSError or ValueError without."""
    if 'corpus_sha256' not in checkpoint.settings:
        raise ValueError('The model was not saved by python -m rnn_scratch train, so it does not say which text it was '
                         'trained on: leave --copied out.')
    settings = Settings.of(_files.shown(path), checkpoint)
    place = corpus or place_of_text(path, settings.corpus)
    if place and not os.path.isfile(place):
        raise FileNotFoundError(f'Its text, {_files.shown(place)}, is not there any more: name it with --corpus.')
    corpus = Corpus.read(place, settings.num_chars, settings.holdout)
    corpus.check_same('The model', checkpoint)
    return corpus.text
