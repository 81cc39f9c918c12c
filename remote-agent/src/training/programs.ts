import { fileURLToPath } from 'node:url';

/** Bundles of the threads that work beside a trainer's: each is started where it is worth it. */
export interface TrainPrograms {
  readonly noise?: string;
  readonly optimizer?: string;
}

/** Those that lie beside a bundle. @param bundle its `import.meta.url` */
export function programsBeside(bundle: string): Required<TrainPrograms> {
  const beside = (name: string) => fileURLToPath(new URL(`./${name}.js`, bundle));
  return { noise: beside('noise-worker'), optimizer: beside('optimizer-worker') };
}
