"""6.3 语言模型数据集: fetch the book's own archive, for those who want the book's own digits.

`python -m rnn_scratch download` puts it into MXNet's data folder (`MXNET_HOME`, or `~/.mxnet`) and prints its path,
which `load_data_jay_lyrics(path)` and `--corpus` take. The lyrics belong to their owners.
"""
import contextlib
import io
import os
import tempfile
from pathlib import Path

from mxnet.base import data_dir
from mxnet.gluon.utils import check_sha1, download

from .files import write_whole

BOOK_URL = ('https://raw.githubusercontent.com/d2l-ai/d2l-zh/13177e16f335fef0b47317f98e2705c2f69a3440/'
            'data/jaychou_lyrics.txt.zip')
BOOK_SHA1 = '9529987e701a4f37048ab778270a5dde9a762a0b'


def book_archive():
    """Where the book's archive is, or would be, on this machine."""
    return Path(data_dir()).expanduser() / 'rnn_scratch' / 'jaychou_lyrics.txt.zip'


def download_book_corpus(url=BOOK_URL):
    """下载书的语料（已有就不再下载），返回它的路径。

    Fetch the book's archive from `url`, by default the book's repository, and return its path. OSError: it did not
    arrive, arrived with another checksum, or cannot be written; nothing is left behind.
    """
    path = book_archive()
    if path.is_file() and check_sha1(path, BOOK_SHA1):
        return path
    with tempfile.TemporaryDirectory() as folder:
        try:
            # MXNet's downloader is talkative, and standard output is for the path alone.
            with contextlib.redirect_stdout(io.StringIO()):
                arrived = download(url, os.path.join(folder, path.name), sha1_hash=BOOK_SHA1, retries=2)
        except Exception as error:  # MXNet raises RuntimeError and UserWarning, its HTTP library errors of its own
            reason = {UserWarning: 'what arrived has another checksum', RuntimeError: 'the server refused it'}.get(
                type(error), type(error).__name__)
            raise OSError(f'The archive could not be fetched from {url} ({reason}): nothing was saved; try again, or '
                          'bring the file by other means and pass its path.') from error
        write_whole(path, Path(arrived).read_bytes())
    return path
