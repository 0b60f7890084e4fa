/**
 * The server as a process that is killed at random moments of a storm, again and again, also while it starts. Clients
 * outlive it and go on asking; a judge holds all that they were told against the promises, and an audit reads what is left.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { CrashRun } from '../support/crash-run.js';
import { effort } from '../support/effort.js';
import { seeded } from '../support/random.js';
import { randomFrom, seed } from '../support/seed.js';
import { tempDir } from '../support/temp-dir.js';

/** The longest that a server sells before it is killed; one that starts is killed sooner. */
const lifeMsMax = 500;
const startMsMax = 350;

test.each([
  ['fsync', 3, effort(3, 20)],
  ['commit', 2, effort(2, 6)],
] as const)(
  seeded('with durability %s on %i shards, killed %i times or more, it keeps every promise'),
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
    // A crash that cut nobody off tried nothing.
    while (killed < kills || run.storm.lost < kills) {
      await run.begins();
      await run.acknowledges(1);
      await delay(moments() * lifeMsMax);
      await run.kill();
      killed += 1;
      if (moments() > 0.25) continue;
      const starting = run.starting();
      await delay(moments() * startMsMax);
      expect(starting.running).toBe(true);
      await starting.kill();
      killedStarting += 1;
    }
    await run.begins();
    await run.acknowledges(100);
    // Nor did a storm without expiries try much.
    await run.reaches(kills);
    await run.concludes();
    process.stdout.write(
      `${durability}: ${killed} kills and ${killedStarting} while starting, ${run.storm.acknowledged} orders, ` +
        `${run.storm.lost} questions cut off\n`,
    );
  },
  180_000,
);
