/** The environment of a `leiniao` command: ours without what is meant for the tests, which it would refuse as unknown. */
export const commandEnv = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('LEINIAO_TEST_')),
);
