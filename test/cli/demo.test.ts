/** What `serve --demo` says of the sale that it finds in its data folder. */
import { expect, test } from 'vitest';
import { demoText } from '../../dist/cli/demo.js';
import { Engine } from '../../dist/index.js';

const phone = { sku: 'phone-1', stock: 3, limitPerBuyer: 1 };

async function headline(prepare: (engine: Engine) => Promise<unknown>, skus = [phone]): Promise<string> {
  const engine = await Engine.start({ durability: 'memory', shards: 1, ordersPerShardMax: 1_024 });
  try {
    await engine.putSale('demo', { skus });
    await prepare(engine);
    return demoText('http://127.0.0.1:7070', engine.sale('demo')!).trim().split('\n\n')[0]!;
  } finally {
    await engine.close();
  }
}

test('an open sale is offered with what is left of it', async () => {
  const said = await headline((engine) => engine.placeOrder({ sale: 'demo', sku: 'phone-1', buyer: 'u' }));
  expect(said).toContain('is open: 2 of 3 units of phone-1 are left');
});

test.each([
  ['ended', (engine: Engine) => engine.endSale('demo')],
  ['paused', (engine: Engine) => engine.pauseSale('demo')],
])(
  'of a sale that is %s it is said that its orders will be refused, and what to do',
  async (phase, prepare) => {
    const said = await headline(prepare);
    expect(said).toContain(`is ${phase}`);
    expect(said).toContain('will be refused');
    expect(said).toContain('another --data-dir');
  },
);

test('nor is a sale offered that has no such phone', async () => {
  const said = await headline(async () => undefined, [{ ...phone, sku: 'book' }]);
  expect(said).toContain('without phone-1');
  expect(said).toContain('will be refused');
});
