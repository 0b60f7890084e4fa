/** Ceiling of the way to a shard and back: one record at a time, and as many one way as go through. */
import { availableParallelism } from 'node:os';
import type { BenchRun, Contender } from '../harness/bench.js';
import type { Profile } from '../harness/profile.js';
import { withPeers } from './peer.js';
import { PortPeer } from './port-peer.js';
import { RingPeer } from './ring-peer.js';
import { RingCommand } from './ring-records.js';
import { repeatFor, timeAsyncCalls, timeCalls } from './timing.js';

/** Round trips per call: a timer would be a part of a single one. */
const tripsOf = ({ measures }: Profile): number => (measures ? 32 : 4);
/** Records per call, more than fit into the ring: what is on its way at the end of a call is little beside them. */
const recordsOf = ({ measures }: Profile): number => (measures ? 65_536 : 16_384);
/** Records that are made visible together. */
const batches = [1, 16, 256];

const awake = 'ring, both threads awake';
const parked = 'ring, both threads parked';
const port = 'MessagePort';

async function measureRoundTrips(run: BenchRun, ring: RingPeer, messages: PortPeer): Promise<void> {
  const repeat = repeatFor(run.profile);
  const tripsAtOnce = tripsOf(run.profile);
  const nsPerTrip = (ms: number): number => (ms / tripsAtOnce) * 1e6;
  await run.contest({
    ...{ name: 'round trip of one record', unit: 'ns', better: 'lower' },
    contenders: [
      {
        name: awake,
        measure: () =>
          ring.during(RingCommand.answer, () => {
            const { medianMs } = timeCalls(repeat, () => {
              for (let i = 0; i < tripsAtOnce; i++) ring.roundTrip();
            });
            return nsPerTrip(medianMs);
          }),
      },
      {
        name: parked,
        measure: () =>
          ring.during(RingCommand.answerParked, async () => {
            const { medianMs } = await timeAsyncCalls(repeat, async () => {
              for (let i = 0; i < tripsAtOnce; i++) await ring.parkedRoundTrip();
            });
            return nsPerTrip(medianMs);
          }),
      },
      {
        name: port,
        measure: async () => {
          const { medianMs } = await timeAsyncCalls(repeat, async () => {
            for (let i = 0; i < tripsAtOnce; i++) await messages.roundTrip();
          });
          return nsPerTrip(medianMs);
        },
      },
    ],
    ratios: [
      { of: awake, to: port },
      { of: parked, to: port },
    ],
  });
}

async function measureOneWay(run: BenchRun, ring: RingPeer): Promise<void> {
  const repeat = repeatFor(run.profile);
  const recordsAtOnce = recordsOf(run.profile);
  const nameOf = (batch: number) => (batch === 1 ? 'each by itself' : `${batch} at a time`);
  const contenders = batches.map(
    (batch): Contender => ({
      name: nameOf(batch),
      measure: () =>
        ring.during(RingCommand.take, () => {
          const { medianMs } = timeCalls(repeat, () => {
            for (let i = 0; i < recordsAtOnce; i += batch) {
              for (let j = 0; j < batch; j++) ring.write();
              ring.publish();
            }
            ring.drained();
          });
          return (recordsAtOnce * 1_000) / medianMs;
        }),
    }),
  );
  await run.contest({
    ...{ name: 'records through a ring, one way', unit: 'records/s', better: 'higher', contenders },
    ratios: batches.slice(1).map((batch) => ({ of: nameOf(batch), to: nameOf(1) })),
  });
}

export async function measureRingHop(run: BenchRun): Promise<void> {
  if (availableParallelism() < 2) {
    run.note('Rings were not measured: two threads that look without pause need a core each.');
    return;
  }
  const ring = new RingPeer();
  const messages = new PortPeer();
  await withPeers([ring, messages], async () => {
    await measureRoundTrips(run, ring, messages);
    await measureOneWay(run, ring);
  });
  run.note(
    'Threads that look without pause need a core each: where another program has one of them, a round shows that ' +
      'program’s time slices, which are milliseconds.',
  );
}
