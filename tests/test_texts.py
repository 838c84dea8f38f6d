"""Any text, from the file to the song: what it looked like, its songs look like. All texts were written for this."""
import itertools
import random
import re
import signal
import subprocess

import rnn_scratch as d2l
from rnn_scratch.beyond import evaluation, fused
from rnn_scratch.beyond import run as run_module
from rnn_scratch.beyond.checkpoint import Checkpoint, load_checkpoint
from rnn_scratch.beyond.corpus import Corpus, laid_out, line_breaks
from rnn_scratch.beyond.run import Run
from rnn_scratch.beyond.settings import Plan, Settings

import mxnet as mx
import numpy as np
import pytest
from conftest import ROOT, unix

CHAPTER = '''The rain had stopped before the bus came down the hill. Anna
counted the lamps along the road, and there were nine of them.

"You are late," she said to the driver. He only laughed, and
the bus went on past the school and the river and the mill.
'''
CODE = '''def area(w, h):
    return w * h


for w in range(3):
    if w > 1:
        print(w, area(w, 2))
'''
KOREAN = '봄이 오면 산에 들에 꽃이 피네\n강물은 천천히 바다로 가고\n우리는 말없이 길을 걷네\n'
HINDI = 'बारिश आई धीरे धीरे\nछत पर गीत सुनाती\nमिट्टी की खुशबू उड़ती\nमन में याद जगाती\n'
THAI = 'ฝนตกทั้งคืน ตอนเช้าแดดออก\nนกร้องเพลงบนต้นไม้\nลมพัดใบไม้ไหว\n\nแม่น้ำไหลช้าๆ\n'
CHAT = 'Li: 今天下雨 ☔\r\nMo: 带伞 了吗 👩‍👩‍👧\r\nLi: no 😀😀\r\nMo: 等 我 ok?\r\n'
SMALL = ['--hidden', '48', '--batch-size', '2', '--num-steps', '12', '--epochs', '40', '--pred-period', '40',
         '--sampling', 'consecutive']
LONG = ['--epochs', 120, '--pred-period', 120]


def trained(program, tmp_path, content, prefix, *flags, pred_len=60):
    """What training printed, and the file of its model."""
    (tmp_path / 'text.txt').write_bytes(content)
    result = program('train', '--corpus', 'text.txt', '--prefix', prefix, '--pred-len', pred_len, '--out', 'here',
                     *SMALL, *flags)
    assert result.returncode == 0, result.stderr
    return result.stdout, tmp_path / 'here/consecutive.safetensors'


def runs_of(text, song, n=4):
    """How much of a song stands in the text: pieces of n characters."""
    pieces = [song[i:i + n] for i in range(len(song) - n + 1)]
    return sum(piece in text for piece in pieces) / len(pieces)


@pytest.mark.slow
def test_an_english_chapter_has_words_with_spaces_between_them(program, tmp_path):
    printed, path = trained(program, tmp_path, (CHAPTER * 2).encode(), 'The rain', *LONG, '--lr', 30)
    assert '(its 10 line breaks are read as spaces, as in the chapter: --keep-lines keeps them' in printed
    song = program('write', path, '--prefix', 'The rain', '--temperature', 0, '--num-chars', 60).stdout
    assert song.count('\n') == 1 and song.startswith('The rain') and f' - {song[:-1]}\n' in printed
    # By heart: with the chapter's learning rate its song would hang on the processor's rounding.
    assert runs_of(' '.join((CHAPTER * 2).split('\n')), song[:-1]) > 0.9


@pytest.mark.parametrize('text, line_break, prefix', [
    (THAI, '\n', 'ฝนตก'), (CHAT, '\r\n', 'Li: '), *(pytest.param(*values, marks=pytest.mark.slow) for values in [
        (CODE, '\n', 'def area'), (KOREAN, '\n', '봄이 오면'), (HINDI, '\n', 'बारिश'), (CHAT, '\r', 'Li: ')])],
                         ids=['Thai', 'chat', 'code', 'Korean', 'Hindi', 'chat of an old Mac'])
def test_kept_lines_are_the_lines_of_the_song(program, tmp_path, text, line_break, prefix):
    """In training, below each other with three spaces before them, and in writing."""
    text = text.replace('\r\n', '\n')
    content = (text * 4).replace('\n', line_break).encode()
    flags = ['--keep-lines', *LONG]         # by heart, so that no rounding matters
    printed, path = trained(program, tmp_path, content, prefix, *flags, pred_len=140)
    song = program('write', path, '--prefix', prefix, '--temperature', 0, '--num-chars', 140).stdout[:-1]
    assert len(song) == len(prefix) + 140 and '\n' in song and '\r' not in song
    assert f' - {song}\n'.replace('\n', '\n   ')[:-3] in printed and 'line breaks' not in printed
    assert runs_of(text * 4, song) > 0.4, song
    assert '\n' in load_checkpoint(path).idx_to_char
    shown = program('show', path).stdout
    assert 'keep_lines                  True' in shown and "line_break                  ''\n" in shown
    several = program('write', path, '--prefix', prefix, '--temperature', 0, 1, '--num-chars', 40).stdout
    assert several.startswith('temperature 0             temperature 1\n')


def test_a_korean_poem_in_euc_kr(program, tmp_path):
    """It is named, how it would read is shown, and the command of the sentence mends it."""
    (tmp_path / 'old.txt').write_bytes((KOREAN * 4).encode('euc-kr'))
    result = program('train', '--corpus', 'old.txt')
    assert result.returncode == 1 and "it may be EUC-KR, as which it reads '봄이 오면 산에" in result.stderr
    mend(result.stderr, tmp_path, 'CP949')
    assert (tmp_path / 'new.txt').read_text('utf-8') == KOREAN * 4
    printed, path = trained(program, tmp_path, (tmp_path / 'new.txt').read_bytes(), '봄이', '--keep-lines')
    assert ' - 봄이 ' in printed


def mend(sentence, folder, name=None):
    """Run the command that a sentence gives, in a shell."""
    command = re.search(r'for instance with: (iconv -f \S+ -t UTF-8 OLD.txt > NEW.txt|python -c ".*?\)")', sentence)[1]
    command = command.replace('OLD', 'old').replace('NEW', 'new').replace('NAME', name or 'NAME')
    subprocess.run(command, shell=True, cwd=folder, check=True)


@unix
@pytest.mark.parametrize('text, encoding, named, iconv', [
    ('분홍 꽃이 피는 봄날에 우리는 노래를 부르네', 'cp949', 'EUC-KR', 'CP949'),
    ('春はあけぼの。やまぎはすこし明るくなりて', 'shift_jis', 'Shift-JIS', 'CP932'),
    ('川の音をきいて、橋の上で友だちを待っています。', 'euc_jp', 'EUC-JP', 'EUC-JP'),
    ('Дождь шёл всю ночь, а утром вышло солнце', 'koi8_r', 'KOI8-R', 'KOI8-R'),
    ('Дождь шёл всю ночь, а утром вышло солнце', 'cp1251', 'Windows-1251', 'CP1251'),
    ('Bäume wachsen über die Straße, schöne Grüße', 'latin_1', 'Windows-1252 or Latin-1', 'CP1252'),
    ('L’été s’arrête déjà, où vas-tu, “mon cœur” ?', 'cp1252', 'Windows-1252 or Latin-1', 'CP1252'),
    ('雨下了一夜，我們在橋上等到天亮', 'big5', 'Big5', 'BIG5'),
    ('川の音をきいて、橋の上で', 'iso2022_jp', 'ISO-2022-JP', 'ISO-2022-JP'),
    ('분홍 꽃이 피는 봄날에', 'iso2022_kr', 'ISO-2022-KR', 'ISO-2022-KR'),
    ('雨下了一夜\n我们在桥上等', 'hz', 'HZ', 'HZ'),
    ('ฝนตกทั้งคืน ตอนเช้าแดดออก', 'cp874', 'Windows-874', 'CP874'),
    ('Η βροχή έπεφτε όλη τη νύχτα', 'cp1253', 'Windows-1253', 'CP1253'),
    ('הגשם ירד כל הלילה ובבוקר יצאה השמש', 'cp1255', 'Windows-1255', 'CP1255'),
    ('نزل المطر طوال الليل وفي الصباح أشرقت الشمس', 'cp1256', 'Windows-1256', 'CP1256'),
    ('Zażółć gęślą jaźń, deszcz padał całą noc', 'cp1250', 'Windows-1250', 'CP1250'),
    ('Дощ йшов усю ніч, а вранці вийшло сонце', 'koi8_u', 'KOI8-U', 'KOI8-U'),
    ('Дождь шёл всю ночь, а утром вышло солнце', 'cp866', 'DOS-866', 'CP866'),
    ('Дождь шёл всю ночь, а утром вышло солнце', 'iso8859_5', 'ISO-8859-5', 'ISO8859-5'),
])
def test_an_encoding_is_named_and_mended(tmp_path, text, encoding, named, iconv):
    """By itself and in a long text; where several fit, it is among those that are said, with how it reads."""
    for times in 1, 300:
        (tmp_path / 'old.txt').write_bytes((f'{text}\n' * times).encode(encoding))
        with pytest.raises(ValueError, match='not a text in UTF-8') as caught:
            d2l.load_data_jay_lyrics(tmp_path / 'old.txt')
        assert f"{named}, as which it reads {text[:10]!r}"[:-1] in str(caught.value)
        several = 'NAME' in str(caught.value)
        assert not several or re.search(rf'for NAME, .*\b{iconv}\b.* whichever reads right', str(caught.value))
        mend(str(caught.value), tmp_path, iconv)
        assert (tmp_path / 'new.txt').read_text('utf-8') == f'{text}\n' * times


def test_seven_bits_after_a_long_beginning(tmp_path):
    """Where the marks are, and not only at the start."""
    (tmp_path / 'old.txt').write_bytes(('a line of English\n' * 500 + '川の音をきいて').encode('iso2022_jp'))
    with pytest.raises(ValueError, match="most likely ISO-2022-JP, as which it reads '川の音をきいて'"):
        d2l.load_data_jay_lyrics(tmp_path / 'old.txt')


@pytest.mark.parametrize('known, cure', [
    ('ab\n ', r"for a line break write '\\n'"), ('ab ', "for a line break write ' '"), ('ab', 'take another, or read')])
def test_a_line_break_in_a_prefix(known, cure):
    model = Checkpoint(d2l.get_params(len(known), 3, len(known), mx.cpu()), [], [*known], 3)
    with pytest.raises(ValueError, match=rf"'\\r' of the prefix 'a\\r' .*: {cure}"):
        model.predict('a\r', 3)


@pytest.mark.parametrize('text', ['print("~{x}~")', 'if a ~{ b', '\x1b[31mred\x1b[0m', 'price: $B 5', 'a+AGE-b'])
def test_seven_bits_of_plain_text_are_read(tmp_path, text):
    (tmp_path / 'a.txt').write_text(text, 'utf-8')
    assert ''.join(Corpus.read(tmp_path / 'a.txt').text) == text


@pytest.mark.parametrize('text, number, found', [
    ('风吹\n雨打 雨停\n', 2, ' '), ('a b c\nd e f\n', 2, ''), ('风吹\r\n雨打\r\n雨 停\r\n', 3, '  '),
    ('a  b  c\r\nd e f', 1, ''), ('风吹雨打', 0, ' '), ('a b c\rd e f\r', 2, ''), ('风\r雨\r\n雪 云\n', 3, ' ')])
def test_what_stands_for_a_line_break(text, number, found):
    assert line_breaks(text) == (number, found)


def test_a_song_of_lyrics_of_windows_has_no_empty_lines(program, tmp_path):
    """Its line breaks are two spaces in the corpus, as in the chapter."""
    _, path = trained(program, tmp_path, '风吹雨 打不怕\r\n雨打风吹不停\r\n'.encode() * 6, '风吹')
    song = load_checkpoint(path).predict('风吹', 60)
    assert '  ' in song
    written = program('write', path, '--prefix', '风吹', '--temperature', 0, '--num-chars', 60).stdout
    assert written == song.replace('  ', '\n') + '\n' and '\n\n' not in written


def test_the_shipped_songs_print_as_before():
    model = load_checkpoint(ROOT / 'tests/saved_by_0.2.safetensors')
    assert 'line_break' not in model.settings and laid_out('风 雨', model) == '风\n雨'
    assert Corpus.read().line_break == ' '
    for wrong in [5, None, 'x', [' ']]:
        model.settings['line_break'] = wrong
        assert laid_out('风 雨\x1b', model) == '风\n雨\\x1b'


def test_what_is_read_of_a_text_is_said(program, tmp_path):
    printed, path = trained(program, tmp_path, (KOREAN * 30).encode(), '봄', '--num-chars', 900, '--epochs', 1)
    there = len(KOREAN * 30)
    assert printed.startswith(f'(reads 900 of {there:,} characters: --num-chars 0 reads all)\n')
    assert f'900 of its {there:,} characters were read' in program('show', path).stdout
    (tmp_path / 'here').rename(tmp_path / 'there')
    printed, path = trained(program, tmp_path, (KOREAN * 30).encode(), '봄', '--num-chars', 0, '--epochs', 1)
    assert '(reads' not in printed and 'were read' not in program('show', path).stdout


# A long epoch

def long_run(path, sampling='random', engine='fused', cell='rnn', epochs=2, **others):
    settings = Settings(sampling, num_chars=800, hidden=8, num_steps=5, batch_size=4, engine=engine, cell=cell)
    return Run(settings, Corpus.read(None, 800), Plan(epochs=epochs, pred_period=100), path, **others)


class StopError(Exception):
    pass


@pytest.mark.parametrize('sampling, engine, cell', [
    ('random', 'fused', 'rnn'), ('consecutive', 'fused', 'rnn'), ('random', 'tutorial', 'rnn'),
    pytest.param('consecutive', 'tutorial', 'lstm', marks=pytest.mark.slow)])
@pytest.mark.parametrize('epoch', [0, 1])
def test_a_run_stopped_within_an_epoch_goes_on_there(tmp_path, monkeypatch, sampling, engine, cell, epoch):
    """At another moment than that of a segment; then it is what a run without a stop is, to the bit."""
    monkeypatch.setattr(run_module, 'SEGMENT', 8)
    straight, stopped = (long_run(tmp_path / f'{name}.safetensors', sampling, engine, cell) for name in 'ab')
    assert straight.num_mini_batches == 39
    straight.train()
    iterator = getattr(d2l, f'data_iter_{sampling}')
    calls = itertools.count()

    def breaking(*arguments):
        for pair in iterator(*arguments):
            if next(calls) == epoch * 39 + 20:
                raise StopError
            yield pair
    monkeypatch.setattr(d2l, f'data_iter_{sampling}', breaking)
    with pytest.raises(StopError):
        stopped.train()
    monkeypatch.undo()
    monkeypatch.setattr(run_module, 'SEGMENT', 8)
    saved = load_checkpoint(tmp_path / 'b.safetensors')
    assert saved.epoch == epoch and saved.part['mini_batches'] == 16
    assert stopped.place(stopped.last) == f'mini-batch 16 of 39 of epoch {epoch + 1}'
    random.seed(5)
    resumed = Run.resume(tmp_path / 'b.safetensors', saved, stopped.settings, stopped.corpus, stopped.plan)
    resumed.train()
    ours, theirs = (load_checkpoint(tmp_path / name) for name in ['b.safetensors', 'a.safetensors'])
    assert ours.perplexities == theirs.perplexities and ours.random_state == theirs.random_state
    assert ours.part is theirs.part is None
    for a, b in zip(ours.params, theirs.params):
        np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())


@pytest.mark.parametrize('sampling', ['random', 'consecutive'])
@pytest.mark.parametrize('engine', ['fused', 'tutorial'])
def test_segments_change_no_number(tmp_path, monkeypatch, sampling, engine):
    """The same epoch as in one piece, which is that of the engine."""
    runs = []
    for segment in 8, 1000:
        monkeypatch.setattr(run_module, 'SEGMENT', segment)
        runs.append(long_run(tmp_path / f'{segment}.safetensors', sampling, engine))
        runs[-1].train()
    one, other = (run.last for run in runs)
    np.testing.assert_allclose(one.perplexities, other.perplexities, rtol=1e-6)
    for a, b in zip(one.params, other.params):
        np.testing.assert_array_equal(a.asnumpy(), b.asnumpy())


def test_the_segments_of_a_large_model_are_short(tmp_path):
    """A step takes 6 operations for each number of the parameters and each of the T n characters."""
    for hidden, expected in [(8, 128), (256, 128), (1024, 26), (4096, 3)]:      # of 10 mini-batches an epoch
        settings = Settings('random', num_chars=0, hidden=hidden)
        run = Run(settings, Corpus.read(None, 0), Plan(), tmp_path / 'a.safetensors')
        vocab_size = run.corpus.vocab_size
        numbers = 2 * vocab_size * hidden + hidden ** 2 + hidden + vocab_size
        assert run.segment == expected == max(1, min(128, int(6e11 / (6 * 35 * 32 * numbers))))
        assert run.is_long == (hidden == 4096)


@pytest.fixture
def ctrl_c():
    """Where the tests run in the background it would be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_within_the_first_epoch(program, tmp_path, monkeypatch, ctrl_c):
    monkeypatch.setattr(run_module, 'SEGMENT', 8)
    step, calls = fused.gradients_of_checked, itertools.count()

    def interrupted(*arguments):
        if next(calls) == 20:
            signal.raise_signal(signal.SIGINT)
        return step(*arguments)
    monkeypatch.setattr(fused, 'gradients_of_checked', interrupted)
    flags = ['--num-chars', 800, '--hidden', 8, '--num-steps', 5, '--batch-size', 4]
    result = program('train', *flags, '--sampling', 'random', '--epochs', 2, '--out', 'here')
    assert result.returncode == 130
    assert 'stopped after mini-batch 16 of 39 of epoch 1 and saved to here/random.safetensors' in result.stdout
    path = tmp_path / 'here/random.safetensors'
    assert 'after mini-batch 16 of epoch 1' in program('show', path).stdout
    assert program('write', path, '--num-chars', 5).returncode == 0
    result = program('train', '--resume', path, '--epochs', 2, '--workers', 2)
    assert result.returncode == 1 and 'was stopped within an epoch' in result.stderr
    result = program('train', '--resume', path, '--epochs', 2)
    assert result.returncode == 0 and 'random.safetensors: epoch 2,' in result.stdout, result.stderr


@pytest.mark.parametrize('part', [5, {}, {'mini_batches': 0, 'loss': '1.0', 'state': []},
                                  {'mini_batches': 1, 'loss': 'nan', 'state': []},
                                  {'mini_batches': 1, 'loss': '1.0', 'state': ['xy']},
                                  {'mini_batches': 1, 'loss': '1.0', 'state': ['0000c07f']},     # not a number
                                  {'mini_batches': 1, 'loss': '1.0', 'state': ['0000']},
                                  {'mini_batches': 1, 'loss': '1.0', 'state': 5},
                                  {'mini_batches': True, 'loss': '1.0', 'state': []}])
def test_a_wrong_part_is_refused(part):
    params = d2l.get_params(2, 3, 2, mx.cpu())
    with pytest.raises((TypeError, ValueError), match='part must be None or'):
        Checkpoint(params, [], ['a', 'b'], 3, part=part)


@pytest.mark.parametrize('part', [{'mini_batches': 39, 'loss': '1.0', 'state': []},
                                  {'mini_batches': 5, 'loss': '1.0', 'state': ['00000000']}])
def test_a_part_of_another_run_is_refused(tmp_path, part):
    run = long_run(tmp_path / 'a.safetensors')
    params = d2l.get_params(run.corpus.vocab_size, 8, run.corpus.vocab_size, mx.cpu())
    saved = Checkpoint(params, [], run.corpus.idx_to_char, 8, engine='fused', settings=run.facts,
                       random_state=random.getstate(), part=part)
    with pytest.raises(ValueError, match='stopped within an epoch, and not in one of this run'):
        Run.resume(tmp_path / 'a.safetensors', saved, run.settings, run.corpus, run.plan)


def test_the_bar_of_a_long_epoch_counts_mini_batches(tmp_path, monkeypatch):
    """On a terminal only; it says which epoch, and how long all of them take."""
    from tqdm import tqdm
    bars = []

    class Bar(tqdm):
        def __init__(self, **options):
            super().__init__(**{**options, 'disable': False, 'file': open(tmp_path / 'shown', 'w'), 'mininterval': 0})
            bars.append(self)
    monkeypatch.setattr(run_module, 'tqdm', Bar)
    for segment, total in (8, 78), (100, 2):
        monkeypatch.setattr(run_module, 'SEGMENT', segment)
        long_run(tmp_path / f'{segment}.safetensors').train()
        assert bars[-1].n == bars[-1].total == total
    text = (tmp_path / 'shown').read_text('utf-8')
    assert 'epoch 1 of 2' not in text and 'epoch/s' in text or 's/epoch' in text


# Held-out text in rows

@pytest.mark.parametrize('losses', [evaluation.losses, fused.losses], ids=['tutorial', 'fused'])
@pytest.mark.parametrize('length', [2, 64, 65, 129, 1000, 2500])
def test_held_out_rows_are_one_sequence(corpus, losses, length):
    """Of an untrained model with a state that forgets, whose perplexity differs from character to character."""
    corpus_indices, char_to_idx, idx_to_char, vocab_size = corpus
    mx.random.seed(1)
    params = [param * 10 for param in d2l.get_params(vocab_size, 8, vocab_size, mx.cpu())]
    text = ''.join(idx_to_char[i] for i in corpus_indices[:length])
    one, rows = (evaluation.evaluate(text, d2l.rnn, params, d2l.init_rnn_state, 8, vocab_size, mx.cpu(), idx_to_char,
                                     char_to_idx, losses=losses, rows=rows) for rows in [1, 32])
    assert one.num_predicted == rows.num_predicted == length - 1
    assert rows.perplexity == pytest.approx(one.perplexity, rel=1e-5)


def test_rows_of_a_cell_that_counts(corpus):
    """Each character is read once, or in the 64 before a row; each is predicted once: a cell that writes them down."""
    seen, predicted = [], []

    def losses(rnn, X, Y, state, params, vocab_size):
        seen.append(X.shape)
        predicted.extend((X.asnumpy() * 1000 + Y.asnumpy()).T.reshape(-1).tolist())
        return X.T.reshape((-1,)) * 0 + 1, state
    chars = [chr(0x4e00 + i) for i in range(700)]
    params = d2l.get_params(700, 2, 700, mx.cpu())
    found = evaluation.evaluate(''.join(chars), d2l.rnn, params, d2l.init_rnn_state, 2, 700, mx.cpu(), chars,
                                {char: i for i, char in enumerate(chars)}, losses=losses, rows=4)
    assert found.perplexity == pytest.approx(np.e) and seen[0] == (3, 64) and seen[1] == (4, 175)
    assert set(predicted[3 * 64:]) == {i * 1000 + i + 1 for i in range(699)}


# Another text for a model

def test_a_model_begins_a_new_run_with_another_text(program, tmp_path):
    """After no step its scores of old characters are those of the old model; new ones have rows of their own."""
    _, path = trained(program, tmp_path, (CHAPTER * 3).encode(), 'The', '--epochs', 2)
    old = load_checkpoint(path)
    (tmp_path / 'other.txt').write_text(CODE * 6, 'utf-8')
    flags = ['--sampling', 'random', '--batch-size', 2, '--num-steps', 8, '--epochs', 1, '--keep-lines']
    result = program('train', '--from', path, '--corpus', 'other.txt', *flags, '--lr', 1e-30, '--out', 'new')
    assert result.returncode == 0, result.stderr
    new = load_checkpoint(tmp_path / 'new/random.safetensors')
    n = len(old.idx_to_char)
    assert new.idx_to_char == old.idx_to_char + sorted(set(CODE) - set(old.idx_to_char)) and new.num_hiddens == 48
    assert new.settings['lr'] == 1e-30 and new.settings['keep_lines'] is True and new.epoch == 1
    np.testing.assert_array_equal(new.params[0].asnumpy()[:n], old.params[0].asnumpy())
    np.testing.assert_array_equal(new.params[3].asnumpy()[:, :n], old.params[3].asnumpy())
    assert 0.001 < abs(new.params[0].asnumpy()[n:]).mean() < 0.02
    result = program('train', '--resume', tmp_path / 'new/random.safetensors', '--epochs', 2)
    assert result.returncode == 0, result.stderr
    assert program('write', tmp_path / 'new/random.safetensors', '--copied', '--num-chars', 20).returncode == 0


@pytest.mark.parametrize('flags, message', [
    (['--hidden', 7], 'has --hidden 48, and not 7: leave --hidden out'),
    (['--cell', 'gru'], 'has --cell rnn, and not gru: leave --cell out'),
    (['--resume', 'here/consecutive.safetensors'], '--from begins a new run, and --resume goes on')])
def test_what_does_not_go_with_from(program, tmp_path, flags, message):
    _, path = trained(program, tmp_path, (CHAPTER * 3).encode(), 'The', '--epochs', 1)
    result = program('train', '--from', path, '--corpus', 'text.txt', *flags)
    assert result.returncode == 1 and message in result.stderr


def test_a_vocabulary_of_words_is_refused(tmp_path):
    with pytest.raises(ValueError, match='entries of several characters'):
        Corpus.read(None, 100, vocabulary=['分开', '雨'])


# The numbers of a text

def test_the_corpus_is_that_of_the_chapter():
    """In an array of four bytes a character."""
    for path, num_chars in [(None, 10000), (None, 0), (None, 77)]:
        ours, (indices, char_to_idx, idx_to_char, vocab_size) = Corpus.read(path, num_chars), d2l.load_data_jay_lyrics(
            path, num_chars or None)
        assert ours.indices.tolist() == indices and ours.indices.dtype == np.int32
        assert (ours.char_to_idx, ours.idx_to_char, ours.vocab_size) == (char_to_idx, idx_to_char, vocab_size)
