"""Build data/jaychou_lyrics.txt.zip from data/jaychou_lyrics.txt, and check what the chapter needs of it.

python tools/build_corpus.py
"""
import re
import zipfile
from collections import Counter
from pathlib import Path

TEXT = Path(__file__).resolve().parent.parent / 'data' / 'jaychou_lyrics.txt'
ARCHIVE = TEXT.with_name('jaychou_lyrics.txt.zip')


def check(text):
    """The chapter prints shapes with 1027 in them and begins its songs with 分开 and 不分开; the rest is good order."""
    window = text.replace('\n', ' ').replace('\r', ' ')[:10000]
    assert len(set(window)) == 1027, f'{len(set(window))} different characters in the window, not 1027'
    assert '分开' in window and '不分开' in window, 'the prefixes of the chapter are missing'
    assert len(text) >= 10500, f'{len(text)} characters in all, fewer than 10500'
    assert all(line == line.strip() for line in text.split('\n')), 'a line begins or ends with a space'
    assert text.endswith('\n') and not text.endswith('\n\n'), 'one line end at the end'
    assert '\n\n\n' not in text and not text.startswith('\n'), 'one blank line between songs, none before the first'
    others = re.sub(r'[\u4e00-\u9fff \n]', '', text)
    assert not others, f'only Chinese characters, spaces and line ends, not {others!r}'
    assert '  ' not in text, 'one space is one pause'
    # The rare characters are spread over the songs: no song is there only to hold them.
    counts = Counter(window)
    for song in text[:10000].split('\n\n'):
        once = [char for char in song if counts[char] == 1]
        assert len(once) <= 20, f'{len(once)} characters occur only in the song «{song[:12]}», more than 20'


def build():
    """Write the archive; with one date for its file, so that the same text gives the same archive."""
    content = TEXT.read_bytes()
    check(content.decode('utf-8'))
    with zipfile.ZipFile(ARCHIVE, 'w') as archive:
        archive.writestr(zipfile.ZipInfo(TEXT.name, date_time=(2020, 1, 1, 0, 0, 0)), content,
                         compress_type=zipfile.ZIP_DEFLATED)
    return ARCHIVE


if __name__ == '__main__':
    print(build())
