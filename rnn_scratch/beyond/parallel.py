"""Beyond the chapter: several workers train one model, on MXNet's own parameter server (KVStore).

    from rnn_scratch.beyond import fused, parallel              # several devices in one process
    train_epoch = parallel.on_contexts(fused, [mx.gpu(0), mx.gpu(1)])
    fused.train_and_predict_rnn(d2l.rnn, get_params, ..., train_epoch=train_epoch)

Each worker has all parameters, and takes its own rows of each mini-batch. The loss of a mini-batch is a mean over its
rows, so its gradient is the mean of the gradients of equal parts:

    L = 1/K Σ_k L_k        ∂L/∂W = 1/K Σ_k ∂L_k/∂W

Each step has one transfer: all gradients of a worker, as one array, go into the store, and their sum comes back (of
W_xh, with the fused engine, only the rows of the mini-batch's characters). Then each worker clips and updates for
itself. Those who train together are a team: `Processes`, or a `Thread` for each device. See docs/distributed.md.
"""
import atexit
import collections
import contextlib
import hashlib
import itertools
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import geometric_mean
from types import SimpleNamespace

import rnn_scratch as d2l

import numpy as np
from mxnet import kvstore, nd

from .. import _checks
from . import fused
from .member import NUMBER
from .stop import STOP_SIGNALS


def data_parallel(engine, team):
    """一组 worker 中的一个怎样训练一个迭代周期：只算自己的那几行，梯度取平均。

    `engine.train_epoch`, of `rnn_scratch` or `fused`, for one worker of a team: the same perplexity, to rounding.

    A team has `number` and `count`, which worker this is and of how many; `add_up`, which adds an array up over all
    workers, in place; and `data_iter_random`, which gives all the same mini-batches. What is returned goes into
    `train_and_predict_rnn(…, train_epoch=…)`. ValueError: the mini-batch cannot be divided. FloatingPointError: after
    the epoch the workers do not hold the same parameters.
    """
    def average(gradients):
        # One transfer: all gradients, end to end
        flat = team.add_up(nd.concat(*[gradient.reshape(-1) for gradient in gradients], dim=0))
        flat /= team.count
        ends = list(itertools.accumulate(gradient.size for gradient in gradients))
        return [flat[end - gradient.size:end].reshape(gradient.shape) for gradient, end in zip(gradients, ends)]

    def grad_clipping(params, theta, ctx):      # for the tutorial engine
        for param, gradient in zip(params, average([param.grad for param in params])):
            param.grad[:] = gradient
        d2l.grad_clipping(params, theta, ctx)

    wholes = collections.deque()        # mini-batches of the fused engine, of all workers' sequences, before their step

    def gradients(X, Y, state, params):         # for the fused engine
        loss, state, (own, *others) = fused.gradients_of_checked(X, Y, state, params)
        # Of W_xh only the rows that any worker has changed. Each knows them, for it knows the whole mini-batch. Zeros
        # fill them up to one of 16 sizes, since the store keeps an array for each size.
        names = np.unique(wholes.popleft().asnumpy()).astype('int64')
        part = -(-X.size * team.count // 16)
        rows = nd.zeros((min(own.shape[0], -(-len(names) // part) * part), own.shape[1]), own.context)
        rows[np.searchsorted(names, own.indices.asnumpy())] = own.data
        rows, *others = average([rows, *others])
        return loss, state, [nd.sparse.row_sparse_array((rows[:len(names)], names), own.shape, own.context), *others]

    def train_epoch(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, is_random_iter,
                    num_steps, lr, clipping_theta, batch_size):
        divisible(batch_size, team.count)
        n = batch_size // team.count
        first, last = team.number * n, (team.number + 1) * n        # the rows of this worker

        data_iter = team.data_iter_random if is_random_iter else d2l.data_iter_consecutive
        wholes.clear()

        def rows(*_):
            for X, Y in data_iter(corpus_indices, batch_size, num_steps, ctx):
                if engine is fused:
                    wholes.append(X)
                yield X[first:last], Y[first:last]                  # (n, T), (n, T)

        seam = {'gradients': gradients} if engine is fused else {'grad_clipping': grad_clipping}
        perplexity = engine.train_epoch(
            rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, is_random_iter, num_steps,
            lr, clipping_theta, n, data_iter=rows, **seam)
        parts = gather(team, np.float64(perplexity).tobytes(), ctx)
        agree(team, 'parameters', b''.join(param.asnumpy().tobytes() for param in params), ctx)
        # A perplexity is the exponential of a mean, and all parts have the same size:  exp(1/K Σ_k log perplexity_k)
        return geometric_mean(np.frombuffer(b''.join(parts)).tolist())

    return train_epoch


def divisible(batch_size, count):
    """Raise ValueError unless `count` workers can have equal parts of a mini-batch."""
    if batch_size % count:
        sizes = [n for n in (batch_size // count * count, (batch_size // count + 1) * count) if n]
        workers = [k for k in range(2, batch_size + 1) if batch_size % k == 0] or [1]
        raise ValueError(f'A mini-batch of {batch_size} sequences cannot be divided among {count} workers: choose a '
                         f'batch size of {" or ".join(map(str, sizes))}, or {" or ".join(map(str, workers))} workers.')


def gather(team, content, ctx):
    """The bytes of each worker, in their order, on every worker; all give equally many."""
    # Each byte is a number in 32 bits. One of 64 bits MXNet's server may round to 32, or not: it never sets its flag.
    slots = nd.zeros((team.count, len(content)), ctx)           # all others are 0 here, so that the sum changes nothing
    slots[team.number] = np.frombuffer(content, 'uint8')
    return [row.tobytes() for row in team.add_up(slots).asnumpy().astype('uint8')]


def agree(team, what, content, ctx):
    """Unless all workers have the same bytes, raise an error on all, which names those that are not like the others."""
    checksums = gather(team, hashlib.sha256(content).digest(), ctx)
    common = max(checksums, key=checksums.count)        # what most of them have; of two, what worker 0 has
    others = ', '.join(str(number) for number, checksum in enumerate(checksums) if checksum != common)
    if others and what == 'settings':
        raise ValueError('The settings, the text or the model to go on with are not the same on all workers '
                         f'(worker {others} differs): start all with the same command and the same files, and each '
                         'with its own number.')
    if others:
        raise FloatingPointError(f'The {what} are not the same on all workers (worker {others} differs): all hosts '
                                 'need the same kind of processor, the same versions and the same OMP_NUM_THREADS.')


class Store:
    """MXNet's store, as one operation: arrays that are added up."""

    def __init__(self, kind):
        self.store, self.known = kvstore.create(kind), set()

    def add_up(self, arrays):
        """In place: each of the arrays becomes the sum of all arrays of all workers."""
        key = str(arrays[0].size)
        if key not in self.known:
            self.store.init(key, arrays[0])         # its size; the content is overwritten
            self.known.add(key)
        self.store.push(key, arrays)                # without an optimizer in the store, what all have pushed
        self.store.pull(key, out=arrays)            # is added up, and that is what they pull


class Processes:
    """一组进程：这个进程是参数服务器的一个 worker。

    A team of processes: this one is a worker of the parameter server that the DMLC_ variables name. MXNet waits for a
    lost process for ever, even at the end, and while it waits Python handles no signal. So whatever ends it early is a
    hard end: `leave` or, for a signal, `listen`.
    """

    def __init__(self):
        self.runs = []
        here, there = self.signals = socket.socketpair()    # Python itself writes the number of each signal there
        there.setblocking(False)
        signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self.listen, args=(here,), daemon=True).start()
        self.sums = Store('dist_sync')                      # waits for all others
        atexit.register(self.leave)
        self.count = self.sums.store.num_workers
        self.number = int(os.environ.get(NUMBER, self.sums.store.rank))
        self.data_iter_random = d2l.data_iter_random        # equal seeds: the same mini-batches everywhere
        if self.number:                                     # only worker 0 prints
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def add_up(self, array):
        self.sums.add_up([array])
        return array

    @contextlib.contextmanager
    def training(self, runs):
        """Around the training of these runs: at its proper end wait for all workers, which ends the servers, too."""
        self.runs = runs
        yield
        self.runs = []
        del self.sums           # MXNet's own end
        atexit.unregister(self.leave)

    def leave(self):
        """A hard end: Python's own, with MXNet's, would wait for the lost process for ever."""
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(1)

    def listen(self, signals):
        """A thread: after a signal to stop that the main thread does not hear, save the last whole epoch, and end."""
        while signals.recv(1)[0] not in STOP_SIGNALS:
            pass
        time.sleep(0.5)
        if any(run.stop.number for run in self.runs):       # it has heard: it saves by itself, and ends
            return
        try:
            for run in self.runs:
                if run.writes and run.last is not run.saved:
                    run.save()
                    run.show_how_it_ended()
        except (OSError, ValueError) as error:              # a full disk, or nobody who reads
            print(error, file=sys.stderr, flush=True)
        finally:
            os._exit(1)


class Thread:
    """One of a team of threads, each with a device of its own."""

    def __init__(self, shared, number, mini_batches):
        self.shared, self.number, self.count, self.mini_batches = shared, number, len(shared.arrays), mini_batches

    def data_iter_random(self, corpus_indices, batch_size, num_steps, ctx):
        while True:
            with self.shared.lock:          # all iterators read from one, which shuffles once
                pair = next(self.mini_batches, None)
            if pair is None:
                return
            yield [array.as_in_context(ctx) for array in pair]

    def add_up(self, array):
        self.shared.arrays[self.number] = array
        if self.shared.barrier.wait() == 0:     # the one that is told 0 speaks for all
            self.shared.sums.add_up(self.shared.arrays)
        self.shared.barrier.wait()
        return array


def on_contexts(engine, contexts, kind='local'):
    """在一个进程的几个设备上训练一个迭代周期，每个设备是一个 worker。

    `data_parallel` on several devices of one process, each a worker, with a thread of its own.

    `contexts` is a list of mxnet.Context. The first one has the parameters, and is the `ctx` of the other arguments,
    else there is a ValueError. `kind` is the store: 'local' adds up on the CPU, 'device' on the devices themselves.
    """
    _checks.must_be((list, tuple), 'a list of devices, such as [mxnet.gpu(0), mxnet.gpu(1)]', len, contexts=contexts)
    for ctx in contexts:
        _checks.device(ctx)
    count = len(contexts)       # threads, which share a store, what goes into it, and how they wait for each other
    shared = SimpleNamespace(sums=Store(kind), arrays=[None] * count, lock=threading.Lock(),
                             barrier=threading.Barrier(count))

    def train_epoch(rnn, params, init_rnn_state, num_hiddens, vocab_size, ctx, corpus_indices, is_random_iter,
                    num_steps, lr, clipping_theta, batch_size):
        if ctx != contexts[0]:
            raise ValueError(f'The parameters are on {ctx}, but the first of the devices is {contexts[0]}: name {ctx} '
                             'first.')
        mini_batches = itertools.tee(d2l.data_iter_random(corpus_indices, batch_size, num_steps, ctx), len(contexts))
        shared.barrier.reset()

        def work(number):
            try:
                copies = params if number == 0 else [param.copyto(contexts[number]) for param in params]
                for copy in copies if number else []:
                    copy.attach_grad()
                return data_parallel(engine, Thread(shared, number, mini_batches[number]))(
                    rnn, copies, init_rnn_state, num_hiddens, vocab_size, contexts[number], corpus_indices,
                    is_random_iter, num_steps, lr, clipping_theta, batch_size)
            except threading.BrokenBarrierError:        # another one has failed, and says why
                return None
            except BaseException:
                shared.barrier.abort()
                raise

        with ThreadPoolExecutor(len(contexts)) as pool:
            try:
                return list(pool.map(work, range(len(contexts))))[0]
            except BaseException:                       # Ctrl-C in this thread, too
                shared.barrier.abort()
                raise

    return train_epoch
