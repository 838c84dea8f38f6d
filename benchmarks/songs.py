"""Songs by the hundred, one song, and PyTorch: `python benchmarks/songs.py` fills its table in docs/speed.md.

Each peer is a process of its own, as in `run.py`. First it is checked: as good as greedy, all must write the same.
"""
import tempfile

import rnn_scratch as d2l

import report
import task
from run import CHAPTER, CORES, DOCS, MXNET_PYTHON, PEERS_PYTHON, Peer, measure, start

ROUNDS, SONGS, LENGTH = 5, 200, 200
PEERS = [
    Peer('fused engine', MXNET_PYTHON, 'ours', 'Songs'),
    Peer('PyTorch, look-up, 64 bits', PEERS_PYTHON, 'pytorch', 'Songs64'),
    Peer('PyTorch, look-up, 32 bits', PEERS_PYTHON, 'pytorch', 'Songs'),
]


def songs_table(seconds):
    """The table, from {(peer, n songs at once): the seconds a character of the rounds}."""
    rows = []
    for name in dict.fromkeys(name for name, _ in seconds):
        at_once, alone = seconds[name, SONGS], seconds[name, 1]
        middle, low, high = (f'{1 / pick(at_once):,.0f}' for pick in [report.median, max, min])
        rows.append([name, middle, f'{low} – {high}', f'{1 / report.median(alone):,.0f}',
                     report.ratio(alone, at_once)])
    return report.as_table(['', f'{SONGS} at once, characters/s', 'min – max', 'one song, characters/s', 'ratio'], rows)


def main():
    begun = report.Begun()
    with tempfile.TemporaryDirectory() as folder:
        corpus, _, idx_to_char, _ = d2l.load_data_jay_lyrics()
        task.save(folder, corpus, idx_to_char, CHAPTER['steps'], CHAPTER['hidden'])
        workers = start(PEERS, [], False, folder)

        def turn(worker, n):
            def seconds():
                worker.ask('write', 20, n, 0.8)         # threads wake up
                return worker.ask('write', LENGTH, n, 0.8)['seconds'] / (LENGTH * n)
            return seconds

        found = measure({(worker.peer.name, n): turn(worker, n) for worker in workers for n in [SONGS, 1]}, ROUNDS)
        for worker in workers:
            worker.close()
    about = report.about({worker.versions for worker in workers}, CORES, ROUNDS, *begun.until_now())
    block = f'{songs_table(found)}\n\n{about}'
    print(f'\n{block}')
    report.fill(DOCS / 'speed.md', {'songs': block})


if __name__ == '__main__':
    main()
