import { Type } from '@sinclair/typebox';
import { BaseName } from '../names.ts';
import { Nothing, type Requests, Text } from './parts.ts';

export const baseRequests = {
  'bases/list': {
    about: 'Bases registered on the host, with the hashes of their content.',
    repeatable: true,
    params: Nothing,
    result: Type.Object({ bases: Type.Array(Type.Object({ name: BaseName, hash: Text })) }),
  },
} as const satisfies Requests;
