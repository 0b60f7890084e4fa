/** Live counts and latencies of a storm, for the progress line and the report. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

export class Tally {
  accepted = 0;
  replayed = 0;
  readonly refused = new Map<string, number>();
  confirmed = 0;
  cancelled = 0;
  /** Order requests that were answered, whatever the answer. */
  orderAnswers = 0;
  /** Tries turned away with 429 or 5xx, by code. */
  readonly turnedAway = new Map<string, number>();
  networkErrors = 0;
  networkErrorExample: string | undefined;
  /** Clicks that stayed without a conclusive answer. */
  unanswered = 0;
  /** Latency of answered order requests, in microseconds. */
  readonly latencyUs: RecordableHistogram = createHistogram();

  /** Counts one more under a code. */
  static bump(counts: Map<string, number>, code: string): void {
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }

  recordLatency(ms: number): void {
    this.latencyUs.record(Math.max(1, Math.round(ms * 1_000)));
  }

  networkError(error: unknown): void {
    this.networkErrors += 1;
    this.networkErrorExample ??= error instanceof Error ? error.message : String(error);
  }
}
