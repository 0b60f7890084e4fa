/** Opens an LMDB environment to read it, says so, and keeps it open until standard input ends. */
import { open } from 'lmdb';

open({ path: process.argv[2], readOnly: true, encoding: 'binary', noSubdir: false, maxDbs: 2 });
process.stdout.write('held');
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
