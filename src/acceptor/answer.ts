/**
 * Answers as text: a head and a body, ready to be sent. Pure; what every request gets alike is made once.
 *
 * A head is the status line and our header fields in one text. uWebSockets.js copies the status it is given up to the
 * line's end, so a whole head costs one native call instead of one and two conversions per field. Nothing in a head
 * comes from a client unless its grammar leaves no room for a line break.
 */
import { STATUS_CODES } from 'node:http';
import { assert } from '../assert.js';
import { codes, type Refusal } from '../errors.js';

export interface Answer {
  readonly head: Text;
  readonly body: Text;
}

/** A string, or its UTF-8. */
export type Text = string | Uint8Array;

type Field = readonly [name: string, value: string];

/** A head: the status and the content type, then further fields. */
export function headOf(status: number, contentType: string, ...fields: readonly Field[]): string {
  const lines = [`${status} ${STATUS_CODES[status] ?? ''}`.trimEnd(), `Content-Type: ${contentType}`];
  for (const [name, value] of fields) lines.push(`${name}: ${value}`);
  assert(
    lines.every((line) => !/[\r\n]/.test(line)),
    'a head has no line breaks of its own',
  );
  return lines.join('\r\n');
}

/** An answer whose body is `value` as JSON. */
export function jsonAnswer(status: number, value: object, ...fields: readonly Field[]): Answer {
  return { head: headOf(status, 'application/json', ...fields), body: JSON.stringify(value) };
}

/** A refusal as a problem document (RFC 9457). */
export function problemAnswer(refusal: Refusal, ...fields: readonly Field[]): Answer {
  const { status, title } = codes[refusal.code];
  const { retryAfterSeconds } = refusal;
  const retryAfter: Field[] =
    retryAfterSeconds === undefined ? [] : [['Retry-After', String(retryAfterSeconds)]];
  const body = JSON.stringify({
    type: `urn:leiniao:problem:${refusal.code}`,
    title,
    status,
    code: refusal.code,
    detail: refusal.detail,
    ...(refusal.errors === undefined ? {} : { errors: refusal.errors }),
    ...(refusal.refundRequired ? { refundRequired: true } : {}),
  });
  return { head: headOf(status, 'application/problem+json', ...retryAfter, ...fields), body };
}

/** The same answer as bytes, for one that is given often: a string would be converted each time. */
export function prepared({ head, body }: Answer): Answer {
  return { head: Buffer.from(head as string), body: Buffer.from(body as string) };
}
