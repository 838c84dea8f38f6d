"""python -m rnn_scratch doctor: what it says of this machine, and of machines where something is missing.

Those are made of stand-in modules, which Python finds first, or of stand-in answers.
"""
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from rnn_scratch import _doctor, _platform

import mxnet
import numpy
import pytest
from conftest import ROOT


@pytest.fixture
def doctor(program, monkeypatch):
    """What the doctor says in this process, where nothing but the trial of MXNet needs another one."""
    def doctor(printed='MXNet is right\nA font is there\n', end=''):
        monkeypatch.setattr(_doctor, 'in_another_process', lambda *trial: (printed, end))
        return program('doctor')
    return doctor


def command_for(what, said):
    """The line below the sentence about what is wrong."""
    found = re.search(rf'^- .*{what}.*\n  (.*)$', said.stdout, re.MULTILINE)
    assert found and said.returncode == 1, said
    return found.group(1)


def rows(said):
    return dict(re.findall(r'^(\S+(?: \S+)*?)  +(.*)$', said.stdout.split('\n\n')[0], re.MULTILINE))


def test_this_machine(run):
    """In a process of its own, to the end: these machines have what the tests need."""
    said = run('-m', 'rnn_scratch', 'doctor')
    found = rows(said)
    assert found['Python'].startswith(f'CPython {platform.python_version()}, ')
    assert (found['mxnet'], found['numpy']) == (mxnet.__version__, numpy.__version__)
    assert found['MXNet'] == 'starts, and multiplies right'
    assert 'MXNET_CPU_TEMP_COPY=64' in found['set by package']
    assert {'system', 'processor', 'cores', 'libraries', 'set by you', 'fonts', 'disk', 'terminal'} <= set(found)
    assert set(re.findall(r'^- (.*)$', said.stdout, re.MULTILINE)) <= {
        'Pictures cannot show Chinese characters: they number them instead.'}
    assert said.returncode == ('What is wrong' in said.stdout)
    for path in [str(Path.home()), sys.prefix, str(ROOT)]:
        assert path not in said.stdout


def test_nothing_is_wrong(doctor):
    said = doctor()
    assert (said.returncode, said.stderr) == (0, '') and said.stdout.endswith('\n\nNothing is wrong.\n')


STAND_INS = {
    'numpy': ("__version__ = '2.4.0'", 'NumPy 2.4.0 is installed',
              'python -m pip install "numpy<2.4" (or install rnn_scratch again, as its README says)'),
    'mxnet': ("raise ModuleNotFoundError(\"No module named 'mxnet'\", name='mxnet')", 'MXNet is not installed',
              'make train (in the folder of rnn_scratch; its README has other ways)' if sys.version_info < (3, 13) else
              'python -m pip install --no-deps mxnet==1.9.1'),
}


@pytest.mark.parametrize('module', STAND_INS)
def test_mxnet_does_not_start(run, tmp_path, module):
    """`import rnn_scratch` fails; the doctor does not."""
    source, what, command = STAND_INS[module]
    (tmp_path / f'{module}.py').write_text(source, 'utf-8')
    assert run('-c', 'import rnn_scratch', PYTHONPATH=str(tmp_path)).returncode == 1
    said = run('-m', 'rnn_scratch', 'doctor', PYTHONPATH=str(tmp_path))
    assert said.stderr == '' and rows(said)['MXNet'] == 'does not start'
    assert command_for(what, said) == command
    assert sys.executable not in said.stdout


@pytest.mark.parametrize('source, end', [
    ('import os, signal\nos.kill(os.getpid(), signal.SIGILL)', r'the system ended it with signal 4\.'),
    ("raise OSError('disk on fire')", 'OSError: disk on fire'),
])
def test_mxnet_crashes(run, tmp_path, source, end):
    (tmp_path / 'mxnet.py').write_text(source, 'utf-8')
    assert command_for(end, run('-m', 'rnn_scratch', 'doctor', PYTHONPATH=str(tmp_path))) == _platform.INSTALL


def test_the_module_distutils_is_missing(run, tmp_path):
    (tmp_path / 'sitecustomize.py').write_text("import sys\nsys.modules['distutils'] = None", 'utf-8')
    said = run('-m', 'rnn_scratch', 'doctor', PYTHONPATH=str(tmp_path))
    assert command_for('MXNet needs the module distutils', said) == 'python -m pip install setuptools'


def test_an_old_processor(run, old_processor):
    said = run('-m', 'rnn_scratch', 'doctor', PYTHONPATH=old_processor)
    assert command_for('MXNet needs a processor with AVX, and this one has none', said).startswith(
        'python examples/rnn_numpy.py (')
    assert rows(said)['processor'].endswith(', no AVX seen') and rows(said)['MXNet'] == 'does not start'


def test_mxnet_does_not_answer(monkeypatch):
    def wait(command, **options):
        raise subprocess.TimeoutExpired(command, options['timeout'])
    monkeypatch.setattr(_doctor.subprocess, 'run', wait)
    assert _doctor.in_another_process('') == (
        '', 'MXNet does not start: there was no answer within two minutes')


def test_a_variable_that_makes_no_sense(run):
    said = run('-m', 'rnn_scratch', 'doctor', OMP_NUM_THREADS='abc', MXNET_HOME='/home/somebody')
    assert command_for("OMP_NUM_THREADS is 'abc'", said) == (
        'unset OMP_NUM_THREADS (in this terminal; or set it to another value)')
    assert 'OMP_NUM_THREADS=abc' in rows(said)['set by you'] and 'somebody' not in said.stdout


def test_products_are_wrong(doctor):
    assert command_for('multiplies', doctor('MXNet is wrong\nA font is there\n')).startswith('unset OPENBLAS_CORETYPE')


def test_no_font(doctor):
    said = doctor('MXNet is right\nA font is missing\n')
    assert command_for('Chinese characters', said).startswith('apt-get install fonts-noto-cjk')
    said = doctor('MXNet is right\n', "No module named 'matplotlib'")
    assert command_for("Pictures cannot be drawn: No module named 'matplotlib'", said) == _platform.INSTALL


@pytest.mark.parametrize('version', [(3, 7, 1), (3, 15, 0)])
def test_another_python(doctor, monkeypatch, version):
    monkeypatch.setattr(_doctor.sys, 'version_info', version)
    said = doctor()
    monkeypatch.undo()
    assert rows(said)['Python'].startswith('CPython ' + '.'.join(map(str, version)))
    assert command_for('CPython 3.8 to 3.14 only', said) == (
        'py -3.11 -m venv .venv (and then the other lines of the README for Windows)' if sys.platform == 'win32' else
        'make train PYTHON=python3.11')


def test_a_missing_library(doctor, monkeypatch):
    monkeypatch.setattr(_doctor.sys, 'platform', 'linux')
    monkeypatch.setattr(_doctor.platform, 'machine', lambda: 'x86_64')
    monkeypatch.setattr(_platform, 'can_be_loaded', lambda library: library != 'libquadmath.so.0')
    said = doctor()
    assert rows(said)['libraries'] == 'libgomp.so.1, libstdc++.so.6, libgcc_s.so.1 of 4 that MXNet needs'
    assert command_for('libquadmath.so.0', said) == (
        'apt-get install libquadmath0 (Debian and Ubuntu; elsewhere, install the packages that hold them)')


def test_a_machine_without_mxnet(doctor, monkeypatch):
    monkeypatch.setattr(_doctor.sys, 'platform', 'darwin')
    monkeypatch.setattr(_doctor.platform, 'machine', lambda: 'arm64')
    assert command_for('does not run on darwin arm64', doctor()).startswith('python examples/rnn_numpy.py (in')


def test_packages_that_are_missing_or_do_not_fit(doctor, monkeypatch):
    versions = {'mxnet': '1.7.0', 'ipython': '9.1.0', 'numpy': '1.23.5', 'tqdm': '4.0'}

    def version(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, 'version', version)
    said = doctor()
    assert command_for('Not installed: d2lzh, setuptools, matplotlib, psutil, safetensors', said) == _platform.INSTALL
    assert command_for('mxnet 1.7.0 does not work', said) == 'python -m pip install "mxnet==1.9.1"'
    assert command_for('ipython 9.1.0 does not work', said) == 'python -m pip install "ipython<9"'
    del versions['mxnet']
    versions['mxnet-cu112'] = '1.9.1'       # a build for a GPU
    assert rows(doctor())['mxnet'] == '1.9.1'


def test_no_room(doctor, monkeypatch, tmp_path):
    monkeypatch.setattr(_doctor.shutil, 'disk_usage', lambda folder: type('Usage', (), {'free': 5e6}))
    monkeypatch.setattr(_doctor.os, 'access', lambda folder, mode: False)
    said = doctor()
    assert command_for('Only 0.01 GB of disk', said) == 'python -m rnn_scratch train --out ANOTHER_FOLDER'
    assert command_for('cannot be written to', said) == 'python -m rnn_scratch train --out ANOTHER_FOLDER'


def test_a_terminal_without_chinese(run):
    said = run('-m', 'rnn_scratch', 'doctor', PYTHONIOENCODING='ascii')
    assert command_for('encoding (?:us-)?ascii', said) == 'export PYTHONIOENCODING=utf-8'


@pytest.mark.parametrize('flag', ['-I', pytest.param('-P', marks=[pytest.mark.slow, pytest.mark.skipif(
    sys.version_info < (3, 11), reason='the flag -P came with Python 3.11')])])
def test_no_file_of_the_working_directory_is_run(run, tmp_path, flag):
    """These flags promise that for the doctor, which hands them on to the process that tries MXNet."""
    (tmp_path / 'random.py').write_text("open('executed', 'w')\nraise ImportError('not the random of Python')", 'utf-8')
    said = run(flag, '-m', 'rnn_scratch', 'doctor')
    assert rows(said)['MXNet'] == 'starts, and multiplies right' and not (tmp_path / 'executed').exists()


def test_whoever_reads_has_gone(run, tmp_path):
    (tmp_path / 'mxnet.py').write_text("raise OSError('not tried here')", 'utf-8')
    result = subprocess.run(f'{sys.executable} -m rnn_scratch doctor 2>&1 | true', shell=True, capture_output=True,
                            cwd=tmp_path, text=True)
    assert result.stdout == result.stderr == ''


@pytest.mark.parametrize('redirection', ['> /dev/full', pytest.param('>&-', marks=pytest.mark.slow)])
def test_output_that_is_full_or_closed(tmp_path, redirection):
    """It ends without a word of Python's: with > /dev/full, nothing can be said there."""
    said = subprocess.run(['bash', '-c', f'{sys.executable} -m rnn_scratch doctor {redirection}'], cwd=tmp_path,
                          capture_output=True, encoding='utf-8')
    assert said.returncode in (0, 1) and 'Traceback' not in said.stderr and 'Exception' not in said.stderr


def test_a_role_is_not_played_by_the_doctor(run):
    """A server would wait for its workers for ever."""
    said = run('-m', 'rnn_scratch', 'doctor', DMLC_ROLE='server', DMLC_NUM_WORKER='1', DMLC_NUM_SERVER='1',
               DMLC_PS_ROOT_URI='127.0.0.1', DMLC_PS_ROOT_PORT='9')
    assert rows(said)['MXNet'] == 'starts, and multiplies right' and 'DMLC_ROLE=server' in said.stdout


def test_only_the_doctor_comes_before_mxnet(run, tmp_path):
    """Not another program, and not another command, that has the word in its arguments."""
    (tmp_path / 'mxnet.py').write_text("raise SystemExit('MXNet')", 'utf-8')
    (tmp_path / 'other.py').write_text('import rnn_scratch', 'utf-8')
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine/__init__.py').write_text('import rnn_scratch', 'utf-8')
    for arguments in [['-m', 'other', 'doctor'], ['-m', 'mine', 'doctor'], ['-m', 'rnn_scratch', 'write', 'doctor'],
                      ['other.py', 'doctor']]:
        assert run(*arguments, PYTHONPATH=str(tmp_path)).stderr == 'MXNet\n'
