"""6.3 语言模型数据集: the corpus, as indices of characters, and the two ways to cut it into mini-batches.

`data_iter_random` (随机采样) and `data_iter_consecutive` (相邻采样) are d2lzh's own. Both take
`(corpus_indices, batch_size, num_steps, ctx=None)` and give pairs `X, Y` of NDArrays of shape (n, T), where Y is X
moved on by one character: the label of each character is the one that follows it.
"""
import zipfile
from pathlib import Path

from d2lzh import data_iter_consecutive, data_iter_random  # noqa: F401

ARCHIVE = 'jaychou_lyrics.txt.zip'


def load_data_jay_lyrics(path=None, num_chars=10000):
    """Read a corpus and number its characters (section 6.3).

    Line breaks become spaces, as in the chapter. The vocabulary is in the order of the characters' code points, so
    that each process gives a character the same index.

    Parameters
    ----------
    path : str or path, optional
        A text in UTF-8, or a zip archive with one such text in it. Without it, the lyrics that come with this package.
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
    FileNotFoundError, ValueError
        There is no such file; it is not a text in UTF-8, or an archive with other than one file; it is empty; or
        num_chars is not a positive whole number.

    Examples
    --------
    >>> corpus_indices, char_to_idx, idx_to_char, vocab_size = load_data_jay_lyrics()
    >>> len(corpus_indices), vocab_size
    (10000, 1027)
    >>> ''.join(idx_to_char[i] for i in [char_to_idx['分'], char_to_idx['开']])
    '分开'
    """
    if num_chars is not None and (not isinstance(num_chars, int) or num_chars < 1):
        raise ValueError(f'num_chars must be a positive whole number, or None for the whole text, not {num_chars!r}.')
    path = shipped_archive() if path is None else Path(path)
    corpus_chars = read_text(path).replace('\n', ' ').replace('\r', ' ')[:num_chars]
    if not corpus_chars:
        raise ValueError(f'{path} is empty: a corpus needs at least one character.')
    idx_to_char = sorted(set(corpus_chars))
    char_to_idx = {char: i for i, char in enumerate(idx_to_char)}
    corpus_indices = [char_to_idx[char] for char in corpus_chars]
    return corpus_indices, char_to_idx, idx_to_char, len(idx_to_char)


def shipped_archive():
    """The path of this package's own lyrics: inside the installed package, or in the checkout that it runs from."""
    package = Path(__file__).resolve().parent
    installed = package / 'corpus' / ARCHIVE
    return installed if installed.exists() else package.parent / 'data' / ARCHIVE


def read_text(path):
    """The text of a file in UTF-8, or of the only file in a zip archive."""
    if not path.is_file():
        what = 'is a folder' if path.is_dir() else 'does not exist'
        raise FileNotFoundError(f'The corpus {path} {what}: give the path of a text file or a zip archive.')
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
            if len(members) != 1:
                raise ValueError(f'{path} holds {len(members)} files: a corpus archive must hold exactly one text.')
            content = archive.read(members[0])
    else:
        content = path.read_bytes()
    try:
        return content.decode('utf-8-sig')      # some editors begin a text with a mark, which is no character of it
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is not a text in UTF-8 ({error.reason} at byte {error.start}): '
                         'it may be GBK; save it as UTF-8 and try again.') from error
