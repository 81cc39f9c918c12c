// `npm run chaos [-- --faults N --seed S --only KIND]`: runs the campaign and writes its summary to docs/chaos.md.
import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkout } from '../hosts/agent-host.ts';
import { campaign, type Report } from './campaign.ts';
import { type FaultName, faults } from './faults.ts';

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});

function page({ seed, jobs, leftOut }: Report): string {
  const all = jobs.flatMap((job) => job.faults);
  const problems = jobs.flatMap((job, i) => job.problems.map((p) => `job ${i + 1}: ${p}`));
  const row = (name: FaultName) => {
    const hit = jobs.filter((job) => job.faults.includes(name));
    const count = all.filter((other) => other === name).length;
    return `| ${name} | ${count} | ${hit.filter((job) => job.problems.length > 0).length} |`;
  };
  const jobRow = (job: Report['jobs'][number], i: number) =>
    `| ${i + 1} | ${job.transport} | ${job.faults.length} | ${job.resumes} | ${job.events} | ${job.seconds.toFixed(0)} | ${job.problems.length === 0 ? 'yes' : 'no'} |`;
  return `# What was done to running jobs
\`npm run chaos\` trains small jobs on a real SSH server over 127.0.0.1 and disturbs each several times at random moments: seeded (the choice of faults and moments; what they hit depends on the machine's own pace), with a link that can break in between, a disk of the host's own and a boot of its own. A fault counts when it hit something while the job ran. After each job:
- the client has every event once, numbers 1 to n, the same as the host's log;
- the job has ended, and its adapter, there and here, has the bytes of a run that nobody disturbed;
- no process of the host is left, and no temporary file, half file or lock, there or here.

Last run: ${new Date().toISOString().slice(0, 10)}, seed ${seed}, Node ${process.versions.node}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown processor'}, Linux ${release()}. **${all.length} faults in ${jobs.length} jobs; ${problems.length === 0 ? 'all of the above held after each' : `${problems.length} problems`}.**

| fault | times | jobs it was in where something did not hold |
|---|---|---|
${(Object.keys(faults) as FaultName[]).map(row).join('\n')}
${[...leftOut.map((why) => `\nLeft out: ${why}.`), ...problems.map((p) => `\n- ${p}`)].join('')}
| job | transport | faults | starts again | events | seconds | all held |
|---|---|---|---|---|---|---|
${jobs.map(jobRow).join('\n')}
`;
}

const report = await campaign(
  fileURLToPath(new URL('./client.mjs', import.meta.url)),
  Number(values.faults),
  Number(values.seed),
  (line, soFar) => {
    console.log(line);
    // A campaign of one kind is for looking into that kind. One that is cut off leaves what it has found.
    if (!values.only) writeFileSync(join(checkout, 'docs/chaos.md'), page(soFar));
  },
  values.only,
);
process.exitCode = report.jobs.some((job) => job.problems.length > 0) ? 1 : 0;
