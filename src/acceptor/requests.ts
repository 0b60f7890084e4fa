/** What routes have in common in how they read a request. On the acceptor's thread; nothing here has state. */
import type { HttpRequest } from 'uWebSockets.js';
import { limits } from '../config.js';
import { refuse, type ValidationIssue } from '../errors.js';
import { formatSentences } from '../sale/rules.js';
import { issuesOf, type Validator } from '../validation.js';
import { problemAnswer } from './answer.js';
import { type Exchange, headerKeys } from './exchange.js';

export const notJson = problemAnswer(refuse('unsupported_media_type', 'Send the body as application/json.'));
export const replayedField = ['Idempotency-Replayed', 'true'] as const;

/** The Idempotency-Key header, or an empty text. */
export function idempotencyKeyOf(req: HttpRequest): string {
  return req.getHeader(headerKeys.idempotencyKey);
}

const jsonType = /^application\/json\s*(;|$)/i;

/** Whether the Content-Type header says JSON. */
export function saysJson(req: HttpRequest): boolean {
  const contentType = req.getHeader(headerKeys.contentType);
  return contentType === 'application/json' || jsonType.test(contentType);
}

/** What is wrong with a body: that it is no JSON at all, or where it breaks the schema. */
export function bodyIssues(validator: Validator<unknown>, body: unknown): ValidationIssue[] {
  return body === undefined
    ? [{ path: '', message: 'must be JSON' }]
    : issuesOf(validator, body, formatSentences);
}

/** The parameters of a query, or undefined where one comes twice or is not UTF-8, percent-encoded. */
export function queryOf(req: HttpRequest): ReadonlyMap<string, string> | undefined {
  const query = new Map<string, string>();
  for (const part of (req.getQuery() ?? '').split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decodePart(equals === -1 ? part : part.slice(0, equals));
    const value = decodePart(equals === -1 ? '' : part.slice(equals + 1));
    if (name === undefined || value === undefined || query.has(name)) return undefined;
    query.set(name, value);
  }
  return query;
}

function decodePart(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

/** The parsed text, or undefined, which no schema accepts. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const printableAscii = /^[\x20-\x7e]+$/;

/**
 * What is wrong with an Idempotency-Key header; empty means that there is none. In a header only ASCII is safe:
 * uWebSockets.js hands other bytes over as Latin-1, and strips them where they begin or end a value.
 */
export function keyError(key: string): { path: string; message: string } | undefined {
  if (key === '' || (printableAscii.test(key) && key.length <= limits.idempotencyKeyBytesMax))
    return undefined;
  return {
    path: '/headers/idempotency-key',
    message: `must be 1 to ${limits.idempotencyKeyBytesMax} bytes of printable ASCII`,
  };
}

/** Runs `done` once it is certain that the request has no body: a body would be silently ignored otherwise. */
export function noBody(exchange: Exchange, req: HttpRequest, done: () => void): void {
  exchange.body(req, limits.orderBodyBytesMax, {
    take: (text) => {
      if (text === '') done();
      else exchange.invalid('This request takes no body.', [{ path: '', message: 'must be empty' }]);
    },
  });
}
