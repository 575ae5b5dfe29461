import type { LaneResult, Outcome, Result } from './results.ts';

/** The figures of a workload and its targets, as lines for people. */
export function describeResult({ name, title, unit, lanes, targets }: Result): string {
  const width = Math.max(...lanes.map(lane => lane.name.length));
  return [`${name}: ${title}`, ...lanes.map(lane => describeLane(lane, width, unit)), ...targets.map(describeTarget), ''].join('\n');
}

/** All targets in one table. */
export function describeTargets(results: readonly Result[]): string {
  const head = ['workload', 'ratio', 'target', 'median', 'spread', 'by CPU', ''];
  const rows = results.flatMap(({ name, targets }) =>
    targets.map(target => [
      name,
      `${target.of} / ${target.against}`,
      boundOf(target),
      target.ratio.median.toFixed(2),
      spreadText(target),
      target.cpuRatio?.toFixed(2) ?? '',
      target.met ? 'met' : 'not met',
    ]),
  );
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map(row => (row[column] as string).length)));
  const lines = [head, ...rows].map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

function describeLane({ name, median, low, high, cpuMicros }: LaneResult, width: number, unit: string): string {
  const time = cpuMicros === undefined ? '' : `  ${round(cpuMicros)} µs of CPU a call`;
  return `  ${name.padEnd(width)}  ${round(median).padStart(9)} ${unit}  (${round(low)} to ${round(high)})${time}`;
}

function describeTarget(target: Outcome): string {
  const byCpu = target.cpuRatio === undefined ? '' : `, by CPU ${target.cpuRatio.toFixed(2)}`;
  const ratio = `${target.ratio.median.toFixed(2)} (${spreadText(target)}${byCpu})`;
  return `  ${target.of} / ${target.against}: ${ratio}, ${boundOf(target)}: ${target.met ? 'met' : 'not met'}`;
}

function spreadText({ ratio: { low, high } }: Outcome): string {
  return `${low.toFixed(2)} to ${high.toFixed(2)}`;
}

function boundOf({ atLeast, atMost }: Outcome): string {
  return atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
}

function round(figure: number): string {
  return figure.toLocaleString('en', { maximumFractionDigits: figure < 100 ? 2 : 0 });
}
