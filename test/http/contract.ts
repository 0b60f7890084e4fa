/** What the HTTP contract says of every answer: its codes, the form of a refusal, and how times are written. */
import { expect } from 'vitest';
import type { Answer } from '../support/api.js';

/** RFC 3339 in UTC with milliseconds, as the HTTP contract promises for every time. */
export const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
export const sizes = { inFlightMax: 256, ordersPerShardMax: 4_096 } as const;

/** What the HTTP contract says of each code: status and whether a Retry-After comes with it. */
const table: Readonly<Record<string, { status: number; retryAfter?: true }>> = {
  invalid_request: { status: 400 },
  not_found: { status: 404 },
  sale_not_found: { status: 404 },
  sku_not_found: { status: 404 },
  order_not_found: { status: 404 },
  method_not_allowed: { status: 405 },
  sold_out: { status: 409 },
  insufficient_stock: { status: 409 },
  limit_reached: { status: 409 },
  not_started: { status: 409, retryAfter: true },
  paused: { status: 409 },
  ended: { status: 410 },
  order_expired: { status: 409 },
  order_cancelled: { status: 409 },
  order_confirmed: { status: 409 },
  sale_open: { status: 409 },
  payload_too_large: { status: 413 },
  unsupported_media_type: { status: 415 },
  idempotency_conflict: { status: 422 },
  overloaded: { status: 503, retryAfter: true },
  timeout: { status: 503 },
  shutting_down: { status: 503 },
};

/** The whole of a refusal: status, headers and problem document. */
export function expectProblem(answer: Answer, code: string, more: object = {}): void {
  const known = table[code]!;
  expect({ status: answer.status, body: answer.body }).toEqual({
    status: known.status,
    body: {
      type: expect.stringMatching(/\S/),
      title: expect.stringMatching(/\S/),
      status: known.status,
      code,
      detail: expect.stringMatching(/\S/),
      ...(code === 'invalid_request' ? { errors: expect.any(Array) } : {}),
      ...more,
    },
  });
  expect(answer.header('content-type')).toBe('application/problem+json');
  if (known.retryAfter) expect(answer.header('retry-after')).toMatch(/^[1-9]\d*$/);
}

export function expectInvalid(answer: Answer, ...paths: string[]): void {
  expectProblem(answer, 'invalid_request');
  for (const path of paths) {
    expect(answer.problem.errors).toContainEqual({ path, message: expect.stringMatching(/\S/) });
  }
}

export function expectJson(answer: Answer, status: number, body: unknown): void {
  expect({ status: answer.status, body: answer.body }).toEqual({ status, body });
  expect(answer.header('content-type')).toBe('application/json');
}

export function iso(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
