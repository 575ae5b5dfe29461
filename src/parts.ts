import type { Bus } from './bus/bus.ts';
import type { Datamodel } from './models/datamodel/datamodel.ts';
import type { Definitions } from './protocol/definitions.ts';

/**
 * The key under which an endpoint shows its parts to `koa-mcp doctor` and `koa-mcp fingerprint`. No part of the interface for apps.
 *
 * In the global registry: the command and the app may load two copies of this package.
 */
export const partsKey: unique symbol = Symbol.for('koa-mcp.parts');

/** The parts of an endpoint that the commands look at. */
export interface EndpointParts {
  /** The app's Prisma client, if it has one. */
  readonly prisma: object | undefined;
  readonly datamodel: Datamodel | undefined;
  /** Whether sessions are rows of `prisma`. */
  readonly hasRows: boolean;
  /** Whether calls are recorded as rows. */
  readonly hasAudit: boolean;
  /** The bus of the app's own; `undefined`: wake-ups stay in their process. */
  readonly bus: Bus | undefined;
  /** The instructions for language models. */
  readonly instructions: string | undefined;
  readonly definitions: Definitions;
}
