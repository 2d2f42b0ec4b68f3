import { describe, expect, test } from '@jest/globals';
import { errorText, MAX_OUTPUT_BYTES, truncateOutput } from '../../../src/agent/output.ts';

describe('tool output', () => {
  test('short output stays, at the limit too', () => {
    const exact = 'a'.repeat(MAX_OUTPUT_BYTES);

    expect(truncateOutput(exact)).toBe(exact);
  });

  test('cutting a cut output changes nothing', () => {
    const once = truncateOutput('😀'.repeat(50_000));

    expect(Buffer.byteLength(once)).toBeLessThanOrEqual(MAX_OUTPUT_BYTES);
    expect(truncateOutput(once)).toBe(once);
    expect(Buffer.from(once).toString()).toBe(once);
  });

  test('an error keeps its message but neither stack nor paths', () => {
    const error = new Error(
      'cannot open /etc/app/secret.json:3:1\n    at run (file:///srv/app/x.js:1:2)',
    );

    expect(errorText(error)).toBe('cannot open [path]');
    expect(errorText(new Error('GET https://example.org/a/b failed'))).toBe(
      'GET https://example.org/a/b failed',
    );
    expect(errorText(new Error(''))).toBe('It failed without a message.');
    expect(errorText('C:\\app\\x.ts is bad')).toBe('[path] is bad');
  });
});
