"""What this machine must have before MXNet can start, checked one by one.

MXNet 1.9.1 is from 2022. On a machine of today its import fails in a few well-known ways, each with a message that
names the symptom and not the cure. `import rnn_scratch` runs `import_mxnet` first, which names the cure.
"""
import platform
import re
import sys


def import_mxnet():
    """Import MXNet, or say in one sentence why it cannot be imported here and what to do.

    Raises
    ------
    ImportError
        NumPy is too new, `distutils` is missing, MXNet is not installed, or a system library that it needs is
        missing. The original error, where there is one, is kept as the cause.
    """
    check_numpy()
    check_distutils()
    try:
        import mxnet  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != 'mxnet':
            raise
        raise ImportError(
            f'MXNet is not installed for Python {platform.python_version()} on {sys.platform} {platform.machine()}: '
            "install rnn_scratch as its README says, or, since MXNet's wheels exist only for Linux (x86_64, aarch64) "
            'and macOS (x86_64), with CPython 3.8 to 3.12, move to such a machine.') from error
    except OSError as error:
        missing = re.match(r'(\S+?\.so\S*): cannot open shared object file', str(error))
        if missing is None:
            raise
        library = missing.group(1)
        cure = ('install it with your system\'s packages (Debian and Ubuntu: apt-get install libquadmath0; '
                'Fedora: dnf install libquadmath)' if library.startswith('libquadmath') else
                'install the system package that holds it, or the build of MXNet that fits this machine')
        raise ImportError(f'MXNet needs the system library {library}, which this machine lacks: {cure}.') from error


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


def check_distutils():
    """`distutils` left Python with 3.12, MXNet still imports it, and setuptools brings it back."""
    try:
        import distutils.sysconfig  # noqa: F401
    except ModuleNotFoundError as error:
        raise ImportError(
            f'MXNet needs the module distutils, which Python {platform.python_version()} does not have: '
            'run: python -m pip install setuptools.') from error


import_mxnet()
