/** The engine's clock: it starts from the wall clock, and goes on steadily whatever is done to that one. */
import { afterEach, expect, test, vi } from 'vitest';
import { clockFrom, clockOrigin, setAhead } from '../dist/clock.js';

afterEach(() => {
  vi.restoreAllMocks();
});

test('it tells the wall clock’s time, to a few milliseconds', () => {
  const clock = clockFrom(clockOrigin());
  const before = Date.now();
  const now = clock();
  expect(now).toBeGreaterThanOrEqual(before - 2);
  expect(now).toBeLessThanOrEqual(Date.now() + 2);
  expect(Number.isInteger(now)).toBe(true);
});

test.each([-3_600_000, 3_600_000])(
  'a wall clock that is set by %i ms while it runs does not move it',
  (jumpMs) => {
    const origin = clockOrigin();
    const clock = clockFrom(origin);
    const realNow = Date.now.bind(Date);
    const before = clock();
    vi.spyOn(Date, 'now').mockImplementation(() => realNow() + jumpMs);
    const after = clock();
    expect(after).toBeGreaterThanOrEqual(before);
    expect(after).toBeLessThan(before + 60_000);
    // Nor a thread that starts only now, on the origin that all have.
    expect(Math.abs(clockFrom(origin)() - after)).toBeLessThan(60_000);
    // An engine that starts now begins with what the wall clock says.
    expect(Math.abs(clockFrom(clockOrigin())() - (before + jumpMs))).toBeLessThan(60_000);
  },
);

test('it never steps back, and all that share an origin are set ahead together', () => {
  const origin = clockOrigin();
  const clocks = [clockFrom(origin), clockFrom(origin)];
  let last = 0;
  for (let i = 0; i < 10_000; i++) {
    const now = clocks[0]!();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
  }
  setAhead(origin, 5_000);
  for (const clock of clocks) expect(clock()).toBeGreaterThanOrEqual(last + 4_990);
});
