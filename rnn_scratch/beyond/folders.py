"""Beyond the chapter: where runs are kept, and the lock that keeps two processes from training in one folder."""
import contextlib
import errno
import itertools
import os
import stat
import time
import warnings
from pathlib import Path

from .checkpoint import is_exported

try:
    import fcntl
except ImportError:     # Windows
    import msvcrt


def new_folder():
    """A folder under runs/ with the time as its name, that no other process has."""
    with writing_into(Path('runs')):
        Path('runs').mkdir(exist_ok=True)
        name = time.strftime('%Y%m%d-%H%M%S')
        for number in itertools.count(1):
            folder = Path('runs', name if number == 1 else f'{name}-{number}')
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                return folder


def newest_run(runs='runs'):
    """The models of the folder that was last saved to, the newest last: no best ones, exports or links to nothing."""
    found = sorted((path.stat().st_mtime_ns, path) for path in Path(runs).glob('*/*.safetensors')
                   if os.path.isfile(path) and not path.stem.endswith('-best') and not is_exported(path))
    if not found:
        raise FileNotFoundError(f'There is no checkpoint under {runs}: name one, or make one with '
                                'python -m rnn_scratch train.')
    return [path for _, path in found if path.parent == found[-1][1].parent]


@contextlib.contextmanager
def locked(folder):
    """一个文件夹同时只让一个进程训练。

    Keep other processes from training in a folder, which is made; OSError where one does, or nothing can be written.
    The lock is the system's, on the file `.lock`, which stays, and ends with the process, even after kill -9.
    """
    with contextlib.ExitStack() as stack:
        with writing_into(folder):
            folder.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(open_lock(folder / '.lock'))
            try:
                if os.name == 'nt':
                    lock.seek(100)      # a byte behind the number, which nobody else could read if it were locked
                    msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EACCES, 0):      # of Unix; of Windows; of Wine
                    lock.seek(0)
                    number = lock.read(20).decode() or 'of unknown number'
                    raise OSError(f'Another process ({number}) trains in the folder {folder}: wait until it has ended, '
                                  'or choose another folder with --out.') from None
                # Some network file systems have no locks.
                warnings.warn(f'The folder {folder} cannot be locked ({error.strerror}): see to it that no other '
                              'process trains there.', stacklevel=3)
            lock.seek(0)
            lock.truncate()
            lock.write(str(os.getpid()).encode())
        yield


def open_lock(path):
    """The lock file, open: an ordinary file, empty or with a number in it. Nothing else is followed or changed."""
    flags = os.O_RDWR | os.O_CREAT | (0 if os.name == 'nt' else os.O_NOFOLLOW | os.O_NONBLOCK)      # a pipe would wait
    try:
        lock = open(os.open(path, flags, 0o666), 'r+b', buffering=0)
        status = os.fstat(lock.fileno())
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and not lock.read(20).strip(b'0123456789'):
            return lock
        lock.close()
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):     # a link, a folder, a socket
            raise
    raise FileExistsError(f'{path} is no lock of a training run, but a link, a folder, a pipe or a file of your own: '
                          'move it to another place, or choose another folder with --out.')


@contextlib.contextmanager
def writing_into(folder):
    """Say of an OSError of the system, which has a number, which folder it is about, and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(f'Nothing can be written into the folder {folder} ({error.strerror}): choose another one with '
                      '--out, or make this one writable.') from error
