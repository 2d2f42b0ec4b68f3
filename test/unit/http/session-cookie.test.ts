import { describe, expect, test } from '@jest/globals';
import {
  clearedCookie,
  readSessionCookie,
  sessionCookie,
} from '../../../src/http/session-cookie.ts';

describe('the session cookie', () => {
  test.each([
    [undefined, undefined],
    ['', undefined],
    ['holdfast_session', undefined],
    ['holdfast_session=', undefined],
    ['holdfast_session=a.b-c', 'a.b-c'],
    ['a=1; holdfast_session=x; b=2', 'x'],
    ['a=1;holdfast_session=x', 'x'],
    ['xholdfast_session=x', undefined],
    ['holdfast_session=x==', 'x=='],
    ['holdfast_session=first; holdfast_session=second', 'first'],
    [';;;=;', undefined],
  ])('is read from %j', (header, token) => {
    expect(readSessionCookie(header)).toBe(token);
  });

  test('is Secure only over https, and never lives a negative time', () => {
    expect(sessionCookie('t', { maxAge: -5, secure: true })).toBe(
      'holdfast_session=t; Max-Age=0; Path=/api; HttpOnly; SameSite=Strict; Secure',
    );
    expect(sessionCookie('t', { maxAge: 9, secure: false })).toBe(
      'holdfast_session=t; Max-Age=9; Path=/api; HttpOnly; SameSite=Strict',
    );
  });

  test('is cleared with the attributes it was set with', () => {
    expect(clearedCookie(true)).toBe(
      'holdfast_session=; Max-Age=0; Path=/api; HttpOnly; SameSite=Strict; Secure',
    );
  });
});
