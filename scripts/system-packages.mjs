// What the tests need of the system beside Node: installed where this may be done, said loudly where not.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** Debian packages, and a file of each that shows that it is there. */
const wanted = [
  ['openssh-client', ['/usr/bin/ssh', '/usr/bin/ssh-keygen', '/usr/bin/ssh-agent']],
  ['openssh-server', ['/usr/sbin/sshd']],
  ['libpam-oath', ['/usr/share/doc/libpam-oath/copyright', '/lib/x86_64-linux-gnu/security/pam_oath.so']],
  ['oathtool', ['/usr/bin/oathtool']],
  // A folder of another machine.
  ['sshfs', ['/usr/bin/sshfs']],
  // Login shells that lines for a host have to be right for.
  ['zsh', ['/usr/bin/zsh', '/bin/zsh']],
  ['fish', ['/usr/bin/fish']],
  ['tcsh', ['/usr/bin/tcsh', '/bin/tcsh']],
];
const missing = () =>
  wanted.filter(([, files]) => !files.some((file) => existsSync(file))).map(([name]) => name);

/** Installs through apt-get as root; returns the names of packages that are still missing. */
export function systemPackages() {
  const names = missing();
  if (names.length === 0) return [];
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (mayInstall) install(names);
  const left = missing();
  if (left.length > 0) {
    const why = mayInstall ? 'apt-get could not install them' : 'only root may install them, with apt-get';
    console.error(
      `\n!!! Missing on this machine: ${left.join(', ')} (${why}).\n` +
        `!!! What is tested against a real SSH server and real shells is not without them${process.env.CI ? ': that is a failure here' : ''}.\n` +
        `!!! To install: apt-get install ${left.join(' ')}\n`,
    );
  }
  return left;
}

/** Debian's openssh-server starts a server of its own and enables it; here the tests alone start one. */
function install(names) {
  const policy = '/usr/sbin/policy-rc.d';
  const ours = !existsSync(policy);
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const apt = (...args) =>
      spawnSync('apt-get', ['-qq', ...args], {
        stdio: ['ignore', 'ignore', 'inherit'],
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      }).status === 0;
    console.log(`Installing ${names.join(', ')} ...`);
    const get = () => apt('install', '--yes', '--no-install-recommends', ...names);
    if (!get() && apt('update')) get();
    if (names.includes('openssh-server') && existsSync('/usr/bin/systemctl'))
      spawnSync('systemctl', ['disable', 'ssh.service', 'ssh.socket'], { stdio: 'ignore' });
  } finally {
    if (ours) rmSync(policy, { force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href)
  process.exitCode = systemPackages().length > 0 && process.env.CI ? 1 : 0;
