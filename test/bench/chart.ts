import type { LaneResult, Result } from './results.ts';

const width = 720;
const barHeight = 16;
const rowHeight = 20;
const groupGap = 30;
const barLeft = 150;
const barsWidth = 420;

/** Throughput of every contender as a part of bare Koa's, workload by workload: a picture that needs no other file. */
export function chartOf(results: readonly Result[], caption: string): string {
  const groups = results.flatMap(({ title, kind, lanes }) => {
    const koa = lanes.find(({ contender }) => contender === 'koa');
    return kind === 'throughput' && koa !== undefined ? [{ title, lanes, koa }] : [];
  });
  const largest = Math.max(1, ...groups.flatMap(({ lanes, koa }) => lanes.map(lane => lane.median / koa.median)));
  let y = 40;
  const drawn = groups.map(({ title, lanes, koa }) => {
    const group = drawGroup(title, lanes, koa, y, barsWidth / largest);
    y += groupGap + lanes.length * rowHeight;
    return group;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + 20}" width="${width}" role="img" aria-label="Throughput against bare Koa">
<style>text { font: 12px system-ui, sans-serif; fill: #768390 } .title { font-weight: 600 } .bar { fill: #8b949e } .own { fill: #2f81f7 }</style>
<text x="10" y="20" class="title">Calls a second, bare Koa = 1.00 (median; the line spans the middle half of the rounds)</text>
${drawn.join('\n')}
<text x="10" y="${y + 8}">${escaped(caption)}</text>
</svg>
`;
}

function drawGroup(title: string, lanes: readonly LaneResult[], koa: LaneResult, top: number, scale: number): string {
  const rows = lanes.map((lane, index) => {
    const y = top + 10 + index * rowHeight;
    const [low, median, high] = [lane.low, lane.median, lane.high].map(figure => (figure / koa.median) * scale) as [number, number, number];
    const middle = y + barHeight / 2;
    const end = Math.max(median, high);
    return `<text x="${barLeft - 8}" y="${y + 12}" text-anchor="end">${escaped(lane.name)}</text>
<rect class="${lane.contender === 'koa-mcp' ? 'own' : 'bar'}" x="${barLeft}" y="${y}" width="${at(median)}" height="${barHeight}" rx="2"/>
<path d="M${at(barLeft + low)} ${middle}H${at(barLeft + high)}" stroke="#57606a" stroke-width="2"/>
<text x="${at(barLeft + end + 6)}" y="${y + 12}">${(lane.median / koa.median).toFixed(2)} (${Math.round(lane.median).toLocaleString('en')}/s)</text>`;
  });
  return `<text x="10" y="${top}" class="title">${escaped(title)}</text>\n${rows.join('\n')}`;
}

function at(length: number): string {
  return length.toFixed(1);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
