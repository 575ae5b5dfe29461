import type { Provider } from '../support/database.ts';
import type { Data, Row } from './data.ts';
import { related, rowsOf } from './data.ts';
import type { Declaration, Exposure, Included, Step } from './declaration.ts';
import { includedColumns, visibleColumns } from './declaration.ts';
import type { Sight } from './filter.ts';
import { compare, evaluate } from './filter.ts';
import type { Caller } from './policies.ts';
import { Facts } from './policies.ts';
import type { Model, Relation, Schema } from './schema.ts';
import { modelOf, primaryKey } from './schema.ts';

/** JSON of any shape. */
// biome-ignore lint/suspicious/noExplicitAny: requests and answers are looked into freely
export type Json = any;

/** What the oracle knows besides the data. */
export interface Setting {
  readonly schema: Schema;
  readonly provider: Provider;
  readonly declaration: Declaration;
}

/**
 * What one caller may be told about a database. Works over all rows in memory: a row for which the policy is not true does not exist. Shares no code with
 * `src/models`.
 */
export class Oracle {
  readonly setting: Setting;
  readonly data: Data;
  readonly caller: Caller;
  readonly #admitted = new Map<string, readonly Row[]>();

  constructor(setting: Setting, data: Data, caller: Caller) {
    this.setting = setting;
    this.data = data;
    this.caller = caller;
  }

  /** The same for other data. */
  over(data: Data): Oracle {
    return new Oracle(this.setting, data, this.caller);
  }

  /** The rows of a model that the caller may have in an operation, in the order of their keys. */
  admitted(key: string, operation: string): readonly Row[] {
    const id = `${key} ${operation}`;
    let rows = this.#admitted.get(id);
    if (rows === undefined) {
      rows = rowsOf(this.data, key).filter(row => this.admits(key, row, operation));
      this.#admitted.set(id, rows);
    }
    return rows;
  }

  /** Whether the policy is true for a row. */
  admits(key: string, row: Row, operation: string): boolean {
    const policy = this.setting.declaration.get(key)?.policy;
    return policy === undefined || policy.admits(row, new Facts(this.setting.schema, this.data, this.caller, operation));
  }

  /** The related rows that the caller may see. */
  readonly related = (relation: Relation, row: Row): readonly Row[] => {
    const seen = this.admitted(relation.target, 'findMany');
    return related(this.data, relation, row).filter(other => seen.includes(other));
  };

  /** The rows of an operation that meet a caller's `where`. */
  matching(key: string, where: Json, operation: string): Row[] {
    const { schema, provider } = this.setting;
    const sight: Sight = { schema, provider, related: this.related };
    const model = modelOf(schema, key);
    return this.admitted(key, operation).filter(row => evaluate(model, where ?? {}, row, sight) === true);
  }

  /** Rows in an order, completed by the key. */
  sorted(model: Model, rows: readonly Row[], steps: readonly Step[]): Row[] {
    return [...rows].sort((one, other) => this.compareRows(model, one, other, steps));
  }

  /** Compares two rows by an order, completed by the key. SQLite puts NULL before all values, PostgreSQL after them. */
  compareRows(model: Model, one: Row, other: Row, steps: readonly Step[]): number {
    const keySteps = primaryKey(model).fields.map((name): Step => [name, 'asc']);
    for (const [name, direction] of [...steps, ...keySteps]) {
      const [a, b] = [one[name] ?? null, other[name] ?? null];
      if (a === b) continue;
      const nullsFirst = this.setting.provider === 'sqlite' ? -1 : 1;
      const type = model.columns.get(name)?.type ?? 'String';
      const order = a === null ? nullsFirst : b === null ? -nullsFirst : compare(type, a, b);
      if (order !== 0) return direction === 'asc' ? order : -order;
    }
    return 0;
  }

  /** The rows from a cursor on. If `where` excludes the row of the cursor, they begin after its place in the order. */
  from(model: Model, rows: readonly Row[], cursor: Row, steps: readonly Step[]): readonly Row[] {
    if (rows.includes(cursor)) return rows.slice(rows.indexOf(cursor));
    return rows.filter(row => this.compareRows(model, row, cursor, steps) > 0);
  }

  /** A row as a tool returns it. */
  rowJson({ model, included, counts }: Exposure, row: Row, select?: Readonly<Record<string, boolean>>): Json {
    const wants = (name: string) => select === undefined || select[name] === true;
    const exposure = this.setting.declaration.get(model.key);
    const columns = exposure === undefined ? [] : visibleColumns(exposure).map(({ name }) => name);
    const out = this.partJson(
      row,
      columns.filter(wants),
      included.filter(({ relation }) => wants(relation.name)),
      model,
    );
    if (counts.length > 0 && wants('_count')) out['_count'] = this.countsJson(model, row, counts);
    return out;
  }

  /** The numbers of related rows. */
  countsJson(model: Model, row: Row, names: readonly string[]): Json {
    return Object.fromEntries(
      names.map(name => {
        const relation = model.relations.get(name);
        return [name, relation === undefined ? 0 : this.related(relation, row).length];
      }),
    );
  }

  private partJson(row: Row, columns: readonly string[], included: readonly Included[], model: Model): Json {
    const out: Json = Object.fromEntries(columns.map(name => [name, valueJson(model, name, row[name])]));
    for (const each of included) {
      const { relation, orderBy, take } = each;
      const { declaration, schema } = this.setting;
      const target = modelOf(schema, relation.target);
      const exposure = declaration.get(relation.target);
      const toJson = (other: Row) => this.partJson(other, includedColumns(declaration, each), each.included, target);
      const rows = this.sorted(target, this.related(relation, row), orderBy ?? exposure?.orderBy ?? []);
      const most = take ?? exposure?.take ?? 25;
      if (!relation.many) out[relation.name] = rows[0] === undefined ? null : toJson(rows[0]);
      else {
        if (rows.length > most) out['_truncated'] = [...(out['_truncated'] ?? []), relation.name];
        out[relation.name] = rows.slice(0, most).map(toJson);
      }
    }
    return out;
  }
}

/** A value as it travels. A list that is NULL travels as an empty list. */
export function valueJson(model: Model, name: string, value: unknown): unknown {
  return model.columns.get(name)?.list === true ? (value ?? []) : value;
}
