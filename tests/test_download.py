"""6.3 fetching the book's corpus, from a server on the loopback address."""
import hashlib
import http.server
import threading

from rnn_scratch.beyond import download, files

import pytest

CONTENT = '不是歌词'.encode() * 500


@pytest.fixture
def server():
    """A server that gives CONTENT at /whole, half of it at /half (but promises all), and other bytes at /other."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802, the name that http.server looks for
            body = {'/whole': CONTENT, '/half': CONTENT[:len(CONTENT) // 2], '/other': b'x' * len(CONTENT)}
            if self.path not in body:
                self.send_error(404)
                return
            self.server.hits += 1
            self.send_response(200)
            self.send_header('Content-Length', str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(body[self.path])

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        server.hits = 0
        threading.Thread(target=server.serve_forever, daemon=True).start()
        server.url = f'http://127.0.0.1:{server.server_port}'
        yield server
        server.shutdown()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty MXNet data folder, and a checksum that CONTENT has."""
    monkeypatch.setenv('MXNET_HOME', str(tmp_path / 'mxnet'))
    monkeypatch.setattr(download, 'BOOK_SHA1', hashlib.sha1(CONTENT).hexdigest())
    for proxy in ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY']:
        monkeypatch.delenv(proxy, raising=False)
    return tmp_path / 'mxnet'


def found(folder):
    return sorted(path for path in folder.rglob('*') if path.is_file())


def test_it_arrives_once(server, home):
    path = download.download_book_corpus(f'{server.url}/whole')
    assert path.read_bytes() == CONTENT
    assert found(home) == [path]
    assert download.download_book_corpus(f'{server.url}/whole') == path
    assert server.hits == 1, 'it was fetched again although it is there'


@pytest.mark.parametrize('page', ['half', 'other', 'missing'])
def test_a_wrong_answer_leaves_nothing_behind(server, home, page):
    with pytest.raises(OSError, match=f'{server.url}/{page}.*nothing was saved'):
        download.download_book_corpus(f'{server.url}/{page}')
    assert found(home) == []


def test_a_wrong_answer_does_not_replace_what_is_there(server, home):
    path = download.book_archive()
    path.parent.mkdir(parents=True)
    path.write_bytes(b'an older one')
    with pytest.raises(OSError, match='nothing was saved'):
        download.download_book_corpus(f'{server.url}/other')
    assert path.read_bytes() == b'an older one'
    assert download.download_book_corpus(f'{server.url}/whole').read_bytes() == CONTENT


def test_no_network(server, home):
    server.shutdown()
    server.server_close()
    with pytest.raises(OSError, match='nothing was saved'):
        download.download_book_corpus(f'{server.url}/whole')
    assert found(home) == []


def test_a_folder_that_cannot_be_written(server, home, program):
    """A file is where the folder should be."""
    home.write_text('mine')
    result = program('download', '--url', f'{server.url}/whole')
    assert (result.returncode, result.stdout) == (1, '')
    sentence, = result.stderr.splitlines()
    assert f'cannot be made, because {home} is not a folder' in sentence and home.read_text() == 'mine'


def test_a_disk_that_is_full(server, home, program, monkeypatch):
    def fail(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(files.os, 'fsync', fail)
    result = program('download', '--url', f'{server.url}/whole')
    assert (result.returncode, result.stdout) == (1, '')
    sentence, = result.stderr.splitlines()
    assert f'cannot be written to {download.book_archive()} (No space left on device)' in sentence
    assert found(home) == []


def test_the_command_says_what_went_wrong_in_one_line(server, home, program):
    result = program('download', '--url', f'{server.url}/other')
    assert (result.returncode, result.stdout) == (1, '')
    sentence, = result.stderr.splitlines()
    assert 'nothing was saved' in sentence


def test_the_command_prints_the_path_alone(book_archive, home, run):
    """In a process of its own, with the checksum of the real archive."""
    there = download.book_archive()
    there.parent.mkdir(parents=True)
    there.write_bytes(book_archive.read_bytes())
    result = run('-m', 'rnn_scratch', 'download', MXNET_HOME=str(home))
    assert (result.returncode, result.stdout) == (0, f'{there}\n')
