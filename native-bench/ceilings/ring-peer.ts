/** The near end of two rings, a request and a reply ring as between an acceptor and a shard, and a thread at their far end. */
import { limits } from '#dist/config.js';
import type { Doorbell } from '#dist/memory/doorbell.js';
import { replyLayout, requestLayout } from '#dist/memory/layout.js';
import { allocateRing, RingConsumer, RingProducer } from '#dist/memory/ring.js';
import { ThreadTable } from '#dist/memory/thread-table.js';
import { doneMsMax, notDone, Peer, spinUntil } from './peer.js';
import { lastOpcode, type RingCommand, writeOrder } from './ring-records.js';

/** Records of a ring, as an engine has them by default. */
const capacity = 8_192;

export class RingPeer {
  readonly requests: RingProducer;
  readonly #replies: RingConsumer;
  readonly #peer: Peer;
  readonly #ownBell: Doorbell;
  readonly #farBell: Doorbell;
  #sent = 0;
  #sum = 0;

  constructor() {
    const requests = allocateRing(capacity, requestLayout.bytes);
    const replies = allocateRing(capacity, replyLayout.bytes);
    const threads = ThreadTable.allocate(1, 1);
    this.requests = new RingProducer(requests, requestLayout.bytes);
    this.#replies = new RingConsumer(replies, replyLayout.bytes);
    const table = new ThreadTable(threads, 1);
    this.#ownBell = table.acceptorDoorbell(0);
    this.#farBell = table.shardDoorbell(0);
    this.#peer = new Peer(new URL('ring-worker.js', import.meta.url), { requests, replies, threads });
  }

  /** Runs `work` while the far end carries out `command`; checks that it took exactly what was sent. */
  async during<T>(command: RingCommand, work: () => Promise<T> | T): Promise<T> {
    this.#sent = 0;
    this.#sum = 0;
    this.#peer.begin(command);
    const result = await work();
    this.requests.words[this.#claim()] = lastOpcode;
    this.publish();
    const [taken, sum] = this.#peer.end();
    if (taken !== this.#sent || sum !== this.#sum) {
      throw new Error(`${this.#sent} records were sent, ${taken} taken; sums ${this.#sum} and ${sum}`);
    }
    return result;
  }

  /** Writes an order, which is not yet visible. Waits for room, looking at the ring without pause. */
  write(): void {
    const at = this.#claim();
    this.#sum = (this.#sum + writeOrder(this.requests.words, at, this.#sent)) | 0;
    this.#sent += 1;
  }

  #claim(): number {
    const at = this.requests.claim();
    if (at !== -1) return at;
    spinUntil(() => this.requests.free() > 0);
    return this.requests.claim();
  }

  publish(): void {
    this.requests.publish();
    this.#farBell.ring();
  }

  /** Looks at the ring without pause until everything that was sent has been taken. */
  drained(): void {
    spinUntil(() => this.requests.free() === capacity);
  }

  /** One order there, and its reply back: both threads look without pause. */
  roundTrip(): void {
    this.write();
    this.publish();
    spinUntil(() => this.#replies.waiting() > 0);
    this.#takeReply();
  }

  /** The same with both threads asleep in between: this one as an acceptor waits, without blocking its event loop. */
  async parkedRoundTrip(): Promise<void> {
    this.write();
    this.publish();
    this.#ownBell.announce();
    for (let waits = 0; this.#replies.waiting() === 0; waits++) {
      if (waits > doneMsMax / limits.replyWaitMsMax) throw notDone();
      await this.#ownBell.waitAsync(limits.replyWaitMsMax);
    }
    this.#ownBell.retract();
    this.#takeReply();
  }

  #takeReply(): void {
    const at = this.#replies.at(0);
    const { words } = this.#replies;
    if (this.#replies.waiting() !== 1 || words[at + replyLayout.orderNumber] !== this.#sent - 1) {
      throw new Error('the reply is not to what was asked');
    }
    this.#replies.release(1);
  }

  stop(): Promise<void> {
    return this.#peer.stop();
  }
}
