import { deepStrictEqual } from 'node:assert/strict';
import { Type } from '@sinclair/typebox';
import { ViewColumn, window } from 'vscode';
import type { Log } from '../../../src/platform/log.ts';
import { ViewServer } from '../../../src/platform/webview/serve.ts';
import type { Tests } from './index.ts';
import { until } from './until.ts';

const contract = {
  requests: {
    double: {
      params: Type.Object({ number: Type.Number() }),
      result: Type.Object({ number: Type.Number() }),
    },
    heard: { params: Type.Object({ answers: Type.Array(Type.Unknown()) }), result: Type.Object({}) },
  },
  notices: {},
};

/** A page that asks what it may and what it may not, and tells what it heard. */
const page = (asked: readonly object[]) => `<script>
  const host = acquireVsCodeApi();
  const answers = [];
  addEventListener('message', ({ data }) => {
    answers.push(data);
    if (answers.length === ${asked.length})
      host.postMessage({ id: 99, request: 'heard', params: { answers } });
  });
  for (const message of ${JSON.stringify(asked)}) host.postMessage(message);
</script>`;

export const tests: Tests = {
  'what a view says is held against its contract: all else is refused, told to the view and logged':
    async () => {
      const logged: string[] = [];
      const nothing = () => {};
      const log: Log = {
        ...{ debug: nothing, info: nothing, warn: nothing, show: nothing },
        error: (message) => logged.push(String(message)),
      };
      let answers: readonly unknown[] | undefined;
      const panel = window.createWebviewPanel('para.test', 'Test', ViewColumn.Active, {
        enableScripts: true,
      });
      const server = new ViewServer(
        panel.webview,
        contract,
        {
          double: ({ number }) => ({ number: 2 * number }),
          heard: (params) => {
            answers = params.answers;
            return {};
          },
        },
        log,
      );
      try {
        panel.webview.html = page([
          { id: 1, request: 'double', params: { number: 21 } },
          { id: 2, request: 'double', params: { number: 'twenty' } },
          { id: 3, request: 'constructor', params: {} },
        ]);
        await until(() => answers);
        const refusal = { failure: 'there is no such request', cancelled: false };
        deepStrictEqual(
          [...answers!].sort((a, b) => (a as { id: number }).id - (b as { id: number }).id),
          [
            { id: 1, result: { number: 42 } },
            { id: 2, failure: '/number: Expected number', cancelled: false },
            { id: 3, ...refusal },
          ],
        );
        deepStrictEqual(logged, [
          'A view asked for "double": /number: Expected number',
          'A view asked for "constructor": there is no such request',
        ]);
      } finally {
        server.dispose();
        panel.dispose();
      }
    },
};
