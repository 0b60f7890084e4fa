/** Keeps `serve` on the loopback interface: requests carry no credentials, so nobody else may reach it. */
import { BlockList, isIP } from 'node:net';
import { LeiniaoError } from '../errors.js';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true;
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** Throws `invalid_options` unless the host is 127.0.0.0/8, ::1 or localhost. */
export function refuseBeyondLoopback(host: string): void {
  if (isLoopback(host)) return;
  throw new LeiniaoError(
    'invalid_options',
    `host ${host} is not a loopback address: requests are not authenticated, so serve listens on 127.0.0.0/8, ::1 or localhost only`,
  );
}
