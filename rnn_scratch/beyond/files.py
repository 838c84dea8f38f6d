"""Beyond the chapter: a file is written whole or not at all, and takes no other's place by mistake.

    write_whole('songs.safetensors', content)                       # in the place of an older one, in one step
    write_whole(free_name('plot.png'), content, is_new=True)        # plot-2.png, where there is a plot.png
"""
import contextlib
import itertools
import os
import uuid
from pathlib import Path

from .._files import patiently, shown


def write_whole(path, content, is_new=False):
    """一步写好一个文件：要么是旧的，要么是完整的新的。

    Put bytes into a file in one step. They go to a temporary file in the same folder (`.songs.safetensors-….tmp`), are
    read back and compared, and then the file gets its name: a process that is killed leaves the old file, at worst
    beside the temporary one. The folder is made; a symbolic link to a file of the same folder stays one. OSError: it
    cannot be written there, or the name is a link into another folder. FileExistsError: with `is_new`, there is one.
    """
    path = named = Path(path)
    new_file(named, is_new)
    if os.path.islink(named):
        path = Path(os.path.realpath(named))
        if path.parent != Path(os.path.realpath(named.parent)):
            raise OSError(f'{shown(named)} is a link to {shown(path)}, in another folder, so nothing was written: give '
                          'the path of that file, or remove the link.')
    temporary = path.with_name(f'.{path.name[:50]}-{uuid.uuid4().hex}.tmp')     # a name has 255 bytes at most
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, 'xb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if temporary.read_bytes() != content:
            raise OSError('other bytes came back than were written')
        if is_new:
            put_new(temporary, path)
        else:
            # Of an older file with two names (a hard link) the other name keeps it.
            patiently(os.replace, temporary, path)
    except OSError as error:
        new_file(named, is_new)
        kept = '' if is_new else ', and what was there before is still there'
        raise OSError(f'The file cannot be written to {shown(named)} ({error.strerror or error}){kept}: choose another '
                      'place, or make room there.') from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    # So that the name outlives a power cut. Some network disks refuse it, and the file is in its place all the same.
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def put_new(temporary, path):
    """Give a complete file its name in one step, unless there is a file of that name: FileExistsError."""
    try:
        os.link(temporary, path)
    except OSError:     # a disk without hard links, such as a USB stick: take the name first, then the place
        open(path, 'x').close()
        try:
            os.replace(temporary, path)
        except BaseException:
            path.unlink()
            raise


def new_file(path, is_new=True):
    """Refuse a name that a file, by default a new one, cannot have: FileExistsError or NotADirectoryError."""
    path = Path(path)
    if is_new and os.path.lexists(path):        # a link that leads nowhere takes its name, too
        what = 'a folder' if path.is_dir() else 'a file'
        raise FileExistsError(f'There is {what} at {shown(path)} already: choose another name.')
    for folder in path.parents:
        if os.path.lexists(folder) and not folder.is_dir():
            raise NotADirectoryError(f'{shown(path)} cannot be made, because {shown(folder)} is not a folder: choose '
                                     'another name.')


def free_name(path):
    """还没有文件占用的名字：原名，或者 name-2、name-3……

    The name itself or, where there is a file of that name, the first free one of name-2, name-3 and so on.
    """
    path = Path(path)
    others = (path.with_name(f'{path.stem}-{number}{path.suffix}') for number in itertools.count(2))
    return next(name for name in itertools.chain([path], others) if not os.path.lexists(name))
