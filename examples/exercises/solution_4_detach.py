"""练习 4 的解答。 Solution of exercise 4: where the cost grows, and where it does not."""
from checking import report  # before MXNet is imported

# isort: split
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import rnn_scratch as d2l

import mxnet as mx
import psutil
from exercise_4_detach import check, gradients, loss
from mxnet import autograd, nd

NUM_MINI_BATCHES = (1, 4, 16)


def one_by_one(mini_batches, state, params, detach, retain_graph=False):
    for X, Y in mini_batches:
        if detach:
            state = tuple(s.detach() for s in state)
        with autograd.record():
            l, state = loss(X, Y, state, params)
        l.backward(retain_graph=retain_graph)
        l.wait_to_read()            # as in training, where the loss is added up
    return state


def all_at_once(mini_batches, state, params):
    total = 0
    with autograd.record():
        for X, Y in mini_batches:
            l, state = loss(X, Y, state, params)
            total = total + l
    total.backward()


def can_go_back(state):
    """Whether the graph that made a state is still there."""
    try:
        state[0].backward()
        return True
    except mx.MXNetError as error:
        assert 'not in a computational graph' in str(error)
        return False


def peak():
    """The most memory that this process has had, in MB; it never falls."""
    try:
        return int(re.search(r'VmHWM:\s+(\d+) kB', Path('/proc/self/status').read_text())[1]) / 1e3
    except OSError:         # not Linux
        if sys.platform == 'win32':
            return psutil.Process().memory_info().peak_wset / 1e6
        import resource  # (on Linux it would count the program that started this one, too)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def text():
    """Mini-batches of the corpus, the state before them, and the parameters."""
    corpus_indices, _, _, V = d2l.load_data_jay_lyrics(num_chars=5000)
    n, T, h, ctx = 8, 35, 64, mx.cpu()
    mx.random.seed(0)
    params = d2l.get_params(V, h, V, ctx)
    for param in params:
        param *= 10                 # so that the past counts
    return list(d2l.data_iter_consecutive(corpus_indices, n, T, ctx)), d2l.init_rnn_state(n, h, ctx), params


WAYS = {
    'detach': (one_by_one, True),
    'attached': (one_by_one, False),
    'retain_graph': (one_by_one, False, True),
    'one record': (all_at_once,),
}


def costs(name):
    """For each k the milliseconds of the processor a mini-batch, and the peak of memory, as a string of JSON."""
    mini_batches, state, params = text()
    function, *more = WAYS[name]
    function(mini_batches[:1], state, params, *more)        # the first call also loads what MXNet needs
    found = []
    for k in NUM_MINI_BATCHES:
        start = time.process_time()
        function(mini_batches[:k], state, params, *more)
        nd.waitall()
        found.append((1000 * (time.process_time() - start) / k, peak()))
    return json.dumps(found)


def costs_by_itself(name):
    """In a new process for each way, because the peak of a process never falls."""
    program = f'import solution_4_detach; print(solution_4_detach.costs({name!r}))'
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    return json.loads(subprocess.run([sys.executable, '-c', program], env={**os.environ, 'PYTHONPATH': path},
                                     stdout=subprocess.PIPE, check=True).stdout)


def finding():
    mini_batches, state, params = text()
    found = {}

    # What backward() leaves of the graph
    found['graph'] = {keep: can_go_back(one_by_one(mini_batches[:1], state, params, False, keep))
                      for keep in (False, True)}

    # The gradients
    def difference(one, other):
        return (abs(one - other).max() / abs(other).max()).asscalar()

    right = gradients(one_by_one, mini_batches[:4], state, params, True)
    found['attached'] = difference(gradients(one_by_one, mini_batches[:4], state, params, False), right)
    found['kept'] = difference(gradients(one_by_one, mini_batches[:4], state, params, False, True), right)

    # Time and memory
    print('每个小批量的 CPU 毫秒数，进程内存的峰值 CPU milliseconds a mini-batch, the peak of memory\n'
          f'{"":14}' + ''.join(f'{f"k = {k}":>20}' for k in NUM_MINI_BATCHES))
    found['cost'] = {name: costs_by_itself(name) for name in WAYS}
    for name, row in found['cost'].items():
        print(f'{name:14}' + ''.join(f'{ms:9.0f} ms {mb:5.0f} MB' for ms, mb in row))
    print(f'梯度之差 Gradients apart: attached {found["attached"]:.2g}, retain_graph {found["kept"]:.2g}\n'
          f'backward() 之后图还在吗 Is the graph there after it? attached {found["graph"][False]}, '
          f'retain_graph {found["graph"][True]}\n'
          '发现：书的循环里，分离不分离都一样：backward() 已经清掉了图，状态只剩下值。\n'
          '跨 k 个小批量保留图（一次 record，或 retain_graph），内存随 k 增长。\n'
          '一次 record 就是时间步数为 k T 的训练。\n'
          '用 retain_graph=True，时间也增长：每次都要走过之前的所有小批量。\n'
          "Finding: in the chapter's loop it changes nothing: backward() has cleared the graph; only values go on.\n"
          'Where the graph is kept over k mini-batches (one record, or retain_graph), memory grows with k.\n'
          'One record is training with windows of k T steps.\n'
          'With retain_graph=True time grows, too: each backward() goes through all the mini-batches before.')
    return found


if __name__ == '__main__':
    report(check(one_by_one, all_at_once))
    finding()
