"""Beyond the chapter: the text of a training run, a part of which may be held out, and how a song of it begins."""
import hashlib
import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import _checks, _files
from ..data import shipped_archive
from .evaluation import unigram_perplexity
from .files import write_whole
from .settings import Settings

PREFIXES = ('分开', '不分开')       # the chapter's
NOTE = '.corpus'                    # a model has the name of its text only: its place would tell who made it
FIRST_LINE = 'For rnn_scratch on this machine, not to be given away: where the text of the models here is.\n'


@dataclass(frozen=True, repr=False)
class Corpus:
    """一次训练的文本：用来训练的部分，和留出的部分。

    The text of a run; make one with `Corpus.read`. `text` is the part to train on, and `held_out` the end of what was
    read, '' where nothing is held out. Then comes what `load_data_jay_lyrics` gives for `text`, but the numbers of the
    characters are an array of int32, (length,); `known`, those of the held-out text, less what the vocabulary lacks;
    how many characters there are in the file; how many line breaks were read as spaces; and what stands mostly for a
    line break, '' for nothing.
    """
    path: str
    text: str
    held_out: str
    indices: np.ndarray
    char_to_idx: dict
    idx_to_char: list
    vocab_size: int
    known: np.ndarray
    num_there: int
    num_breaks: int
    line_break: str

    @classmethod
    def read(cls, path=None, num_chars=10000, holdout=0.0, keep_lines=False, vocabulary=()):
        """读取文本，按 holdout 分成两部分。

        Read a text, as `load_data_jay_lyrics` does (num_chars 0 is all of it), and hold out its end. With `keep_lines`
        a line break, also that of Windows, stays what it is, and is one character. The characters of `vocabulary`, of a
        model that is there already, keep their numbers, and new ones come after them. The errors are the same; and
        ValueError where what is held out is too short to predict a character of it.
        """
        _checks.whole(0, float('inf'), num_chars=num_chars)
        text = _files.read_text(shipped_archive() if path is None else path)
        if keep_lines:
            text = text.replace('\r\n', '\n').replace('\r', '\n')
        num_there, text = len(text), text[:num_chars or None]
        num_breaks, line_break = (0, '') if keep_lines else line_breaks(text)
        if not keep_lines:
            text = text.replace('\n', ' ').replace('\r', ' ')
        length = len(text) - int(len(text) * holdout)
        idx_to_char = [*vocabulary, *sorted(set(text[:length]).difference(vocabulary))]
        if any(len(entry) != 1 for entry in vocabulary):
            raise ValueError('The vocabulary of the model has entries of several characters, and a text is read one by '
                             'one: train with train_and_predict_rnn, which takes any entries.')
        codes = np.frombuffer(text.encode('utf-32-le'), '<u4')      # four bytes a character, and so has an index
        number_of = np.full(max(codes.max(), *map(ord, idx_to_char)) + 1, -1, 'int32')
        number_of[[*map(ord, idx_to_char)]] = range(len(idx_to_char))
        indices = number_of[codes]
        known = indices[length:][indices[length:] >= 0]
        if holdout and len(known) < 2:
            raise ValueError(f'--holdout {holdout} holds out {len(text) - length} characters, {len(known)} of them '
                             'known from the text to train on, and two are needed, one to read and one to predict: '
                             'take a larger --holdout, or read more (--num-chars).')
        return cls(path, text[:length], text[length:], indices[:length],
                   {char: i for i, char in enumerate(idx_to_char)}, idx_to_char, len(idx_to_char), known, num_there,
                   num_breaks, line_break)

    @property
    def sha256(self):
        """What tells one text from another: the hash of both parts together."""
        return hashlib.sha256((self.text + self.held_out).encode()).hexdigest()

    def facts(self):
        """What a checkpoint says of the text, besides the settings."""
        facts = {'corpus': self.path and Path(self.path).name, 'corpus_sha256': self.sha256,
                 'corpus_chars': self.num_there, 'line_break': self.line_break,
                 'unigram_perplexity': unigram_perplexity(self.indices)}
        if self.held_out:
            facts['held_out_unigram_perplexity'] = unigram_perplexity(self.indices, self.known)
        return facts

    def how_read(self):
        """What of the text is not read as it stands, a line each."""
        read = len(self.text + self.held_out)
        if read < self.num_there:
            yield f'reads {read:,} of {self.num_there:,} characters: --num-chars 0 reads all'
        if self.num_breaks and not self.line_break:
            yield (f'its {self.num_breaks:,} line breaks are read as spaces, as in the chapter: --keep-lines keeps '
                   'them, for code, poems, plays and chats')

    def default_prefixes(self):
        """The chapter's where the text has their characters; else the two characters that the text begins with."""
        return PREFIXES if set(''.join(PREFIXES)) <= set(self.text) else (self.text.strip()[:2] or self.text[:1],)

    def check_same(self, who, checkpoint):
        """Refuse a model that was trained on another text, or numbers its characters in another way."""
        if checkpoint.settings['corpus_sha256'] != self.sha256 or checkpoint.idx_to_char != self.idx_to_char:
            raise ValueError(f'{who} was trained on another text than '
                             f'{_files.shown(self.path or "the shipped lyrics")}: name that text with --corpus.')


def line_breaks(text):
    """How many there are, and what most of them become: one space or two, or '' if that is often something else."""
    pairs = text.count('\r\n')
    number = text.count('\n') + text.count('\r') - pairs
    spaces = '  ' if 2 * pairs > number else ' '
    return number, spaces if number >= text.count(spaces) else ''


def laid_out(song, checkpoint):
    """歌的样子和原文一样：哪些空格是换行，模型记得。

    A song as the text of its model looked: with line breaks for that which stands for them there. A model that does not
    say what that is, such as one of version 0.2, was for lyrics: a line for each space.
    """
    line_break, song = checkpoint.settings.get('line_break'), printable(song)
    return song if line_break == '' else song.replace('  ' if line_break == '  ' else ' ', '\n')


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
    corpus = Corpus.read(place, settings.num_chars, settings.holdout, settings.keep_lines, checkpoint.idx_to_char)
    corpus.check_same('The model', checkpoint)
    return corpus.text
