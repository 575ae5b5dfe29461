/**
 * `npx tsx test/schemas/table.ts`: what the tools of synthetic schemas cost a language model, in tokens of `o200k_base`.
 *
 * Numbers of models may be given: `npx tsx test/schemas/table.ts 20 60`.
 */
import { syntheticSchema } from './synthetic.ts';
import type { TokenRow } from './tokens.ts';
import { operationSets, tokenRow } from './tokens.ts';

const sets = ['read', 'write', 'bulk', 'all'] as const;

const given = process.argv.slice(2).map(Number);
const counts = sets.map(set => operationSets[set].length).join(' / ');
console.log(
  `| models | tools, ${counts} operations | tokens, ${counts} | a model, ${counts} | largest tool, ${counts} | output schemas, ${counts} |`,
);
console.log('|---|---|---|---|---|---|');
for (const models of given.length > 0 ? given : [20, 40, 60, 120, 300]) {
  const { datamodel } = await syntheticSchema({ models });
  const rows = sets.map(set => tokenRow(datamodel, set));
  const cell = (of: (row: TokenRow) => number | string) => rows.map(row => of(row).toLocaleString('en')).join(' / ');
  const cells = [
    cell(row => row.tools),
    cell(row => row.tokens),
    cell(row => row.perModel),
    cell(row => `${row.largest} ${row.largestName}`),
    cell(row => row.output),
  ];
  console.log(`| ${models} | ${cells.join(' | ')} |`);
}
