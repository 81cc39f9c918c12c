import { type ComponentChild, options, render } from 'preact';

// However many messages come between two pictures on the screen, the view is drawn once.
options.debounceRendering = (draw) => requestAnimationFrame(() => draw());

/** Shows a view on its page. */
export const mount = (view: ComponentChild): void => render(view, document.getElementById('root')!);
