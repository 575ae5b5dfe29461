import type { Report, Tally } from './hunt.ts';

/** All reports together. */
export function sum(reports: readonly Report[]): Report {
  const tallies: Record<string, Tally> = {};
  const refusals: Record<string, number> = {};
  for (const report of reports) {
    for (const [name, tally] of Object.entries(report.tallies)) tallies[name] = added(tallies[name], tally);
    for (const [why, times] of Object.entries(report.refusals)) refusals[why] = (refusals[why] ?? 0) + times;
  }
  const total = (of: (report: Report) => number) => reports.reduce((all, report) => all + of(report), 0);
  return {
    requests: total(({ requests }) => requests),
    twins: total(({ twins }) => twins),
    compared: total(({ compared }) => compared),
    tallies,
    refusals,
    finding: reports.find(({ finding }) => finding !== undefined)?.finding,
  };
}

/** A line for each surface and operation, and one for the refusals. */
export function describeTallies({ tallies, refusals }: Report): string[] {
  const lines = Object.entries(tallies)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(
      ([name, { asked, found, empty, refused }]) => `${name}: ${asked} (${found} found something, ${empty} nothing, ${refused} refused)`,
    );
  const reasons = Object.entries(refusals).map(([why, times]) => `${why} ${times}`);
  return [...lines, `refused by reason: ${reasons.join(', ')}`];
}

/** What makes a hunt worthless although it found no leak: too much is refused, or too little is found. Few requests say nothing. */
export function shortcomings({ requests, tallies, refusals }: Report): string[] {
  if (requests < 1000) return [];
  const all = Object.values(tallies);
  const share = (of: (tally: Tally) => number) => all.reduce((sofar, tally) => sofar + of(tally), 0) / requests;
  const problems: string[] = [];
  const unlawful = (refusals['unlawful'] ?? 0) / requests;
  if (unlawful > 0.5) problems.push(`${percent(unlawful)} of the requests are refused as they are parsed`);
  if (share(({ found }) => found) < 0.4) problems.push(`only ${percent(share(({ found }) => found))} of the requests find something`);
  for (const [name, { asked, found }] of Object.entries(tallies)) {
    if (asked >= 100 && found / asked < 0.05) problems.push(`${name} finds something in ${found} of ${asked} requests`);
  }
  return problems;
}

function added(one: Tally | undefined, { asked, found, empty, refused }: Tally): Tally {
  if (one === undefined) return { asked, found, empty, refused };
  return { asked: one.asked + asked, found: one.found + found, empty: one.empty + empty, refused: one.refused + refused };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
