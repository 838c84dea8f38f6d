"""The wheel in an environment of its own, the guard of setup.py, and what make does on other people's machines."""
import ctypes
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest
import safetensors.numpy
from conftest import ROOT


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """Built from a copy of the sources, so that nothing is left in the checkout and nothing old gets in."""
    sources, out = tmp_path_factory.mktemp('sources'), tmp_path_factory.mktemp('wheel')
    for name in ['rnn_scratch', 'data']:
        shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns('__pycache__'))
    for name in ['setup.py', 'pyproject.toml', 'MANIFEST.in', 'README.md', 'LICENSE']:
        shutil.copy(ROOT / name, sources)
    subprocess.run([sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps', '--no-build-isolation', '--no-index',
                    '--wheel-dir', out, sources], check=True)
    path, = out.glob('rnn_scratch-*.whl')
    return path


@pytest.mark.slow
def test_the_wheel_works_with_no_checkout_in_sight(wheel, tmp_path):
    """A fresh environment has the wheel, and sees the dependencies (there is no network in a test) after its own.

    In an empty folder it trains, saves, draws and writes, by the program that comes with the wheel.
    """
    python = tmp_path / 'env/bin/python'
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', tmp_path / 'env'], check=True)
    subprocess.run([sys.executable, '-m', 'pip', '--python', python, 'install', '--quiet', '--no-deps', '--no-index',
                    wheel], check=True)
    site_packages, = (tmp_path / 'env/lib').glob('python*/site-packages')
    dependencies = sysconfig.get_paths()['purelib']
    (site_packages / 'dependencies.pth').write_text(f'import site; site.addsitedir({dependencies!r})\n')
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()

    def run(*arguments):
        result = subprocess.run([python, *arguments], cwd=elsewhere, capture_output=True, text=True, encoding='utf-8',
                                env={**os.environ, 'PYTHONIOENCODING': 'utf-8'})
        assert result.returncode == 0, result.stderr
        return result.stdout

    printed = run('-m', 'rnn_scratch', 'train', '--epochs', '2', '--hidden', '64', '--seed', '5')
    folder, = (elsewhere / 'runs').iterdir()
    assert printed.splitlines()[-1] == f'picture in {folder.relative_to(elsewhere)}/training.png'
    assert sorted(path.name for path in folder.iterdir()) == [
        '.lock', 'consecutive-best.safetensors', 'consecutive.safetensors', 'random-best.safetensors',
        'random.safetensors', 'training.png']
    arrays = safetensors.numpy.load_file(folder / 'random.safetensors')
    assert {name: array.shape for name, array in arrays.items()} == {
        'W_xh': (1027, 64), 'W_hh': (64, 64), 'b_h': (64,), 'W_hq': (64, 1027), 'b_q': (1027,)}
    assert run('-m', 'rnn_scratch', 'write', '--num-chars', '20').startswith('分开')
    assert run('-c', 'import rnn_scratch; print(rnn_scratch.__file__)').strip() == str(
        site_packages / 'rnn_scratch/__init__.py')


def test_the_import_works_beside_the_checkout(run, tmp_path):
    """In the folder that holds the clone, whose name is the package's, Python must not take the clone for it."""
    (tmp_path / 'rnn_scratch').mkdir()
    result = run('-c', 'import rnn_scratch; print(rnn_scratch.load_data_jay_lyrics()[3])')
    assert result.stdout == '1027\n', result.stderr


def test_setup_says_which_pythons_will_do(run):
    """setup.py, read by a Python that takes itself for others."""
    result = run('-c', f"""if True:
        import runpy, sys
        import setuptools
        setuptools.setup = lambda **keywords: print('set up')
        for minor in [7, 8, 14, 15]:
            sys.version_info = (3, minor, 0)
            try:
                runpy.run_path({str(ROOT / 'setup.py')!r}, run_name='__main__')
            except SystemExit as error:
                print(error.code)
    """)
    old, first, last, new = result.stdout.splitlines()
    assert first == last == 'set up'
    for said, version in [(old, '3.7'), (new, '3.15')]:
        assert f'this is Python {version}:' in said and '3.8 to 3.14' in said


class Machine:
    """A copy of what make reads, and a machine whose programs are stand-ins that write down what they are asked.

    A stand-in for Python makes environments with another stand-in in them.
    """
    PYTHON = """#!/bin/sh
        echo "$*" >> '{log}'
        for last; do :; done
        case "$*" in
        '-m venv '*) mkdir -p "$last/bin"; cp "$0" "$last/bin/python";;
        *print*) echo 3.10;;
        esac
    """
    ONLY_WITH_UV = """#!/bin/sh
        case "$*" in
        *ensurepip*) exit 1;;
        -c*|*_platform.py) exec '{python}' "$@";;
        *) echo "$*" >> '{log}';;
        esac
    """
    WITHOUT_ENSUREPIP = """#!/bin/sh
        case "$*" in
        *ensurepip*) exit 1;;
        --version) echo Python 3.11.2;;
        *print*) echo 3.11;;
        esac
    """
    TOO_NEW = """#!/bin/sh
        test "$*" = --version && echo Python 3.15.0
    """
    WITHOUT_LIBRARIES = """#!/bin/sh
        case "$*" in
        *_platform.py) exec '{python}' -c "
import ctypes, platform, runpy, sys
def load(library): raise OSError
ctypes.CDLL, sys.platform, platform.machine = load, 'linux', lambda: 'x86_64'
runpy.run_path('$*', run_name='__main__')";;
        *) echo "$*" >> '{log}';;
        esac
    """
    UV = """#!/bin/sh
        echo "uv $*" >> '{log}'
        for last; do :; done
        test "$1" != venv || {{ mkdir -p "$last/bin"; cp '{home}/bin/python3' "$last/bin/python"; }}
    """

    def __init__(self, home):
        self.home, self.folder, self.log = home, home / '歌词 songs', home / 'log'
        for name in ['Makefile', 'setup.py', 'rnn_scratch/_platform.py', 'tests/requirements-elsewhere.txt',
                     *(f'{folder}requirements.txt' for folder in ['', 'tests/', 'examples/'])]:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.folder / name)
        (home / 'bin').mkdir()
        for tool in ['cat', 'cp', 'make', 'mkdir', 'rm', 'touch']:
            (home / 'bin' / tool).symlink_to(shutil.which(tool))

    def has(self, **programs):
        for name, text in programs.items():
            self.write(self.home / 'bin' / name, text)

    def write(self, path, text):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.format(log=self.log, python=sys.executable, home=self.home), 'utf-8')
        path.chmod(0o755)

    def make(self, *arguments, **options):
        """What make says on standard error, and what the programs were asked, less the questions about themselves."""
        self.log.write_text('')
        result = subprocess.run(
            ['make', *arguments], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding='utf-8',
            env={'PATH': str(self.home / 'bin'), 'HOME': str(self.home)}, **options)
        assert (result.returncode == 0) == (result.stderr == ''), 'a failure, or nothing, is said'
        asked = self.log.read_text('utf-8').splitlines()
        return (result.stderr.splitlines() or [''])[0], [line for line in asked if not line.startswith(('-c', 'rnn_'))]


@pytest.fixture
def machine():
    with tempfile.TemporaryDirectory() as home:
        yield Machine(Path(home))


needs_make = pytest.mark.skipif(shutil.which('make') is None, reason='make is not on this machine')
PYTEST = '-m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup'
PIP = '-m pip install --quiet --use-pep517 --no-deps --requirement '
INSTALL, INSTALL_TESTS = PIP + 'requirements.txt --editable .', PIP + 'tests/requirements.txt'


@needs_make
def test_make_names_the_pythons_that_will_not_do(machine):
    said, asked = machine.make('train')
    assert 'CPython 3.8 to 3.14' in said and 'Python was not found' in said and 'PYTHON=python3.11' in said
    machine.has(python3=Machine.TOO_NEW, **{'python3.11': Machine.WITHOUT_ENSUREPIP})
    said, asked = machine.make('train')
    assert 'python3 is Python 3.15.0, python3.11 is Python 3.11.2 without the module ensurepip' in said
    assert 'apt-get install python3.11-venv' in said
    said, asked = machine.make('train', 'PYTHON=python3')
    assert 'here python3 is Python 3.15.0:' in said and 'ensurepip' not in said
    said, asked = machine.make('train', 'PYTHON=/no/where')
    assert '/no/where was not found' in said


@needs_make
def test_make_installs_once_for_each_place(machine):
    """With an interpreter whose path begins with ~ and has a space, in a folder whose name has one, too."""
    machine.write(machine.home / 'my pythons/python', Machine.PYTHON)
    machine.has(python3=Machine.TOO_NEW)
    python, environment = 'PYTHON=~/my pythons/python', '.venv-3.10'
    install = [f'-m venv {environment}', INSTALL]
    assert machine.make('train', 'ARGS=3', python) == ('', [*install, 'examples/train_jaychou.py 3'])
    assert machine.make('test', python) == ('', [INSTALL_TESTS, f'{PYTEST} -m not slow'])
    assert machine.make('test-all', python) == ('', [PYTEST])
    assert machine.make('walkthrough', python) == (
        '', [PIP + 'examples/requirements.txt', '-m notebook examples/walkthrough.zh-CN.ipynb'])
    assert machine.make('walkthrough', 'LANGUAGE=en', python) == ('', ['-m notebook examples/walkthrough.ipynb'])
    exercises = machine.folder / 'examples/exercises'
    exercises.mkdir(parents=True, exist_ok=True)
    (exercises / 'exercise_4_detach.py').touch()
    assert machine.make('exercise', 'N=4', python) == ('', ['examples/exercises/exercise_4_detach.py'])
    said, ran = machine.make('exercise', python)
    assert 'Which exercise? For instance: make exercise N=4' in said and not ran
    machine.folder = machine.folder.rename(machine.home / 'renamed')
    for what_is_gone in [None, 'bin/python', 'installed']:
        if what_is_gone:
            (machine.folder / environment / 'left over').touch()
            (machine.folder / environment / what_is_gone).unlink()
        assert machine.make('lint', python) == ('', [*install, INSTALL_TESTS, '-m ruff check .'])
        assert machine.make('lint', python) == ('', ['-m ruff check .'])
        assert not (machine.folder / environment / 'left over').exists(), 'half of an environment is none'


@needs_make
def test_make_elsewhere_has_an_environment_of_its_own(machine):
    machine.has(python3=Machine.PYTHON)
    install = ['-m venv --without-pip .venv-elsewhere-3.10', '-m pip --python .venv-elsewhere-3.10/bin/python install '
               '--quiet --requirement tests/requirements-elsewhere.txt']
    assert machine.make('elsewhere') == ('', ['-m venv .venv-3.10', INSTALL, INSTALL_TESTS, *install])
    assert machine.make('elsewhere') == ('', [])
    for what_is_gone in ['bin/python', 'installed']:
        (machine.folder / '.venv-elsewhere-3.10' / what_is_gone).unlink()
        assert machine.make('elsewhere') == ('', install)


@needs_make
def test_make_takes_uv_where_it_is(machine):
    """Then Python itself need not be able to make an environment."""
    machine.has(python3=Machine.ONLY_WITH_UV, uv=Machine.UV)
    said, (venv, install, train) = machine.make('train')
    assert said == '' and venv.startswith('uv venv') and venv.endswith('.venv-{}.{}'.format(*sys.version_info))
    assert install.startswith('uv pip install') and install.endswith(INSTALL[INSTALL.index('--no-deps'):])
    assert train == 'examples/train_jaychou.py'


@needs_make
def test_make_looks_for_all_libraries_before_it_installs(machine):
    machine.has(python3=Machine.WITHOUT_LIBRARIES)
    said, asked = machine.make('train')
    assert 'libgomp.so.1, libquadmath.so.0' in said and 'libgomp1 libquadmath0' in said
    assert asked == []


def give_up_root():
    """Root may write anywhere; on Linux a process can give that up (prctl, PR_CAPBSET_DROP, CAP_DAC_OVERRIDE)."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


@needs_make
def test_make_says_that_it_cannot_write(machine):
    machine.has(python3=Machine.PYTHON)
    machine.folder.chmod(0o555)
    said, asked = machine.make('train', preexec_fn=give_up_root)
    assert f'{machine.folder} cannot be written to' in said and 'copy' in said
    assert asked == []
