/** How the report for people looks: on a phone and on a desk, in light and in dark. */
import { Markup } from './markup.js';

export const style = new Markup(`
:root { color-scheme: light dark; --back: #fff; --text: #1c1f24; --soft: #5b616b; --edge: #d9dce1; --card: #f6f7f9;
  --good: #1a7f43; --bad: #c02626; --warn: #8a5a00; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14161a; --text: #e6e8eb; --soft: #a2a8b2; --edge: #363b43; --card: #1c1f25;
    --good: #4cc27c; --bad: #ff7b72; --warn: #e0a83c; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; margin: 0.5rem 0; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.25rem; border-top: 1px solid var(--edge); padding-top: 1.25rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 0.25rem; }
p, ul, dl { margin: 0.5rem 0; }
a { color: inherit; }
code { font-family: ui-monospace, monospace; font-size: 0.9em; }
pre { white-space: pre-wrap; font-family: ui-monospace, monospace; font-size: 0.85rem; margin: 0.25rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.15rem 1rem; font-size: 0.9rem; }
dt, .soft { color: var(--soft); }
dd { margin: 0; }
.soft { font-size: 0.9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; overflow-wrap: normal; }
th, td { text-align: left; padding: 0.3rem 0.75rem 0.3rem 0; border-bottom: 1px solid var(--edge); vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
@media (max-width: 40rem) {
  .targets th { display: none; }
  .targets tr { display: block; border-bottom: 1px solid var(--edge); padding: 0.4rem 0; }
  .targets td { display: inline-block; border: 0; padding-bottom: 0; }
  .targets .what { display: block; }
}
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
svg { display: block; width: 100%; max-width: 32rem; height: auto; color: var(--text); }
details { margin: 0.5rem 0; font-size: 0.9rem; }
summary { cursor: pointer; color: var(--soft); }
.box { border: 1px solid var(--edge); border-left-width: 4px; background: var(--card); padding: 0.5rem 0.75rem;
  margin: 0.75rem 0; border-radius: 4px; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
.box.bad { border-color: var(--bad); font-weight: 400; }
.box.warn { border-left-color: var(--warn); }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0.15rem 1.25rem; font-size: 0.9rem; }
.legend span { display: inline-block; width: 1.75rem; border-top: 3px solid; vertical-align: middle;
  margin-right: 0.4rem; }
.legend .dashed { border-top-style: dashed; }
`);
