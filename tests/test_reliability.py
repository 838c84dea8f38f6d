"""The numbers of docs/reliability.md are those of the tests."""
import re

from conftest import ROOT


def test_the_table_is_that_of_the_tests(run):
    result = run(ROOT / 'tests/reliability.py', '--check')
    assert result.returncode == 0, result.stderr
    cells = re.findall(r'^\| .* \| ([\d,]+) \| ', (ROOT / 'docs/reliability.md').read_text('utf-8'), re.MULTILINE)
    *counts, total = [int(cell.replace(',', '')) for cell in cells]
    assert len(counts) > 10 and min(counts) > 0 and total == sum(counts)
