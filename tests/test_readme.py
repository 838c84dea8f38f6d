"""What the documents say: the Python in the README runs as it stands, and the files and tests that they name exist."""
import re

import pytest
from conftest import ROOT

DOCUMENTS = ['README.md', 'data/README.md', *(f'docs/{path.name}' for path in (ROOT / 'docs').glob('*.md'))]


def test_the_examples_run(run):
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'README.md').read_text('utf-8'), re.DOTALL)
    assert len(blocks) == 2
    result = run('-c', '\n'.join(blocks))
    assert result.returncode == 0, result.stderr
    assert re.search(r'^epoch 2, perplexity \d', result.stdout, re.MULTILINE)
    assert result.stdout.splitlines()[-1].startswith('分开') and len(result.stdout.splitlines()[-1]) == 52


@pytest.mark.parametrize('name', DOCUMENTS)
def test_the_files_and_tests_that_are_named_exist(name):
    path = ROOT / name
    text = path.read_text('utf-8')
    for link in re.findall(r'\]\(([^)#:]+)(?:#[^)]*)?\)', text):
        assert (path.parent / link).exists(), link
    tests = ''.join(file.read_text('utf-8') for file in (ROOT / 'tests').glob('test_*.py'))
    for named in re.findall(r'`(test_\w+)(\.py)?`', text):
        found = (ROOT / 'tests' / ''.join(named)).exists() if named[1] else f'def {named[0]}(' in tests
        assert found, named[0]
