import { checkBase } from '../diffusion/base-check.ts';
import { importBase, listBases } from '../diffusion/base-import.ts';
import { bold, bytes, green, red, say } from './output.ts';

/** `para base list`. */
export function baseListCommand(): void {
  for (const { name, bytes: size, base, problem } of listBases())
    say(
      base
        ? `${name.padEnd(24)} ${base.architecture.padEnd(5)} ${`${base.width}x${base.height}`.padEnd(10)} ${bytes(size).padStart(9)}  ${base.hash.slice(0, 12)}`
        : `${name.padEnd(24)} ${red(problem ?? 'unreadable')}`,
    );
}

/** `para base import PATH [--name NAME]`. */
export function baseImportCommand(path: string, name: string | undefined): void {
  const base = importBase(path, name);
  say(`${green('imported')} ${base.name}  ${base.directory}`);
}

/** `para base check NAME|PATH`: what every part is, and what does not work; returns the exit code. */
export async function baseCheckCommand(nameOrPath: string): Promise<number> {
  const { base, parts, layers, memory, problems, name, hash } = await checkBase(nameOrPath);
  say(bold(`${name}  ${base?.architecture ?? 'unknown architecture'}  ${hash?.slice(0, 12) ?? ''}`));
  if (base)
    say(
      `pictures ${base.width}x${base.height} in steps of ${base.sizeStep}; latents ${base.latentChannels} channels, 1/${base.vaeFactor} size, scale ${base.scalingFactor}; ${base.predictionType}; tokens ${base.textEncoders.map((e) => e.tokens).join(', ')}`,
    );
  for (const part of parts) {
    const ports = (list: typeof part.inputs) =>
      list.map((p) => `${p.name} ${p.type}[${p.dims.map((d) => d ?? '?').join(',')}]`).join('  ');
    say(
      `\n${bold(part.name)}  ${bytes(part.bytes)}, ${part.parameters} parameters as ${part.precision.join(', ')}, opset ${part.opset}, ${part.exporter}`,
    );
    say(`  in   ${ports(part.inputs)}`);
    say(`  out  ${ports(part.outputs)}`);
    for (const note of part.notes) say(`  note ${note}`);
  }
  if (layers) {
    say(`\nadaptable layers: ${layers.linear} linear, ${layers.conv} convolutions`);
    for (const [preset, count] of Object.entries(layers.presets)) say(`  ${preset.padEnd(14)} ${count}`);
    if (layers.unnamed.length > 0) say(`  without a name: ${layers.unnamed.length}`);
  }
  if (memory) {
    const { generation, training, leanTraining, unetWeights } = memory;
    const trained =
      training && leanTraining ? `, training ${bytes(training)} (lean: ${bytes(leanTraining)})` : '';
    say(
      `\nestimated memory: generation ${bytes(generation)}${trained}; U-Net weights are ${bytes(unetWeights)} of it`,
    );
  }
  for (const { part, what, hint, prevents } of problems)
    say(
      `\n${red('problem')} in ${part}: ${what} (prevents ${prevents})${hint ? `\n  what to do: ${hint}` : ''}`,
    );
  if (problems.length === 0) say(`\n${green('everything works')}`);
  return problems.length === 0 ? 0 : 1;
}
