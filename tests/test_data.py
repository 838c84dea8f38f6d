"""6.3 the corpus."""
import zipfile

import rnn_scratch as d2l

import build_corpus
import d2lzh
import pytest
from conftest import ROOT


def test_the_four_values_fit_together(corpus):
    corpus_indices, char_to_idx, idx_to_char, vocab_size = corpus
    assert len(corpus_indices) == 10000
    assert vocab_size == len(idx_to_char) == len(char_to_idx) == 1027
    text = (ROOT / 'data/jaychou_lyrics.txt').read_text('utf-8').replace('\n', ' ')
    assert ''.join(idx_to_char[i] for i in corpus_indices) == text[:10000]
    assert [char_to_idx[char] for char in idx_to_char] == list(range(1027))


def test_the_archive_is_what_its_text_says():
    text = (ROOT / 'data/jaychou_lyrics.txt').read_text('utf-8')
    build_corpus.check(text)
    with zipfile.ZipFile(ROOT / 'data/jaychou_lyrics.txt.zip') as archive:
        assert archive.namelist() == ['jaychou_lyrics.txt']
        assert archive.read('jaychou_lyrics.txt').decode('utf-8') == text


def test_num_chars_none_reads_everything():
    text = (ROOT / 'data/jaychou_lyrics.txt').read_text('utf-8')
    assert len(d2l.load_data_jay_lyrics(num_chars=None)[0]) == len(text)


def test_line_breaks_become_spaces(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_bytes(b'\xef\xbb\xbf' + '分\r\n开\n'.encode())     # with the mark that some editors put first
    corpus_indices, _, idx_to_char, _ = d2l.load_data_jay_lyrics(path)
    assert ''.join(idx_to_char[i] for i in corpus_indices) == '分  开 '


def test_the_same_corpus_as_d2lzh_but_for_the_order(book_archive, tmp_path, monkeypatch):
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / book_archive.name).write_bytes(book_archive.read_bytes())
    (tmp_path / 'chapter').mkdir()
    monkeypatch.chdir(tmp_path / 'chapter')             # d2lzh reads ../data
    theirs, _, their_chars, their_size = d2lzh.load_data_jay_lyrics()
    ours, _, our_chars, our_size = d2l.load_data_jay_lyrics(book_archive)
    assert our_size == their_size == 1027
    assert [our_chars[i] for i in ours] == [their_chars[i] for i in theirs]
    assert len(d2l.load_data_jay_lyrics(book_archive, num_chars=None)[0]) == 63282


def test_the_order_does_not_depend_on_the_hash_seed(run):
    program = 'import rnn_scratch as d2l; print(ascii(d2l.load_data_jay_lyrics()[2]))'
    first, second = (run('-c', program, PYTHONHASHSEED=seed) for seed in '12')
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout


def test_the_iterators_are_d2lzh_s():
    assert d2l.data_iter_random is d2lzh.data_iter_random
    assert d2l.data_iter_consecutive is d2lzh.data_iter_consecutive
    assert d2l.sgd is d2lzh.sgd
    assert d2l.try_gpu is d2lzh.try_gpu


@pytest.mark.parametrize('content, message', [
    (b'', 'empty'),
    (b'\xff\xfe\x00', 'not a text in UTF-8'),
])
def test_a_bad_text_is_named(tmp_path, content, message):
    path = tmp_path / 'bad.txt'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf'bad\.txt is {message}'):
        d2l.load_data_jay_lyrics(path)


def test_an_archive_with_two_files_is_refused(tmp_path):
    path = tmp_path / 'two.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('a.txt', 'a')
        archive.writestr('b.txt', 'b')
    with pytest.raises(ValueError, match='holds 2 files'):
        d2l.load_data_jay_lyrics(path)


def test_a_missing_corpus_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.zip does not exist'):
        d2l.load_data_jay_lyrics(tmp_path / 'nowhere.zip')
    with pytest.raises(FileNotFoundError, match='is a folder'):
        d2l.load_data_jay_lyrics(tmp_path)


@pytest.mark.parametrize('num_chars', [0, -1, 2.5, '10'])
def test_num_chars_must_be_a_positive_whole_number(num_chars):
    with pytest.raises(ValueError, match='num_chars'):
        d2l.load_data_jay_lyrics(num_chars=num_chars)
