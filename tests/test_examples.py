"""The example programs, run as a reader runs them."""
import contextlib
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import rnn_scratch as d2l
from rnn_scratch.checkpoint import load_checkpoint
from rnn_scratch.sampling import sampler

import pytest
from conftest import ROOT

TRAIN = ROOT / 'examples/train_jaychou.py'
WRITE = ROOT / 'examples/write_lyrics.py'
TRACE = ROOT / 'examples/trace_prediction.py'
SMALL = ['--num-chars', 2000, '--hidden', 16, '--batch-size', 4, '--num-steps', 10]
LINE = re.compile(r'epoch (\d+), perplexity (\d+\.\d{6}), time \d+\.\d\d sec')


def test_two_epochs_of_both_samplings(run, tmp_path):
    result = run(TRAIN, '--epochs', 2, '--pred-period', 1, '--pred-len', 10)
    assert (result.returncode, result.stderr) == (0, ''), 'in a pipe there is no progress bar'
    lines = result.stdout.splitlines()
    assert lines[0] == 'random sampling (随机采样), fused engine'
    assert lines[8] == 'consecutive sampling (相邻采样), fused engine'
    for start in [1, 9]:
        first, second = (LINE.fullmatch(lines[start + offset]) for offset in [0, 3])
        assert (first[1], second[1]) == ('1', '2')
        assert 1027 * 1.2 > float(first[2]) > float(second[2])
        for offset, prefix in [(1, '分开'), (2, '不分开'), (4, '分开'), (5, '不分开')]:
            assert re.fullmatch(f' - {prefix}.{{10}}', lines[start + offset])
    saved = [re.fullmatch(rf'saved to (runs/.+/{sampling}.json): epoch 2, perplexity \d+\.\d{{6}}', lines[i])[1]
             for i, sampling in [(7, 'random'), (15, 'consecutive')]]
    assert lines[16:] == [f'picture in {Path(saved[0]).with_name("training.png")}']
    assert [load_checkpoint(tmp_path / path).epoch for path in saved] == [2, 2]


def test_on_a_terminal_the_lines_stand_above_a_progress_bar(tmp_path):
    """What the terminal receives: a line goes out whole, with its line end, before the bar is drawn again."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 100, 0, 0))
    process = subprocess.Popen([sys.executable, TRAIN, *map(str, SMALL), '--sampling', 'random', '--epochs', '3',
                                '--pred-period', '1', '--pred-len', '5', '--prefix', '夜'], cwd=tmp_path, stdout=theirs,
                               env={**os.environ, 'PYTHONIOENCODING': 'utf-8'})
    os.close(theirs)
    received = b''
    with contextlib.suppress(OSError):          # Linux says so when the other end is closed
        while True:
            piece = os.read(ours, 4096)
            received += piece
            if not piece:
                break
    os.close(ours)
    assert process.wait() == 0
    text = received.decode()
    assert '1/3' in text and 'epoch/s' in text, 'there is a bar'
    for epoch in [1, 2, 3]:
        assert re.search(rf'\repoch {epoch}, perplexity \d+\.\d+, time \d+\.\d\d sec\r\n', text)
    assert len(re.findall(r'\r - 夜.{5}\r\n', text)) == 3


def test_every_flag(run, tmp_path):
    (tmp_path / 'song.txt').write_text('风吹雨打风不怕 ' * 40, 'utf-8')
    result = run(TRAIN, '--sampling', 'consecutive', '--epochs', 4, '--corpus', 'song.txt', '--num-chars', 200,
                 '--hidden', 8, '--num-steps', 5, '--batch-size', 4, '--lr', 1, '--theta', 'none', '--pred-period', 2,
                 '--pred-len', 3, '--prefix', '风', '--prefix', '雨打', '--seed', 7,
                 '--engine', 'tutorial', '--out', 'here', '--save-every', 3, '--holdout', 0.2, '--stop-at', 1.0,
                 '--patience', 4)
    assert (result.returncode, result.stderr) == (0, '')
    lines = result.stdout.splitlines()
    assert lines[0] == 'consecutive sampling (相邻采样), tutorial engine'
    assert [LINE.fullmatch(lines[i])[1] for i in [1, 5]] == ['2', '4']
    assert [len(lines[i]) for i in [2, 3, 6, 7]] == [len(' - 风***'), len(' - 雨打***')] * 2
    held_out = r'held out: perplexity \d+\.\d{6} over 39 characters, 0 more are not in the vocabulary'
    assert re.fullmatch(held_out, lines[4]) and re.fullmatch(held_out, lines[8])
    assert lines[9].startswith('saved to here/consecutive.json: epoch 4, perplexity ')
    assert re.match(r'the lowest perplexity on held-out text, \d+\.\d{6}, was at epoch [1-4], saved to', lines[10])
    assert lines[11:] == ['picture in here/training.png']


def test_one_seed_gives_the_same_digits_alone_and_in_turn(run):
    settings = ['--epochs', 1, '--pred-period', 1, '--num-chars', 2000, '--hidden', 16, '--seed', 3]
    both, alone = (re.findall(r'perplexity (\S+),', run(TRAIN, *settings, *more).stdout)
                   for more in [['--out', 'both'], ['--out', 'alone', '--sampling', 'consecutive']])
    assert len(both) == 2 and both[1:] == alone


@pytest.mark.parametrize('flags, message', [
    (['--corpus', 'nowhere.zip'], 'nowhere.zip does not exist'),
    (['--prefix', '龘'], "'龘'"),
    (['--num-chars', '100'], '100 characters'),
    (['--holdout', '1'], '--holdout is a part'),
    (['--holdout', '0.0001'], 'holds out 1 characters'),
    (['--patience', '3'], '--patience looks at held-out text'),
    (['--resume', 'nowhere.json'], 'There is no checkpoint at nowhere.json'),
])
def test_a_mistake_is_one_sentence(run, flags, message):
    result = run(TRAIN, *flags)
    assert result.returncode == 1
    sentence, = result.stderr.splitlines()
    assert message in sentence


@pytest.mark.parametrize('flags, message', [
    (['--theta', '0'], 'argument --theta: 0 is not above 0'),
    (['--theta', 'inf'], "argument --theta: 'inf' is not a finite number"),
    (['--lr', 'much'], "argument --lr: 'much' is not a finite number"),
    (['--epochs', '0'], '--epochs must be 1 or more, not 0'),
    (['--resume', 'a.json', '--out', 'b'], 'leave --out out'),
])
def test_a_bad_flag_is_named(run, flags, message):
    result = run(TRAIN, *flags)
    assert result.returncode == 2 and result.stderr.splitlines()[-1].endswith(message)


def test_a_run_is_not_overwritten(run, tmp_path):
    (tmp_path / 'here').mkdir()
    (tmp_path / 'here/random.json').write_text('precious')
    result = run(TRAIN, *SMALL, '--out', 'here')
    assert result.returncode == 1 and 'There is a run at here/random.json already' in result.stderr
    assert (tmp_path / 'here/random.json').read_text() == 'precious'


def test_help_names_every_flag_of_the_chapter(run):
    shown = run(TRAIN, '--help', COLUMNS='120').stdout
    for flag in ['--sampling', '--epochs', '--corpus', '--num-chars', '--hidden', '--num-steps', '--batch-size', '--lr',
                 '--theta', '--pred-period', '--pred-len', '--prefix', '--seed']:
        assert f'\n  {flag} ' in shown


def test_it_stops_at_a_perplexity(run):
    lines = run(TRAIN, *SMALL, '--sampling', 'random', '--epochs', 50, '--pred-period', 1, '--stop-at', 60).stdout
    found = [float(number) for number in re.findall(r'perplexity (\S+),', lines)]
    assert found[-1] <= 60 < min(found[:-1])


def test_it_stops_when_the_held_out_perplexity_stops_falling(run, tmp_path):
    """A text whose end has nothing to do with its beginning: the more is learnt, the worse the end is predicted."""
    (tmp_path / 'a.txt').write_text('风吹雨打风不怕 ' * 30 + '怕打吹雨 不' * 10, 'utf-8')
    result = run(TRAIN, *SMALL, '--corpus', 'a.txt', '--sampling', 'consecutive', '--epochs', 400, '--holdout', 0.2,
                 '--patience', 5, '--pred-period', 400, '--prefix', '风', '--out', 'here')
    assert result.returncode == 0, result.stderr
    last, best = (load_checkpoint(tmp_path / 'here' / name) for name in ['consecutive.json', 'consecutive-best.json'])
    assert last.epoch < 400 and last.epoch == best.epoch + 5
    assert best.held_out[-1] == min(last.held_out)
    assert last.held_out[:best.epoch] == best.held_out and len(last.held_out) == last.epoch


def test_the_vocabulary_is_that_of_the_text_to_train_on(run, tmp_path):
    (tmp_path / 'a.txt').write_text('风吹雨打' * 50 + '日月日' * 10, 'utf-8')
    result = run(TRAIN, *SMALL, '--corpus', 'a.txt', '--sampling', 'random', '--epochs', 1, '--pred-period', 1,
                 '--holdout', 0.2, '--prefix', '风', '--out', 'here')
    # 230 characters: 46 at the end are held out, of which 30 are 日 and 月.
    assert 'over 15 characters, 30 more are not in the vocabulary' in result.stdout, result.stderr
    assert load_checkpoint(tmp_path / 'here/random.json').idx_to_char == sorted('风吹雨打')


def test_the_walk_through_prediction(run):
    result = run(TRACE, '--prefix', '不分开', '--num-chars', 3)
    assert result.returncode == 0, result.stderr
    *steps, text = result.stdout.splitlines()
    assert len(steps) == 5 and len(text) == 6 and text.startswith('不分开')
    for t, step in enumerate(steps):
        fed, following, origin, so_far = re.fullmatch(
            rf"t={t} +in '(.)' = \d+ +one-hot \(1, 1027\)  next '(.)' (given|predicted) +(.+)", step).groups()
        assert (fed, following, so_far) == (text[t], text[t + 1], text[:t + 2])
        assert origin == ('given' if t < 2 else 'predicted')


@pytest.fixture
def trained(run, tmp_path):
    """A small model in runs/, where write_lyrics.py looks for the newest."""
    run(TRAIN, *SMALL, '--sampling', 'random', '--epochs', 2)
    return next(tmp_path.glob('runs/*/random.json'))


def test_a_song_is_written(run, trained):
    model = load_checkpoint(trained).model()
    greedy = run(WRITE, '--num-chars', 30, '--temperature', 0)
    assert greedy.returncode == 0, greedy.stderr
    assert greedy.stdout == d2l.predict_rnn('分开', 30, *model).replace(' ', '\n') + '\n'
    drawn = run(WRITE, trained, '--prefix', '雨', '--num-chars', 30, '--temperature', 1.5, '--top-k', 9, '--top-p', 0.9,
                '--seed', 8)
    text = d2l.predict_rnn('雨', 30, *model, pick=sampler(1.5, 9, 0.9, 8))
    assert drawn.stdout == text.replace(' ', '\n') + '\n'


def test_temperatures_stand_side_by_side(run, trained):
    result = run(WRITE, '--num-chars', 30, '--temperature', 0.5, 3, '--seed', 1)
    header, *rows = result.stdout.splitlines()
    assert header.split('  ')[0] == 'temperature 0.5' and header.endswith('temperature 3')
    model = load_checkpoint(trained).model()
    for column, temperature in enumerate([0.5, 3]):
        text = d2l.predict_rnn('分开', 30, *model, pick=sampler(temperature, seed=1))
        written = ''
        for row in rows:        # a Chinese character takes two cells, and a column 26
            cells = ''.join(char if ord(char) < 128 else char + '\0' for char in row)
            written += cells[26 * column:26 * (column + 1)].replace('\0', '').strip()
        assert written == text.replace(' ', '')


def test_prefix_after_prefix(run, trained):
    result = run(WRITE, '--interactive', '--num-chars', 5, '--temperature', 0, input='分开\n龘\n雨\n')
    assert result.returncode == 0, result.stderr
    model = load_checkpoint(trained).model()
    first, unknown, second, end = result.stdout.split('prefix> ')[1:]
    assert first == d2l.predict_rnn('分开', 5, *model).replace(' ', '\n') + '\n'
    assert "'龘'" in unknown and unknown.count('\n') == 1
    assert second == d2l.predict_rnn('雨', 5, *model).replace(' ', '\n') + '\n'
    assert end == '\n'


def test_without_a_checkpoint_it_says_so(run):
    result = run(WRITE)
    assert result.returncode == 1
    sentence, = result.stderr.splitlines()
    assert sentence.startswith('There is no checkpoint under runs')
