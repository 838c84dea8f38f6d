"""What this machine must have before MXNet can start, and the settings it starts with.

MXNet 1.9.1 is from 2022. On a machine of today its import fails in a few well-known ways, each with a message that
names the symptom and not the cure; and it does not know today's processors. `import rnn_scratch` runs `import_mxnet`
first, which names the cure, and starts MXNet with settings that fit the machine. `make` runs this file as a program
before it installs anything, with a Python that has no package yet.
"""
import contextlib
import ctypes
import os
import platform
import re
import signal
import sys
from pathlib import Path

# Where MXNet 1.9.1 runs, the system's libraries that it needs there, and Debian's packages of them.
LIBRARIES = {
    'linux x86_64': {'libgomp.so.1': 'libgomp1', 'libquadmath.so.0': 'libquadmath0', 'libstdc++.so.6': 'libstdc++6',
                     'libgcc_s.so.1': 'libgcc-s1'},
    # There is a wheel, but no package of the Arm Performance Libraries that it was made with.
    'linux aarch64': {'libarmpl_lp64_mp.so': None, 'libamath.so': None, 'libastring.so': None},
    'darwin x86_64': {},
}

# Environment variables that hold a whole number: the smallest and the largest. With another value MXNet waits for ever
# (no workers), ends the process without a word of Python (no number), or fails at the first array.
NUMBERS = {
    'OMP_NUM_THREADS': (1, 1024), 'MXNET_OMP_MAX_THREADS': (1, 1024), 'MXNET_CPU_WORKER_NTHREADS': (1, 1024),
    'MXNET_CPU_PRIORITY_NTHREADS': (1, 1024), 'OPENBLAS_NUM_THREADS': (1, 1024),
    'GOMP_SPINCOUNT': (0, 2 ** 31 - 1), 'MXNET_CPU_PARALLEL_SIZE': (0, 2 ** 31 - 1),
}
OWNERS = ('MXNET_', 'OMP_', 'GOMP_', 'OPENBLAS_')     # how the names of these variables begin


def import_mxnet():
    """Import MXNet, or say in one sentence why it cannot be imported here and what to do.

    Raises
    ------
    ImportError
        NumPy is too new, `distutils` is missing, MXNet is not installed, this machine or a system library is not what
        it needs, or an environment variable makes no sense. The original error, where there is one, is the cause.
    """
    from . import _roles  # here, because `make` runs this file alone
    try:
        check_variables()
        _roles.check_role()
        with environment({}):       # NumPy has an OpenBLAS of its own
            check_numpy()
        check_products()
        check_distutils()
        with environment(settings()), _roles.without_role():
            import mxnet
            # MXNET_CPU_PARALLEL_SIZE is read at the first copy, of each dtype; all arrays here are float32.
            mxnet.nd.zeros(1).asnumpy()
    except ModuleNotFoundError as error:
        if error.name not in ('mxnet', 'numpy'):
            raise
        raise ImportError(what_is_missing() or (
            f'MXNet is not installed for Python {platform.python_version()} ({sys.executable}): '
            'install rnn_scratch as its README says.')) from error
    except OSError as error:
        missing = re.match(r'(\S+?\.so\S*): cannot open shared object file', str(error))
        if missing is None:
            raise
        raise ImportError(what_is_missing() or (
            f'MXNet needs the system library {missing.group(1)}, which this machine lacks: install the system package '
            'that holds it, or the build of MXNet that fits this machine.')) from error
    except RuntimeError as error:       # MXNet's own kind is one
        wrong = re.search(r"Invalid Parameter format for (\w+) expect \w+ but value='(.*?)'|Cannot find Engine",
                          str(error))
        if wrong is None:
            raise
        name = wrong.group(1) or 'MXNET_ENGINE_TYPE'
        raise ImportError(what_to_do(name, os.environ[name], 'MXNet does not understand')) from error
    _roles.serve()


def what_is_missing():
    """What MXNet needs of the system and does not find, in one sentence with the cure; None if nothing is missing."""
    machine = f'{sys.platform} {platform.machine()}'
    missing = [library for library in LIBRARIES.get(machine, {}) if not can_be_loaded(library)]
    if machine not in LIBRARIES or machine == 'linux aarch64' and missing:
        reason = f' (there it needs {", ".join(missing)}, which no package brings)' if missing else ''
        return (f'MXNet 1.9.1 does not run on {machine}{reason}: use a machine with Linux on x86_64, or try to emulate '
                'one, for instance with: docker run --platform linux/amd64 -it python:3.11 (not tried; docs/faq.md has '
                'more, for Windows, too).')
    if missing:
        packages = ' '.join(LIBRARIES[machine][library] for library in missing)
        return (f'MXNet needs {", ".join(missing)}, which this machine lacks: install the packages of your system that '
                f'hold them (Debian and Ubuntu: apt-get install {packages}).')
    return None


def can_be_loaded(library):
    """Whether the loader of the system finds a library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def check_numpy():
    """Refuse NumPy 2 and later; give NumPy 1.24 to 1.26 back the one name that MXNet still asks for."""
    import numpy
    version = tuple(int(part) for part in numpy.__version__.split('.')[:2])
    if version >= (2, 0):
        raise ImportError(
            f'NumPy {numpy.__version__} is installed, but MXNet 1.9.1 cannot work with NumPy 2 or later: '
            'install rnn_scratch again as its README says, or run: python -m pip install "numpy<2".')
    if version >= (1, 24):
        # NumPy 1.24 removed the alias `numpy.bool`, which MXNet reads while it is imported.
        numpy.bool = numpy.bool_


def check_products():
    """Refuse an OPENBLAS_CORETYPE with which NumPy multiplies wrongly. Products of integers do not use OpenBLAS."""
    if 'OPENBLAS_CORETYPE' in os.environ:
        import numpy
        a, b = numpy.arange(32 * 256).reshape(32, 256) % 7, numpy.arange(256 * 256).reshape(256, 256) % 5
        if (a.astype('float64').dot(b.astype('float64')) != a.dot(b)).any():
            raise ImportError(what_to_do('OPENBLAS_CORETYPE', os.environ['OPENBLAS_CORETYPE'],
                                         'makes NumPy multiply matrices wrongly on this processor'))


def check_distutils():
    """`distutils` left Python with 3.12, MXNet still imports it, and setuptools brings it back."""
    try:
        import distutils.sysconfig  # noqa: F401
    except ModuleNotFoundError as error:
        raise ImportError(
            f'MXNet needs the module distutils, which Python {platform.python_version()} does not have: '
            'run: python -m pip install setuptools.') from error


def check_variables():
    """Refuse the values that MXNet does not survive."""
    for name, (lowest, highest) in NUMBERS.items():
        value = os.environ.get(name, '').strip()        # nothing is as good as not set
        if value and not (re.fullmatch('[0-9]{1,10}', value) and lowest <= int(value) <= highest):
            raise ImportError(what_to_do(name, value, f'is no whole number from {lowest} to {highest} and stops MXNet'))


def what_to_do(name, value, what_is_wrong):
    """The sentence about an environment variable."""
    return (f'The environment variable {name} is {value!r}, which {what_is_wrong}: run "unset {name}" in this '
            'terminal, or set it to another value.')


def settings():
    """Environment variables that make MXNet faster on this machine, without those that the user has set."""
    given, found = {name for name, value in os.environ.items() if value.strip()}, {}
    if not {'OMP_NUM_THREADS', 'MXNET_OMP_MAX_THREADS'} & given:
        # MXNet starts a thread for every second processor, as if two of them always shared one core.
        found['MXNET_OMP_MAX_THREADS'] = str(count_cores())
    if not {'OMP_WAIT_POLICY', 'GOMP_SPINCOUNT'} & given:
        # Threads wait for each other by spinning, by default for milliseconds: as soon as any other program wants a
        # core, an epoch takes four times as long. A thousand turns bridge most gaps of a quiet machine.
        found['GOMP_SPINCOUNT'] = '1000'
    # A second thread of the program that splits its work, as a copy of this many numbers would on the thread of Python,
    # gives OpenMP more threads than cores: from then on none of them spins, and an epoch takes nearly twice as long.
    found['MXNET_CPU_PARALLEL_SIZE'] = str(2 ** 31 - 1)
    if has_avx2():
        # The OpenBLAS in the wheel takes a processor that is newer than itself for one of 2004. Haswell's code runs
        # on all that have AVX2.
        found['OPENBLAS_CORETYPE'] = 'Haswell'
    return {name: value for name, value in found.items() if name not in given}


def count_cores():
    """The cores that this process may use; two hardware threads of one core count once."""
    try:
        processors = os.sched_getaffinity(0)
        return len({Path(f'/sys/devices/system/cpu/cpu{i}/topology/thread_siblings_list').read_text()
                    for i in processors})
    except (AttributeError, OSError):       # not Linux, or a container that hides them
        return max(1, (os.cpu_count() or 2) // 2)


def has_avx2():
    """Whether this is a processor of the x86 family with AVX2; where that cannot be seen, no."""
    try:
        return ' avx2 ' in Path('/proc/cpuinfo').read_text()
    except OSError:
        return False


@contextlib.contextmanager
def environment(variables):
    """Set environment variables for a while. MXNet reads them as it starts; programs started later do not see them.

    Those that are empty are taken away meanwhile: to a user they are not set, to a library they are (with an empty
    OPENBLAS_CORETYPE, products of NumPy were wrong by a fifth).
    """
    empty = {name: value for name, value in os.environ.items() if name.startswith(OWNERS) and not value.strip()}
    for name in empty:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update(empty)


def end_at_once(number, frame):
    """Ctrl-C while `python -m rnn_scratch` starts, which takes a second: a word, and no page of unfinished imports."""
    with contextlib.suppress(OSError):
        os.write(2, b'stopped\n')
    os._exit(128 + number)


if __name__ == '__main__':
    sys.exit(what_is_missing())

# While it looks for a module that it is to run, Python calls the program -m.
if sys.argv[:1] == ['-m'] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, end_at_once)
