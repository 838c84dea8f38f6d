"""What `import rnn_scratch` says on a machine where MXNet cannot start.

The machines are made of stand-in modules in a folder that Python searches first.
"""
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from rnn_scratch import _platform
from rnn_scratch._platform import LIBRARIES, NUMBERS, count_cores, sentence, what_is_missing, wrong_variable

import mxnet
import numpy
import pytest
from conftest import ROOT

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
    said = import_with(numpy="__version__ = '2.4.0'")
    assert 'NumPy 2.4.0 is installed' in said and 'pip install "numpy<2.4"' in said


def test_distutils_missing(import_with):
    said = import_with("import sys; sys.modules['distutils'] = None  # there is none")
    assert 'module distutils' in said and 'pip install setuptools' in said


def test_mxnet_not_installed(import_with):
    said = import_with(mxnet="raise ModuleNotFoundError(\"No module named 'mxnet'\", name='mxnet')")
    assert 'MXNet is not installed' in said and sys.executable in said


def test_another_library_missing(import_with):
    said = import_with(
        mxnet="raise OSError('libcudart.so.11.0: cannot open shared object file: No such file or directory')")
    assert 'libcudart.so.11.0' in said and 'libquadmath' not in said and 'mxnet==1.9.1' in said


@pytest.fixture
def said_on(monkeypatch):
    """What is said on another machine, whose loader does not find these libraries."""
    def said_on(system, processor, missing=()):
        def load(library):
            if library in missing:
                raise OSError(f'{library}: cannot open shared object file: No such file or directory')

        with monkeypatch.context() as patch:
            patch.setattr('sys.platform', system)
            patch.setattr('platform.machine', lambda: processor)
            patch.setattr('ctypes.CDLL', load)
            wrong = what_is_missing()
            return wrong and sentence(*wrong)
    return said_on


def test_missing_libraries_are_named_all_at_once(said_on):
    said = said_on('linux', 'x86_64', ['libgomp.so.1', 'libquadmath.so.0'])
    assert 'libgomp.so.1, libquadmath.so.0' in said
    assert 'apt-get install libgomp1 libquadmath0 (Debian and Ubuntu' in said
    said = said_on('linux', 'x86_64', ['libquadmath.so.0'])
    assert 'libgomp' not in said and 'apt-get install libquadmath0 (Debian and Ubuntu' in said
    assert said_on('linux', 'x86_64') is None


def test_a_missing_library_of_windows(said_on):
    said = said_on('win32', 'AMD64', ['vcomp140.dll'])
    assert 'vcomp140.dll' in said and 'python -m pip install --no-deps msvc-runtime' in said


ARM = ['libarmpl_lp64_mp.so', 'libamath.so', 'libastring.so']


@pytest.mark.parametrize('system, processor, missing', [
    ('linux', 'aarch64', ARM), ('linux', 'ppc64le', []), ('darwin', 'arm64', []), ('win32', 'ARM64', [])])
def test_machines_without_mxnet_hear_where_it_runs(said_on, system, processor, missing):
    said = said_on(system, processor, missing)
    assert f'does not run on {system} {processor}' in said and 'Linux on x86_64' in said and 'rnn_numpy.py' in said
    assert all(library in said for library in missing) and 'apt-get' not in said


def test_machines_with_mxnet_hear_nothing(said_on):
    assert said_on('darwin', 'x86_64') is None
    assert said_on('win32', 'AMD64') is None
    assert said_on('linux', 'aarch64') is None, 'whoever has the libraries may try'


@pytest.mark.skipif(sys.platform != 'linux' or platform.machine() != 'x86_64' or shutil.which('ldd') is None,
                    reason='these are the libraries of Linux on x86_64, listed by ldd')
def test_the_libraries_are_those_that_the_loader_asks_for():
    """ldd lists what the wheel needs: its own, those of the C library, and those that the system must have."""
    folder = Path(mxnet.__file__).parent
    listed = subprocess.run(['ldd', folder / 'libmxnet.so'], capture_output=True, text=True, check=True).stdout
    needed = {line.split()[0] for line in listed.splitlines() if '=>' in line and str(folder) not in line}
    of_the_c_library = {f'lib{name}' for name in ['c.so.6', 'm.so.6', 'dl.so.2', 'rt.so.1', 'pthread.so.0']}
    assert needed - of_the_c_library == set(LIBRARIES['linux x86_64'])


@pytest.mark.skipif(sys.platform != 'linux' or platform.machine() != 'x86_64', reason='there libgcc is asked')
@pytest.mark.parametrize('feature, name', [('AVX-512', 'AVX512F'), ('AVX2', 'AVX2'), ('AVX', 'AVX')])
def test_the_processor_has_what_numpy_finds(feature, name):
    """NumPy asks the processor, too, and by itself."""
    found = (numpy._core if hasattr(numpy, '_core') else numpy.core)._multiarray_umath.__cpu_features__
    assert _platform.processor_has(feature) is found[name]


NO_AVX = ('MXNet needs a processor with AVX, and this one has none; run: python examples/rnn_numpy.py (in the folder '
          'of rnn_scratch: the chapter in NumPy alone; or give a virtual machine the type of processor "host", and an '
          'emulator "max").')


def test_an_old_processor_is_told_before_mxnet_ends_the_process(run, old_processor, tmp_path):
    (tmp_path / 'mxnet.py').write_text("print('MXNet')", 'utf-8')
    assert run('-c', PROGRAM, PYTHONPATH=old_processor).stdout == f'{NO_AVX}\n'
    as_make_does = run(_platform.__file__, PYTHONPATH=old_processor)
    assert (as_make_does.returncode, as_make_does.stderr) == (1, f'{NO_AVX}\n')


def test_no_libgcc_says_nothing_of_the_processor(monkeypatch):
    def load(library):
        raise OSError(library)
    monkeypatch.setattr('ctypes.CDLL', load)
    assert _platform.processor_has('AVX') is None and _platform.wrong_processor() is None


def test_other_errors_are_not_disguised(run, tmp_path):
    (tmp_path / 'mxnet.py').write_text("raise OSError('disk on fire')", 'utf-8')
    result = run('-c', 'import rnn_scratch', PYTHONPATH=str(tmp_path))
    assert 'OSError: disk on fire' in result.stderr


@pytest.mark.parametrize('version, given_back', [
    ('1.23.5', False), ('1.24.0', True), ('1.26.4', True), ('2.0.2', True), ('2.3.5', True)])
def test_numpy_gets_names_back_where_they_are_needed(run, tmp_path, version, given_back):
    """And a name that NumPy has stays as it is."""
    (tmp_path / 'numpy.py').write_text(f"""
__version__, product = '{version}', 'its own'
class Anything:
    __neg__ = __call__ = lambda self, *_, **__: self
def __getattr__(name):
    if name == '__path__':      # it is no package
        raise AttributeError
    return Anything()
""", 'utf-8')
    (tmp_path / 'mxnet.py').write_text("""
import numpy
print({'bool', 'PZERO', 'NINF', 'pmt'} <= vars(numpy).keys(), numpy.product)
raise SystemExit
""", 'utf-8')
    assert run('-c', 'import rnn_scratch', PYTHONPATH=str(tmp_path)).stdout == f'{given_back} its own\n'


def test_sums_of_d2lzh_keep_their_digits():
    """With NumPy 2 a float32 plus a number of Python would be a float32, 1.10000002."""
    assert 0.1 + mxnet.nd.ones(1).asscalar() == 1.1
    assert 0.1 + mxnet.nd.ones((1, 1)).asscalar() == 1.1


def test_d2lzh_draws_in_a_notebook_of_today(run):
    """IPython 9 has no `set_matplotlib_formats`; what took its place is called."""
    result = run('-c', """if True:
        import sys, IPython.display
        vars(IPython.display).pop('set_matplotlib_formats', None)
        import rnn_scratch, d2lzh
        from matplotlib_inline import backend_inline
        backend_inline.set_matplotlib_formats = lambda *formats: print(formats)
        d2lzh.set_figsize((4, 3))
        print(d2lzh.plt.rcParams['figure.figsize'])
    """)
    assert result.stdout == "('svg',)\n[4.0, 3.0]\n", result.stderr


def test_a_size_may_be_a_number_of_numpy(run):
    """MXNet gets shapes as text, and NumPy 2 would write np.int64(3); each thread has printing options of its own."""
    result = run('-c', """if True:
        import rnn_scratch as d2l, numpy as np
        from mxnet import nd
        from concurrent.futures import ThreadPoolExecutor
        def show():
            print(nd.zeros((np.int64(2), np.int64(3))).shape, d2l.to_onehot(nd.array([1]), np.int64(3))[0].asnumpy())
        show()
        ThreadPoolExecutor().submit(show).result()
    """)
    assert result.stdout == '(2, 3) [[0. 1. 0.]]\n' * 2, result.stderr


SETTINGS = ['MXNET_OMP_MAX_THREADS', 'OPENBLAS_NUM_THREADS', 'MXNET_CPU_WORKER_NTHREADS', 'MXNET_CPU_TEMP_COPY',
            'MXNET_CPU_PARALLEL_SIZE', 'OPENBLAS_CORETYPE', 'OMP_NUM_THREADS']
CORES, HASWELL = str(count_cores()), 'Haswell' if _platform.processor_has('AVX2') else 'None'


@pytest.mark.parametrize('given, expected', [
    ({}, ['1', '1', CORES, '64', '2147483647', HASWELL, 'None']),
    (dict(zip(SETTINGS, ['7', '8', '9', '5', '4', 'Zen'])), ['7', '8', '9', '5', '4', 'Zen', 'None']),
    # The usual way to say how many cores: MXNet hears of it as the number of operators.
    ({'OMP_NUM_THREADS': ' 6 '}, ['1', '1', '6', '64', '2147483647', HASWELL, 'None']),
    ({'OMP_NUM_THREADS': '6', 'MXNET_OMP_MAX_THREADS': '3'}, ['3', '3', '2', '64', '2147483647', HASWELL, 'None']),
    ({'OMP_NUM_THREADS': '2', 'MXNET_OMP_MAX_THREADS': '3'}, ['3', '3', '1', '64', '2147483647', HASWELL, 'None']),
    # An empty one is as good as not set, and no library sees it.
    (dict(zip(SETTINGS, ['', ' ', '', '', '', '', ' '])), ['1', '1', CORES, '64', '2147483647', HASWELL, 'None']),
])
def test_settings_hold_only_while_mxnet_starts(run, tmp_path, monkeypatch, given, expected):
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / 'mxnet.py').write_text(
        f"import os\nprint(*map(os.environ.get, {SETTINGS}), sep=',')\n"
        f"assert all(os.environ.get(name, 'not set').strip() for name in {SETTINGS})\n"
        "raise ImportError('stop here')", 'utf-8')
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


@pytest.mark.parametrize('name, value', [
    (name, value) for name in NUMBERS
    for value in ['abc', '-1', '2.5', '2,1', '1e3', '0x10', '٣', '9' * 11] + ['0', '2000'] * ('PARALLEL' not in name)])
def test_a_variable_that_mxnet_does_not_survive_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    what, command = wrong_variable()
    assert f'{name} is {value!r}, which is no whole number' in what and command.startswith(f'unset {name} ')


@pytest.mark.parametrize('name', NUMBERS)
def test_a_number_and_nothing_are_sound(monkeypatch, name):
    for value in ['', ' ', '1', ' 2 ', '8']:
        monkeypatch.setenv(name, value)
        assert wrong_variable() is None


@pytest.mark.parametrize('name, value', [('OMP_NUM_THREADS', 'abc'), ('MXNET_CPU_WORKER_NTHREADS', '0'),
                                         ('MXNET_EXEC_BULK_EXEC_TRAIN', 'abc'), ('MXNET_ENGINE_TYPE', 'abc')])
def test_mxnet_is_not_started_with_it(run, name, value):
    """The first ends the process, the second waits for ever, the others fail at the first array."""
    result = run('-c', PROGRAM, **{name: value})
    assert result.returncode == 0, result.stderr
    assert f'The environment variable {name} is {value!r}, which' in result.stdout and f'unset {name}' in result.stdout


@pytest.mark.parametrize('variables, sentence', [
    ({'OMP_NUM_THREADS': 'abc'}, 'The environment variable OMP_NUM_THREADS is .abc., which .*; run: unset OMP_NUM_'),
    ({'DMLC_ROLE': 'teacher'}, 'DMLC_ROLE is .teacher., so DMLC_ROLE must be scheduler, server or worker'),
    ({'MISSING': 'mxnet'}, 'MXNet is not installed for Python .*; run: '        # from 3.13 on the metadata leave it out
     + ('make train' if sys.version_info < (3, 13) else 'python -m pip install --no-deps mxnet==1.9.1')),
    ({'MISSING': 'requests'}, 'The package requests, which MXNet needs, is not installed for .*; run: make train'),
    ({'MISSING': 'safetensors'}, 'The package safetensors is not installed; run: make train'),
    ({'MISSING': 'd2lzh'}, 'The package d2lzh is not installed; run: make train'),
    ({'LIBRARY': 'libquadmath.so.9'}, 'MXNet needs the library libquadmath.so.9, which cannot be loaded'),
])
def test_the_command_line_says_it_in_one_sentence(run, tmp_path, variables, sentence):
    """Where Python finds no such package, or MXNet no such library."""
    (tmp_path / 'sitecustomize.py').write_text('''if True:
        import os, sys
        class Missing:
            def find_spec(self, name, path=None, target=None):
                if name == os.environ.get('MISSING'):
                    raise ModuleNotFoundError(f'No module named {name!r}', name=name)
                if name == 'mxnet' and 'LIBRARY' in os.environ:
                    raise OSError(os.environ['LIBRARY'] + ': cannot open shared object file: No such file or directory')
        sys.meta_path.insert(0, Missing())
    ''', 'utf-8')
    result = run('-m', 'rnn_scratch', 'train', '--num-chars', 500, '--batch-size', 2, '--hidden', 2, '--epochs', 1,
                 PYTHONPATH=f'{tmp_path}{os.pathsep}{ROOT}', **variables)
    line, = [line for line in result.stderr.splitlines() if 'sampling has not begun' not in line]
    assert result.returncode == 1 and re.match(sentence, line) and line.endswith('.')


@pytest.mark.parametrize('core', ['no such processor', *(pytest.param(core, marks=pytest.mark.slow)
                                                          for core in ['', ' '])])
def test_products_are_right_or_refused_whatever_the_setting(run, core):
    """On some processors, NumPy's own OpenBLAS takes an unknown name for a reason to multiply wrongly.

    Products of integers use no OpenBLAS; those of small ones are exact in 32-bit floats.
    """
    program = '''
try:
    import rnn_scratch
except ImportError as error:
    print(error)
    raise SystemExit
import numpy
from mxnet import nd
for n, k, m in [(32, 256, 256), (1120, 256, 1027), (300, 300, 300)]:
    a, b = numpy.arange(n * k).reshape(n, k) % 7, numpy.arange(k * m).reshape(k, m) % 5
    assert (nd.dot(nd.array(a), nd.array(b)).asnumpy() == a.dot(b)).all()
    assert (a.astype('float64').dot(b.astype('float64')) == a.dot(b)).all()
print('right')
'''
    result = run('-c', program, OPENBLAS_CORETYPE=core, OMP_NUM_THREADS='2')
    refused = (f'The environment variable OPENBLAS_CORETYPE is {core!r}, which makes NumPy multiply matrices wrongly '
               'on this processor; run: unset OPENBLAS_CORETYPE (in this terminal; or set it to another value).\n')
    assert result.stdout in (['right\n', refused] if core.strip() else ['right\n']), result.stderr


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
    result = run('-c', program, MXNET_OMP_MAX_THREADS='2')
    assert result.stdout == '0\n', result.stderr


START = f"""
import runpy, sys
is_our_start = runpy.run_path({_platform.__file__!r})['is_our_start']
print(is_our_start())
sys.version_info = (3, 9, 0)        # which has no sys.orig_argv
print(is_our_start())
"""


@pytest.mark.parametrize('arguments, expected', [
    (['-m', 'rnn_scratch'], True), (['-m', 'rnn_scratch', 'train', '--prefix', '分开'], True),
    (['-mrnn_scratch', 'doctor'], True), (['-W', 'ignore', '-Esm', 'rnn_scratch', '-m', 'mine'], True),
    (['-Bmrnn_scratch', 'doctor'], True), (['-m', 'rnn_scratch.__main__'], True), (['-m', 'mine', 'doctor'], False),
    (['-mmine', '-m', 'rnn_scratch'], False), (['-m', 'mine', 'rnn_scratch'], False),
    (['-m', 'mine.rnn_scratch'], False), (['-c', 'import rnn_scratch', '-m', 'rnn_scratch'], False)])
def test_our_own_program_is_told_from_others(run, tmp_path, arguments, expected):
    for folder in ['rnn_scratch', 'mine']:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / '__init__.py').write_text(START, 'utf-8')
        (tmp_path / folder / '__main__.py').touch()
    (tmp_path / 'mine/rnn_scratch.py').touch()
    result = run(*arguments)
    assert result.stdout == f'{expected}\n' * 2, result.stderr


def test_a_program_that_imports_the_package_ends_as_it_wants(run, tmp_path):
    """Also one that is run with -m, while Python looks for it."""
    (tmp_path / 'mine').mkdir()
    # A shell that starts the tests with & lets them ignore Ctrl-C: so it is set to what Python has by itself.
    (tmp_path / 'mine/__init__.py').write_text(
        'import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nimport rnn_scratch', 'utf-8')
    (tmp_path / 'mine/__main__.py').write_text(
        'import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\nfinally:\n    print("put away")', 'utf-8')
    result = run('-m', 'mine')
    assert result.stdout == 'put away\n' and 'KeyboardInterrupt' in result.stderr


def test_the_way_to_end_the_start_ends_with_the_start(program):
    before = signal.signal(signal.SIGINT, _platform.end_at_once)
    try:
        program('--help')
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


FLAGS = """
import runpy, subprocess, sys
print(sys.flags, sorted(set(sys.warnoptions)), sys._xoptions, flush=True)
if len(sys.argv) == 2:
    python = runpy.run_path(sys.argv[1])['python']
    sys.exit(subprocess.run(python('flags.py', 'no', 'more')).returncode)
"""


@pytest.mark.parametrize('flags', [
    [], *([flag] for flag in ['-B', '-O', '-OO', '-s', '-E', '-I', '-Xdev', '-Xutf8=1', '-Xtracemalloc=3']),
    ['-Werror::UserWarning'], ['-I', '-B', '-Wd', '-Wi::UserWarning', '-Xutf8'],
    *[['-P'], ['-P', '-s']] * (sys.version_info >= (3, 11))], ids=' '.join)
def test_another_python_has_the_flags_of_this_one(run, tmp_path, flags):
    (tmp_path / 'flags.py').write_text(FLAGS, 'utf-8')
    result = run(*flags, 'flags.py', _platform.__file__)
    assert result.returncode == 0, result.stderr
    ours, others = result.stdout.splitlines()
    assert ours == others
