import { nobody, type Prompter } from '../hosts/prompter.ts';

export const terminalPrompter: Prompter = nobody;
