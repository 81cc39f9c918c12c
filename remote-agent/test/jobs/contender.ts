// One of several processes that want the same lock: `contender LOCK TURNS`. Whoever holds it is alone in the room, or
// says so; now and then one is killed while it holds the lock.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { takeLock } from '../../src/jobs/lock.ts';

const [lock, turns] = process.argv.slice(2);
const room = `${lock}-room`;
for (let turn = 0; turn < Number(turns); ) {
  let unlock: () => void;
  try {
    unlock = takeLock(lock!);
  } catch {
    await new Promise((resume) => setTimeout(resume, Math.random()));
    continue;
  }
  try {
    writeFileSync(room, String(process.pid), { flag: 'wx' });
  } catch {
    console.log(`${process.pid} met ${readFileSync(room, 'utf8')}`);
    process.exit(3);
  }
  turn++;
  if (Math.random() < 0.5) await new Promise((resume) => setTimeout(resume, Math.random() * 2));
  rmSync(room);
  if (Math.random() < 0.3) process.kill(process.pid, 'SIGKILL');
  unlock();
}
