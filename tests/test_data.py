"""6.3 the corpus."""
import bz2
import codecs
import gzip
import io
import lzma
import math
import os
import re
import zipfile
from pathlib import Path

import rnn_scratch as d2l

import build_corpus
import d2lzh
import numpy as np
import pytest
from conftest import ROOT, unix


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


TEXT = '分开 不分开，我们\n雨下了一夜\n' * 3


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    """An archive of these (name, content)."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, 'w', method) as archive:
        for name, text in members:
            archive.writestr(zipfile.ZipInfo(name), text, method)     # with a date that does not change
    return content.getvalue()


def locked(content):
    """An archive that says that its file is encrypted."""
    directory = content.index(b'PK\x01\x02')
    return bytes(byte | (i in (6, directory + 8)) for i, byte in enumerate(content))


@pytest.mark.parametrize('content', [
    TEXT.encode(),
    b'\xef\xbb\xbf' + TEXT.encode(),
    zipped(('a.txt', TEXT)),
    zipped(('a.txt', TEXT), method=zipfile.ZIP_STORED),
    zipped(('a.txt', TEXT), method=zipfile.ZIP_BZIP2),
    zipped(('a.txt', TEXT), method=zipfile.ZIP_LZMA),
    zipped(('songs/', ''), ('songs/歌.txt', b'\xef\xbb\xbf' + TEXT.encode())),
    zipped(('a.txt', TEXT), ('__MACOSX/', ''), ('__MACOSX/._a.txt', b'\0\5\x16\7'), ('.DS_Store', b'\0')),
    zipped(('../../../evil.txt', TEXT)),
    zipped(('/etc/evil.txt', TEXT)),
], ids=['text', 'mark', 'deflated', 'stored', 'bzip2', 'lzma', 'folder', 'Mac', 'up', 'absolute'])
def test_what_is_a_text_is_read(tmp_path, content):
    """And nothing is written: the name of a file in an archive is never used as a path."""
    folder = tmp_path / 'a/b/c'
    folder.mkdir(parents=True)
    (folder / 'songs').write_bytes(content)
    corpus_indices, _, idx_to_char, _ = d2l.load_data_jay_lyrics(folder / 'songs')
    assert ''.join(idx_to_char[i] for i in corpus_indices) == TEXT.replace('\n', ' ')
    assert [path for path in tmp_path.rglob('*') if path.is_file()] == [folder / 'songs']


BOMB = zipped(('a.txt', b'a' * 100_000_001))


@pytest.mark.parametrize('content, message', [
    (b'', 'is empty'),
    (b'\xef\xbb\xbf', 'is empty'),
    (b' \n\t\r\n', 'has nothing but spaces'),
    ('分'.encode(), "has one character only, '分'"),
    # encodings
    (TEXT.encode('gbk'), r'not a text in UTF-8, since byte 0 \(in line 1\) is 0xb7: .* GBK, '
                         '.*(iconv -f |decode..)GB18030'),
    ('模型模型'.encode('gbk'),       # 模 is UTF-8, too
     "byte 2 .*is 0xd0: it may be .*GBK, as which it reads '模型模型'"),
    (b'title\n' * 2000 + TEXT.encode('gbk'), r'byte 12000 \(in line 2001\) is 0xb7: it is most likely GBK'),
    ('我們不分開，雨下了一夜'.encode('big5'), r'byte 0 .* most likely Big5, .*(iconv -f |decode..)BIG5'),
    (TEXT.encode('utf-16'), r'byte 0 .* 0xff: it is most likely UTF-16, '),
    (codecs.BOM_UTF16_BE + TEXT.encode('utf-16-be'), r'byte 0 .* 0xfe: it is most likely UTF-16, '),
    (TEXT.encode('utf-16-le'), 'most likely UTF-16LE'),
    (TEXT.encode('utf-16-be'), 'most likely UTF-16BE'),
    (TEXT.encode('utf-32'), 'byte 0 .* most likely UTF-32'),
    ('we part\n'.encode('utf-16-le'), 'byte 1 .* is 0x00: it is most likely UTF-16LE'),
    ('we part\n'.encode('utf-16-be'), 'byte 0 .* is 0x00: it is most likely UTF-16BE'),
    (b'caf\xe9s and more', "byte 3 .* is 0xe9: it may be Windows-1252 or Latin-1, as which it reads 'cafés and "
                            "more'; or .*(iconv -f |decode..)NAME.* for NAME, CP1252 or"),
    (TEXT.encode()[:-2], r'byte 122 \(in line 6\) is 0xe5: it ends in the middle of a character'),
    (TEXT.encode()[:9] + b'\xff' + TEXT.encode()[9:], 'byte 7 .* is 0xe4: it is in another encoding, damaged'),
    (bytes(range(256)), 'byte 128 .* is 0x80: it is in another encoding, damaged, or no text'),
    # other kinds
    (b'\n<!DOCTYPE html>\n<title>404</title>', "page of a website .* begins with '<!DOCTYPE html>"),
    (b'<html lang="en">', "page of a website .* begins with '<html lang="),
    (b'<!-- saved from -->', "page of a website"),
    (b'404: Not Found', "page of a website .* begins with '404: Not Found'"),
    (gzip.compress(TEXT.encode(), mtime=0), 'is a gzip archive .* unpack it'),
    (bz2.compress(TEXT.encode()), 'is a bzip2 archive'),
    (lzma.compress(TEXT.encode()), 'is an xz archive'),
    (b'7z\xbc\xaf\x27\x1c' + bytes(26), 'is a 7z archive'),
    (b'Rar!\x1a\x07\x01\x00', 'is a rar archive'),
    (b'%PDF-1.7\n', 'is a PDF .* save its text'),
    (b'\x89PNG\r\n\x1a\n', 'is a picture'),
    (b'\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', 'is an old Word document'),
    # archives
    (zipped(), r'holds 0 files: a corpus archive must hold exactly one text'),
    (zipped(('a.txt', TEXT), ('b.txt', TEXT)), r"holds 2 files \('a.txt', 'b.txt'\)"),
    (zipped(*((f'{i}.txt', 'x') for i in range(7))), r"holds 7 files \('0.txt', .* '4.txt' …\)"),
    (zipped(*((f'{i}', '') for i in range(1001)), method=zipfile.ZIP_STORED), 'holds 1,001 files'),
    (zipped(('[Content_Types].xml', ''), ('word/document.xml', '')), 'is a document of Word'),
    (zipped(('a.zip', zipped(('a.txt', TEXT)))), r"\(the file 'a.zip' in it\) is a zip archive"),
    (zipped(('a.txt.gz', gzip.compress(b'a', mtime=0))), r"\(the file 'a.txt.gz' in it\) is a gzip archive"),
    (zipped(('a.txt', '')), r"\(the file 'a.txt' in it\) is empty"),
    (zipped(('a.txt', TEXT.encode('gbk'))), r"\(the file 'a.txt' in it\) is not a text in UTF-8, .* most likely GBK"),
    (locked(zipped(('a.txt', TEXT))), r"\(the file 'a.txt' in it\) is locked with a password"),
    (zipped(('a.txt', TEXT))[:-30], 'is a damaged archive'),
    (zipped(('a.txt', TEXT), method=zipfile.ZIP_STORED).replace('我'.encode(), '你'.encode()), 'is a damaged archive'),
    (zipped(('a.txt', TEXT)).replace(b'\x08\0', b'\x63\0'), 'packed in a way that is not known here'),
    (BOMB, r"\(the file 'a.txt' in it\) has 100,000,001 bytes, and at most 100,000,000 are read"),
    (BOMB.replace((100_000_001).to_bytes(4, 'little'), (1000).to_bytes(4, 'little')), 'is a damaged archive'),
])
def test_what_is_no_text_is_named(tmp_path, content, message):
    path = tmp_path / 'bad.txt'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf'bad\.txt .*{message}'):
        d2l.load_data_jay_lyrics(path)


@unix
@pytest.mark.parametrize('name, found', [
    ('nowhere.zip', 'does not exist'), ('.', 'is a folder'), ('fifo', 'is no file, but a pipe'),
    ('fifo/below', 'does not exist'), ('/dev/zero', 'is no file, but a pipe'),
    ('a\0b', 'has a name that no file can have'), ('\ud800', 'has a name that no file can have')])
def test_what_is_no_file_is_named(tmp_path, name, found):
    os.mkfifo(tmp_path / 'fifo')
    with pytest.raises(FileNotFoundError, match=found) as caught:
        d2l.load_data_jay_lyrics(tmp_path / name)
    assert repr(str(tmp_path / name))[1:-1] in str(caught.value)


@unix
def test_a_name_that_is_too_long_is_named():
    with pytest.raises(OSError, match='x{300} cannot be read .File name too long'):
        d2l.load_data_jay_lyrics('x' * 300)


@unix
def test_a_file_that_may_not_be_read_is_named(run, tmp_path):
    (tmp_path / 'secret.txt').write_text(TEXT, 'utf-8')
    (tmp_path / 'secret.txt').chmod(0)
    result = run('-c', """if True:
        import ctypes, os, rnn_scratch
        if os.geteuid() == 0:       # root may read everything, and on Linux a process can give that up
            for capability in [1, 2]:
                ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
            os.setuid(65534)
        try:
            rnn_scratch.load_data_jay_lyrics('secret.txt')
        except PermissionError as error:
            print(error)
    """)
    assert result.stdout.startswith('The corpus secret.txt cannot be read (Permission denied)'), result


@unix
def test_what_is_too_large_is_refused_before_it_is_read(tmp_path):
    with open(tmp_path / 'huge.txt', 'wb') as file:
        file.truncate(10 ** 12)         # a hole, which takes no room on the disk
    with pytest.raises(ValueError, match=r'huge\.txt has 1,000,000,000,000 bytes, and at most 100,000,000 are read'):
        d2l.load_data_jay_lyrics(tmp_path / 'huge.txt')


@pytest.mark.skipif(os.name == 'nt' or not Path('/proc/version').exists(),
                    reason='only Linux has files that do not know their size')
def test_a_file_that_does_not_know_its_size_is_named():
    with pytest.raises(ValueError, match='/proc/version has 0 bytes by its own account'):
        d2l.load_data_jay_lyrics('/proc/version')


def test_ten_million_characters_are_read(tmp_path):
    (tmp_path / 'long.txt').write_text('分开' * 5_000_000, 'utf-8')
    assert len(d2l.load_data_jay_lyrics(tmp_path / 'long.txt', None)[0]) == 10 ** 7


@pytest.mark.parametrize('num_chars', [0, -1, 2.5, '10', True, math.nan, [5]])
def test_num_chars_must_be_a_positive_whole_number(num_chars):
    with pytest.raises((TypeError, ValueError), match=f'num_chars must be .* not {re.escape(repr(num_chars))}'):
        d2l.load_data_jay_lyrics(num_chars=num_chars)


def test_num_chars_may_be_numpy_s_and_larger_than_the_text():
    assert len(d2l.load_data_jay_lyrics(num_chars=np.int64(7))[0]) == 7
    assert d2l.load_data_jay_lyrics(num_chars=10 ** 30) == d2l.load_data_jay_lyrics(num_chars=None)
