"""Files that somebody else made: read within bounds and trusted in nothing, or refused in one sentence."""
import codecs
import contextlib
import io
import os
import re
import reprlib
import stat
import time
import zipfile
from pathlib import Path

LARGEST_CORPUS = 100_000_000        # bytes: 33 million Chinese characters
MOST_MEMBERS = 1000                 # files in an archive
short = reprlib.Repr()              # what a file says may be of any length
short.maxstring = short.maxother = 80
# What the first bytes of a file say that it is.
KINDS = [(b'PK\x03\x04', 'a zip archive'), (b'PK\x05\x06', 'a zip archive'), (b'PK\x07\x08', 'a zip archive'),
         (b'\x1f\x8b', 'a gzip archive'), (b'BZh91AY', 'a bzip2 archive'), (b'\xfd7zXZ', 'an xz archive'),
         (b'7z\xbc\xaf', 'a 7z archive'), (b'Rar!\x1a', 'a rar archive'), (b'(\xb5/\xfd', 'a zstd archive'),
         (b'%PDF-', 'a PDF'), (b'{\\rtf', 'an RTF document'), (b'\xd0\xcf\x11\xe0', 'an old Word document or the like'),
         (b'\x89PNG', 'a picture'), (b'\xff\xd8\xff', 'a picture'), (b'GIF89a', 'a picture'), (b'\x7fELF', 'a program')]
# Other encodings: Python's name, and what people say. Of those that read the same the commonest stands first.
ENCODINGS = {'gb18030': 'GBK', 'big5': 'Big5', 'big5hkscs': 'Big5', 'cp949': 'EUC-KR', 'cp932': 'Shift-JIS',
             'euc_jp': 'EUC-JP', 'koi8_r': 'KOI8-R', 'cp1252': 'Windows-1252 or Latin-1', 'cp1250': 'Windows-1250',
             'cp1251': 'Windows-1251', 'cp1253': 'Windows-1253', 'cp1254': 'Windows-1254', 'cp1255': 'Windows-1255',
             'cp1256': 'Windows-1256', 'cp874': 'Windows-874', 'iso8859_2': 'ISO-8859-2', 'iso8859_5': 'ISO-8859-5',
             'koi8_u': 'KOI8-U', 'cp866': 'DOS-866', 'utf_32': 'UTF-32', 'utf_16': 'UTF-16', 'utf_16_le': 'UTF-16LE',
             'utf_16_be': 'UTF-16BE', 'iso2022_jp': 'ISO-2022-JP', 'iso2022_kr': 'ISO-2022-KR', 'hz': 'HZ'}
SEVEN_BITS = {'iso2022_jp': rb'\x1b\$[@B]', 'iso2022_kr': rb'\x1b\$\)C', 'hz': rb'~\{(?:[!-w][!-~])+~\}'}
MARKUP = re.compile(r'\s*<(!--|(!doctype|html|head|meta|title|body|div|script|\?xml)\b)', re.IGNORECASE)
NOT_FOUND = re.compile(r'\s*(error )?404:? not found\s*', re.IGNORECASE)


def read_text(path):
    """The text of a file in UTF-8, or of the only text in a zip archive; OSError or ValueError where there is none."""
    path = as_path(path)
    where, content = shown(path), read_file('corpus', path, LARGEST_CORPUS, 'a text file or a zip archive')
    if kind_of(content) == 'a zip archive':
        content, where = unzip(where, content)
    kind = kind_of(content)
    if kind:
        cure = 'unpack it' if kind.endswith('archive') else 'save its text in a plain text file in UTF-8'
        raise ValueError(f'{where} is {kind} and not a text: {cure}, and give the path of the text.')
    text = decode(where, content)
    if MARKUP.match(text) or NOT_FOUND.fullmatch(text[:100]):
        raise ValueError(f'{where} is a page of a website and no text, since it begins with '
                         f'{text.strip()[:20]!r}: fetch the text itself, or save the page as plain text.')
    if not text.strip():
        raise ValueError(f'{where} is empty, or has nothing but spaces: a corpus needs at least two characters.')
    if len(text) == 1:
        raise ValueError(f'{where} has one character only, {text!r}: a corpus needs at least two, one to read and one '
                         'to predict.')
    return text


def as_path(path):
    """A path of a user, whose ~ is the home folder; ValueError or TypeError where it cannot be one."""
    if isinstance(path, (str, os.PathLike)) and str(path):
        return Path(os.path.expanduser(path) if str(path)[:2] in ('~/', '~\\') else path)
    cure = (f'for how many characters to read, write num_chars={path}' if type(path) is int else
            'give its name, without open()' if isinstance(path, io.IOBase) else 'give the path of one file, as a text')
    kind = ValueError if isinstance(path, str) else TypeError
    raise kind(f'A path is a text, and not empty, but this is {short.repr(path)}: {cure}.')


def shown(path):
    """A path as it is, unless it would break the line."""
    return str(path) if str(path).isprintable() else repr(str(path))


def patiently(action, *arguments):
    """On Windows, a file that another program has in hand cannot be opened or replaced for a moment: wait a second."""
    for _ in range(10 if os.name == 'nt' else 0):
        with contextlib.suppress(PermissionError):
            return action(*arguments)
        time.sleep(0.1)
    return action(*arguments)


def read_file(what, path, largest, wanted, check_head=None):
    """The bytes of a regular file, not too large; `check_head(path, head, size)` sees the first 64 bytes before."""
    where = f'The {what} {shown(path)}'
    try:
        mode = os.stat(path).st_mode
        found = ('' if stat.S_ISREG(mode) else 'is a folder' if stat.S_ISDIR(mode) else
                 'is no file, but a pipe, a socket or a device')
    except OSError as error:        # what else may be wrong with it, it says when it is opened
        found = 'does not exist' if isinstance(error, (FileNotFoundError, NotADirectoryError)) else ''
    except ValueError:
        found = 'has a name that no file can have'
    if found:
        save = 'save what it gives in a file, and ' * found.startswith('is no file')
        raise FileNotFoundError(f'{where} {found}: {save}give the path of {wanted}.')
    try:
        # If a pipe takes the file's place just now, O_NONBLOCK keeps us from waiting for it. Windows has no such pipes.
        more = 0 if os.name == 'nt' else os.O_NONBLOCK
        with open(path, 'rb', opener=lambda name, flags: patiently(os.open, name, flags | more)) as file:
            size = os.fstat(file.fileno()).st_size
            check_size(where, size, largest)
            if check_head:
                check_head(path, file.read(64), size)
                file.seek(0)
            content = file.read(size + 1)
    except OSError as error:
        raise type(error)(f'{where} cannot be read ({error.strerror}): look who may read it and what is wrong with the '
                          'disk, or copy it to another place.') from error
    if len(content) != size:
        raise ValueError(f'{where} has {size:,} bytes by its own account, and other than that could be read: copy it, '
                         'when no other program writes to it, and give the copy.')
    return content


def check_size(where, size, largest):
    if size > largest:
        raise ValueError(f'{where} has {size:,} bytes, and at most {largest:,} are read: give a smaller one.')


def kind_of(content):
    """What the first bytes say, such as 'a zip archive'; None where they say nothing."""
    return next((kind for start, kind in KINDS if content.startswith(start)), None)


def unzip(name, content):
    """The bytes of the only text in an archive, and what to call it. Its name in there is never used as a path."""
    number = content.count(b'PK\x01\x02')       # how the entry of each file begins
    if number > MOST_MEMBERS:
        raise ValueError(f'{name} holds {number:,} files: a corpus archive must hold exactly one text.')
    with damage_is_named(name):
        archive = zipfile.ZipFile(io.BytesIO(content))
    # Not among them: folders, whose names end in a slash, files that begin with a dot, and a Mac's own.
    members = [member for member in archive.infolist() if os.path.basename(member.filename)[:1] not in ('', '.')
               and '__MACOSX' not in member.filename.split('/')]
    names = [member.filename for member in members]
    if '[Content_Types].xml' in names:
        raise ValueError(f'{name} is a document of Word or the like: save its text as a plain text file in UTF-8.')
    if len(names) != 1:
        listed = f' ({", ".join(map(short.repr, names[:5]))}{" …" if len(names) > 5 else ""})' if names else ''
        raise ValueError(f'{name} holds {len(names)} files{listed}: a corpus archive must hold exactly one text; '
                         'unpack it and give the path of a text.')
    member, = members
    where = f'{name} (the file {short.repr(member.filename)} in it)'
    if member.flag_bits & 1:
        raise ValueError(f'{where} is locked with a password: unpack it and give the path of the text.')
    check_size(where, member.file_size, LARGEST_CORPUS)
    unpacked = io.BytesIO()
    with damage_is_named(name), archive.open(member) as file:
        # By 4,096 bytes, since each byte of an archive may unpack to thousands; and the size may be a lie.
        for part in iter(lambda: file.read(4096), b''):
            unpacked.write(part)
            if unpacked.tell() > LARGEST_CORPUS:
                break
    check_size(where, unpacked.tell(), LARGEST_CORPUS)
    return unpacked.getvalue(), where


@contextlib.contextmanager
def damage_is_named(name):
    """Of a damaged archive, zipfile and its unpackers raise a dozen different errors: one sentence for all."""
    try:
        yield
    except Exception as error:
        raise ValueError(f'{name} is a damaged archive, or packed in a way that is not known here ({str(error)[:200]}'
                         '): fetch or pack it again, or unpack it and give the path of the text.') from error


def decode(where, content):
    """The text of bytes in UTF-8, where no byte is wrong and none is 0; else a sentence that says why it may be."""
    try:
        text = content.decode('utf-8')
        wrong, is_cut_off = content.find(0), False
    except UnicodeDecodeError as error:
        wrong, is_cut_off = error.start, error.reason == 'unexpected end of data'
    found = [] if is_cut_off else likely_encodings(content, wrong)
    if wrong < 0 and not found:
        return text[1:] if text.startswith('\ufeff') else text      # some editors put a mark before the text
    if found:
        # iconv of Linux has no HZ, and Windows no iconv.
        name = codec_name(found[0]) if len(found) == 1 else 'NAME'
        command = f'iconv -f {name} -t UTF-8 OLD.txt > NEW.txt' if os.name != 'nt' and name != 'HZ' else (
            f"""python -c "open('NEW.txt', 'wb').write(open('OLD.txt', 'rb').read().decode('{name}').encode())\"""")
        listed = [f'{ENCODINGS[each]}, as which it reads {begins(content, each)!r}' for each in found]
        cure = (f'it is most likely {listed[0]}: save it as UTF-8, for instance with: {command}' if len(found) == 1 else
                f'it may be {"; or ".join(listed)}: save it as UTF-8, for instance with: {command} and, for NAME, '
                f'{" or ".join(map(codec_name, found))}, whichever reads right')
    elif is_cut_off:
        cure = 'it ends in the middle of a character, so fetch or copy it again'
    else:
        cure = ('it is in another encoding, damaged, or no text, so open it in an editor and save it as UTF-8, or take '
                'another file')
    why = '' if wrong < 0 else (f', since byte {wrong} (in line {content.count(10, 0, wrong) + 1}) is '
                                f'0x{content[wrong]:02x}')
    raise ValueError(f'{where} is not a text in UTF-8{why}: {cure}.')


def likely_encodings(content, wrong):
    """Python's names of up to four encodings that fit, the likeliest first; `wrong` is -1 where UTF-8 fits, too."""
    if wrong < 0:       # seven bits, with marks between which two bytes are a character
        return [name for name, mark in SEVEN_BITS.items() if re.search(mark, content) and begins(content, name)]
    for name, marks in (('utf_32', (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),      # one begins like one of UTF-16
                        ('utf_16', (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))):
        if content.startswith(marks):
            return [name]
    sample = around(content)
    names = [name for name in ENCODINGS if name not in SEVEN_BITS and not name.startswith('utf')]
    if b'\0' in content:        # as in UTF-16, whose bytes are in the order that gives more spaces and line breaks
        blanks = {name: sum(map(sample.decode(name, 'replace').count, ' \n')) for name in ('utf_16_le', 'utf_16_be')}
        names = [name for name in blanks if blanks[name] == max(blanks.values())]
    elif 3 * (read := sample.decode('utf-8', 'replace')).count('\ufffd') < sum(char > '\x7f' for char in read):
        return []       # most of it is UTF-8, with damage
    from charset_normalizer import from_bytes
    # It may end within a character: the end with which most encodings fit.
    found = max(([*from_bytes(sample[:len(sample) - cut], cp_isolation=names, enable_fallback=False)]
                 for cut in range(4)), key=len)
    found = [match for match in found if match.chaos <= found[0].chaos + 0.1]
    found.sort(key=lambda match: -match.coherence)      # how much it is like a language
    found = [match for match in found if match.coherence > 0 or found[0].coherence < 0.3]
    found = [[name for name in names if name in match.could_be_from_charset] for match in found]
    return [fitting[0] for fitting in found if fitting and begins(content, fitting[0])][:4]


def around(content):
    """4,096 bytes that begin in the line of the first byte that is not ASCII; before it all are."""
    first = re.search(rb'[\x00\x80-\xff]', content).start()
    start = 0 if b'\0' in content else max(first - 10, content.rfind(b'\n', 0, first) + 1)
    return content[start:start + 4096]


def codec_name(encoding):
    """As both Python and iconv know it."""
    return encoding.upper().replace('_', '-').replace('UTF-16-', 'UTF-16').replace('ISO2022', 'ISO-2022')


def begins(content, encoding):
    """How a text reads in an encoding, where it is not ASCII for the first time; '' if it does not."""
    try:
        if encoding not in SEVEN_BITS:
            return codecs.getincrementaldecoder(encoding)().decode(around(content)).strip()[:20]
        return re.sub('[\x00-\x7f]*', '', content.decode(encoding), count=1)[:20]
    except UnicodeDecodeError:
        return ''
