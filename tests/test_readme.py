"""The Python in the README runs as it stands."""
import re

from conftest import ROOT


def test_the_examples_run(run):
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'README.md').read_text('utf-8'), re.DOTALL)
    assert len(blocks) == 2
    result = run('-c', '\n'.join(blocks))
    assert result.returncode == 0, result.stderr
    assert re.search(r'^epoch 2, perplexity \d', result.stdout, re.MULTILINE)
    assert result.stdout.splitlines()[-1].startswith('分开') and len(result.stdout.splitlines()[-1]) == 52
