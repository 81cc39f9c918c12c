import { type Command, Option } from 'commander';

/** Adds `para host ...` to the program. */
export function addHostCommands(program: Command): void {
  const host = program.command('host').description('machines that train and draw for you, over SSH');
  host
    .command('add')
    .description(
      'name a host: user@host[:port], the ssh command that a provider prints, or a Host of ~/.ssh/config',
    )
    .argument('<name>', 'name to give it')
    .argument('[target]', 'where it is (default: the name, as in ~/.ssh/config)')
    .addOption(
      new Option('--transport <kind>', 'how to reach it (default: ssh2)').choices([
        'ssh2',
        'openssh',
        'local',
      ]),
    )
    .option('--root <dir>', 'folder on the host for everything (default: .para-studio in the home there)')
    .option('--replace', 'a host of this name gives way; its runs stay')
    .action(async (name, target, options) =>
      (await import('./host.ts')).hostAddCommand(name, target, options),
    );
  host
    .command('list')
    .description('list the hosts')
    .action(async () => (await import('./host.ts')).hostListCommand());
  registryOptions(host.command('check').description('what a host is, and what it lacks'))
    .argument('<name>')
    .action(async (name, options) => {
      process.exitCode = await (await import('./host.ts')).hostCheckCommand(name, options);
    });
  registryOptions(host.command('install').description('install the agent on a host, or bring it up to date'))
    .argument('<name>')
    .option('--no-fetch', 'send everything from here; the host asks no registry')
    .addOption(
      new Option('--runtime <kind>', 'instead of what fits the GPU and its driver').choices([
        'cpu',
        'cuda13',
        'cuda12',
        'default',
      ]),
    )
    .action(async (name, options) => (await import('./host.ts')).hostInstallCommand(name, options));
  host
    .command('diagnose')
    .description('what helps to find out what is wrong on a host, without secrets')
    .argument('<name>')
    .action(async (name) => (await import('./host.ts')).hostDiagnoseCommand(name));
  host
    .command('uninstall')
    .description("remove the agent's folder on a host")
    .argument('<name>')
    .option('--yes', 'without asking, though jobs and their results are there')
    .action(async (name, options) => {
      process.exitCode = await (await import('./host.ts')).hostUninstallCommand(name, options);
    });
  host
    .command('remove')
    .description('forget a host; what is installed there stays')
    .argument('<name>')
    .action(async (name) => (await import('./host.ts')).hostRemoveCommand(name));
}

const registryOptions = (command: Command): Command =>
  command
    .option('--npm-registry <url>', "registry of Node's packages (default: as npm is configured)")
    .option('--pypi <url>', "index of CUDA's wheels (default: as pip is configured)")
    .option('--proxy <url>', 'proxy for the host to fetch through')
    .addHelpText('after', '\nInstalling remembers these for the host; the value "default" takes one back.');
