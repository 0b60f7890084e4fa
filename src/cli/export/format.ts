/** Rows as text: one JSON object a line, or CSV by RFC 4180. Pure. */
import { unreachable } from '../../assert.js';

export type Value = string | number | boolean | null;
/** Values by column; one that is missing is empty in CSV and absent in JSON. */
export type Row = Readonly<Record<string, Value | undefined>>;

export interface Formatter {
  /** What stands before the first row. */
  readonly head: string;
  readonly row: (row: Row) => string;
}

/** A time as RFC 3339, null for never; as the number it is where no date can name it. */
export function timeValue(ms: number): string | null {
  if (ms === Number.POSITIVE_INFINITY) return null;
  const time = new Date(ms);
  return Number.isNaN(time.getTime()) ? String(ms) : time.toISOString();
}

const toBeQuoted = /[",\r\n]/;

/** A field of CSV: RFC 4180, section 2, rules 5 to 7. */
function field(value: Value | undefined): string {
  const text = value === undefined || value === null ? '' : String(value);
  return toBeQuoted.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function formatter(format: 'ndjson' | 'csv', columns: readonly string[]): Formatter {
  switch (format) {
    case 'ndjson':
      return { head: '', row: (row) => `${JSON.stringify(row)}\n` };
    case 'csv':
      return {
        head: `${columns.map(field).join(',')}\r\n`,
        row: (row) => `${columns.map((column) => field(row[column])).join(',')}\r\n`,
      };
    default:
      return unreachable(format);
  }
}
