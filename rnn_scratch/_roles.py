"""A process that is started with DMLC_ROLE set is the scheduler, a server or a worker of MXNet's parameter server.

A scheduler and a server get no further than the import of this package. docs/distributed.md tells how all are started.
"""
import contextlib
import os
import re
import signal
import socket
import sys


def is_address(text):
    with contextlib.suppress(OSError):
        return socket.inet_pton(socket.AF_INET, text)


def can_listen(address, port=0):
    """Whether it is an IPv4 address of this machine, and no other program has this port of it."""
    with socket.socket() as listener, contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        return is_address(address)


# What ps-lite, MXNet's network, needs; it understands no names of hosts and no IPv6.
RULES = {
    'DMLC_ROLE': ('scheduler, server or worker', ['scheduler', 'server', 'worker'].__contains__),
    **dict.fromkeys(['DMLC_NUM_WORKER', 'DMLC_NUM_SERVER', 'DMLC_PS_ROOT_PORT'],
                    ('a whole number from 1 to 65535',
                     lambda text: re.fullmatch('[1-9][0-9]{0,4}', text) and int(text) < 65536)),
    'DMLC_PS_ROOT_URI': ('the address of the scheduler in four numbers, like 192.168.0.10', is_address),
    'DMLC_NODE_HOST': ('an address of this machine in four numbers, like 192.168.0.11', can_listen),
    'DMLC_INTERFACE': ('a network interface of this machine',
                       lambda text: text in [name for _, name in socket.if_nameindex()]),
    'RNN_SCRATCH_WORKER': ('a whole number below DMLC_NUM_WORKER', lambda text: re.fullmatch('[0-9]{1,5}', text)
                           and int(text) < int(os.environ['DMLC_NUM_WORKER'])),
}
MAY_BE_MISSING = ['DMLC_NODE_HOST', 'DMLC_INTERFACE', 'RNN_SCRATCH_WORKER']


def check_role():
    """Refuse the variables with which MXNet would wait for ever, or end without a clear word."""
    role = os.environ.get('DMLC_ROLE')
    for name, (needed, is_right) in RULES.items() if role is not None else []:
        text = os.environ.get(name)
        if not (name in MAY_BE_MISSING if text is None else is_right(text)):
            raise ImportError(f'DMLC_ROLE is {role!r}, so {name} must be {needed}, and it is '
                              f'{"not set" if text is None else repr(text)}: set it, or unset DMLC_ROLE.')
    if role == 'scheduler':
        uri, port = os.environ['DMLC_PS_ROOT_URI'], int(os.environ['DMLC_PS_ROOT_PORT'])
        if not can_listen(uri, port):
            raise ImportError(f'The scheduler cannot listen on {uri}, port {port}: DMLC_PS_ROOT_URI must be an address '
                              'of this machine, and DMLC_PS_ROOT_PORT a port that no other program uses.')


@contextlib.contextmanager
def without_role():
    """For the import of MXNet, in which it would begin a loop of its own, that unpickles what any stranger sends."""
    role = os.environ.pop('DMLC_ROLE', None)
    if role in ('scheduler', 'server'):
        # Ctrl-C: the loop will not come back to Python; and a shell lets what it starts with & ignore it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if role is not None:
            os.environ['DMLC_ROLE'] = role
            # Many systems set PORT for a web server. ps-lite would take it for the port of each process here.
            os.environ.pop('PORT', None)


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
        print(f'refused: command {command}, which no worker of rnn_scratch sends', file=sys.stderr, flush=True)

    server = KVStoreServer(kvstore.create('dist'))
    server._controller = lambda: refuse
    server.run()
    sys.exit()
