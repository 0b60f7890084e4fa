/** The sample sale of `serve --demo`, and commands to paste that walk through one purchase. */

export const demoSaleId = 'demo';

export const demoSale = {
  name: 'Demo: 1,000 phones, one each',
  holdSeconds: 300,
  skus: [{ sku: 'phone-1', stock: 1_000, limitPerBuyer: 1 }],
};

/** Only curl and sed are needed; each command is one line, so that it survives being pasted. */
export function demoText(url: string): string {
  const orders = `${url}/v1/sales/${demoSaleId}/orders`;
  const json = `-H 'Content-Type: application/json'`;
  return `
The sale "${demoSaleId}" is open: 1,000 units of phone-1, one per buyer, held for 300 s. Try:

Place an order (a new buyer every second)
  ANSWER=$(curl -s ${orders} ${json} -d '{"sku":"phone-1","buyer":"u-'$(date +%s)'"}'); echo "$ANSWER"
  ORDER=$(echo "$ANSWER" | sed -n 's/.*"orderId": *"\\([^"]*\\)".*/\\1/p'); echo "$ORDER"

See what is left
  curl -s ${url}/v1/sales/${demoSaleId}; echo

Pay: confirm the order
  curl -s -X POST ${url}/v1/orders/$ORDER/confirm; echo

Click twice: run this again, and the same order is answered with Idempotency-Replayed: true
  curl -si ${orders} ${json} -H 'Idempotency-Key: click-1' -d '{"sku":"phone-1","buyer":"u-click"}'; echo

Ctrl-C stops the server.
`;
}
