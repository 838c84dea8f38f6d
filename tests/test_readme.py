"""What the documents say is true: their Python runs, both languages have the same code, and what they name exists."""
import ast
import contextlib
import doctest
import io
import re
import zipfile

import pytest
from conftest import ROOT

DOCUMENTS = ['README.md', 'README.zh-CN.md', 'CONTRIBUTING.md', 'data/README.md', 'examples/exercises/README.md',
             *sorted(f'docs/{path.name}' for path in (ROOT / 'docs').glob('*.md'))]
TRANSLATED = [name for name in DOCUMENTS if (ROOT / name.replace('.md', '.zh-CN.md')).exists()]


def read(name):
    return (ROOT / name).read_text('utf-8')


def blocks(name):
    """The fenced blocks of a document, as (language, content)."""
    return re.findall(r'^```(\w*)\n(.*?)^```$', read(name), re.DOTALL | re.MULTILINE)


def code_of(name):
    """The blocks as they are compared between languages: in those for a shell the comments are the reader's."""
    return [(language, re.sub(r'(?m) +# .*$', '', content) if language == 'sh' else content)
            for language, content in blocks(name)]


def test_the_seven_lines_print_what_the_readme_shows():
    (_, code), (_, shown) = blocks('README.md')[:2]
    assert code.count('\n') == 7
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    assert printed.getvalue() == shown


@pytest.mark.slow
def test_the_examples_run(run):
    code = [content for language, content in blocks('README.md')[1:] if language == 'python']
    assert len(code) == 2
    result = run('-c', '\n'.join(code))
    assert result.returncode == 0, result.stderr
    assert re.search(r'^epoch 2, perplexity \d', result.stdout, re.MULTILINE)
    assert result.stdout.splitlines()[-1].startswith('分开') and len(result.stdout.splitlines()[-1]) == 52


def test_your_own_text_trains_as_the_readme_shows(program, tmp_path):
    """The README's command, for two epochs; and with the same text in a zip archive, where the digits are the same."""
    shell, = [content for language, content in blocks('README.md') if 'my_poems' in content and language == 'sh']
    text, = re.findall(r"<<'END'\n(.*?)^END$", shell, re.DOTALL | re.MULTILINE)
    assert f'{len(text):,} characters' in read('README.md')
    (tmp_path / 'my_poems.txt').write_text(text, 'utf-8')
    commands = re.findall(r'^python -m rnn_scratch (.*my_poems.*)$', shell, re.MULTILINE)
    assert len(commands) == 1
    with zipfile.ZipFile(tmp_path / 'my_poems.zip', 'w') as archive:
        archive.write(tmp_path / 'my_poems.txt', 'my_poems.txt')
    printed = []
    for command in [commands[0], commands[0].replace('.txt', '.zip')]:
        result = program(*command.split(), '--epochs', '2', '--pred-period', '1')
        assert result.returncode == 0, result.stderr
        printed.append(re.findall(r'^epoch (\d+), perplexity (\S+),|^( - 雨.{30})$', result.stdout, re.MULTILINE))
    assert len(printed[0]) == 4 and printed[0] == printed[1]


@pytest.mark.parametrize('name', TRANSLATED)
def test_both_languages_have_the_same_code(name):
    """And each names the other one in its first lines."""
    chinese = name.replace('.md', '.zh-CN.md')
    assert code_of(name) == code_of(chinese)
    assert all(language for language, _ in blocks(name))
    for one, other in [(name, chinese), (chinese, name)]:
        assert f']({other.split("/")[-1]})' in '\n'.join(read(one).splitlines()[:3])
    assert len(re.findall('[\u4e00-\u9fff]', read(chinese))) > 300


def test_what_is_there_in_both_languages():
    assert TRANSLATED == ['README.md', 'docs/departures.md', 'docs/errata.md', 'docs/faq.md']


@pytest.mark.parametrize('name', ['docs/errata.md', 'docs/faq.md'])
def test_the_python_of_errata_and_questions(name, tmp_path, monkeypatch):
    code = '\n'.join(content for language, content in blocks(name) if language == 'python')
    test = doctest.DocTestParser().get_doctest(code, {}, name, name, 0)
    assert len(test.examples) > 5
    monkeypatch.chdir(tmp_path)         # one saves a model
    failed, _ = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.REPORT_NDIFF).run(test)
    assert not failed


def test_the_questions_are_the_same_in_both_languages():
    """A message is quoted as it is, so that a search finds it, in a heading of each language."""
    def messages(name):
        return [re.findall('`(.*?)`', line) for line in read(name).splitlines() if line.startswith('### ')]

    assert messages('docs/faq.md') == messages('docs/faq.zh-CN.md')


def test_our_own_messages_are_quoted_as_they_are(program, tmp_path):
    """Those of others were met, or reported, once; ours can be met here."""
    quoted = re.findall('^### .*?`(.*?)`', read('docs/faq.md'), re.MULTILINE)
    poem = re.search(r"<<'END'\n(.*?)^END$", read('README.md'), re.DOTALL | re.MULTILINE)[1]
    (tmp_path / 'my_poems.txt').write_text(poem, 'utf-8')
    (tmp_path / 'old.txt').write_text(poem, 'gb18030')
    for start, name in [('The corpus has', 'my_poems.txt'), ('is not a text', 'old.txt')]:
        message, = [message for message in quoted if message.startswith(start)]
        assert message in program('train', '--corpus', name).stderr
    message, = [message for message in quoted if message.startswith('rnn_scratch needs')]
    assert message in read('Makefile') and message in read('setup.py')


def test_the_departures_are_the_same_in_both_languages():
    def named(name):
        return [re.findall(r'`(test_\w+)', line.split('|')[-2]) for line in read(name).splitlines()
                if line.startswith('|')]

    assert named('docs/departures.md') == named('docs/departures.zh-CN.md')
    assert sum(map(bool, named('docs/departures.md'))) > 15


@pytest.mark.parametrize('path', [path for path in sorted((ROOT / 'rnn_scratch').rglob('*.py')) if path.name[0] != '_'],
                         ids=lambda path: path.stem)
def test_the_public_docstrings_begin_in_chinese(path):
    """Of functions and classes; a docstring of a single line is a note on a helper, and may be in English.

    A file that nobody imports, because it is a command or is started as a process, may have helpers only."""
    docstrings = {node.name: ast.get_docstring(node) or '' for node in ast.parse(path.read_text('utf-8')).body
                  if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != '_'}
    public = {name: [*text.splitlines(), ''] for name, text in docstrings.items() if '\n' in text}
    assert public or path.parent.name == 'cli' or path.stem == 'member'
    for name, (first, second, third, *_) in public.items():
        assert re.search('[\u4e00-\u9fff]', first) and not second and re.search('[A-Za-z]{3}', third), name


@pytest.mark.parametrize('name', DOCUMENTS)
def test_the_files_and_tests_that_are_named_exist(name):
    path = ROOT / name
    text = path.read_text('utf-8')
    for link, heading in re.findall(r'\]\(([^)#:]*)#?([^):]*)\)', text):
        target = path.parent / link if link else path
        assert target.exists(), link
        assert not heading or heading in headings(target), heading
    tests = ''.join(file.read_text('utf-8') for file in (ROOT / 'tests').glob('test_*.py'))
    for named in re.findall(r'`(test_\w+)(\.py)?`', text):
        found = (ROOT / 'tests' / ''.join(named)).exists() if named[1] else f'def {named[0]}(' in tests
        assert found, named[0]
    for named in re.findall(r'\b(?:benchmarks|examples|tests|tools)/\w+\.py\b', text):
        assert (ROOT / named).exists(), named
    for named in re.findall(r'`make ([a-z][a-z-]*)', text):
        assert f'\n{named}: ' in read('Makefile'), named


def test_every_page_and_picture_is_linked():
    links = {(ROOT / name).parent.joinpath(link).resolve() for name in DOCUMENTS
             for link in re.findall(r'\]\(([^)#:]+)', read(name))}
    assert [path.name for path in (ROOT / 'docs').iterdir() if path.resolve() not in links] == []


@pytest.mark.parametrize('name', ['README.md', 'README.zh-CN.md'])
def test_the_tour_comes_to_every_file(name):
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / 'rnn_scratch').rglob('*.py')
             if not path.name.startswith('__')}
    assert set(re.findall(r'\((rnn_scratch/[^)]+\.py)\)', read(name))) == files


@pytest.mark.parametrize('path', re.findall(r'`((?:beyond|cli)/\w+\.py|_\w+\.py)`', read('CONTRIBUTING.md')))
def test_where_a_line_goes(path):
    assert (ROOT / 'rnn_scratch' / path).exists()


def headings(path):
    """The anchors that GitHub gives the headings of a document."""
    found = re.findall(r'^#+ (.*)$', path.read_text('utf-8'), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in found}
