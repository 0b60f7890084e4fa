/**
 * `leiniao verify-receipt`: whether a receipt holds, and what it says. Needs the public key only: no engine, no data
 * folder, no native parts. Main thread.
 */
import { limits } from '../config.js';
import { LeiniaoError } from '../errors.js';
import { readPublicKey } from '../receipt/keys.js';
import { type ReceiptVerdict, verifyReceipt } from '../receipt/verify.js';
import { describeIssues } from '../validation.js';
import { exitCode } from './exit-code.js';
import { readShortText } from './short-text.js';

/** A receipt and what to check it with. */
export interface GivenReceipt {
  /** The receipt, or `-`: it is read from standard input. */
  readonly receipt: string;
  readonly publicKeyFile: string;
}

async function readPublicKeyFile(file: string): Promise<string> {
  let text: string | undefined;
  try {
    text = await readShortText(file, limits.keyPemCharsMax);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LeiniaoError('invalid_options', `--public-key: cannot read ${file}: ${reason}`, {
      cause: error,
    });
  }
  if (text === undefined)
    throw new LeiniaoError('invalid_options', `--public-key: ${file} is too long for a key`);
  try {
    readPublicKey(text);
  } catch (error) {
    const { issues } = error as LeiniaoError;
    throw new LeiniaoError('invalid_options', `--public-key: ${file} ${describeIssues(issues)}`, { issues });
  }
  return text;
}

/** A text that is too long for a receipt goes on as an empty one: it is refused as malformed all the same. */
async function receiptFrom(given: string): Promise<string> {
  if (given !== '-') return given.trim();
  const bytesMax = limits.receiptCharsMax + limits.receiptSpaceBytesMax;
  return (await readShortText(process.stdin, bytesMax))?.trim() ?? '';
}

/** One line a fact. Their texts are printable: a receipt with others is malformed. */
function render(verdict: ReceiptVerdict): string {
  if (!verdict.ok) return `not valid: ${verdict.detail} (${verdict.code})\n`;
  const { receipt, keyId } = verdict;
  const lines: readonly (readonly [name: string, value: string | number])[] = [
    ['valid', `signed with the key ${keyId}`],
    ['order', receipt.orderId],
    ['sale', receipt.sale],
    ['sku', receipt.sku],
    ['buyer', receipt.buyer],
    ['quantity', receipt.quantity],
    ['sequence', receipt.sequence],
    ['created', new Date(receipt.createdAtMs).toISOString()],
    ['durability', receipt.durability],
    ['store', receipt.storeId],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}

function renderJson(verdict: ReceiptVerdict): string {
  const { ok: valid, ...rest } = verdict;
  return `${JSON.stringify({ valid, ...rest }, undefined, 2)}\n`;
}

/**
 * Whether a receipt holds, and what it says.
 *
 * @throws LeiniaoError `invalid_options` where the public key cannot be used
 */
export async function verdictOn({ receipt, publicKeyFile }: GivenReceipt): Promise<ReceiptVerdict> {
  return verifyReceipt(await receiptFrom(receipt), await readPublicKeyFile(publicKeyFile));
}

/**
 * Prints the verdict, for people or with `json` as one object: `{ valid: true, receipt, keyId }` or
 * `{ valid: false, code, detail }`. Resolves to the exit code: 0, or 1 where the receipt does not hold.
 * Throws `invalid_options` where the public key cannot be used.
 */
export async function verifyReceiptCommand(
  options: GivenReceipt & { readonly json: boolean },
): Promise<number> {
  const verdict = await verdictOn(options);
  process.stdout.write(options.json ? renderJson(verdict) : render(verdict));
  return verdict.ok ? exitCode.ok : exitCode.failed;
}
