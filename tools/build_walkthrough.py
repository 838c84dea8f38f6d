"""Write the walk-through in Chinese and in English, from one source: python tools/build_walkthrough.py

tools/walkthrough.txt is the source. A line that begins with %% begins a cell: `%% zh` and `%% en` are the same text in
two languages, one after the other, `%% code` is in both notebooks. Words after that are tags: `varies` marks a cell
whose output differs between machines, `skip` one that a slide show passes by, `predict` a question to the reader.

The code runs once, and both notebooks are stored with the same outputs. It does not run again where only the text is
new: a fingerprint that is stored with the outputs says whether they are those of this code and this corpus. On a
machine without a font for Chinese the pictures would be without it, so this refuses to store them.
"""
import hashlib
import re
import sys
from pathlib import Path

from rnn_scratch.beyond.pictures import find_font
from rnn_scratch.data import read_text, shipped_archive

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / 'tools/walkthrough.txt'
PATHS = {'zh': ROOT / 'examples/walkthrough.zh-CN.ipynb', 'en': ROOT / 'examples/walkthrough.ipynb'}
# Where a picture of the notebook goes that the documents show: the cell is the first that calls this.
PICTURES = {'line_of(text[:39], H[:39, unit], f': 'docs/hidden_line.svg', 'looked_at(runs': 'docs/looked_at.svg'}


def notebook(source, language):
    """The notebook of one language, without outputs."""
    parts = re.split(r'^%% (.*)\n', source, flags=re.MULTILINE)
    cells, tags = [], []
    for head, body in zip(parts[1::2], parts[2::2]):
        kind, *words = head.split()
        tags = tags if kind == 'en' else words          # those of the Chinese text before it
        body, number = body.strip('\n'), f'{len(cells):02}'
        slide = 'skip' if 'skip' in tags else '-' if kind == 'code' else (
            'slide' if body.startswith(('# ', '## ')) else 'subslide' if body.startswith('###') else 'fragment')
        metadata = {'slideshow': {'slide_type': slide}}
        if tags:
            metadata['tags'] = tags
        if kind == 'code':
            cells.append(new_code_cell(body, id=f'code-{number}', metadata=metadata))
        elif kind == language:
            cells.append(new_markdown_cell(body, id=f'text-{number}', metadata=metadata))
    return new_notebook(cells=cells, metadata={
        'kernelspec': {'display_name': 'Python 3', 'language': 'python', 'name': 'python3'},
        'language_info': {'name': 'python'}})       # the machine's version of Python is of no interest


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == 'code']


def fingerprint(notebook):
    """SHA-256 of what the outputs come from: the code cells and the corpus, in hexadecimal digits."""
    sources = [cell.source for cell in code_cells(notebook)]
    return hashlib.sha256('\0'.join([*sources, read_text(shipped_archive())]).encode()).hexdigest()


def execute(notebook):
    """Run each cell, in a process of its own. A cell that fails raises CellExecutionError."""
    language_info = notebook.metadata.language_info
    client = NotebookClient(notebook, timeout=None, kernel_name='python3', record_timing=False, coalesce_streams=True,
                            resources={'metadata': {'path': ROOT / 'examples'}})
    client.execute()
    notebook.metadata.language_info = language_info
    return notebook


def give_outputs(notebook, others):
    """Take the outputs of another notebook with the same code."""
    for cell, other in zip(code_cells(notebook), code_cells(others)):
        cell.outputs, cell.execution_count = other.outputs, other.execution_count
    notebook.metadata.fingerprint = fingerprint(notebook)


def pictures(notebook):
    """What the documents show of it, as {path: SVG}."""
    found = {}
    for beginning, path in PICTURES.items():
        cell = next(cell for cell in code_cells(notebook) if beginning in cell.source)
        found[path] = next(output.data['image/svg+xml'] for output in cell.outputs
                           if 'image/svg+xml' in output.get('data', {}))
    return found


if __name__ == '__main__':
    source = SOURCE.read_text('utf-8')
    new = {language: notebook(source, language) for language in PATHS}
    stored = nbformat.read(PATHS['zh'], 4) if PATHS['zh'].exists() else None
    if stored is None or stored.metadata.fingerprint != fingerprint(new['zh']):
        if find_font('分开') is None:
            sys.exit('No font here has Chinese characters: install one (Debian: apt-get install fonts-noto-cjk).')
        stored = execute(notebook(source, 'zh'))
    for language, path in PATHS.items():
        give_outputs(new[language], stored)
        nbformat.write(new[language], path)
        print(f'{path.name}: {path.stat().st_size / 1e6:.2f} MB')
    for name, picture in pictures(stored).items():
        (ROOT / name).write_text(picture, 'utf-8')
