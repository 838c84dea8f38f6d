"""检查全班的文件，打印一张表。 Check the files of a class, and print a table.

    python examples/exercises/grade.py FOLDER [--seconds 60]

FOLDER 里每个 .py 文件（包括子文件夹）是一份作业。文件名里要有练习的名字，比如 李雷_exercise_4.py。
Each .py file in FOLDER and below is one answer. Its name says which exercise it is, as in li_lei_exercise_4.py.

每份作业在自己的进程里，用这里的检查运行；超时就停止。它能做你能做的一切：不信任的文件，请在容器里检查。
Each file runs in a process of its own, with the checks of this folder, and is stopped at its time limit. It can do all
that you can do, also start what goes on after it: check files that you do not trust in a container.
"""
import argparse
import collections
import contextlib
import importlib
import importlib.util
import inspect
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
import unicodedata
from pathlib import Path

HERE = Path(__file__).resolve().parent
LARGEST, MEMORY = 1_000_000, 4 * 2 ** 30        # bytes of a file, and of the memory of one process
EXERCISES = {path.stem.split('_')[1]: path.stem for path in HERE.glob('exercise_*.py')}


def examine(path, exercise):
    """In a process of its own: what the check of an exercise finds in a student's file, as a dictionary."""
    check = importlib.import_module(exercise).check
    judged = importlib.import_module('checking').judged
    found = {'right': 0, 'wrong': [], 'mistakes': [], 'failed': None, 'prediction': ''}
    try:
        specification = importlib.util.spec_from_file_location('answer', path)
        answer = sys.modules['answer'] = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(answer)
        found['prediction'] = str(getattr(answer, 'PREDICTION', ''))[:200]
        functions = []
        for name in inspect.signature(check).parameters:
            if not callable(getattr(answer, name, None)):
                found['failed'] = f'没有这个函数 There is no function {name}'
                return found
            functions.append(getattr(answer, name))
        for sound, words, mistakes in judged(check(*functions)):
            found['right'] += sound
            found['wrong'] += [] if sound else [words[:500]]
            found['mistakes'] += [mistake.split(' [')[0] for mistake in mistakes]
    except NotImplementedError as todo:
        found['failed'] = f'还没写 Still to write: {str(todo)[:200]}'
    except BaseException as error:      # also sys.exit() and Ctrl-C, as a file may raise them
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = getattr(error, 'lineno', None) or (lines or [None])[-1]
        found['failed'] = (f'出错了 It failed{f", line {line}" if line else ""}: {type(error).__name__}: '
                           f'{(str(error).splitlines() or [""])[-1][:300]}')
    return found


def child(path, exercise, verdict):
    """The process of one file. Its verdict goes into a file, so that nothing that is printed can be one."""
    try:
        import resource
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (10 * LARGEST, 10 * LARGEST))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):          # Windows; or the limit is lower already
        pass
    found = examine(Path(path), exercise)
    Path(verdict).write_text(json.dumps(found), 'utf-8')
    os._exit(0)         # threads that the file has started keep nothing waiting


def ended(process):
    """Whether it has; its id is kept until `stop`, so that no other process can have it."""
    if hasattr(os, 'waitid'):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return process.poll() is not None


def stop(process):
    """End the process and those that it has started, which are a group of its own: its exit status."""
    if os.name == 'posix':
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    return process.wait()


def grade(path, seconds):
    """Of one file: the exercise, the verdict in short, and in words, the mistakes that were named, the prediction."""
    number = re.search(r'(?:exercise|solution|练习)[ _]?(\d+)', path.name, re.IGNORECASE)
    exercise = EXERCISES.get(number[1]) if number else None
    if not exercise:
        return '?', '✗', '文件名里没有练习的名字 The name names no exercise: lilei_exercise_0.py does', [], ''
    if path.stat().st_size > LARGEST:
        return exercise, '✗', f'文件太大 The file is larger than {LARGEST:,} bytes', [], ''
    folder, status = tempfile.mkdtemp(), None
    try:
        verdict = Path(folder, 'verdict.json')
        process = subprocess.Popen(
            [sys.executable, str(HERE / 'grade.py'), '--child', str(path.resolve()), exercise, str(verdict)],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=os.name == 'posix', env={**os.environ, 'MPLBACKEND': 'agg', 'PYTHONIOENCODING': 'utf-8'})
        try:
            end = time.monotonic() + seconds
            while not ended(process) and time.monotonic() < end:
                time.sleep(0.05)
            in_time = ended(process)
        finally:
            status = stop(process)
        if not in_time:
            return exercise, '✗', f'超过 {seconds:g} 秒，停止了 It took more than {seconds:g} s and was stopped', [], ''
        wrong, right, failed, mistakes, prediction = read(verdict)
    except Exception:       # no verdict, or one that the file has made itself
        return exercise, '✗', f'没查完就结束了 It ended before the check did (status {status})', [], ''
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    mark = f'{right} ✓ {len(wrong)} ✗' if wrong or failed else '✓'
    words = failed or (mistakes[0] if mistakes else wrong[0] if wrong else
                       '全对 All right' + ('' if prediction else '，没有写预测 but no prediction'))
    return exercise, mark, words, mistakes, prediction


def read(verdict):
    """What `child` wrote; any error where it did not, since the file that was checked may have put another there."""
    about = os.lstat(verdict)
    if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST:
        raise ValueError
    found = json.loads(verdict.read_text('utf-8'))
    wrong, mistakes = [str(words) for words in found['wrong']], [str(mistake) for mistake in found['mistakes']]
    return wrong, int(found['right']), found['failed'] and str(found['failed']), mistakes, str(found['prediction'])


def shown(text, cells):
    """The text on one line of so many cells; what a terminal would obey is shown as `?`. Chinese takes two cells."""
    line, width = '', 0
    for char in ' '.join(text.split()):
        char = char if char.isprintable() else '?'
        size = 2 if unicodedata.east_asian_width(char) in 'WF' else 1
        if width + size > cells:
            line = line[:-1] + '…'
            break
        line, width = line + char, width + size
    return line + ' ' * (cells - width)


def table(folder, seconds):
    paths = sorted(path for path in folder.rglob('*.py') if path.is_file())
    counts, sound = collections.Counter(), 0
    print(shown('文件 file', 34), shown('练习 exercise', 20), shown('结果 result', 12), shown('预测 prediction', 16),
          '说明 remark')
    for path in paths:
        start = time.time()
        try:
            exercise, mark, words, mistakes, prediction = grade(path, seconds)
        except OSError as error:
            exercise, mark, words, mistakes, prediction = '?', '✗', f'读不了 It cannot be read: {error}', [], ''
        name = str(path.relative_to(folder))
        print(f'{shown(name, 34)} {shown(exercise[9:] or exercise, 20)} {shown(mark, 12)} '
              f'{shown(prediction or "–", 16)} {shown(words, 110).rstrip()} ({time.time() - start:.0f} s)', flush=True)
        counts.update(set(mistakes))
        sound += mark == '✓'
    print(f'{len(paths)} 份，{sound} 份全对。 {len(paths)} files, {sound} all right.')
    if counts:
        print('常见的错误 The usual mistakes:')
        for sentence, count in counts.most_common(10):
            print(f'{count:4} × {" ".join(sentence.split())}')


def main():
    if sys.argv[1:2] == ['--child']:
        child(*sys.argv[2:])
    parser = argparse.ArgumentParser(description='Check the files of a class, and print a table. 检查全班的文件。')
    parser.add_argument('folder', type=Path, help='where the .py files are')
    parser.add_argument('--seconds', type=float, default=60, help='the time limit of one file (default: 60)')
    args = parser.parse_args()
    if not args.folder.is_dir():
        sys.exit(f'{args.folder} 不是文件夹 is no folder: give the one that has the .py files.')
    if not args.seconds > 0:
        sys.exit(f'--seconds must be above 0, not {args.seconds:g}.')
    for stream in sys.stdout, sys.stderr:
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='replace')        # a terminal that does not know a character shows ?
    table(args.folder, args.seconds)


if __name__ == '__main__':
    main()
