"""Opens a page in Chromium without a window, and does there what the tests ask: JSON in, JSON out. Needs Selenium."""
import json
import sys
import time

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

page, folder = sys.argv[1:]
asked = json.load(sys.stdin)
options = webdriver.ChromeOptions()
options.binary_location = '/usr/bin/chromium'
for flag in ['--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--lang=en', '--window-size=1280,1400']:
    options.add_argument(flag)
options.set_capability('goog:loggingPrefs', {'performance': 'ALL', 'browser': 'ALL'})
browser = webdriver.Chrome(options=options, service=webdriver.ChromeService('/usr/bin/chromedriver'))
answers, script, begin = [], browser.execute_script, time.perf_counter()


def find(name):
    return browser.find_element(By.ID, name)


def fill(name, value):
    script('arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event("input"))', find(name), value)


def song():
    return script('return steps.map(s => model.idx_to_char[s.index]).join("")')


try:
    browser.get(f'file://{page}')
    opened = time.perf_counter() - begin
    for number, (prefix, length, line) in enumerate(asked):
        if len(asked) > 1:
            Select(find('model')).select_by_index(number)
        fill('prefix', prefix)
        fill('length', length)
        find('run').click()
        WebDriverWait(browser, 60).until(lambda browser: script('return steps.length > 1 && timer === null'))
        text = find('text').get_attribute('textContent')
        assert text == song()
        assert script('return document.querySelectorAll("#text br").length') == text.count('\n')
        p = script('return steps.map(s => Array.from(softmax(s.Y)))')
        fill('line', line)
        shown = find('perplexity').text
        marked = script('return Array.from(document.querySelectorAll("#losses b"), b => b.textContent).join("")')
        assert marked == line.replace(' ', '\u2423') and script('return document.scripts.length') == 2
        find('text').find_elements(By.TAG_NAME, 'button')[0].click()
        assert script('return current') == 0
        find('text').find_elements(By.TAG_NAME, 'button')[1].send_keys(Keys.ENTER)
        assert script('return current') == 1
        about = find('about').text
        find('states').find_element(By.TAG_NAME, 'canvas').click()
        unit = script('return unit')
        assert unit >= 0 and find('unit').get_attribute('value') == str(unit)
        fill('temperature', 1)
        fill('seed', 7)
        songs = []
        for _ in range(2):
            find('again').click()
            for _ in range(6):
                find('step').send_keys(Keys.SPACE)
            assert script('return document.querySelectorAll(".equation.now").length') == 1
            songs.append(song())
        fill('length', 5000)
        find('run').click()
        find('stop').click()
        assert script('return timer === null && steps.length < 1000')
        fill('temperature', 0)
        title = browser.find_element(By.TAG_NAME, 'h1').text
        find('language').click()
        chinese = browser.find_element(By.TAG_NAME, 'h1').text
        find('language').click()
        speed = script('''const begin = performance.now(); let state = firstState(model), i = 0;
            for (let t = 0; t < 300; t++) { state = CELLS[model.cell](i, state, model.params);
                                            i = greedy(scores(model, state)); }
            return 300000 / (performance.now() - begin)''')
        answers.append({'about': about, 'text': text, 'p': p, 'shown': shown, 'songs': songs,
                        'titles': [title, chinese], 'speed': speed,
                        'losses': script('return evaluate(model, arguments[0])', line)})
    for scheme in ['light', 'dark']:
        browser.execute_cdp_cmd('Emulation.setEmulatedMedia',
                                {'features': [{'name': 'prefers-color-scheme', 'value': scheme}]})
        for name, width in [('wide', 1280), ('narrow', 390)]:
            browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride',
                                    {'width': width, 'height': 1400, 'deviceScaleFactor': 1, 'mobile': width < 500})
            assert script('return document.documentElement.scrollWidth <= innerWidth'), (scheme, name)
            browser.save_screenshot(f'{folder}/{scheme}-{name}.png')
    messages = [json.loads(entry['message'])['message'] for entry in browser.get_log('performance')]
    print(json.dumps({'answers': answers, 'opened': opened, 'console': browser.get_log('browser'), 'requests': [
        m['params']['request']['url'] for m in messages if m['method'] == 'Network.requestWillBeSent']}))
finally:
    browser.quit()
