"""The Dockerfile and the development container say what the README, the package and the Makefile say.

No Docker runs here: tools/fresh_debian.sh builds the image.
"""
import json
import re

from rnn_scratch._platform import LIBRARIES

from conftest import ROOT

LINES = re.sub(r'\\\n', '', (ROOT / 'Dockerfile').read_text('utf-8')).splitlines()
# Each Debian has these: apt itself needs them.
IN_EACH_DEBIAN = {'libstdc++6', 'libgcc-s1'}


def those(instruction):
    """What stands after each instruction of this name, such as RUN."""
    return [line.split(maxsplit=1)[1] for line in LINES if line.startswith(f'{instruction} ')]


def packages(text):
    """What `apt-get install` is asked for."""
    return {word for found in re.findall(r'apt-get install ([^`&|]*)', text) for word in found.split()
            if not word.startswith('-')}


def test_the_packages_of_the_system_are_those_of_the_readme_and_of_the_package():
    readme, chinese = (
        packages(next(line for line in (ROOT / name).read_text('utf-8').splitlines() if 'libquadmath0' in line))
        for name in ['README.md', 'README.zh-CN.md'])
    assert {'make', 'python3-venv'} < readme == chinese
    assert set(LIBRARIES['linux x86_64'].values()) - IN_EACH_DEBIAN == readme - {'make', 'python3-venv'}
    font, = {name for name in packages('\n'.join(LINES)) if name.startswith('fonts-')}
    assert packages('\n'.join(LINES)) == {*readme, 'git', font}
    assert font in (ROOT / 'rnn_scratch/beyond/pictures.py').read_text('utf-8'), 'it is one that the package names'


def test_what_it_runs_exists():
    makefile = (ROOT / 'Makefile').read_text('utf-8')
    (target, more), = re.findall(r'^make (\w+) MORE=-(\w+)$', '\n'.join(those('RUN')), re.MULTILINE)
    make, started, *_ = json.loads(those('CMD')[0])
    assert make == 'make' and {target, started} <= set(re.findall(r'^([\w-]+):', makefile, re.MULTILINE))
    assert f'{started}: MORE = -{more}\n' in makefile, 'what is started finds all installed'
    assert (ROOT / more / 'requirements.txt').is_file()


def test_nobody_is_root_and_all_agree():
    container = json.loads(re.sub(r'^//.*$', '', (ROOT / '.devcontainer/devcontainer.json').read_text('utf-8'),
                                  flags=re.MULTILINE))
    folder = ROOT / '.devcontainer'
    assert (folder / container['build']['dockerfile']).resolve() == ROOT / 'Dockerfile'
    assert (folder / container['build']['context']).resolve() == ROOT
    base, last = those('FROM')
    assert base.endswith(f' AS {container["build"]["target"]}') and last == container['build']['target']
    assert those('USER') == [container['remoteUser']] != ['root']
    assert those('EXPOSE') == [str(port) for port in container['forwardPorts']]
    environments = set(re.findall(r'\.venv-[\d.]+', '\n'.join([*LINES, json.dumps(container)])))
    assert environments == {'.venv-3.13'}, 'what Debian 13 has'
    assert base.startswith('debian:trixie')
    assert container['postCreateCommand'] in those('RUN'), 'the editor gets what the image has'


def test_the_faq_and_the_dockerfile_have_the_same_commands():
    head = (ROOT / 'Dockerfile').read_text('utf-8')
    for name in ['docs/faq.md', 'docs/faq.zh-CN.md']:
        build, run = re.findall(r'^docker (?:build|run) .*$', (ROOT / name).read_text('utf-8'), re.MULTILINE)
        assert f'#   {build}\n' in head and f'#   {run}\n' in head
