// What the tests need of the system beside Node: installed where this may be done, said loudly where not.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** What is not tested where packages of a list are missing. */
const uses = {
  hosts: 'what is tested against a real SSH server and real shells',
  editor: 'what is tested in the real VS Code',
};

/** Debian packages, files of each that show that it is there, and what needs it. */
const wanted = [
  ['openssh-client', ['/usr/bin/ssh', '/usr/bin/ssh-keygen', '/usr/bin/ssh-agent'], uses.hosts],
  ['openssh-server', ['/usr/sbin/sshd'], uses.hosts],
  [
    'libpam-oath',
    ['/usr/share/doc/libpam-oath/copyright', '/lib/x86_64-linux-gnu/security/pam_oath.so'],
    uses.hosts,
  ],
  ['oathtool', ['/usr/bin/oathtool'], uses.hosts],
  // A folder of another machine.
  ['sshfs', ['/usr/bin/sshfs'], uses.hosts],
  // Login shells that lines for a host have to be right for.
  ['zsh', ['/usr/bin/zsh', '/bin/zsh'], uses.hosts],
  ['fish', ['/usr/bin/fish'], uses.hosts],
  ['tcsh', ['/usr/bin/tcsh', '/bin/tcsh'], uses.hosts],
  // The editor's window, the letters in it, and what its native packages are built with.
  ['chromium', ['/usr/bin/chromium'], uses.editor],
  ['fonts-dejavu-core', ['/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf'], uses.editor],
  ['g++', ['/usr/bin/g++'], uses.editor],
  ['make', ['/usr/bin/make'], uses.editor],
  ['python3', ['/usr/bin/python3'], uses.editor],
  ['util-linux', ['/usr/bin/flock'], uses.editor],
];
const missing = () => wanted.filter(([, files]) => !files.some((file) => existsSync(file)));
const namesOf = (packages) => packages.map(([name]) => name);

/** Installs through apt-get as root; returns the names of packages that are still missing. */
export function systemPackages() {
  const before = missing();
  if (before.length === 0) return [];
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (mayInstall) install(namesOf(before));
  const left = missing();
  const names = namesOf(left);
  if (left.length > 0) {
    const why = mayInstall ? 'apt-get could not install them' : 'only root may install them, with apt-get';
    const parts = [...new Set(left.map(([, , use]) => use))].join(' and ');
    console.error(
      `\n!!! Missing on this machine: ${names.join(', ')} (${why}).\n` +
        `!!! Left out without them: ${parts}${process.env.CI ? ': that is a failure here' : ''}.\n` +
        `!!! To install: apt-get install ${names.join(' ')}\n`,
    );
  }
  return names;
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
