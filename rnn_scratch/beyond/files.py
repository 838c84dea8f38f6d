"""Beyond the chapter: a file is written whole or not at all, and never in the place of another by mistake.

    write_whole('songs.safetensors', content)                   # in the place of an older one, in one step
    write_whole('training.png', content, is_new=True)           # or FileExistsError
    write_whole(free_name('training.png'), content, is_new=True)    # training-2.png, where training.png is taken
"""
import contextlib
import os
import uuid
from pathlib import Path

from .._files import shown


def write_whole(path, content, is_new=False):
    """一步写好一个文件：要么是旧的，要么是完整的新的。

    Put bytes into a file in one step: before it, the old file is there, after it, the new one.

    The bytes go to a temporary file in the same folder (`.songs.safetensors-….tmp`), are read back and compared, and
    then the file gets its name. A process that is killed at any moment, or a full disk, leaves what was there before;
    at worst the temporary file stays. A hard link to the old file keeps the old bytes.

    Parameters
    ----------
    path : str or path
        Its folder is made if there is none. A symbolic link stays one, if it leads to a file of the same folder.
    content : bytes
    is_new : bool
        Whether there must be no file of that name yet.

    Raises
    ------
    FileExistsError
        With `is_new`: there is one, or another program has made one in the meantime.
    OSError
        The file cannot be written there; or the name is a symbolic link that leads to another folder.
    """
    path = Path(path)
    if is_new:
        new_file(path)
    named, path = path, path if is_new else followed(path)
    temporary = path.with_name(f'.{path.name[:50]}-{uuid.uuid4().hex}.tmp')     # a name has 255 bytes at most
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, 'xb') as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if temporary.read_bytes() != content:
                raise OSError('other bytes came back than were written')
            if is_new:
                put_new(temporary, path)
            else:
                os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        check_folders(named)
        if is_new:
            new_file(named)
        kept = '' if is_new else ', and what was there before is still there'
        raise OSError(f'The file cannot be written to {shown(named)} ({error.strerror or error}){kept}: choose another '
                      'place, or make room there.') from error
    # The name, too, is to outlive a power cut. Some disks refuse this for a folder; the file is in its place all the
    # same.
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
    except FileExistsError:
        raise
    except OSError:     # a disk without hard links, such as a USB stick: take the name first, then the place
        open(path, 'x').close()
        try:
            os.replace(temporary, path)
        except BaseException:
            path.unlink()
            raise


def followed(path):
    """The file that a symbolic link leads to. It must be in the folder that was named: nothing else is written to."""
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.parent != Path(os.path.realpath(path.parent)):
        raise OSError(f'{shown(path)} is a link to {shown(target)}, in another folder, and nothing was written: give '
                      'the path of that file, or remove the link.')
    return target


def new_file(path):
    """Raise FileExistsError where the name is taken, and NotADirectoryError where no file can have it."""
    path = Path(path)
    if os.path.lexists(path):       # a link that leads nowhere takes its name, too
        what = 'a folder' if path.is_dir() else 'a file'
        raise FileExistsError(f'There is {what} at {shown(path)} already: choose another name.')
    check_folders(path)


def check_folders(path):
    """Raise NotADirectoryError where a file stands in the place of a folder."""
    for folder in path.parents:
        if os.path.lexists(folder) and not folder.is_dir():
            raise NotADirectoryError(f'{shown(path)} cannot be made, because {shown(folder)} is not a folder: choose '
                                     'another name.')


def free_name(path):
    """还没有文件占用的名字：原名，或者 name-2、name-3……

    The name itself or, where there is a file of that name, the first free one of name-2, name-3 and so on.

        free_name('training.png')       # training.png, or training-2.png if there is a training.png

    Parameters
    ----------
    path : str or path

    Returns
    -------
    path
        Another program may take the name before you do. Then `write_whole` with `is_new` refuses it, and nothing is
        overwritten.
    """
    path = free = Path(path)
    number = 2
    while os.path.lexists(free):
        free = path.with_name(f'{path.stem}-{number}{path.suffix}')
        number += 1
    return free
