import type { Locator, Page } from 'playwright-core';
import { plain, type QuickInput } from './input.ts';

/** Notifications at the lower right. */
export class Notices {
  readonly #page: Page;
  readonly #input: QuickInput;

  constructor(page: Page, input: QuickInput) {
    this.#page = page;
    this.#input = input;
  }

  #toast(text: string | RegExp): Locator {
    return this.#page
      .locator('.notifications-toasts .notification-toast')
      .filter({ has: this.#page.locator('.notification-list-item-message', { hasText: text }) })
      .first();
  }

  /** Waits for a notification and returns all that it says: it may be out of sight again by now. */
  async wait(text: string | RegExp, timeout = 30_000): Promise<string> {
    const unread = this.#bell.locator('.codicon-bell-dot');
    const message = this.#toast(text).locator('.notification-list-item-message');
    const begun = Date.now();
    for (; Date.now() - begun < timeout; await this.#page.waitForTimeout(200)) {
      if (await message.isVisible()) return plain(await message.innerText());
      // Toasts stay for longer than this: others are left where they are meanwhile.
      if (Date.now() - begun < 10_000 || !(await unread.isVisible())) continue;
      await this.#bell.click();
      const kept = this.#kept(text).locator('.notification-list-item-message');
      const said = (await kept.isVisible()) ? plain(await kept.innerText()) : undefined;
      await this.#bell.click();
      if (said !== undefined) return said;
    }
    await message.waitFor({ timeout: 1000 });
    return plain(await message.innerText());
  }

  get #bell(): Locator {
    return this.#page.locator('.statusbar-item[id="status.notifications"]');
  }

  /** One of the list of all. */
  #kept(text: string | RegExp): Locator {
    const all = this.#page.locator('.notifications-center .notification-list-item');
    return all.filter({ hasText: text }).first();
  }

  /** Presses a button of a notification, in the list of all where it is out of sight again. */
  async press(text: string | RegExp, button: string): Promise<void> {
    const at = (notice: Locator) => notice.getByRole('button', { name: button, exact: true });
    try {
      await at(this.#toast(text)).click({ timeout: 10_000 });
    } catch {
      await this.#bell.click();
      await at(this.#kept(text)).click();
    }
  }

  /** Puts all notifications away: they would lie over what is to be seen. */
  async clear(): Promise<void> {
    if ((await this.all()).length > 0) await this.#input.run('Notifications: Clear All Notifications');
    await this.gone();
  }

  /** Waits until none is in sight any more; how far work is stays for a moment after its end. */
  async gone(): Promise<void> {
    const toasts = this.#page.locator('.notifications-toasts .notification-toast');
    await toasts.first().waitFor({ state: 'hidden' });
  }

  /** Messages in sight now. */
  async all(): Promise<string[]> {
    const found = this.#page.locator('.notifications-toasts .notification-list-item-message');
    return (await found.allInnerTexts()).map(plain);
  }
}

/** Modal dialogs, which have to be answered before anything else. */
export class Dialogs {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  get #box(): Locator {
    return this.#page.locator('.monaco-dialog-box');
  }

  /** Waits for a dialog and returns its message and detail. */
  async text(): Promise<string> {
    return plain(await this.#box.locator('.dialog-message-container').innerText());
  }

  async buttons(): Promise<string[]> {
    await this.#box.waitFor();
    return (await this.#box.locator('.dialog-buttons .monaco-button').allInnerTexts()).map(plain);
  }

  async press(button: string): Promise<void> {
    await this.#box.locator('.dialog-buttons').getByRole('button', { name: button, exact: true }).click();
    await this.#box.waitFor({ state: 'hidden' });
  }

  /** Tries to leave it with Escape; whether it went, and did not come again. */
  async wave(): Promise<boolean> {
    await this.#box.waitFor();
    await this.#page.keyboard.press('Escape');
    await this.#page.waitForTimeout(300);
    return this.#box.waitFor({ timeout: 5000 }).then(
      () => false,
      () => true,
    );
  }
}
