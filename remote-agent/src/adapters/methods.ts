import { ParaError } from '../common/errors.ts';
import { lora } from './lora.ts';
import type { Method, MethodName } from './method.ts';
import { para } from './para.ts';

const methods: Readonly<Record<MethodName, Method>> = { para, lora };

/** All method names, in the order in which they are offered. */
export const methodNames = Object.keys(methods) as MethodName[];

/** The method of that name. @throws ParaError `settings` for an unknown one */
export function methodByName(name: string): Method {
  const found = Object.hasOwn(methods, name) ? methods[name as MethodName] : undefined;
  if (!found)
    throw new ParaError('settings', `There is no method "${name}"`, {
      where: 'method',
      hint: `choose one of: ${methodNames.join(', ')}`,
    });
  return found;
}
