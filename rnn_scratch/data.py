"""6.3 语言模型数据集: the corpus, as indices of characters.

The two ways to cut it into mini-batches, `data_iter_random` (随机采样) and `data_iter_consecutive` (相邻采样), are
d2lzh's own. Both take `(corpus_indices, batch_size, num_steps, ctx=None)` and give pairs `X, Y` of NDArrays of shape
(n, T), where Y is X moved on by one character: the label of each character is the one that follows it.
"""
from pathlib import Path

from . import _checks
from ._files import read_text

ARCHIVE = 'jaychou_lyrics.txt.zip'


def load_data_jay_lyrics(path=None, num_chars=10000):
    """读取语料，给每个不同的字符编上索引（6.3 节）。

    Read a corpus and number its characters (section 6.3).

    >>> corpus_indices, char_to_idx, idx_to_char, vocab_size = load_data_jay_lyrics()
    >>> len(corpus_indices), vocab_size
    (10000, 1027)
    >>> ''.join(idx_to_char[i] for i in [char_to_idx['分'], char_to_idx['开']])
    '分开'

    Line breaks become spaces, as in the chapter (one of Windows is two characters, and becomes two spaces). The
    vocabulary is in the order of the characters' code points, so that each process gives a character the same index.

    Parameters
    ----------
    path : str or path, optional
        A text in UTF-8, or a zip archive with one such text in it, of at most 100,000,000 bytes. Without it, the lyrics
        that come with this package.
    num_chars : int, optional
        How many characters to read, from the start; None reads all of them.

    Returns
    -------
    corpus_indices : list of int
        The text, one index a character.
    char_to_idx : dict
        From a character to its index.
    idx_to_char : list of str
        From an index to its character.
    vocab_size : int
        How many different characters there are.

    Raises
    ------
    OSError, TypeError, ValueError
        The file cannot be read, is no text in UTF-8, empty or too large; or num_chars is no positive whole number.
    """
    if num_chars is not None:
        _checks.whole(1, float('inf'), num_chars=num_chars)
    text = read_text(shipped_archive() if path is None else path)
    corpus_chars = text[:num_chars].replace('\n', ' ').replace('\r', ' ')
    idx_to_char = sorted(set(corpus_chars))
    char_to_idx = {char: i for i, char in enumerate(idx_to_char)}
    corpus_indices = [char_to_idx[char] for char in corpus_chars]
    return corpus_indices, char_to_idx, idx_to_char, len(idx_to_char)


def shipped_archive():
    """The path of this package's own lyrics: inside the installed package, or in the checkout that it runs from."""
    package = Path(__file__).resolve().parent
    installed = package / 'corpus' / ARCHIVE
    return installed if installed.exists() else package.parent / 'data' / ARCHIVE
