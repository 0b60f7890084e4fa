/**
 * The one registry of codes: what each means over HTTP and whether trying again can help. Used by every
 * thread; nothing here has state.
 */

interface CodeEntry {
  readonly status: number;
  readonly title: string;
  /** `later`: conditions may change. `less`: ask for fewer units. `yes`: the same request is safe to send again. */
  readonly retry: 'no' | 'later' | 'less' | 'yes';
}

export const codes = {
  invalid_request: { status: 400, title: 'The request is malformed', retry: 'no' },
  unauthorized: { status: 401, title: 'Credentials are missing or wrong', retry: 'no' },
  forbidden: { status: 403, title: 'These credentials do not allow this', retry: 'no' },
  not_found: { status: 404, title: 'No such route', retry: 'no' },
  sale_not_found: { status: 404, title: 'No such sale', retry: 'no' },
  sku_not_found: { status: 404, title: 'No such SKU in this sale', retry: 'no' },
  order_not_found: { status: 404, title: 'No such order', retry: 'no' },
  method_not_allowed: { status: 405, title: 'The route does not answer this method', retry: 'no' },
  sold_out: { status: 409, title: 'Sold out', retry: 'later' },
  insufficient_stock: { status: 409, title: 'Fewer units are left than asked for', retry: 'less' },
  limit_reached: { status: 409, title: "The buyer's purchase limit is reached", retry: 'no' },
  not_started: { status: 409, title: 'The sale has not started', retry: 'later' },
  paused: { status: 409, title: 'The sale is paused', retry: 'later' },
  ended: { status: 410, title: 'The sale has ended', retry: 'no' },
  order_expired: { status: 409, title: 'The order has expired', retry: 'no' },
  order_cancelled: { status: 409, title: 'The order was cancelled', retry: 'no' },
  order_confirmed: { status: 409, title: 'The order is already confirmed', retry: 'no' },
  sale_open: { status: 409, title: 'The sale has opened and cannot be replaced', retry: 'no' },
  payload_too_large: { status: 413, title: 'The body is too large', retry: 'no' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json', retry: 'no' },
  idempotency_conflict: {
    status: 422,
    title: 'The idempotency key was used before with another body',
    retry: 'no',
  },
  rate_limited: { status: 429, title: 'Too many requests', retry: 'later' },
  internal: { status: 500, title: 'Internal error', retry: 'yes' },
  overloaded: { status: 503, title: 'A bounded queue or table is full', retry: 'yes' },
  shard_recovering: { status: 503, title: 'The shard that owns this SKU is restarting', retry: 'yes' },
  timeout: { status: 503, title: 'No answer within the deadline', retry: 'yes' },
  shutting_down: { status: 503, title: 'The server is shutting down', retry: 'yes' },
} as const satisfies Record<string, CodeEntry>;

/** Every code of the API, over HTTP and in process alike. */
export type Code = keyof typeof codes;

/** Where an input is wrong: a JSON Pointer and a sentence. */
export interface ValidationIssue {
  readonly path: string;
  readonly message: string;
}

/**
 * An expected refusal. A value, never thrown. It changed nothing, but for `timeout` and `shard_recovering`: then nobody knows
 * yet, and asking again with the same idempotency key tells.
 */
export interface Refusal {
  readonly ok: false;
  readonly code: Code;
  /** One sentence for people; callers match on `code`. */
  readonly detail: string;
  /** Present on `invalid_request`. */
  readonly errors?: readonly ValidationIssue[];
  /** When trying again may help, in seconds, where the engine knows. */
  readonly retryAfterSeconds?: number;
  /** Present on `order_expired` where a confirmation came too late: a payment for the order has to be given back. */
  readonly refundRequired?: true;
}

/** Why a receipt does not hold. */
export type ReceiptCode =
  | 'receipt_malformed'
  | 'receipt_algorithm'
  | 'receipt_key'
  | 'receipt_signature'
  | 'receipt_version';

/** What is said of a receipt that does not hold. */
export interface ReceiptRefusal {
  readonly ok: false;
  readonly code: ReceiptCode;
  /** One sentence for people; callers match on `code`. Nothing in it comes from the receipt. */
  readonly detail: string;
}

/** Codes of failures to start, which are thrown: there is no engine yet to return a value. */
export type StartErrorCode =
  | 'invalid_options'
  | 'data_dir_unwritable'
  | 'data_dir_locked'
  | 'data_dir_version'
  | 'data_dir_damaged'
  | 'data_dir_full'
  | 'shard_failed'
  | 'port_in_use'
  | 'listen_failed'
  | 'uws_unavailable';

/** Thrown where something cannot start or an option is wrong. `code` is stable; the message is for people. */
export class LeiniaoError extends Error {
  readonly code: StartErrorCode;
  readonly issues: readonly ValidationIssue[];

  constructor(
    code: StartErrorCode,
    message: string,
    options: { cause?: unknown; issues?: readonly ValidationIssue[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LeiniaoError';
    this.code = code;
    this.issues = options.issues ?? [];
  }
}

/** The error for an option that is wrong in one place. */
export function invalidOption(
  path: string,
  message: string,
  options: { cause?: unknown } = {},
): LeiniaoError {
  const text = `invalid options: ${path} ${message}`;
  return new LeiniaoError('invalid_options', text, { ...options, issues: [{ path, message }] });
}

/** Builds a refusal. */
export function refuse(code: Code, detail: string, retryAfterSeconds?: number): Refusal {
  return retryAfterSeconds === undefined
    ? { ok: false, code, detail }
    : { ok: false, code, detail, retryAfterSeconds };
}

/** The refusal of an input that is wrong in one place or more. */
export function invalid(detail: string, errors: readonly ValidationIssue[]): Refusal {
  return { ...refuse('invalid_request', detail), errors };
}
