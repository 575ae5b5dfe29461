// Sets the wall clock of this process ahead, before anything else is loaded. Timers and performance.now() stay as they are.
import type { Settings } from './protocol.ts';

const { clockAheadMs = 0 } = JSON.parse(process.argv[2] ?? '{}') as Partial<Settings>;
if (clockAheadMs !== 0) {
  const now = () => RealDate.now() + clockAheadMs;
  const RealDate = Date;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
    apply: () => new RealDate(now()).toString(),
    get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
  });
}
