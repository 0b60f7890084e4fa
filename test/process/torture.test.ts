/**
 * The server as a process that is killed at random moments of a storm, again and again, also while it starts. Clients
 * outlive it and go on asking; a judge holds all that they were told against the promises, and an audit reads what is left.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { CrashRun } from '../support/crash-run.js';
import { seeded } from '../support/random.js';
import { randomFrom, seed } from '../support/seed.js';
import { tempDir } from '../support/temp-dir.js';

/** The longest that a server sells before it is killed; one that starts is killed sooner. */
const lifeMsMax = 500;
const startMsMax = 350;

test.each([
  ['fsync', 3, 20],
  ['commit', 2, 6],
] as const)(
  seeded('with durability %s on %i shards, killed %i times, it keeps every promise'),
  async (...row) => {
    const [durability, shards, kills] = row;
    const run = new CrashRun(
      tempDir(),
      randomFrom(seed),
      ...['--durability', durability, '--shards', String(shards)],
    );
    const moments = randomFrom(seed + 1);
    let killed = 0;
    let killedStarting = 0;
    while (killed < kills) {
      await run.begins();
      const known = run.storm.acknowledged;
      await run.acknowledges(1);
      await delay(moments() * lifeMsMax);
      await run.kill();
      killed += 1;
      expect(run.storm.acknowledged).toBeGreaterThan(known);
      if (moments() > 0.25) continue;
      const starting = run.starting();
      await delay(moments() * startMsMax);
      expect(starting.running).toBe(true);
      await starting.kill();
      killedStarting += 1;
    }
    await run.begins();
    await run.acknowledges(100);
    await run.concludes();
    expect(killed).toBe(kills);
    // A crash that nobody noticed would have tried nothing, and so would a storm without expiries.
    expect(run.storm.lost).toBeGreaterThan(kills);
    expect(run.storm.acknowledged).toBeGreaterThan(20 * kills);
    for (const stage of ['confirmed', 'cancelled', 'expired', 'reacquired'] as const) {
      expect(run.judge.count(stage)).toBeGreaterThan(kills);
    }
    process.stdout.write(
      `${durability}: ${killed} kills and ${killedStarting} while starting, ${run.storm.acknowledged} orders, ` +
        `${run.storm.lost} questions cut off\n`,
    );
  },
  120_000,
);
