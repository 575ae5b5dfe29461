import { installSuite } from './install.ts';
import { startFixture } from './server.ts';
import { checked, runRequirements, summarize } from './suite.ts';

// `npm run conformance`: both requirement sets against the fixture; what fails or warns, and a line of counts for each set at the end.

await installSuite();
const lines: string[] = [];
await using server = await startFixture();
for (const revision of ['2025-11-25', '2026-07-28']) {
  const outcomes = await runRequirements(revision, server.url);
  for (const { scenario, problems, passed } of checked(outcomes)) {
    if (passed) continue;
    process.exitCode = 1;
    process.stdout.write(`${revision} ${scenario}\n${problems.map(problem => `  ${problem}\n`).join('')}`);
  }
  lines.push(summarize(revision, outcomes));
}
process.stdout.write(`${lines.join('\n')}\n`);
