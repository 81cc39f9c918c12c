import type { Locator, Page } from 'playwright-core';

/** Quick picks, input boxes and the command palette: one box at the top of the window. */
export class QuickInput {
  readonly #page: Page;
  readonly #box: Locator;

  constructor(page: Page) {
    this.#page = page;
    this.#box = page.locator('.quick-input-widget:visible');
  }

  get #field(): Locator {
    return this.#box.locator('.quick-input-box input');
  }

  #row(label: string | RegExp): Locator {
    const own = typeof label === 'string' ? new RegExp(`^\\s*${escaped(label)}\\s*$`) : label;
    return this.#box
      .locator('.quick-input-list .monaco-list-row')
      .filter({
        has: this.#page.locator('.quick-input-list-row > .monaco-icon-label .label-name', { hasText: own }),
      })
      .first();
  }

  /** Runs a command through the palette, by its title as shown there ("PaRa: Show Log"). */
  async run(title: string): Promise<void> {
    // Commands of an extension appear when the window has read its manifest, and whatever takes the focus closes the
    // palette: ask until then.
    for (let tries = 0; ; tries++) {
      try {
        if (!(await this.#field.isVisible())) await this.#page.keyboard.press('F1');
        await this.#field.fill(`>${title}`, { timeout: 5000 });
        await this.#row(title).click({ timeout: 5000 });
        break;
      } catch (cause) {
        if (tries === 5) throw new Error(`The palette has no "${title}"`, { cause });
        if (await this.#field.isVisible()) await this.#field.fill('>');
      }
    }
    await this.#page.waitForFunction(() => {
      const box = document.querySelector<HTMLElement>('.quick-input-widget');
      const field = box?.querySelector<HTMLInputElement>('.quick-input-box input');
      return !box?.offsetParent || !field?.value.startsWith('>');
    });
  }

  /** Runs a command through the palette, without the mouse. */
  async type(title: string): Promise<void> {
    const row = this.#row(title).and(this.#box.locator('.focused'));
    // As in `run`: a window that was just opened does not know all commands yet.
    for (let tries = 0; ; tries++) {
      await this.#page.keyboard.press('F1');
      await this.#field.waitFor();
      await this.#page.keyboard.type(title);
      try {
        await row.waitFor({ timeout: 5000 });
        break;
      } catch (cause) {
        if (tries === 5) throw new Error(`The palette has no "${title}"`, { cause });
        await this.#page.keyboard.press('Escape');
      }
    }
    await this.#page.keyboard.press('Enter');
  }

  /** Waits until the box asks under this title: one question may follow the other. */
  async asked(title: string | RegExp): Promise<void> {
    const own = typeof title === 'string' ? new RegExp(`^\\s*${escaped(title)}\\s*$`) : title;
    await this.#box.locator('.quick-input-title').filter({ hasText: own }).waitFor();
  }

  /** Titles that the palette offers for these words. */
  async commands(words: string): Promise<string[]> {
    await this.#page.keyboard.press('F1');
    await this.#field.fill(`>${words}`);
    await this.#page.waitForTimeout(300);
    const found = await this.labels();
    await this.cancel();
    return found;
  }

  /** Takes one entry of a quick pick. */
  async pick(label: string | RegExp): Promise<void> {
    await this.#row(label).click();
  }

  /** Ticks entries of a quick pick for several, and no others, and accepts. */
  async pickMany(labels: readonly string[]): Promise<void> {
    const all = this.#box.locator('.quick-input-list .monaco-list-row');
    await all.first().waitFor();
    for (const row of await all.all()) {
      const label = (await row.locator('.label-name').first().innerText()).trim();
      const isTicked = (await row.getAttribute('aria-checked')) === 'true';
      if (isTicked !== labels.includes(label)) await row.locator('.quick-input-list-label').click();
    }
    await this.accept();
  }

  /** Ticks an entry of a quick pick for several, or takes the tick away. @param text of label and description */
  async tick(text: RegExp): Promise<void> {
    await this.#box
      .locator('.quick-input-list .monaco-list-row', { hasText: text })
      .first()
      .locator('.quick-input-list-label')
      .click();
  }

  /** What is ticked in a quick pick for several: all that its entries say. */
  async ticked(): Promise<string[]> {
    const all = this.#box.locator('.quick-input-list .monaco-list-row');
    await all.first().waitFor();
    return (await all.and(this.#box.locator('[aria-checked="true"]')).allInnerTexts()).map(plain);
  }

  /** Labels of the entries that are in sight. */
  async labels(): Promise<string[]> {
    await this.#box.waitFor();
    const names = this.#box.locator('.quick-input-list-row > .monaco-icon-label .label-name');
    return (await names.allInnerTexts()).map(plain);
  }

  /** Everything the box says: title, prompt, entries with their descriptions. */
  async text(): Promise<string> {
    return plain(await this.#box.innerText());
  }

  /** What is said below the field: the prompt, or why a value is refused. */
  async message(): Promise<string> {
    return plain(await this.#box.locator('.quick-input-message').innerText());
  }

  /** Puts a value into the field. */
  async fill(value: string): Promise<void> {
    await this.#field.fill(value);
  }

  async value(): Promise<string> {
    return this.#field.inputValue();
  }

  /** Whether what is typed is hidden. */
  async isSecret(): Promise<boolean> {
    return (await this.#field.getAttribute('type')) === 'password';
  }

  /** Presses an icon in the title of the box. */
  async press(title: string): Promise<void> {
    await this.#box.locator(`.quick-input-titlebar a.action-label[aria-label^="${title}"]`).click();
  }

  async accept(): Promise<void> {
    await this.#field.press('Enter');
  }

  /** Answers an input box, or names a file or folder where one is asked for. */
  async enter(value: string): Promise<void> {
    await this.#box.waitFor();
    // A file dialog puts its own folder into the field once it has read it, into the middle of what was typed
    // meanwhile: what is accepted must have stood there for a while.
    for (let tries = 0, stood = 0; stood < 4; tries++) {
      if (tries === 100)
        throw new Error(`The box does not keep "${value}"; it holds "${await this.value()}"`);
      stood = (await this.value()) === value ? stood + 1 : 0;
      if (stood === 0) await this.fill(value);
      await this.#page.waitForTimeout(100);
    }
    await this.accept();
  }

  /** Leaves the box without an answer. */
  async cancel(): Promise<void> {
    await this.#page.keyboard.press('Escape');
    await this.closed();
  }

  /** Waits until nothing is asked any more. */
  async closed(): Promise<void> {
    await this.#box.waitFor({ state: 'hidden' });
  }
}

export const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Text as a reader sees it: plain spaces, none at the ends. */
export const plain = (text: string): string => text.replaceAll('\u00a0', ' ').trim();
