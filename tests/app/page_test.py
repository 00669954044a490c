"""The page in a browser, by real clicks, on a wide and on a narrow screen."""

import shutil

import numpy as np
from PIL import Image
import pytest

from tests.app import server_test
from tests.data import photos

selenium = pytest.importorskip('selenium')
if not (shutil.which('chromium') and shutil.which('chromedriver')):
    pytest.skip('needs chromium and chromedriver', allow_module_level=True)

from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

pytestmark = pytest.mark.slow
home, address = server_test.home, server_test.address
PATIENCE_S = 120.0  # the first picture of a task is compiled


class Browser:
    """Headless Chromium of a width in CSS pixels."""

    def __init__(self, width):
        options = webdriver.ChromeOptions()
        for word in ('--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'):
            options.add_argument(word)
        options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
        service = webdriver.ChromeService(shutil.which('chromedriver'))
        self.driver = webdriver.Chrome(options=options, service=service)
        size = {'width': width, 'height': 900, 'deviceScaleFactor': 1, 'mobile': width < 600}
        self.driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)

    def __getitem__(self, name):
        return self.driver.find_element(By.ID, name)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def click(self, element):
        self.driver.execute_script('arguments[0].scrollIntoView({block: "center"})', element)
        element.click()

    def until(self, condition):
        return WebDriverWait(self.driver, PATIENCE_S, 0.05).until(lambda _: condition())

    def choose(self, name, value):
        Select(self[name]).select_by_visible_text(value)

    def command(self):
        return self['command'].get_property('textContent')

    def fits(self):
        """Whether nothing is wider than the screen."""
        return self.driver.execute_script(
            'return document.documentElement.scrollWidth <= window.innerWidth'
        )


@pytest.fixture(params=[1200, 400])
def browser(request, address):
    found = Browser(request.param)
    found.driver.get(address)
    yield found
    severe = [entry for entry in found.driver.get_log('browser') if entry['level'] == 'SEVERE']
    found.driver.quit()
    assert not severe


def test_a_gan_is_played_with(browser):
    browser.until(lambda: not browser['classifier'].get_property('hidden'))
    browser.choose('run', 'digits')
    browser.until(lambda: browser['of-class'].is_displayed())
    browser.until(browser.command)
    assert 'step 4 of ' in browser['where'].text and browser.fits()
    cells = browser.all('#grid button')
    browser.click(cells[3])
    browser.until(lambda: '--pick=3,3' in browser.command())
    first = browser['picture'].get_attribute('src')
    cells[3].send_keys(Keys.DOWN * 2 + Keys.LEFT * 2 + Keys.ENTER)  # to sample 17
    browser.until(lambda: '--pick=3,17 --along=0.5' in browser.command())
    assert browser['picked'].text == 'From sample 3 to sample 17.'
    browser.until(lambda: browser['picture'].get_attribute('src') != first)
    [slider, *_] = browser.all('#directions input')
    slider.send_keys(Keys.RIGHT * 3)
    browser.until(lambda: '--directions=0.3' in browser.command())
    browser.choose('label', '7')
    browser.until(lambda: '--labels=7' in browser.command())
    browser['truncation'].send_keys(Keys.LEFT)
    browser.until(lambda: '--truncation=0.95' in browser.command())
    browser.click(browser['nearest'])
    browser.until(lambda: len(browser.all('#neighbours img')) == 4)
    assert browser['save'].get_attribute('href').startswith('data:image/png')
    browser.until(lambda: not browser['working'].is_displayed())
    assert browser.fits() and not browser['error'].is_displayed()


def test_a_digit_is_drawn(browser):
    browser.choose('run', 'classes')
    browser.until(lambda: browser['classifier'].is_displayed())
    slate = browser['slate']
    browser.driver.execute_script('arguments[0].scrollIntoView({block: "center"})', slate)
    hand = ActionChains(browser.driver)
    hand.move_to_element_with_offset(slate, 0, -80).click_and_hold()
    hand.move_by_offset(0, 80).move_by_offset(0, 80).release().perform()
    browser.until(lambda: len(browser.all('#answer li')) == 10)
    shares = [float(row.text.split()[-2]) for row in browser.all('#answer li')]
    assert shares == sorted(shares, reverse=True) and abs(sum(shares) - 100) < 1
    browser.until(lambda: browser['measured'].text)
    browser.click(browser['wipe'])
    assert not browser.all('#answer li') and browser.fits()


def test_a_photo_is_translated(browser, tmp_path):
    browser.choose('run', 'photos')
    browser.until(lambda: browser['translator'].is_displayed())
    photos.photo(3, (96, 80)).save(tmp_path / 'photo.png')
    browser['given-file'].send_keys(str(tmp_path / 'photo.png'))
    browser.until(lambda: browser['result'].is_displayed())
    assert browser['take'].get_attribute('href').startswith('data:image/png')
    browser['split'].send_keys(Keys.RIGHT * 5)
    assert 'inset(0px 45% 0px 0px)' in browser['before'].value_of_css_property('clip-path')
    photo = browser['after'].get_attribute('src')
    browser.click(browser['drawn'])
    browser.until(lambda: browser['after'].get_attribute('src') != photo)
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / 'speck.png')
    browser['given-file'].send_keys(str(tmp_path / 'speck.png'))
    browser.until(lambda: browser.fits() and browser['after'].get_attribute('src') != photo)
    (tmp_path / 'text.png').write_text('no picture')
    browser['given-file'].send_keys(str(tmp_path / 'text.png'))
    browser.until(lambda: browser['error'].text == 'not an image')
    browser.driver.get_log('browser')  # which tells of the refused request
