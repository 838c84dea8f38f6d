"""Files that somebody else made: read within bounds and trusted in nothing, or refused in one sentence."""
import codecs
import contextlib
import io
import os
import re
import zipfile

from . import _checks

LARGEST_CORPUS = 100_000_000        # bytes: 33 million Chinese characters
MOST_MEMBERS = 1000                 # files in an archive

# What the first bytes of a file say that it is.
KINDS = [
    (b'PK\x03\x04', 'a zip archive'), (b'PK\x05\x06', 'a zip archive'), (b'PK\x07\x08', 'a zip archive'),
    (b'\x1f\x8b', 'a gzip archive'), (b'BZh91AY', 'a bzip2 archive'), (b'\xfd7zXZ', 'an xz archive'),
    (b'7z\xbc\xaf', 'a 7z archive'), (b'Rar!\x1a', 'a rar archive'), (b'(\xb5/\xfd', 'a zstd archive'),
    (b'%PDF-', 'a PDF'), (b'{\\rtf', 'an RTF document'), (b'\xd0\xcf\x11\xe0', 'an old Word document or the like'),
    (b'\x89PNG', 'a picture'), (b'\xff\xd8\xff', 'a picture'), (b'GIF89a', 'a picture'), (b'\x7fELF', 'a program'),
]
MARKUP = re.compile(r'\s*<(!--|(!doctype|html|head|meta|title|body|div|script|\?xml)\b)', re.IGNORECASE)
NOT_FOUND = re.compile(r'\s*(error )?404:? not found\s*', re.IGNORECASE)
# A mark at the beginning tells the encoding; the longer ones first, since they begin like the shorter.
MARKS = [(codecs.BOM_UTF32_LE, 'UTF-32'), (codecs.BOM_UTF32_BE, 'UTF-32'), (codecs.BOM_UTF16_LE, 'UTF-16'),
         (codecs.BOM_UTF16_BE, 'UTF-16')]
ENCODINGS = ['GB18030', 'Big5']     # GB18030 is the newest GBK, and reads all of it
SAMPLE = 4096                       # bytes to try an encoding on


def read_text(path):
    """The text of a file in UTF-8, or of the only text in a zip archive.

    Raises
    ------
    FileNotFoundError, OSError, ValueError
        It is no regular file; it cannot be read; it is larger than 100,000,000 bytes (told before they are read); it
        is no text, or none in UTF-8; or the archive does not hold exactly one text, is locked, or is damaged.
    """
    content, where = read_file('corpus', path, LARGEST_CORPUS, 'a text file or a zip archive'), _checks.shown(path)
    if kind_of(content) == 'a zip archive':
        content, where = unzip(where, content)
    _checks.check_kind(where, kind_of(content))
    _checks.check_utf8(where, content, likely_encoding)
    text = content.decode('utf-8-sig')      # some editors begin a text with a mark, which is no character of it
    _checks.check_markup(where, text, MARKUP.match(text) or NOT_FOUND.fullmatch(text[:100]))
    _checks.check_has_text(where, text)
    return text


def read_file(what, path, largest, wanted, check_head=None):
    """The bytes of a regular file. A folder, a pipe, a device, and what is too large, are refused before.

    `what` and `wanted` are words for the sentence; `check_head(path, head, size)` sees the first 64 bytes and the size.
    """
    try:
        _checks.check_is_file(what, path, wanted)
        # If a pipe takes the file's place just now, O_NONBLOCK keeps us from waiting for it.
        with open(path, 'rb', opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            size = os.fstat(file.fileno()).st_size
            _checks.check_size(f'The {what} {_checks.shown(path)}', size, largest)
            if check_head:
                check_head(path, file.read(64), size)
                file.seek(0)
            content = file.read(size + 1)
    except OSError as error:
        _checks.check_readable(what, path, error)
    _checks.check_all_there(f'The {what} {_checks.shown(path)}', size, len(content))
    return content


def shown(path):
    """A path as it is, unless it would break the line."""
    return str(path) if str(path).isprintable() else repr(str(path))


def kind_of(content):
    """What the first bytes say, such as 'a zip archive'; None where they say nothing."""
    return next((kind for start, kind in KINDS if content.startswith(start)), None)


def unzip(archive_name, content):
    """The bytes of the only text in an archive, and what to call it. Its name in there is never used as a path."""
    _checks.check_num_members(archive_name, content.count(b'PK\x01\x02'), MOST_MEMBERS)
    with damage_is_named(archive_name):
        archive = zipfile.ZipFile(io.BytesIO(content))
    members = [member for member in archive.infolist() if not is_hidden(member.filename.split('/'))]
    _checks.check_one_member(archive_name, [member.filename for member in members])
    member, = members
    where = f'{archive_name} (the file {_checks.short.repr(member.filename)} in it)'
    _checks.check_not_encrypted(where, member.flag_bits & 1)
    _checks.check_size(where, member.file_size, LARGEST_CORPUS)
    unpacked = io.BytesIO()
    with damage_is_named(archive_name), archive.open(member) as file:
        # By 4,096 bytes, since each byte of an archive may unpack to thousands; and the size may be a lie.
        for part in iter(lambda: file.read(4096), b''):
            unpacked.write(part)
            if unpacked.tell() > LARGEST_CORPUS:
                break
    _checks.check_size(where, unpacked.tell(), LARGEST_CORPUS)
    return unpacked.getvalue(), where


def is_hidden(parts):
    """A folder, whose name ends in a slash, and what nobody sees: files that begin with a dot, and a Mac's own."""
    return parts[-1] == '' or parts[-1].startswith('.') or '__MACOSX' in parts


@contextlib.contextmanager
def damage_is_named(archive_name):
    """Of a damaged archive, zipfile and its unpackers raise a dozen different errors."""
    try:
        yield
    except Exception as error:
        _checks.check_undamaged(archive_name, error)


def likely_encoding(content):
    """The encoding in which bytes look most like a Chinese or English text, by trying; None where none fits.

    >>> likely_encoding('分开，不分开'.encode('gbk')), likely_encoding('我們不分開'.encode('big5'))
    ('GB18030', 'Big5')
    >>> likely_encoding('分开'.encode('utf-16')), likely_encoding('we part'.encode('utf-16-le'))
    ('UTF-16', 'UTF-16LE')
    """
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return encoding
    start = re.search(rb'[\x00\x80-\xff]', content).start() // 2 * 2    # what is before it, is ASCII
    encodings = ['UTF-16LE', 'UTF-16BE'] if b'\0' in content else ENCODINGS     # each space and line break has a NUL
    score, encoding = max((how_usual(content[start:], encoding), encoding) for encoding in encodings)
    return encoding if score > 0.7 else None


def how_usual(content, encoding):
    """Which part of the characters is frequent in a Chinese text, in this encoding; those of ASCII are no sign."""
    try:        # the last character of the sample may be cut off, but not the last one of the text
        text = codecs.getincrementaldecoder(encoding)().decode(content[:SAMPLE], final=len(content) <= SAMPLE)
    except UnicodeDecodeError:
        return 0
    others = [char for char in text if not (' ' <= char <= '~' or char in '\t\r\n')]
    return sum(map(is_usual, others)) / len(others) if others else 1


def is_usual(char):
    """Whether it is among the frequent characters of GB 2312 (3,755) or Big5 (5,401), or their punctuation."""
    return (b'\xa1\xa1' <= char.encode('gb2312', 'replace') < b'\xd8'
            or b'\xa1\x40' <= char.encode('big5', 'replace') < b'\xc7')
