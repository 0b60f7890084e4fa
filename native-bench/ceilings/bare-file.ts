/** The limit of the disk: one record written to a file and flushed, again and again, and nothing else. */
import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';

export class BareFile {
  readonly #path: string;
  readonly #record: Buffer;
  readonly #descriptor: number;
  readonly #roundBytes: number;
  #at = 0;
  #written = 0;

  /**
   * @param roundBytes 0 for a file that grows, so that a flush also has to bring its new length to disk; else so many
   *   bytes, which are written and flushed beforehand, and overwritten from the beginning when the end is reached
   */
  constructor(path: string, record: Buffer, roundBytes: number) {
    this.#path = path;
    this.#record = record;
    this.#roundBytes = roundBytes - (roundBytes % record.length);
    this.#descriptor = openSync(path, 'w+');
    if (this.#roundBytes > 0) writeAll(this.#descriptor, Buffer.alloc(this.#roundBytes, 0xff), 0);
    fsyncSync(this.#descriptor);
  }

  /** Bytes on disk when this returns. */
  write(): void {
    if (this.#roundBytes > 0 && this.#at === this.#roundBytes) this.#at = 0;
    writeAll(this.#descriptor, this.#record, this.#at);
    fdatasyncSync(this.#descriptor);
    this.#at += this.#record.length;
    this.#written += 1;
  }

  /** Checks that all is there: as many bytes as were written, and the last record of them. */
  verify(): void {
    const { length } = this.#record;
    const bytes = this.#roundBytes > 0 ? this.#roundBytes : this.#written * length;
    const last = Buffer.alloc(length);
    readSync(this.#descriptor, last, 0, length, this.#at - length);
    if (fstatSync(this.#descriptor).size !== bytes || !last.equals(this.#record)) {
      throw new Error(`${this.#path} does not hold what was written`);
    }
  }

  remove(): void {
    closeSync(this.#descriptor);
    rmSync(this.#path);
  }
}

function writeAll(descriptor: number, bytes: Buffer, position: number): void {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(descriptor, bytes, written, bytes.length - written, position + written);
  }
}
