"""The roles of MXNet's parameter server: a process that is started with DMLC_ROLE set is a scheduler, server or worker.

A scheduler and a server get no further than the import of this package. docs/distributed.md tells how all are started.
"""
import contextlib
import os
import re
import signal
import socket
import sys


def check_role():
    """Refuse, before MXNet is imported, the variables with which it would wait for ever or end without a clear word.

    Its network, ps-lite, understands no names of hosts and no IPv6.
    """
    role = os.environ.get('DMLC_ROLE')
    if role is None:
        return
    number = 'a whole number from 1 to {}'.format
    rules = {
        'DMLC_ROLE': ('scheduler, server or worker', lambda text: text in ('scheduler', 'server', 'worker')),
        'DMLC_NUM_WORKER': (number(1024), lambda text: is_number(text, 1024)),
        'DMLC_NUM_SERVER': (number(1024), lambda text: is_number(text, 1024)),
        'DMLC_PS_ROOT_PORT': (number(65535), lambda text: is_number(text, 65535)),
        'DMLC_PS_ROOT_URI': ('the address of the scheduler in four numbers, like 192.168.0.10', is_address),
        'DMLC_NODE_HOST': ('an address of this machine in four numbers, like 192.168.0.11', can_listen),
        'DMLC_INTERFACE': ('a network interface of this machine with an address of four numbers', has_address),
    }
    for name, (needed, is_right) in rules.items():
        text = os.environ.get(name)
        may_be_missing = name in ('DMLC_NODE_HOST', 'DMLC_INTERFACE')
        if not (may_be_missing if text is None else is_right(text)):
            raise ImportError(f'DMLC_ROLE is {role!r}, so {name} must be {needed}, and it is '
                              f'{"not set" if text is None else repr(text)}: set it, or unset DMLC_ROLE.')
    uri, port = os.environ['DMLC_PS_ROOT_URI'], int(os.environ['DMLC_PS_ROOT_PORT'])
    if role == 'scheduler' and not can_listen(uri, port):
        raise ImportError(f'The scheduler cannot listen on {uri}, port {port}: DMLC_PS_ROOT_URI must be an address of '
                          'this machine, and DMLC_PS_ROOT_PORT a port that no other program uses.')


def is_number(text, highest):
    return re.fullmatch('[0-9]{1,5}', text) is not None and 1 <= int(text) <= highest


def is_address(text):
    with contextlib.suppress(OSError):
        return bool(socket.inet_pton(socket.AF_INET, text))
    return False


def can_listen(address, port=0):
    """Whether it is an address of this machine where a socket can be opened, at any free port or at this one."""
    with socket.socket() as listener, contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        return is_address(address)
    return False


def has_address(interface):
    """Whether the system gives an address for a network interface of this name; where it cannot be asked, yes."""
    if not sys.platform.startswith('linux'):
        return True
    import fcntl
    with socket.socket() as any_socket, contextlib.suppress(OSError):
        return bool(fcntl.ioctl(any_socket, 0x8915, interface.encode()[:255].ljust(256, b'\0')))    # SIOCGIFADDR
    return False


@contextlib.contextmanager
def without_role():
    """For the import of MXNet, in which it would begin a loop of its own, that unpickles what any stranger sends."""
    role = os.environ.pop('DMLC_ROLE', None)
    if role is not None:
        # Many systems set this one for a web server. ps-lite would take it for the port of each process here.
        os.environ.pop('PORT', None)
    try:
        yield
    finally:
        if role is not None:
            os.environ['DMLC_ROLE'] = role


def serve():
    """As a scheduler or a server: MXNet's loop until all workers have ended, and then the end of this process.

    To a server's port anyone can send "command 0". MXNet's own answer is `pickle.loads`, for a worker may send an
    optimizer this way, and that runs whatever code the pickle names. No worker of ours sends one: it is refused.
    """
    if os.environ.get('DMLC_ROLE') not in ('scheduler', 'server'):
        return
    from mxnet import kvstore
    from mxnet.kvstore.kvstore_server import KVStoreServer

    def refuse(command, content, _):
        print(f'refused: command {command} ({len(content)} bytes), which no worker of rnn_scratch sends',
              file=sys.stderr, flush=True)

    signal.signal(signal.SIGINT, signal.SIG_DFL)        # Ctrl-C: the loop does not come back to Python
    server = KVStoreServer(kvstore.create('dist'))
    server._controller = lambda: refuse
    server.run()
    sys.exit()
