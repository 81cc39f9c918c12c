import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { peftFiles } from '../adapters/import.ts';
import { ParaError } from '../common/errors.ts';
import { nearWords } from '../common/nearest.ts';
import { adaptersFolder } from '../diffusion/base-places.ts';
import { jobFiles, listRuns } from '../jobs/job.ts';

const ending = '.safetensors';

/**
 * The adapter file (or PEFT folder) that a name or path stands for. First that exists of: the path itself, from
 * `directory`; NAME or NAME.safetensors in `$PARA_HOME/adapters`; the run of this name; the newest run of a subject of
 * this name that has an adapter. The folder of a run stands for its adapter; `.safetensors` may be left out.
 * @param where the place that names it, for messages
 * @throws ParaError `adapter` with the names that are near
 */
export function findAdapter(name: string, directory: string, where?: string): string {
  for (const folder of [directory, adaptersFolder()])
    for (const path of [resolve(folder, name), resolve(folder, `${name}${ending}`)])
      if (isAdapter(path)) return adapterOf(path);
  const runs = listRuns().filter((run) => existsSync(jobFiles(run.directory).adapter));
  const run = runs.find(({ id }) => id === name) ?? runs.find(({ spec }) => spec.subject === name);
  if (run) return jobFiles(run.directory).adapter;
  const known = [
    ...new Set([...adapterNames(), ...runs.flatMap(({ id, spec }) => [spec.subject, id])].sort()),
  ];
  const near = nearWords(name, known).slice(0, 5);
  throw new ParaError('adapter', `There is no adapter "${name}"`, {
    where: where ?? resolve(directory, name),
    hint:
      near.length > 0
        ? `near to it: ${near.join(', ')}`
        : `give a file, a run's folder, or a name of "para runs" or in ${adaptersFolder()}`,
  });
}

/** A file, the folder of a run that has an adapter, or a PEFT folder; other folders only happen to have the name. */
function isAdapter(path: string): boolean {
  if (!existsSync(path)) return false;
  if (!statSync(path).isDirectory()) return true;
  return existsSync(jobFiles(path).spec) || existsSync(join(path, peftFiles[0]));
}

const adapterOf = (path: string) => (existsSync(jobFiles(path).spec) ? jobFiles(path).adapter : path);

function adapterNames(): string[] {
  if (!existsSync(adaptersFolder())) return [];
  return readdirSync(adaptersFolder())
    .filter((name) => !name.startsWith('.') && isAdapter(join(adaptersFolder(), name)))
    .map((name) => basename(name, ending));
}

/** What a person calls this adapter file: the name of its run's folder, or its own. */
export function adapterName(file: string): string {
  const folder = dirname(file);
  return basename(
    existsSync(jobFiles(folder).spec) && jobFiles(folder).adapter === file ? folder : file,
    ending,
  );
}
