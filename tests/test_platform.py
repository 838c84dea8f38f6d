"""What `import rnn_scratch` says on a machine where MXNet cannot start.

The machines are made of stand-in modules in a folder that Python searches first.
"""
from pathlib import Path

from rnn_scratch._platform import count_cores, has_avx2

import pytest

PROGRAM = '''
try:
    import rnn_scratch
except ImportError as error:
    print(error)
'''


@pytest.fixture
def import_with(run, tmp_path):
    """What the import says in a process where these modules stand before the real ones."""
    def import_with(first='', **modules):
        for name, source in modules.items():
            (tmp_path / f'{name}.py').write_text(source, 'utf-8')
        result = run('-c', first + PROGRAM, PYTHONPATH=str(tmp_path))
        assert result.returncode == 0, result.stderr
        assert result.stdout.count('\n') == 1, 'one sentence, on one line'
        return result.stdout
    return import_with


def test_numpy_too_new(import_with):
    said = import_with(numpy="__version__ = '2.4.1'")
    assert 'NumPy 2.4.1 is installed' in said and 'pip install "numpy<2"' in said


def test_distutils_missing(import_with):
    said = import_with("import sys; sys.modules['distutils'] = None  # there is none")
    assert 'module distutils' in said and 'pip install setuptools' in said


def test_mxnet_not_installed(import_with):
    said = import_with(mxnet="raise ModuleNotFoundError(\"No module named 'mxnet'\", name='mxnet')")
    assert 'MXNet is not installed' in said and 'Linux (x86_64, aarch64)' in said


def test_libquadmath_missing(import_with):
    said = import_with(
        mxnet="raise OSError('libquadmath.so.0: cannot open shared object file: No such file or directory')")
    assert 'libquadmath.so.0' in said and 'apt-get install libquadmath0' in said


def test_another_library_missing(import_with):
    said = import_with(
        mxnet="raise OSError('libcudart.so.11.0: cannot open shared object file: No such file or directory')")
    assert 'libcudart.so.11.0' in said and 'libquadmath' not in said


def test_other_errors_are_not_disguised(run, tmp_path):
    (tmp_path / 'mxnet.py').write_text("raise OSError('disk on fire')", 'utf-8')
    result = run('-c', 'import rnn_scratch', PYTHONPATH=str(tmp_path))
    assert 'OSError: disk on fire' in result.stderr


@pytest.mark.parametrize('version, has_alias', [('1.23.5', False), ('1.24.0', True), ('1.26.4', True)])
def test_the_numpy_alias_comes_where_it_is_needed(run, tmp_path, version, has_alias):
    (tmp_path / 'numpy.py').write_text(f"__version__ = '{version}'\nclass bool_: pass\n", 'utf-8')
    (tmp_path / 'mxnet.py').write_text("import numpy\nprint(hasattr(numpy, 'bool'))\nraise SystemExit", 'utf-8')
    assert run('-c', 'import rnn_scratch', PYTHONPATH=str(tmp_path)).stdout == f'{has_alias}\n'


SETTINGS = ['MXNET_OMP_MAX_THREADS', 'GOMP_SPINCOUNT', 'MXNET_CPU_PARALLEL_SIZE', 'OPENBLAS_CORETYPE']


@pytest.mark.parametrize('given, expected', [
    ({}, [str(count_cores()), '1000', '2147483647', 'Haswell' if has_avx2() else 'None']),
    (dict(zip(SETTINGS, ['7', '8', '9', 'Zen'])), ['7', '8', '9', 'Zen']),
    ({'OMP_NUM_THREADS': '1', 'OMP_WAIT_POLICY': 'active', 'OPENBLAS_CORETYPE': ''},
     ['None', 'None', '2147483647', '']),
])
def test_settings_hold_only_while_mxnet_starts(run, tmp_path, monkeypatch, given, expected):
    for name in [*SETTINGS, 'OMP_NUM_THREADS', 'OMP_WAIT_POLICY']:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / 'mxnet.py').write_text(
        f"import os\nprint(*map(os.environ.get, {SETTINGS}), sep=',')\nraise ImportError('stop here')", 'utf-8')
    program = '''
import os
before = dict(os.environ)
try:
    import rnn_scratch
except ImportError:
    print(os.environ == before)
'''
    result = run('-c', program, PYTHONPATH=str(tmp_path), **given)
    assert result.stdout.split() == [','.join(expected), 'True'], result.stderr


@pytest.mark.skipif(not Path('/proc/self/task').exists(), reason='only Linux lists the threads of a process')
def test_a_large_copy_starts_no_threads(run):
    """They would be more than the cores, and slow down all that comes after."""
    program = '''
import os
import rnn_scratch
from mxnet import nd
array = nd.zeros((1000, 1000))
array.wait_to_read()
before = len(os.listdir('/proc/self/task'))
array.asnumpy()
print(len(os.listdir('/proc/self/task')) - before)
'''
    result = run('-c', program, OMP_NUM_THREADS='2')
    assert result.stdout == '0\n', result.stderr
