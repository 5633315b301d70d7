// `npm run boundaries`: prints each violation of the boundary rules and fails if there is one, or if nothing was read.
import { cruiseBoundaries, describeViolation } from './cruise.ts';
import { REPOSITORY_ROOT } from './repository-root.ts';

const { modulesCruised, violations } = await cruiseBoundaries(REPOSITORY_ROOT);
for (const violation of violations) process.stdout.write(`${describeViolation(violation)}\n`);
process.stdout.write(`${String(modulesCruised)} modules, ${String(violations.length)} violations of the boundaries\n`);
process.exitCode = violations.length > 0 || modulesCruised === 0 ? 1 : 0;
