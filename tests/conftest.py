"""What several tests share: the two corpora, the chapter's settings, and running a program as a user would."""
import io
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace

import rnn_scratch as d2l
from rnn_scratch.__main__ import main

import psutil  # noqa: F401 (it asks for the system when it is imported, and some tests say that it is another one)
import pytest

ROOT = Path(__file__).resolve().parent.parent
collect_ignore = ['browser.py']     # a program for the environment that has Selenium: see test_page.py
unix = pytest.mark.skipif(os.name == 'nt', reason='Windows has no such links, pipes, names, limits or signals')


def slashes(printed):
    r"""What was printed, with the paths of Windows as those of others; a character that is shown as \x1b stays."""
    return re.sub(r'\\+(?!x[0-9a-f]{2}|ud[89a-f])', '/', printed) if os.sep == '\\' else printed


def pytest_collection_modifyitems(items):
    """The fast tests first; of the slow ones the longest, or one process would be left alone with them at the end."""
    longest = ('test_training', 'test_walkthrough')
    items.sort(key=lambda item: (item.get_closest_marker('slow') is not None, item.path.stem not in longest))


@pytest.fixture(scope='session')
def corpus():
    """The shipped corpus: corpus_indices, char_to_idx, idx_to_char, vocab_size."""
    return d2l.load_data_jay_lyrics()


@pytest.fixture(scope='session')
def book_archive():
    """The book's own archive: where RNN_SCRATCH_BOOK_CORPUS says, beside the checkout, or where it is downloaded to."""
    from rnn_scratch.beyond.download import book_archive
    candidates = [os.environ.get('RNN_SCRATCH_BOOK_CORPUS'), ROOT.parent / 'shared/data/jaychou_lyrics.txt.zip',
                  book_archive()]
    for path in candidates:
        if path and Path(path).is_file():
            return Path(path)
    pytest.skip("the book's corpus is not on this machine (python -m rnn_scratch download fetches it)")


@pytest.fixture
def run(tmp_path):
    """Run Python in a process of its own, from an empty folder, and give back what it printed and how it ended."""
    def run(*arguments, input='', **environment):
        result = subprocess.run([sys.executable, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True,
                                input=input, encoding='utf-8',
                                env={**os.environ, 'PYTHONIOENCODING': 'utf-8', **environment})
        result.stdout, result.stderr = slashes(result.stdout), slashes(result.stderr)
        return result
    return run


@pytest.fixture
def old_processor(tmp_path):
    """A folder for PYTHONPATH: Python reads the file in it before all else, and libgcc tells of an Intel Nehalem."""
    (tmp_path / 'sitecustomize.py').write_text('''
import ctypes, types
load, told = ctypes.CDLL, (ctypes.c_uint * 4)(1, 3, 1, 0b111111111)     # as an emulator of one has it
def load_there(name, *others, **more):
    if name in (None, 'libgcc_s.so.1'):
        return types.SimpleNamespace(_handle=0, dlvsym=lambda *_: told)
    return load(name, *others, **more)
ctypes.CDLL = load_there
''', 'utf-8')
    return str(tmp_path)


@pytest.fixture
def program(tmp_path, monkeypatch, capsys):
    """Run `python -m rnn_scratch` with these arguments in an empty folder, in this process, which saves a second."""
    def program(*arguments, input=''):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'stdin', io.StringIO(input))
        capsys.readouterr()
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        if isinstance(code, str):           # as Python itself does at the end of a process
            printed, code = printed._replace(err=printed.err + code + '\n'), 1
        return SimpleNamespace(returncode=code, stdout=slashes(printed.out), stderr=slashes(printed.err))
    return program


def is_ours(error):
    """Whether the package raised it, wherever in the package: not Python, and not MXNet, which has no words for it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return ROOT / 'rnn_scratch' in Path(last.filename).parents and last.line.startswith('raise')


def relative_error(actual, expected):
    """The largest difference of two arrays, as a part of the largest entry of the second."""
    actual, expected = actual.asnumpy(), expected.asnumpy()
    assert actual.shape == expected.shape
    return abs(actual - expected).max() / abs(expected).max()
