"""python -m rnn_scratch: each command, run as a reader runs it, and the example."""
import contextlib
import math
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import rnn_scratch as d2l
from rnn_scratch.beyond.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from rnn_scratch.beyond.corpus import Corpus
from rnn_scratch.beyond.folders import newest_run
from rnn_scratch.beyond.run import check_run, num_parameters, training_bytes
from rnn_scratch.beyond.sampling import sampler
from rnn_scratch.beyond.settings import Plan, Settings

import mxnet
import pytest
from conftest import ROOT, slashes, unix

SMALL = ['--num-chars', 2000, '--hidden', 16, '--batch-size', 4, '--num-steps', 10]
LINE = re.compile(r'epoch (\d+), perplexity (\d+\.\d{6}), time \d+\.\d\d sec')


def test_two_epochs_of_both_samplings(program, tmp_path):
    result = program('train', '--epochs', 2, '--pred-period', 1, '--pred-len', 10)
    assert (result.returncode, result.stderr) == (0, ''), 'in a pipe there is no progress bar'
    read, *lines = result.stdout.splitlines()
    assert read == '(reads 10,000 of 11,914 characters: --num-chars 0 reads all)'
    assert [line.startswith('That is no better than ') for line in lines] == [i in (8, 17) for i in range(19)]
    del lines[17], lines[8]
    assert lines[0] == 'random sampling (随机采样), fused engine'
    assert lines[8] == 'consecutive sampling (相邻采样), fused engine'
    for start in [1, 9]:
        first, second = (LINE.fullmatch(lines[start + offset]) for offset in [0, 3])
        assert (first[1], second[1]) == ('1', '2')
        assert 1027 * 1.2 > float(first[2]) > float(second[2])
        for offset, prefix in [(1, '分开'), (2, '不分开'), (4, '分开'), (5, '不分开')]:
            assert re.fullmatch(f' - {prefix}.{{10}}', lines[start + offset])
    saved = [re.fullmatch(rf'saved to (runs/.+/{sampling}.safetensors): epoch 2, perplexity \d+\.\d{{6}}', lines[i])[1]
             for i, sampling in [(7, 'random'), (15, 'consecutive')]]
    assert lines[16:] == [f'picture in {Path(saved[0]).with_name("training.png").as_posix()}']
    assert (tmp_path / saved[0]).with_name('training.png').read_bytes().startswith(b'\x89PNG')
    assert [load_checkpoint(tmp_path / path).epoch for path in saved] == [2, 2]


def test_the_program_prints_what_the_chapter_s_call_prints(program, corpus, capsys):
    """The same seed, by `train_and_predict_rnn` and by the program, which has a loop of its own around the epoch."""
    import random

    import mxnet as mx
    result = program('train', '--epochs', 3, '--pred-period', 2, '--pred-len', 10, '--engine', 'tutorial', '--hidden',
                     16, '--seed', 4, '--sampling', 'random')
    random.seed(4)
    mx.random.seed(4)
    corpus_indices, char_to_idx, idx_to_char, vocab_size = corpus
    d2l.train_and_predict_rnn(
        d2l.rnn, lambda: d2l.get_params(vocab_size, 16, vocab_size, mx.cpu()), d2l.init_rnn_state, 16, vocab_size,
        mx.cpu(), corpus_indices, idx_to_char, char_to_idx, True, 3, 35, 1e2, 1e-2, 32, 2, 10, ['分开', '不分开'])
    theirs = capsys.readouterr().out
    ours = ''.join(line + '\n' for line in result.stdout.splitlines()[2:-3])     # no better than the unigram model
    assert re.sub('time .*', '', ours) == re.sub('time .*', '', theirs) != ''


def on_a_terminal(folder, *arguments):
    """What the terminal receives from a program."""
    import fcntl
    import termios
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 30, 100, 0, 0))
    process = subprocess.Popen([sys.executable, '-m', 'rnn_scratch', *map(str, arguments)], cwd=folder, stdout=theirs,
                               stderr=theirs, env={**os.environ, 'PYTHONIOENCODING': 'utf-8'})
    os.close(theirs)
    received = b''
    with contextlib.suppress(OSError):          # Linux says so when the other end is closed
        while True:
            piece = os.read(ours, 4096)
            received += piece
            if not piece:
                break
    os.close(ours)
    assert process.wait() == 0, received.decode()
    return received.decode()


@unix
def test_on_a_terminal_the_lines_stand_above_a_progress_bar(tmp_path):
    """A line goes out whole, with its line end, before the bar is drawn again."""
    text = on_a_terminal(tmp_path, 'train', *SMALL, '--sampling', 'random', '--epochs', '3', '--pred-period', '1',
                         '--pred-len', '5', '--prefix', '夜')
    assert '1/3' in text and 'epoch/s' in text, 'there is a bar'
    for epoch in [1, 2, 3]:
        assert re.search(rf'\repoch {epoch}, perplexity \d+\.\d+, time \d+\.\d\d sec\r\n', text)
    assert len(re.findall(r'(?m)^ - 夜.{5}\r\n', text.replace('\r - ', '\n - '))) == 3


def test_every_flag(program, tmp_path):
    (tmp_path / 'song.txt').write_text('风吹雨打风不怕 ' * 40, 'utf-8')
    result = program('train', '--sampling', 'consecutive', '--epochs', 4, '--corpus', 'song.txt', '--num-chars', 200,
                     '--hidden', 8, '--num-steps', 5, '--batch-size', 4, '--lr', 1, '--theta', 'none', '--pred-period',
                     2, '--pred-len', 3, '--prefix', '风', '--prefix', '雨打', '--seed', 7, '--engine', 'tutorial',
                     '--out', 'here', '--save-every', 3, '--holdout', 0.2, '--stop-at', 1.0, '--patience', 4)
    assert (result.returncode, result.stderr) == (0, '')
    read, *lines = result.stdout.splitlines()
    assert read == '(reads 200 of 320 characters: --num-chars 0 reads all)'
    assert lines[0] == 'consecutive sampling (相邻采样), tutorial engine'
    assert [LINE.fullmatch(lines[i])[1] for i in [1, 5]] == ['2', '4']
    assert [len(lines[i]) for i in [2, 3, 6, 7]] == [len(' - 风***'), len(' - 雨打***')] * 2
    held_out = r'held out: perplexity \d+\.\d{6} over 39 characters, 0 more are not in the vocabulary'
    assert re.fullmatch(held_out, lines[4]) and re.fullmatch(held_out, lines[8])
    assert lines[9].startswith('saved to here/consecutive.safetensors: epoch 4, perplexity ')
    assert re.match(r'the lowest perplexity on held-out text, \d+\.\d{6}, was at epoch [1-4], saved to', lines[10])
    assert lines[11:] == ['picture in here/training.png']


def test_one_seed_gives_the_same_digits_alone_and_in_turn(program):
    settings = ['train', '--epochs', 1, '--pred-period', 1, '--num-chars', 2000, '--hidden', 16, '--seed', 3]
    both, alone = (re.findall(r'perplexity (\S+),', program(*settings, *more).stdout)
                   for more in [['--out', 'both'], ['--out', 'alone', '--sampling', 'consecutive']])
    assert len(both) == 2 and both[1:] == alone


@pytest.mark.slow
def test_two_hash_seeds_print_the_same_lines(run):
    first, second = (run('-m', 'rnn_scratch', 'train', *SMALL, '--epochs', 2, '--pred-period', 1, '--seed', 5, '--out',
                         f'out{seed}', PYTHONHASHSEED=seed).stdout for seed in '12')
    assert re.sub(r'time .*', '', first) == re.sub(r'time .*', '', second.replace('out2', 'out1'))
    assert first.count('epoch 2') == 4


@pytest.mark.parametrize('flags, message', [
    (['--corpus', 'nowhere.zip'], 'nowhere.zip does not exist'),
    (['--prefix', '龘'], "'龘'"),
    (['--num-chars', '100'], '100 characters'),
    (['--holdout', '0.0001'], 'holds out 1 characters'),
    (['--patience', '3'], '--patience looks at held-out text'),
    (['--resume', 'nowhere.safetensors'], 'The checkpoint nowhere.safetensors does not exist'),
    (['--resume', 'a.safetensors', '--out', 'b'], 'leave --out b out'),
])
def test_a_mistake_is_one_sentence(program, tmp_path, flags, message):
    result = program('train', *flags)
    assert result.returncode == 1
    sentence, = result.stderr.splitlines()
    assert message in sentence
    assert list(tmp_path.iterdir()) == [], 'nothing is made before the settings are checked'


@pytest.mark.parametrize('command, flags, message', [
    ('train', ['--lr', '0'], 'argument --lr: lr must be above 0 and below 3.4e38, not 0.0.'),
    ('train', ['--lr', '-1'], 'argument --lr: lr must be above 0 and below 3.4e38, not -1.0.'),
    ('train', ['--lr', 'nan'], 'argument --lr: lr must be above 0 and below 3.4e38, not nan.'),
    ('train', ['--lr', '1e39'], 'argument --lr: lr must be above 0 and below 3.4e38, not 1e+39.'),
    ('train', ['--lr', 'much'], "argument --lr: 'much' is not a number"),
    ('train', ['--theta', '0'], 'argument --theta: theta must be above 0 and finite, not 0.0.'),
    ('train', ['--theta', 'inf'], 'argument --theta: theta must be above 0 and finite, not inf.'),
    ('train', ['--stop-at', 'nan'], 'argument --stop-at: stop_at must be 1 or more, as each perplexity is, and finite, '
                                   'not nan.'),
    ('train', ['--stop-at', '0.5'], 'argument --stop-at: stop_at must be 1 or more, as each perplexity is, and finite, '
                                   'not 0.5.'),
    ('train', ['--hidden', '2.5'], "argument --hidden: '2.5' is not a whole number"),
    ('train', ['--holdout', '1'], 'argument --holdout: holdout must be from 0 to less than 1, not 1.0.'),
    ('train', ['--epochs', '0'], 'argument --epochs: epochs must be a whole number, 1 or more, not 0.'),
    ('train', ['--epochs', '-3'], 'argument --epochs: epochs must be a whole number, 1 or more, not -3.'),
    ('train', ['--workers', '0'], 'argument --workers: workers must be a whole number, 1 or more, not 0.'),
    ('train', ['--pred-len', '1000000000'], 'argument --pred-len: '
                                            'pred_len must be a whole number, at most 10000, not 1000000000.'),
    ('train', ['--num-chars', '-1'], 'argument --num-chars: num_chars must be a whole number, 0 or more, not -1.'),
    ('train', ['--out', 'a\udcff'], "argument --out: The name 'a\\udcff' is not in UTF-8: give the file or folder "
                                    'another name or, if it is, set PYTHONUTF8=1.'),
    ('train', ['--prefix', '\udcff'], "argument --prefix: '\\udcff' is not a text in UTF-8"),
    ('write', ['--prefix', '\udcff'], "argument --prefix: '\\udcff' is not a text in UTF-8"),
    ('write', ['--num-chars', '1000000000'], 'argument --num-chars: '
                                             'num_chars must be a whole number, at most 100000, not 1000000000.'),
    ('write', ['--temperature', '0.5', '-1'], 'argument --temperature: temperature must be 0 or above, not -1.0.'),
    ('write', ['--temperature', 'hot'], "argument --temperature: 'hot' is not a number"),
    ('write', ['--temperature', 'inf'], 'argument --temperature: temperature must be 0 or above, not inf.'),
    ('write', ['--top-k', '0'], 'argument --top-k: top_k must be a whole number, 1 or more, not 0.'),
    ('write', ['--top-p', '1.5'], 'argument --top-p: top_p must be above 0 and at most 1, not 1.5.'),
    ('write', ['--seed', '-1'], 'argument --seed: seed must be a whole number, 0 or more, not -1.'),
    ('write', ['--songs', '0'], 'argument --songs: songs must be a whole number, 1 or more, not 0.'),
    ('write', ['--songs', '1001'], 'argument --songs: songs must be a whole number, at most 1000, not 1001.'),
    ('trace', ['--num-chars', '1001'], 'argument --num-chars: '
                                       'num_chars must be a whole number, at most 1000, not 1001.'),
])
def test_a_bad_flag_is_named(program, tmp_path, command, flags, message):
    result = program(command, *flags)
    assert result.returncode == 2 and result.stderr.splitlines()[-1].endswith(message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize('flags, message', [
    (['--hidden', '100000000'], r'To train 100000000 hidden units with \d+ characters takes at least [\d,]+\.\d GB of '
                                r'memory, and there are [\d,]+\.\d GB: make --hidden, --batch-size or --num-steps '
                                r'smaller\.'),
    (['--hidden', '1000000', '--cell', 'lstm'], 'To train 1000000 hidden units'),
])
def test_a_model_larger_than_the_memory(program, tmp_path, flags, message):
    result = program('train', *flags)
    sentence, = result.stderr.splitlines()
    assert result.returncode == 1 and re.match(message, sentence) and list(tmp_path.iterdir()) == []


def test_what_training_takes_is_known(monkeypatch):
    """The chapter's run by hand: 593,923 numbers in the parameters, 1,120 rows of 3 × 1,027 + 256; four bytes each."""
    settings, corpus = Settings(), Corpus.read()
    size, needed = num_parameters(settings, corpus), training_bytes(settings, corpus)
    assert size == 1027 * 256 + 256 * 256 + 256 + 256 * 1027 + 1027
    assert needed == 4 * (5 * size + 35 * 32 * (3 * 1027 + 256))
    assert training_bytes(settings, corpus, workers=3) == needed + 2 * 4 * 5 * size
    monkeypatch.setattr('rnn_scratch.beyond.run.memory_bytes', lambda: needed)
    check_run(settings, corpus, Plan())
    monkeypatch.setattr('rnn_scratch.beyond.run.memory_bytes', lambda: needed - 1)
    with pytest.raises(ValueError, match='256 hidden units with 1027 characters'):
        check_run(settings, corpus, Plan())


def test_a_text_of_one_s_own_works_at_once(program, tmp_path):
    """It has neither 分 nor 开 nor 不: the songs begin as it does, and a model of it writes and is drawn."""
    (tmp_path / 'poems.txt').write_bytes(' 风吹雨打风不怕 \n'.encode() * 90)        # Windows would write \r\n
    result = program('train', *SMALL, '--corpus', 'poems.txt', '--sampling', 'random', '--epochs', 1, '--pred-period',
                     1, '--out', 'here')
    assert (result.returncode, result.stderr) == (0, '')
    breaks, *lines = result.stdout.splitlines()
    assert breaks.startswith('(its 90 line breaks are read as spaces, as in the chapter: --keep-lines keeps them')
    assert lines[0] == ('(the text does not have the characters of 分开 and 不分开: songs begin as it does, with '
                        "'风吹'; --prefix takes another beginning)")
    assert lines[3].startswith(' - 风吹') and len(lines[3]) == len(' - 风吹') + 50
    song = program('write', 'here/random.safetensors', '--num-chars', 4, '--seed', 1)
    assert song.returncode == 0 and "does not know 分开: the song begins with '不'" in song.stderr
    assert song.stdout.startswith('不')
    # A prefix that is given is never replaced.
    for command in [['write', 'here/random.safetensors', '--prefix'],
                    ['train', '--corpus', 'poems.txt', '--prefix']]:
        for text in ['分开', '']:
            assert program(*command, text).returncode == 1


def test_songs_that_are_kept_are_not_too_long(program, trained):
    for flags in [['--copied'], ['--songs', 2], ['--temperature', 1, 2]]:
        result = program('write', '--num-chars', 10_001, *flags)
        assert result.returncode == 1 and '--num-chars 10001 is too many' in result.stderr


def test_a_prefix_where_the_locale_knows_no_chinese(run, trained):
    """The bytes are those that were typed, and Python holds them for something else than characters."""
    result = run('-m', 'rnn_scratch', 'write', trained, '--prefix', '不分开', '--num-chars', 0, LC_ALL='C',
                 PYTHONUTF8='0', PYTHONCOERCECLOCALE='0')
    assert (result.returncode, result.stdout) == (0, '不分开\n'), result.stderr


def test_what_is_typed_is_no_text(run, trained):
    """At the question for a prefix, bytes that are no characters: a sentence, and the next question."""
    result = run('-c', 'import io, sys; from rnn_scratch.__main__ import main\n'
                       'sys.stdin = io.TextIOWrapper(io.BytesIO(b"\\xff\\xfe\\n"), "utf-8")\n'
                       f'main(["write", {str(trained)!r}, "--interactive"])')
    assert result.returncode == 0, result.stderr
    assert "The character '\ufffd'" in result.stdout


def test_a_run_is_not_overwritten(program, tmp_path):
    settings = ['train', *SMALL, '--epochs', 1, '--out', 'here', '--sampling']
    assert program(*settings, 'random').returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / 'here').iterdir()}
    again = program(*settings, 'both')
    assert again.returncode == 1
    assert again.stderr == 'There is a file at here/random.safetensors already: choose another --out, or --resume it.\n'
    assert {path: path.read_bytes() for path in (tmp_path / 'here').iterdir()} == before


@unix
def test_a_link_that_leads_nowhere_is_in_the_way_before_training(program, tmp_path):
    (tmp_path / 'here').mkdir()
    (tmp_path / 'here/random.safetensors').symlink_to('../out/of/here')
    result = program('train', *SMALL, '--epochs', 1, '--out', 'here', '--sampling', 'random')
    assert (result.returncode, result.stdout) == (1, '')
    assert 'There is a file at here/random.safetensors already' in result.stderr


def test_files_of_the_user_s_own_are_left_alone(program, tmp_path):
    """A picture under our name, and a best model that is not of this run."""
    (tmp_path / 'here').mkdir()
    (tmp_path / 'here/training.png').write_text('mine')
    result = program('train', *SMALL, '--epochs', 1, '--out', 'here', '--sampling', 'random')
    assert result.stdout.splitlines()[-1] == 'picture in here/training-2.png'
    assert (tmp_path / 'here/training.png').read_text() == 'mine'
    program('train', *SMALL, '--epochs', 1, '--out', 'there', '--sampling', 'random', '--seed', 9)
    (tmp_path / 'there/random.safetensors').replace(tmp_path / 'here/random-best.safetensors')
    mine = (tmp_path / 'here/random-best.safetensors').read_bytes()
    result = program('train', '--resume', 'here/random.safetensors', '--epochs', 2)
    assert result.returncode == 1 and 'here/random-best.safetensors is not the best epoch of this run' in result.stderr
    assert (tmp_path / 'here/random-best.safetensors').read_bytes() == mine


def test_the_pictures_of_named_models(program, tmp_path):
    """Two files of one name are told apart by their folders."""
    for folder in 'ab':
        program('train', *SMALL, '--epochs', 1, '--sampling', 'random', '--out', folder)
    both = program('plot', 'a/random.safetensors', 'b/random.safetensors', '-o', 'pictures/both.svg')
    assert (both.returncode, both.stdout) == (0, 'picture in pictures/both.svg\n'), both.stderr
    labels = re.findall(r'<!-- (.*) -->', slashes((tmp_path / 'pictures/both.svg').read_text('utf-8')))
    assert any('random sampling, a/random' in label for label in labels)
    assert any('random sampling, b/random' in label for label in labels)


@pytest.mark.parametrize('flags, message', [
    (['nowhere.safetensors'], 'The checkpoint nowhere.safetensors does not exist'),
    (['-o', 'a.nonsense'], 'end it in one of'),
])
def test_a_mistake_about_a_picture_is_one_sentence(program, tmp_path, flags, message):
    program('train', *SMALL, '--epochs', 1, '--sampling', 'random')
    before = sorted(tmp_path.rglob('*'))
    result = program('plot', *flags)
    assert (result.returncode, result.stdout) == (1, '')
    sentence, = result.stderr.splitlines()
    assert message in sentence
    assert sorted(tmp_path.rglob('*')) == before, 'there is no picture'


def test_a_picture_is_not_drawn_over_another(program, tmp_path):
    program('train', *SMALL, '--epochs', 1, '--sampling', 'random')
    for name in ['training.png', 'training-2.png']:
        assert program('plot').stdout == f'picture in {name}\n'
    first = (tmp_path / 'training.png').read_bytes()
    result = program('plot', '-o', 'training.png')
    assert result.returncode == 1 and 'training.png' in result.stderr
    assert (tmp_path / 'training.png').read_bytes() == first


def test_a_folder_that_cannot_be_written_to_is_found_first(program, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    result = program('train', *SMALL, '--epochs', 1, '--out', 'file/under')
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1 and 'epoch' not in result.stdout

    def fail(*arguments, **keywords):           # who runs the tests may write everywhere
        raise PermissionError(13, 'Permission denied')
    monkeypatch.setattr('rnn_scratch.beyond.folders.open_lock', fail)
    result = program('train', *SMALL, '--epochs', 1, '--out', 'locked')
    assert result.returncode == 1 and 'epoch' not in result.stdout
    assert result.stderr == ('Nothing can be written into the folder locked (Permission denied): choose another one '
                             'with --out, or make this one writable.\n')


def test_help_names_every_flag_of_the_chapter(program):
    shown = program('train', '--help').stdout
    for flag in ['--sampling', '--epochs', '--corpus', '--num-chars', '--hidden', '--num-steps', '--batch-size', '--lr',
                 '--theta', '--pred-period', '--pred-len', '--prefix', '--seed']:
        assert f'\n  {flag} ' in shown
    assert re.findall(r'^    (\w+) ', program('--help').stdout, re.MULTILINE) == [
        'train', 'write', 'trace', 'plot', 'show', 'export', 'download', 'doctor']


def test_it_stops_at_a_perplexity(program):
    lines = program('train', *SMALL, '--sampling', 'random', '--epochs', 50, '--pred-period', 1, '--pred-len', 1,
                    '--stop-at', 100).stdout
    found = [float(number) for number in re.findall(r'perplexity (\S+),', lines)]
    assert found[-1] <= 100 < min(found[:-1])


def test_it_stops_when_the_held_out_perplexity_stops_falling(program, tmp_path):
    """A text whose end has nothing to do with its beginning: the more is learnt, the worse the end is predicted."""
    (tmp_path / 'a.txt').write_text('风吹雨打风不怕 ' * 30 + '怕打吹雨 不' * 10, 'utf-8')
    result = program('train', *SMALL, '--corpus', 'a.txt', '--sampling', 'consecutive', '--epochs', 400, '--holdout',
                     0.2, '--patience', 5, '--pred-period', 400, '--prefix', '风', '--out', 'here')
    assert result.returncode == 0, result.stderr
    last, best = (load_checkpoint(tmp_path / 'here' / name)
                  for name in ['consecutive.safetensors', 'consecutive-best.safetensors'])
    assert last.epoch < 400 and last.epoch == best.epoch + 5
    assert best.held_out[-1] == min(last.held_out)
    assert last.held_out[:best.epoch] == best.held_out and len(last.held_out) == last.epoch


def test_the_vocabulary_is_that_of_the_text_to_train_on(program, tmp_path):
    (tmp_path / 'a.txt').write_text('风吹雨打' * 50 + '日月日' * 10, 'utf-8')
    result = program('train', *SMALL, '--corpus', 'a.txt', '--sampling', 'random', '--epochs', 1, '--pred-period', 1,
                     '--holdout', 0.2, '--prefix', '风', '--out', 'here')
    # 230 characters: 46 at the end are held out, of which 30 are 日 and 月.
    assert 'over 15 characters, 30 more are not in the vocabulary' in result.stdout, result.stderr
    assert load_checkpoint(tmp_path / 'here/random.safetensors').idx_to_char == sorted('风吹雨打')


def test_the_walk_through_prediction(program):
    result = program('trace', '--prefix', '不分开', '--num-chars', 3)
    assert result.returncode == 0, result.stderr
    *steps, text = result.stdout.splitlines()
    assert len(steps) == 5 and len(text) == 6 and text.startswith('不分开')
    for t, step in enumerate(steps):
        fed, following, origin, so_far = re.fullmatch(
            rf"t={t} +in '(.)' = \d+ +one-hot \(1, 1027\)  next '(.)' (given|predicted) +(.+)", step).groups()
        assert (fed, following, so_far) == (text[t], text[t + 1], text[:t + 2])
        assert origin == ('given' if t < 2 else 'predicted')


@pytest.fixture
def trained(program, tmp_path):
    """A small model in runs/, where the newest is looked for."""
    program('train', *SMALL, '--sampling', 'random', '--epochs', 2)
    return next(tmp_path.glob('runs/*/random.safetensors'))


def test_a_song_is_written(program, trained):
    model = load_checkpoint(trained).model()
    greedy = program('write', '--num-chars', 30, '--temperature', 0)
    assert greedy.returncode == 0, greedy.stderr
    assert greedy.stdout == d2l.predict_rnn('分开', 30, *model).replace(' ', '\n') + '\n'
    drawn = program('write', trained, '--prefix', '雨', '--num-chars', 30, '--temperature', 1.5, '--top-k', 9,
                    '--top-p', 0.9, '--seed', 8)
    text = d2l.predict_rnn('雨', 30, *model, pick=sampler(1.5, 9, 0.9, 8))
    assert drawn.stdout == text.replace(' ', '\n') + '\n'


@pytest.mark.parametrize('flags', [[], ['--engine', 'tutorial', '--cell', 'gru']], ids=['fused', 'tutorial'])
def test_songs_by_the_hundred(program, tmp_path, flags):
    """Each below its seed, and as that seed gives it alone; with --copied, a line for each at the end."""
    program('train', *SMALL, '--sampling', 'random', '--epochs', 2, '--out', 'here', *flags)
    write = ['write', 'here/random.safetensors', '--prefix', '雨', '--num-chars', 20, '--top-k', 50]
    many = program(*write, '--songs', 4, '--seed', 7)
    assert many.returncode == 0, many.stderr
    alone = [program(*write, '--seed', seed).stdout for seed in [7, 8, 9, 10]]
    assert many.stdout == ''.join(f'--- seed {seed}\n{song}' for seed, song in zip([7, 8, 9, 10], alone))
    assert len(set(alone)) == 4
    found = [program(*write, '--seed', seed, '--copied').stdout.splitlines()[-1] for seed in [7, 8, 9, 10]]
    with_copied = program(*write, '--songs', 4, '--seed', 7, '--copied').stdout
    assert with_copied == many.stdout + ''.join(f'seed {seed}: {line}\n' for seed, line in zip([7, 8, 9, 10], found))
    # Without --seed it begins anywhere, and says where.
    first, *seeds = map(int, re.findall('^--- seed ([0-9]+)$', program(*write, '--songs', 3).stdout, re.MULTILINE))
    assert seeds == [first + 1, first + 2]
    for wrong in [['--interactive'], ['--temperature', 0.5, 1], ['--temperature', 0]]:
        refused = program(*write, '--songs', 4, *wrong)
        assert (refused.returncode, refused.stdout) == (1, '')
        assert refused.stderr == ('--songs 4 draws at random: give one --temperature above 0, and leave --interactive '
                                  'out.\n')


def test_a_character_is_shown_as_soon_as_it_is_found(trained):
    """A long song, whose reader goes away: its first characters have come, and the program ends."""
    process = subprocess.Popen([sys.executable, '-m', 'rnn_scratch', 'write', str(trained), '--num-chars', '100000'],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.read(6).decode() == '分开'
    process.stdout.close()
    assert process.wait() == 1
    assert b'Traceback' not in process.stderr.read()
    process.stderr.close()


def test_temperatures_stand_side_by_side(program, trained):
    result = program('write', '--num-chars', 30, '--temperature', 0.5, 3, '--seed', 1)
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


def test_prefix_after_prefix(program, trained):
    result = program('write', '--interactive', '--num-chars', 5, '--temperature', 0, input='分开\n龘\n雨\n')
    assert result.returncode == 0, result.stderr
    model = load_checkpoint(trained).model()
    first, unknown, second, end = result.stdout.split('prefix> ')[1:]
    assert first == d2l.predict_rnn('分开', 5, *model).replace(' ', '\n') + '\n'
    assert "'龘'" in unknown and unknown.count('\n') == 1
    assert second == d2l.predict_rnn('雨', 5, *model).replace(' ', '\n') + '\n'
    assert end == '\n'
    given = program('write', '--interactive', '--num-chars', 5, '--temperature', 0, '--prefix', '分开', input='雨\n')
    assert given.stdout.split('prefix> ') == [first, second, '\n']
    assert program('write', '--interactive', '--prefix', '龘').returncode == 1


@pytest.mark.parametrize('command', ['write', 'show', 'plot'])
def test_without_a_model_it_says_so(program, command):
    result = program(command)
    assert result.returncode == 1
    sentence, = result.stderr.splitlines()
    assert sentence.startswith('There is no checkpoint under runs')


def test_what_a_file_holds_is_shown(program, trained):
    lines = program('show', trained).stdout.splitlines()
    rows = dict(re.split(r'  +', line, maxsplit=1) for line in lines)
    checkpoint = load_checkpoint(trained)
    assert rows['cell'] == 'rnn, 16 hidden units'
    assert rows['vocabulary'] == f'{len(checkpoint.idx_to_char)} characters'
    last, lowest = checkpoint.perplexities[-1], min(checkpoint.perplexities)
    assert rows['perplexity'].startswith(f'{last:f} at epoch 2; lowest {lowest:f} at epoch ')
    assert (rows['sampling'], rows['lr'], rows['engine']) == ('random', '100.0', 'fused')
    assert f'mxnet {mxnet.__version__}' in rows['saved with']


def test_a_stranger_s_model_sends_nothing_to_the_terminal(program, trained):
    """Whatever JSON and a vocabulary can hold: the escape sequences of a terminal, in names, values and characters."""
    checkpoint = load_checkpoint(trained)
    checkpoint.settings.update({'red \033[31m': 'a\nb\033]0;title\a', 'long': 'x' * 999, 'list': ['\x9b2J'] * 99,
                                'corpus': 'no\033[2Jwhere.txt'})
    for place, char in enumerate('\033\x9b\x7f\n'):
        checkpoint.idx_to_char[place] = char
    path = trained.with_name('strange.safetensors')
    save_checkpoint(path, checkpoint)
    shown = program('show', path)
    assert r"'red \x1b[31m'" in shown.stdout and r"'no\x1b[2Jwhere.txt'" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) < 300
    song = program('write', path, '--prefix', '\033[\x9b\x7f\n'.replace('[', ''), '--num-chars', 0)
    assert song.stdout == '\\x1b\\x9b\\x7f\n\n'
    columns = program('write', path, '--num-chars', 500, '--temperature', 3, 4)
    (trained.parent / 'text').write_text('ab\033\x9b' * 99, 'utf-8')
    printed = program('train', *SMALL, '--sampling', 'random', '--epochs', 1, '--pred-period', 1, '--corpus',
                      trained.parent / 'text', '--prefix', 'a\033')
    assert ' - a\\x1b' in printed.stdout and '\033' not in printed.stdout
    copied = program('write', path, '--copied')
    assert copied.returncode == 1 and r"no\x1b[2Jwhere.txt" in copied.stderr
    for result in [shown, song, columns, copied]:
        assert (result.stdout + result.stderr).replace('\n', '').isprintable()


@unix
def test_a_stranger_s_name_of_a_file_sends_nothing_to_the_terminal(program, trained):
    """It is the newest model under runs/; or it is named, as a shell does for runs/*/*."""
    planted = trained.with_name('\033[31m.safetensors')
    trained.rename(planted)
    for arguments in [['show'], ['write', '--num-chars', 0], ['show', f'{planted}x'],
                      ['train', '--resume', planted, '--epochs', 1], ['write', planted, '--copied', '--num-chars', 9],
                      ['export', '--to', 'onnx', '--out', 'a']]:
        result = program(*arguments)
        assert r'\x1b[31m.safetensors' in result.stderr
        assert (result.stdout + result.stderr).replace('\n', '').isprintable()


def test_the_newest_run_is_the_one_that_was_saved_last(program, tmp_path):
    for folder in ['old', 'new']:
        program('train', *SMALL, '--epochs', 1, '--out', f'runs/{folder}')
    for age, name in [(3, 'new/random'), (4, 'new/consecutive'), (1, 'new/random-best'), (9, 'old/random'),
                      (8, 'old/consecutive')]:
        os.utime(tmp_path / f'runs/{name}.safetensors', (1e9 - age, 1e9 - age))
    found = newest_run(tmp_path / 'runs')
    assert [path.relative_to(tmp_path / 'runs').as_posix() for path in found] == ['new/consecutive.safetensors',
                                                                                 'new/random.safetensors']
    assert 'runs/new/random.safetensors: Checkpoint' in program('show').stderr


@unix
def test_a_link_to_nothing_under_runs(program, tmp_path, trained):
    """As it is left when what it leads to is deleted: the other models are found, and alone it is none."""
    (trained.parent / 'gone.safetensors').symlink_to(tmp_path / 'nowhere.safetensors')
    (tmp_path / 'runs/elsewhere').symlink_to(tmp_path / 'nowhere')
    os.mkfifo(trained.parent / 'pipe.safetensors')
    for command in [['write', '--num-chars', 3], ['show'], ['plot']]:
        result = program(*command)
        assert result.returncode == 0, result.stderr
    trained.unlink()
    trained.with_name('random-best.safetensors').unlink()
    assert program('show').stderr.startswith('There is no checkpoint under runs')


def test_to_write_takes_no_matplotlib(run, trained):
    result = run('-X', 'importtime', '-m', 'rnn_scratch', 'write', trained, '--num-chars', 3)
    assert result.returncode == 0 and 'rnn_scratch.beyond.checkpoint' in result.stderr
    for name in ['matplotlib', 'd2lzh', 'IPython']:
        assert not re.search(rf'\| +{name}\b', result.stderr), name


def test_a_terminal_that_does_not_know_the_characters(run, tmp_path):
    """The song is shown as well as can be, and the model is saved."""
    result = run('-m', 'rnn_scratch', 'train', *SMALL, '--epochs', 1, '--pred-period', 1, '--sampling', 'random',
                 '--out', 'here', PYTHONIOENCODING='ascii')
    assert result.returncode == 0, result.stderr
    assert re.search(r'^ - \?\?', result.stdout, re.MULTILINE)
    assert load_checkpoint(tmp_path / 'here/random.safetensors').epoch == 1


def test_the_example(run, tmp_path):
    """The chapter from its first cell to its last; two epochs of each sampling, of which no song is due."""
    result = run(ROOT / 'examples/train_jaychou.py', 2)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:3] == ['will use cpu(0)', '5 (2, 1027)', '5 (2, 1027) (2, 256)']
    assert len(lines[3]) == 12 and lines[3].startswith('分开')
    assert lines[4:6] == ['random sampling', 'consecutive sampling']
    folder = tmp_path / re.search(r'in (runs/\S+)\. To go on', lines[6])[1]
    assert sorted(path.name for path in folder.iterdir()) == ['consecutive.safetensors', 'random.safetensors',
                                                              'training.png']
    assert [load_checkpoint(path).epoch for path in folder.glob('*.safetensors')] == [2, 2]
    copied = run('-m', 'rnn_scratch', 'write', '--copied', folder / 'random.safetensors')
    assert copied.returncode == 0 and 'of its 5-grams are copied' in copied.stdout, copied.stderr
    assert len(lines) == 7


@pytest.mark.parametrize('given, said, cure', [
    (['--lr', 1000, '--theta', 1], 'lr · θ is 1000 · 1 = 1000 here', ['--lr', 100, '--theta', 0.01]),
    (['--lr', 0.001, '--theta', 'none'], 'lr is 0.001, without θ, here', ['--lr', 100, '--theta', 0.01]),
    (['--epochs', 1], 'lr · θ is 100 · 0.01 = 1 here', ['--epochs', 40])])
def test_a_run_that_has_learnt_nothing_says_so_and_the_cure_works(program, tmp_path, given, said, cure):
    """The oracle is exp of the entropy of the characters."""
    text = '风吹雨打风不怕 ' * 8
    (tmp_path / 'song.txt').write_text(text, 'utf-8')
    shares = [text.count(char) / len(text) for char in set(text)]
    flags = ['train', '--corpus', 'song.txt', '--sampling', 'random', '--hidden', 8, '--batch-size', 4, '--num-steps',
             5, '--pred-period', 99, '--epochs', 40]
    sad = program(*flags, *given, '--out', 'sad').stdout
    line, = [line for line in sad.splitlines() if line.startswith('That is no better than ')]
    assert f'{math.prod(share ** -share for share in shares):f}, which' in line and said in line
    assert '100 · 0.01 = 1 in the chapter: try' in line
    assert ('more --epochs' if '--epochs' in cure else ' '.join(map(str, cure))) in line
    assert 'no better' not in program(*flags, *cure, '--out', 'glad').stdout


@pytest.mark.parametrize('flags, words', [
    (['--corpus', 'song.txt', 'more.txt'], 'more.txt: a flag takes one value'),
    (['--corpus', '-'], 'save standard input in a file'),
    (['--corpus', ''], "not empty, but this is ''"),
    (['--corpus=~/no-such-poem.txt'], f'{slashes(os.path.expanduser("~"))} | no-such-poem.txt does not exist'),
    pytest.param(['--corpus', '/dev/stdin'], 'The corpus /dev/stdin is no file, but a pipe, a socket or a device: save',
                 marks=unix),
    (['--num-chars', 30], '--num-chars 30 and --holdout 0 leave 30 characters'),
    (['--holdout', 0.9999], '--num-chars 10000 and --holdout 0.9999 leave 1 characters'),
    (['--holdout', 0.00001], '--holdout 1e-05 holds out 0 characters | take a larger --holdout'),
    (['--resume', 'song.txt'], '--resume cannot go on: song.txt is not a checkpoint'),
    (['--resume', '.'], '--resume cannot go on: The checkpoint . is a folder')])
def test_a_flag_that_cannot_be_is_named_with_its_cure(program, tmp_path, flags, words):
    (tmp_path / 'song.txt').write_text('风吹雨打风不怕 ' * 60, 'utf-8')
    result = program('train', *flags)
    last = result.stderr.splitlines()[-1]
    assert result.returncode and all(word in last for word in words.split(' | ')), last


def test_a_model_of_words_writes(program, tmp_path):
    words = ['cat', 'mat', 'on', 'sat', 'the']
    model = Checkpoint(d2l.get_params(5, 3, 5, mxnet.cpu()), [], words, 3)
    save_checkpoint(tmp_path / 'words.safetensors', model)
    result = program('write', 'words.safetensors', '--num-chars', 4, '--temperature', 0)
    assert (result.returncode, result.stdout) == (0, model.predict(['cat'], 4) + '\n')
    refused = program('write', 'words.safetensors', '--prefix', 'the cat')
    assert "a list of them, such as ['cat']" in refused.stderr.splitlines()[-1]
