import type { Column } from './graph.ts';
import { isoOf } from './scalars.ts';

/** The spans of time by which rows can be grouped. */
export const bucketNames = ['day', 'week', 'month', 'year'] as const;
/** A span of time, in UTC. A week begins on Monday, as in ISO 8601. */
export type Bucket = (typeof bucketNames)[number];

const dayMs = 86_400_000;

/** Whether the values of a column have a date. Those of `@db.Time` have none. */
export function isDated({ field }: Column): boolean {
  return field.type === 'DateTime' && !/^Time(tz)?\b/.test(field.nativeType ?? '');
}

/** The first day of the span that holds a time, as midnight UTC in milliseconds since 1970. `NaN` for the infinities of PostgreSQL. */
export function bucketStart(bucket: Bucket, date: Date): number {
  const day = Math.floor(date.getTime() / dayMs);
  switch (bucket) {
    case 'day':
      return day * dayMs;
    case 'week': {
      // 1 January 1970 was a Thursday.
      const sinceMonday = (((day + 3) % 7) + 7) % 7;
      return (day - sinceMonday) * dayMs;
    }
    case 'month':
      return startOf(date.getUTCFullYear(), date.getUTCMonth());
    case 'year':
      return startOf(date.getUTCFullYear(), 0);
  }
}

/** A bucket in a result: `2026-03-02`. A filter takes it as it is. */
export function bucketText(start: number): string {
  return isoOf(new Date(start)).replace(/T.*/, '');
}

/** `Date.UTC` takes the years 0 to 99 for those of the 20th century. */
function startOf(year: number, month: number): number {
  return new Date(0).setUTCFullYear(year, month, 1);
}
