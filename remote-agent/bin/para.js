#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const bundle = new URL('../dist/para.js', import.meta.url);
if (!existsSync(fileURLToPath(bundle))) {
  console.error('para is not built yet: run "npm run build" in the project folder');
  process.exit(1);
}
await import(bundle.href);
