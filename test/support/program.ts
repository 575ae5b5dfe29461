import { accessSync, constants } from 'node:fs';
import type { TestContext } from 'vitest';
import { describe, it } from 'vitest';

/** A program that some tests need, from a package of Debian. */
interface Program {
  /** Where the package puts it. */
  readonly path: string;
  readonly debianPackage: string;
}

/** A suite that needs a program. Where that is not installed, a single test says so in place of the suite, and fails where `CI` is set. */
export function describeWith(program: Program, title: string, body: () => void): void {
  const problem = problemOf(program);
  describe(title, () => {
    if (problem === undefined) body();
    else it(`has ${program.path}`, test => requireProgram(problem, test));
  });
}

function problemOf({ path, debianPackage }: Program): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    return undefined;
  } catch {
    return `There is no ${path}: install Debian's ${debianPackage}`;
  }
}

function requireProgram(problem: string, test: TestContext): void {
  if (process.env['CI']) throw new Error(problem);
  test.skip(problem);
}
