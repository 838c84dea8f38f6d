"""Beyond the chapter: several workers train one model, on MXNet's own parameter server (KVStore).

    python -m rnn_scratch train --workers 2                     # several processes on this machine

    from rnn_scratch.beyond import distributed, fused           # several devices in one process
    train_epoch = distributed.on_contexts(fused, [mx.gpu(0), mx.gpu(1)])
    fused.train_and_predict_rnn(d2l.rnn, get_params, ..., train_epoch=train_epoch)

Each worker has all parameters, and takes its own rows of each mini-batch. The loss of a mini-batch is a mean over its
rows, so its gradient is the mean of the gradients of equal parts:

    L = 1/K Σ_k L_k        ∂L/∂W = 1/K Σ_k ∂L_k/∂W

Each step has one transfer: all gradients of a worker, as one array, go into the store, and their sum comes back. Then
each worker clips and updates for itself. Equal parameters and equal gradients give equal parameters, to the bit.

The first half of this file is that: `data_parallel` puts it around either engine's `train_epoch`. The second half is
about processes: they are started, watched, and ended together (`Supervisor`). docs/distributed.md tells it in full.
"""
import contextlib
import errno
import hashlib
import inspect
import itertools
import json
import math
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import rnn_scratch as d2l

import numpy
from mxnet import kvstore, nd

from .. import __version__
from .._checks import check_divisible, check_dmlc, check_first_context, check_same
from .._platform import count_cores
from . import fused
from .run import STOP_SIGNALS

# The mathematics: the same for processes and for devices

def data_parallel(engine, team):
    """一组 worker 中的一个怎样训练一个迭代周期：只算自己的那几行，梯度取平均。

    `engine.train_epoch` for one worker of a team: the same arguments, the same perplexity, to rounding.

    Parameters
    ----------
    engine : module
        `rnn_scratch` or `fused`.
    team
        It has `number` and `count`, which worker this is and of how many; `add_up`, which adds an array up over all
        workers, in place; and `data_iter_random`, which gives all workers the same mini-batches.

    Returns
    -------
    function
        For `train_and_predict_rnn(…, train_epoch=…)`. It raises ValueError when the mini-batch cannot be divided, and
        FloatingPointError when the workers do not hold the same parameters after the epoch.
    """
    def average(gradients):
        # One transfer: all gradients, end to end
        flat = team.add_up(nd.concat(*[gradient.reshape(-1) for gradient in gradients], dim=0))
        flat /= team.count
        ends = list(itertools.accumulate(gradient.size for gradient in gradients))
        return [flat[end - gradient.size:end].reshape(gradient.shape) for gradient, end in zip(gradients, ends)]

    def grad_clipping(params, theta, ctx):
        for param, gradient in zip(params, average([param.grad for param in params])):
            param.grad[:] = gradient
        d2l.grad_clipping(params, theta, ctx)

    def gradients(X, Y, state, params):
        loss, state, found = fused.gradients_of_checked(X, Y, state, params)
        return loss, state, average(found)

    def train_epoch(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, is_random_iter,
                    num_steps, lr, clipping_theta, batch_size):
        check_divisible(batch_size, team.count)
        n = batch_size // team.count
        first, last = team.number * n, (team.number + 1) * n        # the rows of this worker

        def rows(*_):
            for X, Y in team.data_iter_random(corpus_indices, batch_size, num_steps, ctx):
                yield X[first:last], Y[first:last]                  # (n, T), (n, T)

        if is_random_iter:
            part, data_iter = corpus_indices, rows
        else:
            # Row i of each mini-batch comes from the i-th of batch_size equal parts of the text.
            length = len(corpus_indices) // batch_size
            part, data_iter = corpus_indices[first * length:last * length], None
        seam = {'gradients': gradients} if engine is fused else {'grad_clipping': grad_clipping}
        perplexity = engine.train_epoch(
            rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, part, is_random_iter, num_steps, lr,
            clipping_theta, n, data_iter=data_iter, **seam)
        # The perplexity is the exponential of a mean, and all parts have the same size: of those means take the mean.
        logs = gather(team, math.log(perplexity), ctx)
        agree(team, 'parameters', b''.join(param.asnumpy().tobytes() for param in params), ctx)
        return math.inf if max(logs) == math.inf else math.exp(math.fsum(logs) / team.count)

    return train_epoch


def gather(team, number, ctx):
    """The number of each worker, in their order, on every worker."""
    slots = nd.zeros(team.count, dtype='float64', ctx=ctx)      # all others are 0 here, so that the sum changes nothing
    slots[team.number] = number
    return team.add_up(slots).asnumpy().tolist()


def agree(team, what, content, ctx):
    """Raise an error on all workers, which names those that are not like the others, unless all have the same bytes."""
    checksum = int.from_bytes(hashlib.sha256(content).digest()[:6], 'big')      # 48 bits: exact in a float64
    check_same(what, gather(team, checksum, ctx))


class Processes:
    """A team of processes: this one is a worker of the parameter server that the DMLC_ variables name."""

    alive = []      # The end of a store waits for all other workers, so it must not come before the end of the process.

    def __init__(self, number, count):
        self.alive.append(self)
        self.number, self.count = number, count
        self.store, self.known = kvstore.create('dist_sync'), set()
        self.data_iter_random = d2l.data_iter_random        # equal seeds: the same mini-batches everywhere

    def add_up(self, array):
        key = f'{array.dtype.__name__} {array.size}'
        if key not in self.known:
            self.store.init(key, array)                     # its size; the content is overwritten
            self.known.add(key)
        self.store.push(key, array)                         # without an optimizer on the server, what all have pushed
        self.store.pull(key, out=array)                     # is added up, and that is what they pull
        return array


class Thread:
    """One of a team of threads, each with a device of its own. `team` has what they share."""

    def __init__(self, team, number, mini_batches):
        self.team, self.number, self.count, self.mini_batches = team, number, len(team.contexts), mini_batches

    def data_iter_random(self, corpus_indices, batch_size, num_steps, ctx):
        while True:
            with self.team.lock:            # all iterators read from one, which shuffles once
                pair = next(self.mini_batches, None)
            if pair is None:
                return
            X, Y = pair
            yield X.as_in_context(ctx), Y.as_in_context(ctx)

    def add_up(self, array):
        self.team.arrays[self.number] = array
        if self.team.barrier.wait() == 0:       # the one that is told 0 speaks for all
            self.team.add_up_all()
        self.team.barrier.wait()
        return array


class Contexts:
    """What the threads of one process share: their devices, a store, and the arrays that go into it."""

    def __init__(self, contexts, kind):
        self.contexts, self.store, self.known = contexts, kvstore.create(kind), set()
        self.arrays, self.lock = [None] * len(contexts), threading.Lock()
        self.barrier = threading.Barrier(len(contexts))

    def add_up_all(self):
        key = f'{self.arrays[0].dtype.__name__} {self.arrays[0].size}'
        if key not in self.known:
            self.store.init(key, self.arrays[0])
            self.known.add(key)
        self.store.push(key, self.arrays)
        self.store.pull(key, out=self.arrays)


def on_contexts(engine, contexts, kind='local'):
    """在一个进程的几个设备上训练一个迭代周期，每个设备是一个 worker。

    `engine.train_epoch` on several devices of one process, each a worker: the same arguments, the same perplexity.

    Parameters
    ----------
    engine : module
        `rnn_scratch` or `fused`.
    contexts : list of mxnet.Context
        The devices. The first one has the parameters, and is the `ctx` of the other arguments.
    kind : str, optional
        The store: 'local' adds up on the CPU, 'device' on the devices themselves.

    Returns
    -------
    function
        For `train_and_predict_rnn(…, train_epoch=…)`. It raises what `data_parallel` says; and ValueError when ctx is
        not the first of the devices.
    """
    team = Contexts(contexts, kind)

    def train_epoch(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, is_random_iter,
                    num_steps, lr, clipping_theta, batch_size):
        check_first_context(ctx, contexts)
        check_divisible(batch_size, len(contexts))
        mini_batches = itertools.tee(d2l.data_iter_random(corpus_indices, batch_size, num_steps, ctx), len(contexts))
        team.barrier.reset()

        def work(number):
            try:
                copies = params if number == 0 else [param.copyto(contexts[number]) for param in params]
                for copy in copies if number else []:
                    copy.attach_grad()
                return data_parallel(engine, Thread(team, number, mini_batches[number]))(
                    rnn, copies, init_rnn_state, num_hiddens, vocab_size, contexts[number], corpus_indices,
                    is_random_iter, num_steps, lr, clipping_theta, batch_size)
            except threading.BrokenBarrierError:        # another one has failed, and says why
                return None
            except BaseException:
                team.barrier.abort()
                raise

        with ThreadPoolExecutor(len(contexts)) as pool:
            try:
                return list(pool.map(work, range(len(contexts))))[0]
            except BaseException:                       # Ctrl-C in this thread, too
                team.barrier.abort()
                raise

    return train_epoch


# Processes: share is called by `python -m rnn_scratch train --workers`, in the process that the user starts and again
# in each worker that this one starts.

BEAT = 1                # seconds between two signs of life
SILENCE = 5             # seconds without one, after which a process or a host counts as dead
START = 300             # seconds in which all workers must have read the text and found each other
LAST_WORDS = 4          # seconds for worker 0 to save when another one is dead
NUMBER = 'RNN_SCRATCH_WORKER'       # the variable that tells a worker its number


def is_worker():
    """Whether a supervisor has started this process."""
    return NUMBER in os.environ


def share(runs, args):
    """让几个 worker 一起训练。

    Let some workers train these runs together.

    In the process that the user starts: start the workers, wait for their end, and exit. In worker 0: prepare the runs
    and return, so that it goes on like a process without others. In the other workers: train, and exit.

    Parameters
    ----------
    runs : list of Run
        What is to be trained, one after the other.
    args
        The command line: `workers`, how many this machine has; `argv`, all of it as it was typed; and `resume`.

    Raises
    ------
    ValueError
        A mini-batch cannot be divided, the variables make no sense, or a host has other settings than worker 0.
    """
    if not is_worker():
        check_dmlc(os.environ, args.workers)
    count = int(os.environ.get('DMLC_NUM_WORKER', args.workers))
    for run in runs:
        check_divisible(run.settings['batch_size'], count)
    if not is_worker():
        argv = [*args.argv, *([] if args.resume else ['--out', str(runs[0].path.parent)])]
        for run in runs:
            run.corpus = None       # from here on this process only watches
        sys.exit(Supervisor(argv, args.workers, count).run())
    team = Processes(int(os.environ[NUMBER]), count)
    agree(team, 'settings', b''.join(map(what_decides, runs)), runs[0].ctx)
    for run in runs:
        # Four bytes a character, and a part of an array is no copy; a list has eight, and its parts are copies.
        run.corpus = (numpy.array(run.corpus[0], dtype='int32'), *run.corpus[1:])
        run.train_epoch = data_parallel(fused if run.engine == 'fused' else d2l, team)
    os.write(0, b'{"ready": 1}\n')
    if team.number == 0:
        threading.Thread(target=save_at_the_end, args=(runs,), daemon=True).start()
        return
    for run in runs:
        run.writes, run.args.pred_period = False, sys.maxsize
        run.train()
    sys.exit()


def what_decides(run):
    """All that the steps of a run, and their number, depend on, as bytes. It must be the same on all workers."""
    settings = {**run.settings, 'cell': run.cell, 'engine': run.engine}
    del settings['corpus']      # where the text is may differ; its hash is there, too
    models = [model for model in run.last_and_best if model]
    entries = [settings, run.args.epochs, run.args.stop_at, run.args.patience,
               [[model.perplexities, model.held_out] for model in models]]
    return b''.join([json.dumps(entries, sort_keys=True).encode(),
                     *(param.asnumpy().tobytes() for model in models for param in model.params)])


def save_at_the_end(runs):
    """worker 0 的一个线程：监督进程断开时，保存最后一个完整的迭代周期，然后结束。

    A thread of worker 0: when the supervisor hangs up, save the last whole epoch, and end.

    The main thread cannot do it: it may wait, in MXNet, for a worker that is no more.
    """
    with contextlib.suppress(OSError):      # where it hangs up before it has read all signs of life
        while os.read(0, 1):
            pass
    try:
        for run in runs:
            if run.last is not run.saved:
                run.save()
                print(f'{run.outcome()}; to go on:\n{run.how_to_go_on()}', flush=True)
    except (OSError, ValueError) as error:      # a full disk, or nobody who reads
        print(error, file=sys.stderr, flush=True)
    finally:
        os._exit(1)


# A process that the supervisor starts runs this before all else, from its source (in ASCII, for any terminal):
# `rnn_scratch` is not imported yet. MXNet waits for lost processes for ever, and cannot be interrupted. So this is a
# thread, and the end is a hard one.
def watch(last_words):
    """Signs of life to the supervisor, at the other end of standard input; and an end when it hangs up."""
    import os
    import select
    import threading
    import time

    def beat():
        try:
            while not select.select([0], [], [], 1)[0] or os.read(0, 1):
                os.write(0, b'{}\n')
        except OSError:
            pass
        time.sleep(last_words)
        os._exit(1)

    threading.Thread(target=beat, daemon=True).start()


# What the supervisor starts: `watch`, and then MXNet's own loop, which begins when MXNet is imported in this role; or
# this program. A worker leaves without MXNet's own end, which would wait for all others.
SERVER = f'''{inspect.getsource(watch)}
watch(0)
import rnn_scratch
'''
WORKER = f'''{inspect.getsource(watch)}
import contextlib, os, runpy, sys, traceback
watch({LAST_WORDS} if os.environ['{NUMBER}'] == '0' else 0)
code = 0
try:
    runpy.run_module('rnn_scratch', run_name='__main__', alter_sys=True)
except SystemExit as end:
    code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    if isinstance(end.code, str):
        print(end.code, file=sys.stderr)
except KeyboardInterrupt:
    code = 130
except BaseException:
    code = 1
    traceback.print_exc()
with contextlib.suppress(OSError):
    sys.stdout.flush()
    sys.stderr.flush()
os._exit(code)
'''


class Lost(Exception):      # noqa: N818 (it is no error of this program)
    """Who is dead, and why: the end of all others."""


class Member:
    """A process of ours, or the supervisor of another host, at the other end of a connection."""

    def __init__(self, name, connection, process=None, errors=None):
        self.name, self.connection, self.process, self.errors = name, connection, process, errors
        self.seen, self.text, self.is_ready, self.is_done = time.monotonic(), '', False, False

    def receive(self):
        """The messages that have come, dictionaries; None when nothing will come any more."""
        try:
            data = self.connection.recv(65536)
        except OSError:
            data = b''
        if not data:
            return None
        self.seen = time.monotonic()
        *lines, self.text = (self.text + data.decode('utf-8', 'replace')).split('\n')
        try:
            return [dict(json.loads(line)) for line in lines]
        except (ValueError, TypeError):         # whoever it is, it is none of us
            return None

    def tell(self, **message):
        with contextlib.suppress(OSError):
            self.connection.sendall(json.dumps(message).encode() + b'\n')

    def why(self):
        """How this process ended, with what it wrote as an error."""
        code = self.process.wait()
        if code < 0:
            what = f'was killed by {signal.Signals(-code).name}'
        else:
            what = f'ended with exit status {code}' if code else 'ended too early'
        written = ''
        if self.errors:
            self.errors.seek(0)
            written = self.errors.read().decode('utf-8', 'replace').strip()
            lines = written.splitlines()
            written = '\n'.join([*lines[:2], '…', *lines[-3:]] if len(lines) > 6 else lines)
        return f'{self.name} (process {self.process.pid}) {what}' + (f':\n{written}' if written else '.')


class Supervisor:
    """监督进程：启动其他所有进程，一个出事，全部结束。

    The process that the user starts: it starts scheduler, servers and workers, and ends them together.

    Whoever is dead is noticed by the end of its connection or, where there is none (a process that is stopped, a cable
    that is pulled), by the silence. The supervisor of the first host is connected with those of all others.
    """

    def __init__(self, argv, num_here, count):
        self.argv, self.num_here, self.count = argv, num_here, count
        self.num_servers = int(os.environ.get('DMLC_NUM_SERVER', 1))
        self.members, self.workers, self.hosts, self.first_host = [], [], [], None
        self.selector, self.listener, self.signals = selectors.DefaultSelector(), None, []
        self.since = None       # when all workers were started
        self.is_told, self.port_holder = False, None

    def run(self):
        """From the start to the end of all processes; returns the exit status."""
        numbers = [number for number in STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = [signal.signal(number, lambda number, _: self.signals.append(number)) for number in numbers]
        lost = None
        try:
            self.start()
            while not self.is_over():
                self.look()
        except Lost as error:
            lost = str(error)
        except BaseException as error:
            lost = f'{type(error).__name__} in the supervisor'
            raise
        finally:
            code = self.end(lost)
            for number, handler in zip(numbers, before):
                signal.signal(number, handler)
        return code

    # The start

    def start(self):
        uri, port = os.environ.get('DMLC_PS_ROOT_URI'), int(os.environ.get('DMLC_PS_ROOT_PORT', 0))
        is_alone = uri is None
        self.uri = '127.0.0.1' if is_alone else resolve(uri)
        # Held, without listening, until the scheduler listens there: no other process can get it.
        self.port_holder = bind(self.uri, port)
        number, is_first = 0, self.port_holder is not None
        self.port = self.port_holder.getsockname()[1] if is_first else port
        self.node_host = self.uri
        if is_first and not is_alone:
            self.listener = bind(self.uri, port + 1)
            self.listener.listen()
            self.selector.register(self.listener, selectors.EVENT_READ, None)
        elif not is_first:
            number = self.join()
        if is_first:
            self.spawn('the scheduler', 'scheduler')
        if is_first or self.num_servers > 1:
            self.spawn('the server', 'server')
        for k in range(number, number + self.num_here):
            self.workers.append(self.spawn(f'worker {k}', 'worker', k))
        self.next_number = number + self.num_here
        if is_first:
            self.greet_others()

    def join(self):
        """Become a part of the first host's work: returns the number of the first worker here."""
        said = False
        while True:
            try:
                connection = socket.create_connection((self.uri, self.port + 1), timeout=SILENCE)
                break
            except OSError as error:
                if not said:
                    print(f'waiting for the first host, {self.uri}, port {self.port + 1} ({error.strerror or error})',
                          file=sys.stderr)
                said = True
            time.sleep(BEAT / 2)
            self.check_signals()
        self.node_host = connection.getsockname()[0]        # the address that others reach this host at
        self.first_host = self.add(Member(f'the first host ({self.uri})', connection))
        self.first_host.tell(workers=self.num_here, servers=int(self.num_servers > 1), count=self.count,
                             version=__version__)
        while True:
            messages = self.first_host.receive()
            for message in [{'end': 'no answer.'}] if messages is None else messages:
                if 'end' in message:
                    raise Lost(f'{self.first_host.name}: {message["end"]}')
                if 'number' in message:
                    return message['number']

    def spawn(self, name, role, number=None):
        """Start a process in a session of its own: Ctrl-C in the terminal reaches only the supervisor."""
        environment = {**os.environ, 'DMLC_ROLE': role, 'DMLC_PS_ROOT_URI': self.uri,
                       'DMLC_PS_ROOT_PORT': str(self.port), 'DMLC_NUM_WORKER': str(self.count),
                       'DMLC_NUM_SERVER': str(self.num_servers)}
        if not {'DMLC_NODE_HOST', 'DMLC_INTERFACE'} & set(os.environ):
            environment['DMLC_NODE_HOST'] = self.node_host
        if not any(os.environ.get(name, '').strip() for name in ['OMP_NUM_THREADS', 'MXNET_OMP_MAX_THREADS']):
            # The cores are shared out: threads of several processes on one core would wait for each other in turns.
            threads = str(max(1, count_cores() // self.num_here) if role == 'worker' else 1)
            environment.update(MXNET_OMP_MAX_THREADS=threads)
            environment.setdefault('OPENBLAS_NUM_THREADS', threads)
        if role == 'worker':
            environment[NUMBER] = str(number)
        ours, theirs = socket.socketpair()
        speaks = number == 0            # what worker 0 prints is what one process would print
        errors = None if speaks else tempfile.TemporaryFile()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, '-c', *([WORKER, *self.argv] if role == 'worker' else [SERVER])],
                stdin=theirs, stdout=None if speaks else subprocess.DEVNULL, stderr=errors, env=environment,
                start_new_session=True)
        return self.add(Member(name, ours, process, errors))

    def add(self, member):
        self.members.append(member)
        self.selector.register(member.connection, selectors.EVENT_READ, member)
        return member

    def greet_others(self):
        missing = self.count - self.next_number
        if missing > 0:
            print(f'waiting for {missing} more workers, to be started on other hosts', file=sys.stderr)
            return
        num_servers = 1 + sum(host.num_servers for host in self.hosts)
        if num_servers != self.num_servers:
            raise Lost(f'DMLC_NUM_SERVER is {self.num_servers}, but there are {num_servers} servers: with more than '
                       f'one, each host has one, so set it to {1 + len(self.hosts)}, the number of hosts.')
        self.since = time.monotonic()

    def accept(self):
        """Another host, or a stranger."""
        connection, address = self.listener.accept()
        connection.settimeout(2)
        host = Member(f'host {address[0]}', connection)
        message = (host.receive() or [{}])[0]
        if not {'workers', 'servers', 'count', 'version'} <= set(message):
            connection.close()
            return
        refused = None
        if (message['count'], message['version']) != (self.count, __version__):
            refused = (f'here are {self.count} workers in all and version {__version__}, there {message["count"]} and '
                       f'{message["version"]}: set DMLC_NUM_WORKER to the same number, and install the same version')
        elif self.next_number + message['workers'] > self.count:
            refused = (f'{self.next_number} of {self.count} workers are started already, so that there is no room for '
                       f'{message["workers"]}: set DMLC_NUM_WORKER to the number of all workers of all hosts')
        if refused:
            host.tell(end=refused)
            connection.close()
            return
        host.num_servers = message['servers']
        host.tell(number=self.next_number)
        self.next_number += message['workers']
        self.hosts.append(self.add(host))
        self.greet_others()

    # The watch

    def look(self):
        """Half a second of watching: hear everyone, then ask who has been silent for too long."""
        before = time.monotonic()
        for key, _ in self.selector.select(BEAT / 2):
            if key.data is None:
                self.accept()
            else:
                self.hear(key.data)
        self.check_signals()
        now = time.monotonic()
        if now - before > 2 * BEAT:         # this process stood still (Ctrl-Z, a machine that slept), perhaps all did
            for member in self.members:
                member.seen = now
        for member in self.members:
            if not member.is_done and now - member.seen > SILENCE:
                raise Lost(f'{member.name} has not answered for {SILENCE} seconds.')
        for host in self.hosts or filter(None, [self.first_host]):
            host.tell()
        if self.since and now - self.since > START and not all(worker.is_ready for worker in self.workers):
            names = ', '.join(worker.name for worker in self.workers if not worker.is_ready)
            raise Lost(f'{names}: no connection to the scheduler and the servers after {START} seconds. Between hosts '
                       'all ports must be open.')
        if self.first_host and not self.is_told and all(worker.is_done for worker in self.workers):
            self.first_host.tell(done=True)
            self.is_told = True

    def hear(self, member):
        messages = member.receive()
        if messages is None:
            self.selector.unregister(member.connection)
            if member.process is None:
                raise Lost(f'{member.name} has hung up.')
            member.is_done = True
            if member not in self.workers or member.process.wait() != 0:
                raise Lost(member.why())
            return
        for message in messages:
            if 'end' in message:
                raise Lost(f'{member.name}: {message["end"]}')
            member.is_ready |= 'ready' in message
            member.is_done |= 'done' in message

    def check_signals(self):
        """Worker 0 saves and ends as a single process would; then all others are ended."""
        if self.signals:
            name = signal.Signals(self.signals[0]).name
            if self.first_host or not self.workers:
                raise Lost(f'Stopped by {name} on host {self.node_host}.')
            self.workers[0].process.send_signal(self.signals[0])
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.workers[0].process.wait(LAST_WORDS)
            raise Lost(f'Stopped by {name}.')

    def is_over(self):
        if self.first_host:
            return self.first_host.is_done
        return all(member.is_done for member in self.workers + self.hosts) and self.next_number == self.count

    # The end

    def end(self, lost):
        """End all that is left, tell the other hosts, and say who was lost; returns the exit status."""
        hosts = [*self.hosts, *filter(None, [self.first_host])]
        for host in hosts:
            host.tell(**({'end': lost} if lost else {'done': True}))
        speaker = self.workers[0] if self.workers and not self.first_host else None
        if lost and speaker:        # it may be about to end for the same reason, and has its own words for it
            with contextlib.suppress(subprocess.TimeoutExpired):
                speaker.process.wait(BEAT)
        own = speaker.process.poll() if speaker else None
        if lost and not (own or 0) > 0:
            with contextlib.suppress(OSError):          # the terminal may be gone
                print(f'\n{lost[0].upper()}{lost[1:]}\nAll processes are ended.', file=sys.stderr, flush=True)
        for member in self.members:
            if member.process and member is not speaker:
                member.process.kill()
        if speaker and not speaker.is_ready:            # it has nothing to save
            speaker.process.kill()
        if speaker:
            speaker.connection.close()                  # `save_at_the_end`
            try:
                speaker.process.wait(LAST_WORDS)
            except subprocess.TimeoutExpired:
                speaker.process.kill()
        for member in self.members:
            if member.process:
                member.process.wait()
            if member.errors:
                member.errors.close()
            member.connection.close()
        for holder in filter(None, [self.listener, self.port_holder]):
            holder.close()
        self.selector.close()
        if self.signals:
            return 128 + self.signals[0]
        return 0 if not lost else own if (own or 0) > 0 else 1


def resolve(host):
    """The address of a host as four numbers: the store understands no names."""
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise Lost(f'DMLC_PS_ROOT_URI is {host}, which is no host that can be found ({error.strerror}).') from error


def bind(address, port):
    """A socket at this address and port, 0 for any that is free; None where the address is another host's."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((address, port))
    except OSError as error:
        holder.close()
        if error.errno == errno.EADDRNOTAVAIL:
            return None
        raise Lost(f'port {port} of {address} cannot be used ({error.strerror}): set DMLC_PS_ROOT_PORT to another '
                   'one; the next one after it is needed, too.') from error
    return holder
