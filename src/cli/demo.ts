/** The sample sale of `serve --demo`, and commands to paste that walk through one purchase. */
import type { SaleView } from '../index.js';

export const demoSaleId = 'demo';

export const demoSale = {
  name: 'Demo: 1,000 phones, one each',
  holdSeconds: 300,
  skus: [{ sku: 'phone-1', stock: 1_000, limitPerBuyer: 1 }],
};

/** What there is to be had: the data folder may remember the sale from an earlier run, or another one of this name. */
function headline({ phase, skus }: SaleView): string {
  const phones = skus.find(({ sku }) => sku === 'phone-1');
  const left =
    phones === undefined ? 'without phone-1' : `${phones.available} of ${phones.total} units of phone-1`;
  if (phase === 'open' && phones !== undefined) {
    return `The sale "${demoSaleId}" is open: ${left} are left, one per buyer, held for 300 s. Try:`;
  }
  return (
    `The sale "${demoSaleId}" of this data folder is ${phase}, ${left}: the orders below will be refused.\n` +
    'For a fresh one start with another --data-dir, or remove the folder.'
  );
}

/** Only curl and sed are needed; each command is one line, so that it survives being pasted. */
export function demoText(url: string, sale: SaleView): string {
  const orders = `${url}/v1/sales/${demoSaleId}/orders`;
  const json = `-H 'Content-Type: application/json'`;
  return `
${headline(sale)}

Place an order (a new buyer every second)
  ANSWER=$(curl -s ${orders} ${json} -d '{"sku":"phone-1","buyer":"u-'$(date +%s)'"}'); echo "$ANSWER"
  ORDER=$(echo "$ANSWER" | sed -n 's/.*"orderId": *"\\([^"]*\\)".*/\\1/p'); echo "$ORDER"

See what is left
  curl -s ${url}/v1/sales/${demoSaleId}; echo

Pay: confirm the order
  curl -s -X POST ${url}/v1/orders/$ORDER/confirm; echo

Click twice: paste the second line again, and the same order is answered with Idempotency-Replayed: true
  CLICK=$(date +%s)
  curl -si ${orders} ${json} -H "Idempotency-Key: click-$CLICK" -d '{"sku":"phone-1","buyer":"u-click-'$CLICK'"}'; echo

Ctrl-C stops the server.
`;
}
