import { Command, InvalidArgumentError, Option } from 'commander';
import { ParaError } from '../common/errors.ts';
import { defaultBase } from '../subject/name.ts';
import { addHostCommands } from './host-commands.ts';
import { red } from './output.ts';

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('must be a whole number from 0');
  return value;
};
const real = (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('must be a number');
  return value;
};
const collect = (value: string, list: string[]) => [...list, value];

const device = () =>
  new Option('--device <name>', 'where to compute; auto: a GPU that is worth it, else the processor').choices(
    ['auto', 'cpu', 'cuda', 'webgpu'],
  );
const precision = () =>
  new Option(
    '--precision <name>',
    'what the U-Net is computed in; auto: f16 on CUDA for bases that are stored in half precision, else f32',
  ).choices(['auto', 'f32', 'f16']);
const bring = () =>
  new Option('--bring <what>', 'with --host: checkpoints that come home').choices(['last', 'best', 'all']);

const program = new Command('para')
  .description('Personalise text-to-image models with PaRa and LoRA')
  .version('0.1.0')
  .showSuggestionAfterError();

program
  .command('train')
  .description('train a subject, or resume a run')
  .argument('[file]', 'subject file, NAME.para.json')
  .option('--resume <run>', 'continue a run: its folder or its name')
  .addOption(new Option('--method <name>', 'what to train').choices(['para', 'lora', 'both']))
  .option('--steps <n>', 'updates to make', whole)
  .option('--out <dir>', 'folder of the run')
  .addOption(
    new Option('--memory <mode>', 'lean: less memory, slower (default: as the subject file says)').choices([
      'auto',
      'fast',
      'lean',
    ]),
  )
  .addOption(device())
  .option('--continue-schedule', 'with --resume --steps: stretch a falling learning rate')
  .option('--host <name>', 'train on this host')
  .addOption(bring())
  .option('--detach', 'with --host: do not watch the run')
  .option('--json', 'events as JSON lines')
  .action(async (file, options) => {
    const { trainCommand } = await import('./train.ts');
    process.exitCode = await trainCommand(file, options);
  });

program
  .command('generate')
  .description('draw pictures')
  .option('--base <base>', 'base model, name or path', defaultBase)
  .option('--prompt <text>', 'what to draw')
  .option('--negative <text>', 'what to avoid')
  .option('--adapter <file[:strength]>', 'adapter file or run; may be given again', collect, [])
  .option('--seed <n>', 'seed of the noise', whole, 0)
  .option('--steps <n>', 'denoising steps', whole, 30)
  .option('--guidance <x>', 'guidance scale', real, 5)
  .option('--scheduler <name>', 'sampler', 'ddim')
  .option('--size <WxH>', "pixels (default: the base's own)")
  .option('--count <n>', 'how many pictures', whole, 1)
  .option('--from <png>', 'repeat the picture of this file')
  .addOption(precision())
  .addOption(device())
  .requiredOption('--out <file>', 'PNG file to write')
  .option('--force', 'write over an existing file')
  .option('--host <name>', 'draw on this host, with a base that it has')
  .action(async (options) => (await import('./generate.ts')).generateCommand(options));

program
  .command('compare')
  .description('draw prompts with the base and several adapters, side by side')
  .argument('<adapters...>', 'runs or adapter files')
  .requiredOption('--prompts <file>', 'prompt file, one a line')
  .requiredOption('--out <png>', 'sheet to write')
  .option('--base <base>', 'base model, name or path', defaultBase)
  .option('--force', 'write over an existing file')
  .addOption(device())
  .option('--host <name>', 'draw on this host, with a base that it has')
  .action(async (adapters, options) =>
    (await import('./compare-command.ts')).compareCommand(adapters, options),
  );

program
  .command('export')
  .description("write an adapter in another tool's layout")
  .argument('<adapter>', 'adapter file or run')
  .requiredOption('--format <layout>', 'peft, diffusers or kohya')
  .option('--as <method>', 'lora: write PaRa as the LoRA that equals it on its base')
  .option('--names <style>', 'kohya: ldm or diffusers layer names')
  .option('--base <base>', 'base model, name or path', defaultBase)
  .requiredOption('--out <path>', 'file (peft: folder) to write')
  .option('--host <name>', 'use a base of this host; the adapter may be the id of a run there')
  .action(async (adapter, options) =>
    (await import('./adapter-commands.ts')).exportCommand(adapter, options),
  );

program
  .command('import')
  .description('take a LoRA file or PEFT folder of another tool')
  .argument('<path>', 'safetensors file or PEFT folder')
  .option('--base <base>', 'base model, name or path', defaultBase)
  .requiredOption('--out <file>', 'adapter file to write')
  .option('--force', 'write over an existing file')
  .action(async (path, options) => (await import('./adapter-commands.ts')).importCommand(path, options));

program
  .command('inspect')
  .description('print what an adapter or a picture says about itself')
  .argument('<file>', 'adapter of any layout, run, or PNG')
  .option('--base <base>', 'base model, name or path', defaultBase)
  .action(async (path, options) => (await import('./adapter-commands.ts')).inspectCommand(path, options));

const base = program.command('base').description('base models');
base
  .command('list')
  .description('list the bases that have a name')
  .option('--host <name>', 'those of this host')
  .action(async (options) => (await import('./base.ts')).baseListCommand(options));
base
  .command('import')
  .description('take a base into your own folder, or to a host')
  .argument(
    '<place>',
    'a .safetensors checkpoint, a folder of diffusers or of an exported model, the https address of a checkpoint or of an archive, or OWNER/NAME of a hub',
  )
  .option('--name <name>', "name to give it (default: its file's or folder's)")
  .option('--vae <file>', 'for a checkpoint: a .safetensors file with the VAE to take instead of its own')
  .option('--text-encoders <base>', 'for a checkpoint: a base whose text encoders to take instead of its own')
  .addOption(
    new Option('--prediction <kind>', 'for a checkpoint that does not tell what it predicts').choices([
      'epsilon',
      'v',
    ]),
  )
  .option(
    '--zero-terminal-snr',
    'for a checkpoint that does not tell that its last timestep is without signal',
  )
  .option('--endpoint <url>', 'hub to ask (default: $PARA_HUB_ENDPOINT, else huggingface.co)')
  .option('--revision <name>', 'branch, tag or commit on the hub')
  .option(
    '--host <name>',
    'take it to this host: a checkpoint or folder from here, or what the host fetches itself',
  )
  .option('--there', 'with --host: the file or folder lies on the host')
  .action(async (place, options) => (await import('./base.ts')).baseImportCommand(place, options));
base
  .command('check')
  .description('load every part of a base and report')
  .argument('<base>', 'name or path; with --host a name there')
  .option(
    '--full',
    'read every byte of a checkpoint too: was it changed, and which hashes do other tools know it by',
  )
  .option('--host <name>', 'a base of this host')
  .action(async (name, options) => {
    process.exitCode = await (await import('./base.ts')).baseCheckCommand(name, options);
  });
base
  .command('delete')
  .description('take an imported base away again')
  .argument('<name>', 'its name')
  .option('--host <name>', 'a base of this host')
  .action(async (name, options) => (await import('./base.ts')).baseDeleteCommand(name, options));

addHostCommands(program);

program
  .command('devices')
  .description('which devices of this machine compute, and which one "--device auto" takes')
  .option('--again', 'try them anew, whatever was found before')
  .action(async (options) => (await import('./devices.ts')).devicesCommand(options));

program
  .command('runs')
  .description('list the runs')
  .option('--host <name>', 'those that this host knows')
  .action(async (options) => (await import('./show.ts')).runsCommand(options));

program
  .command('show')
  .description('show a run: losses, samples, settings')
  .argument('<run>', 'its folder or name')
  .option('--follow', 'show what happens until its end')
  .option('--host <name>', 'a run of this host, wherever it was started')
  .option('--json', 'with --follow: events as JSON lines')
  .action(async (run, options) => {
    process.exitCode = await (await import('./show.ts')).showCommand(run, options);
  });

program
  .command('resume')
  .description('let a run go on from its saved state')
  .argument('<run>', 'its folder or name')
  .option('--steps <n>', 'go on to this many updates', whole)
  .option('--continue-schedule', 'with --steps: stretch a falling learning rate')
  .option('--host <name>', 'go on on this host ("here": on this machine)')
  .option('--detach', 'on a host: do not watch the run')
  .option('--json', 'events as JSON lines')
  .action(async (run, options) => {
    process.exitCode = await (await import('./resume.ts')).resumeCommand(run, options);
  });

program
  .command('cancel')
  .description('ask a run to save its state and stop')
  .argument('<run>', 'its folder or name; with --host its id there')
  .option('--host <name>', 'a run of this host, wherever it was started')
  .action(async (run, options) => (await import('./manage.ts')).cancelCommand(run, options));

program
  .command('move')
  .description('give a waiting run another place in the queue of its host')
  .argument('<run>', 'its folder or name; with --host its id there')
  .argument('<place>', 'from 1', whole)
  .option('--host <name>', 'a run of this host, wherever it was started')
  .action(async (run, place, options) => (await import('./manage.ts')).moveCommand(run, place, options));

program
  .command('delete')
  .description('delete a run, here and on its host')
  .argument('<run>', 'its folder or name; with --host its id there')
  .option('--host <name>', 'on this host alone; "here": on this machine alone')
  .action(async (run, options) => (await import('./manage.ts')).deleteCommand(run, options));

program
  .command('demo')
  .description('train the sample subject with PaRa and LoRA and compare them')
  .option('--out <dir>', 'folder for everything it makes', 'demo')
  .option('--subject <file>', 'subject file', 'examples/dog/dog.para.json')
  .action(async (options) => {
    const { demoCommand } = await import('./demo.ts');
    process.exitCode = await demoCommand(options);
  });

// A reader such as `head` may leave early: that is no failure of ours.
process.stdout.on('error', (cause: NodeJS.ErrnoException) => {
  if (cause.code === 'EPIPE') process.exit(0);
  throw cause;
});

try {
  await program.parseAsync();
} catch (cause) {
  if (cause instanceof ParaError) console.error(`${red('error')} ${cause.describe()}`);
  else console.error(cause);
  process.exitCode = 1;
}
