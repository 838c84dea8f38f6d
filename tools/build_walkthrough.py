"""Run the walk-through from top to bottom and store it with its outputs: python tools/build_walkthrough.py

Do this after any change to a code cell, or to the corpus. `tests/test_walkthrough.py` compares the fingerprint that is
stored here with that of the code, and so notices outputs that are older than the code. On a machine without a font for
Chinese the pictures would show indices, so this refuses to store them.
"""
import hashlib
import sys
from pathlib import Path

from rnn_scratch.beyond.pictures import find_font
from rnn_scratch.data import read_text, shipped_archive

import nbformat
from nbclient import NotebookClient

PATH = Path(__file__).resolve().parent.parent / 'examples/walkthrough.ipynb'


def fingerprint(notebook):
    """SHA-256 of what the outputs come from: the code cells and the corpus, in hexadecimal digits."""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == 'code']
    return hashlib.sha256('\0'.join([*sources, read_text(shipped_archive())]).encode()).hexdigest()


def execute(notebook):
    """Run each cell, in a process of its own. A cell that fails raises CellExecutionError."""
    client = NotebookClient(notebook, timeout=None, kernel_name='python3', record_timing=False, coalesce_streams=True,
                            resources={'metadata': {'path': PATH.parent}})
    client.execute()
    notebook.metadata.language_info = {'name': 'python'}        # the machine's version of Python is of no interest
    return notebook


if __name__ == '__main__':
    if find_font('分开') is None:
        sys.exit('No font here has Chinese characters: install one (Debian: apt-get install fonts-noto-cjk).')
    notebook = execute(nbformat.read(PATH, 4))
    notebook.metadata.fingerprint = fingerprint(notebook)
    nbformat.write(notebook, PATH)
    print(f'{PATH.name}: {PATH.stat().st_size / 1e6:.2f} MB')
