import type { Locator, Page } from 'playwright-core';
import { escaped, plain, type QuickInput } from './input.ts';

/** Views of the sidebar: trees, their actions, and what they say when they are empty. */
export class Views {
  readonly #page: Page;
  readonly #input: QuickInput;

  constructor(page: Page, input: QuickInput) {
    this.#page = page;
    this.#input = input;
  }

  /** Shows a container of the activity bar ("PaRa Studio"); its icon would hide one that is shown already. */
  async open(container: string): Promise<void> {
    await this.#input.run(`View: Show ${container}`);
    await this.#page
      .locator('.sidebar .composite.title h2', { hasText: new RegExp(`^${escaped(container)}`, 'i') })
      .waitFor();
  }

  /** Titles of the views of the container that is open. */
  async titles(): Promise<string[]> {
    return (await this.#page.locator('.sidebar .pane-header h3.title').allInnerTexts()).map(plain);
  }

  /** A view, unfolded. */
  async view(title: string): Promise<Locator> {
    const own = new RegExp(`^\\s*${escaped(title)}\\s*$`, 'i');
    const pane = this.#page.locator('.sidebar .pane', {
      has: this.#page.locator('.pane-header h3.title', { hasText: own }),
    });
    const header = pane.locator('.pane-header');
    if ((await header.getAttribute('aria-expanded')) === 'false') await header.click();
    return pane;
  }

  /** Rows in sight as "label | description". */
  async rows(view: string): Promise<string[]> {
    const rows = (await this.view(view)).locator('.monaco-list-row');
    // At one moment: a row that goes while others are read would be waited for.
    const texts = await rows.evaluateAll((all) =>
      all.map((row) =>
        ['.label-name', '.label-description'].map(
          (part) => row.querySelector<HTMLElement>(part)?.innerText ?? '',
        ),
      ),
    );
    return texts.map((parts) =>
      parts
        .map(plain)
        .filter((part) => part !== '')
        .join(' | '),
    );
  }

  /** The row of an entry, whose label is or matches this. */
  async row(view: string, label: string | RegExp): Promise<Locator> {
    const own = typeof label === 'string' ? new RegExp(`^\\s*${escaped(label)}\\s*$`) : label;
    const pane = await this.view(view);
    return pane
      .locator('.monaco-list-row')
      .filter({ has: this.#page.locator('.label-name', { hasText: own }) })
      .first();
  }

  async click(view: string, label: string | RegExp): Promise<void> {
    await (await this.row(view, label)).click();
  }

  /** Presses an icon that a row shows under the mouse. */
  async action(view: string, label: string | RegExp, title: string): Promise<void> {
    const row = await this.row(view, label);
    await row.hover();
    await row.locator(`.actions a.action-label[aria-label^="${title}"]`).click();
  }

  /** Drags an entry to a place in the window. */
  async drag(view: string, label: string | RegExp, { x, y }: { x: number; y: number }): Promise<void> {
    await (await this.row(view, label)).hover();
    const { mouse } = this.#page;
    await mouse.down();
    // What is dragged over is told of it by moves, the last of which is where it lands.
    await mouse.move(x - 40, y, { steps: 8 });
    await mouse.move(x, y, { steps: 8 });
    await this.#page.waitForTimeout(300);
    await mouse.up();
  }

  /** Takes an entry of a row's context menu. */
  async menu(view: string, label: string | RegExp, entry: string): Promise<void> {
    await (await this.row(view, label)).click({ button: 'right' });
    await chooseInMenu(this.#page, entry);
  }

  /** What is said of an entry while the mouse rests on it. */
  async tooltip(view: string, label: string | RegExp): Promise<Locator> {
    await (await this.row(view, label)).hover();
    const tooltip = this.#page.locator('.workbench-hover:visible, .monaco-hover:visible').last();
    await tooltip.waitFor();
    return tooltip;
  }

  /** Presses an icon in a view's title. */
  async titleAction(view: string, title: string): Promise<void> {
    const pane = await this.view(view);
    await pane.locator('.pane-header').hover();
    await pane.locator(`.pane-header .actions a.action-label[aria-label^="${title}"]`).click();
  }

  /** What a view says while it is empty. */
  async welcome(view: string): Promise<Locator> {
    return (await this.view(view)).locator('.welcome-view-content');
  }
}

/** Takes an entry of the menu that is open. */
export async function chooseInMenu(page: Page, entry: string): Promise<void> {
  const item = page.locator('.monaco-menu .action-item', {
    has: page.locator('.action-label', { hasText: new RegExp(`^${escaped(entry)}$`) }),
  });
  await item.waitFor();
  // A menu takes no clicks in the moment it opens: they may be the one that opened it.
  await page.waitForTimeout(300);
  await item.click();
}
