/**
 * How long random hunts go on: for as long as somebody at his desk will wait, or with LEINIAO_TEST_EFFORT=full as long as
 * it takes. `npm run test:full` sets that, and so does CI.
 */
const { LEINIAO_TEST_EFFORT = 'usual' } = process.env;
if (LEINIAO_TEST_EFFORT !== 'usual' && LEINIAO_TEST_EFFORT !== 'full') {
  throw new Error(`LEINIAO_TEST_EFFORT must be usual or full, not ${LEINIAO_TEST_EFFORT}`);
}

export const fullEffort = LEINIAO_TEST_EFFORT === 'full';

/** Whichever of the two this run is to do. */
export function effort(usual: number, full: number): number {
  return fullEffort ? full : usual;
}
