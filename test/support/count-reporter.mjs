/** Says loudly which services were missing, and closes with the counts alone on a line. */
export default class CountReporter {
  onRunComplete(_contexts, results) {
    const skipped = results.testResults.flatMap((file) =>
      file.testResults.filter((test) => test.status === 'pending').map((test) => test.fullName),
    );
    if (skipped.length > 0) {
      process.stderr.write(
        `\n!!! SKIPPED ${skipped.length} tests (REQUIRE_SERVICES=1 makes this a failure):\n`,
      );
      for (const name of skipped) process.stderr.write(`!!!   ${name}\n`);
    }
    const { numPassedTests, numFailedTests, numFailedTestSuites, numPendingTests } = results;
    const broken = results.testResults.filter((file) => file.testExecError).length;
    process.stdout.write(
      `${numPassedTests} passed, ${numFailedTests + Math.min(broken, numFailedTestSuites)} failed, ${numPendingTests} skipped\n`,
    );
  }
}
