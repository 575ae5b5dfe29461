import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Bus } from '../../src/bus/bus.ts';
import type { TcpProxy } from './proxy.ts';
import { listen, settle, untilReady } from './woken.ts';

/** A bus as a process of its own would have it, whose connections run through a proxy. */
export interface Node {
  readonly bus: Bus;
  readonly proxy: TcpProxy;
  /** What the bus reported. */
  readonly errors: Error[];
  /** Has the server end the connections of this node, and of no other. */
  kill(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A server that buses connect to. */
export interface Server {
  /** @param isAway Whether nothing can connect until `proxy.open()`. */
  node(isAway?: boolean): Promise<Node>;
  close(): Promise<void>;
}

/** What a bus must do that hangs on a connection. */
export function reconnectSuite(name: string, make: () => Promise<Server>): void {
  describe(`bus without its connection: ${name}`, () => {
    let server: Server;
    let other: Node;
    beforeAll(async () => {
      server = await make();
      other = await server.node();
      await untilReady(other.bus);
    });
    afterAll(async () => {
      await other[Symbol.asyncDispose]();
      await server.close();
      expect(other.errors).toEqual([]);
    });
    const nodeThatIsReady = async () => {
      const node = await server.node();
      await untilReady(node.bus);
      return node;
    };
    const cutOff = async ({ bus, proxy }: Node) => {
      proxy.cut();
      await vi.waitFor(() => expect(bus.ready).toBe(false), { interval: 2 });
    };

    it('connects again when the server ended the connection, wakes every topic once, and hears again', async () => {
      await using node = await nodeThatIsReady();
      const woken = Array.from({ length: 100 }, () => listen(node.bus));
      await node.kill();
      await Promise.all(woken.map(each => each.times(1)));
      await untilReady(node.bus);
      await settle(other.bus, node.bus);
      expect(woken.map(each => each.count)).toEqual(woken.map(() => 1));
      for (const { topic } of woken) other.bus.publish(topic);
      await Promise.all(woken.map(each => each.times(2)));
      const far = listen(other.bus);
      node.bus.publish(far.topic);
      await far.times(1);
    });

    it('makes up for what others published meanwhile', async () => {
      await using node = await nodeThatIsReady();
      const woken = listen(node.bus);
      await cutOff(node);
      other.bus.publish(woken.topic);
      await settle(other.bus, other.bus);
      expect(woken.count).toBe(0);
      node.proxy.open();
      await woken.times(1);
    });

    it('wakes its own at once while it is cut off, and the others as soon as it can', async () => {
      await using node = await nodeThatIsReady();
      const topic = randomUUID();
      const [near, far] = [listen(node.bus, topic), listen(other.bus, topic)];
      const more = Array.from({ length: 200 }, () => listen(other.bus));
      await cutOff(node);
      for (const each of [near, ...more]) node.bus.publish(each.topic);
      await near.times(1);
      await settle(node.bus, node.bus);
      expect([far, ...more].some(each => each.count > 0)).toBe(false);
      node.proxy.open();
      await Promise.all([far, ...more].map(each => each.times(1)));
    });

    it('wakes all topics of the others when it has been cut off for more than 10,000', async () => {
      await using node = await nodeThatIsReady();
      const unnamed = listen(other.bus);
      await cutOff(node);
      for (let i = 0; i <= 10_000; i++) node.bus.publish(`topic ${i}`);
      node.proxy.open();
      await unnamed.times(1);
      unnamed.stop();
    });

    it('reports an outage once, however many attempts fail, and the next one again', async () => {
      await using node = await nodeThatIsReady();
      await cutOff(node);
      for (let attempt = 0; attempt < 2; attempt++) await node.proxy.refusal();
      const reports = node.errors.splice(0);
      // How it was lost, and why it cannot be had again: what a cut connection looks like is a matter of timing.
      expect(reports.length).toBeGreaterThanOrEqual(1);
      expect(reports.length).toBeLessThanOrEqual(3);
      expect(new Set(reports.map(error => error.message)).size).toBe(reports.length);
      for (const report of reports) {
        expect(report.message).toMatch(/^\w+ bus: no wake-ups between processes until it is connected again: .+/);
        expect(report.cause).toBeInstanceOf(Error);
      }
      node.proxy.open();
      await untilReady(node.bus);
      expect(node.errors).toEqual([]);
      await cutOff(node);
      await vi.waitFor(() => expect(node.errors.length).toBeGreaterThanOrEqual(1));
    });

    it('starts without its server, takes everything, and delivers when the server comes', async () => {
      await using node = await server.node(true);
      const [near, far, missed] = [listen(node.bus), listen(other.bus), listen(node.bus)];
      node.bus.publish(far.topic);
      node.bus.publish(near.topic);
      other.bus.publish(missed.topic);
      await near.times(1);
      await node.proxy.refusal();
      expect(node.bus.ready).toBe(false);
      node.proxy.open();
      await Promise.all([far.times(1), missed.times(1)]);
      await untilReady(node.bus);
    });

    it('closes at once while it is cut off, and connects no more', async () => {
      await using node = await nodeThatIsReady();
      const near = listen(node.bus);
      await cutOff(node);
      await node.proxy.refusal();
      node.bus.publish('of no use any more');
      const startedAt = performance.now();
      await node.bus.close();
      expect(performance.now() - startedAt).toBeLessThan(1_500);
      node.proxy.open();
      other.bus.publish(near.topic);
      await settle(other.bus, other.bus);
      expect([near.count, node.bus.ready]).toEqual([0, false]);
    });
  });
}
