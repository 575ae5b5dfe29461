import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Provider } from '../support/database.ts';
import { Callers, kindNames } from './callers.ts';
import type { Latencies } from './latencies.ts';
import { inWords, latenciesOf, medianOf, rounded } from './latencies.ts';
import { noises, startNoisy } from './noisy.ts';
import type { LoopDelay, Place } from './place.ts';
import { maxStreamBufferBytes, sendMs, startPlace } from './place.ts';
import type { Quiet } from './quiet.ts';
import { startQuiet } from './quiet.ts';
import { openReaders } from './readers.ts';
import type { IdleStream } from './streams.ts';
import { closeStreams, openStreams } from './streams.ts';

/** The options of a run. */
export interface LoadOptions {
  readonly seconds: number;
  readonly streams: number;
  readonly callers: number;
  readonly readers: number;
  readonly seed: number;
  readonly provider: Provider;
  readonly print: (line: string) => void;
}

/** The figures of a run, and what was broken. */
export interface LoadReport {
  readonly calls: Readonly<Record<string, number>>;
  readonly callsPerSecond: number;
  readonly loop: LoopDelay;
  readonly hello: Latencies;
  /** Of the quiet caller, beside the callers. */
  readonly call: Latencies;
  readonly memory: { readonly second: number; readonly last: number; readonly mebibytes: readonly number[]; readonly rssMiB: number };
  /** Milliseconds until each stream had the notification. */
  readonly toldMs: number;
  readonly readers: ReadersReport;
  /** Of the quiet caller: alone, and beside a caller that is refused. */
  readonly neighbours: Readonly<Record<string, Latencies & { readonly refused: number }>>;
  readonly broken: readonly string[];
}
interface ReadersReport {
  readonly beforeMiB: number;
  readonly mostMiB: number;
  readonly mostRssMiB: number;
  readonly boundMiB: number;
  readonly afterMiB: number;
  /** Milliseconds from their last request until the server had closed all their connections. */
  readonly goneMs: number;
  readonly call: Latencies;
  readonly hello: Latencies;
}

const mebibyte = 2 ** 20;
const sampleMs = 3000;
const maxLoopP99Ms = 50;
/**
 * Growth of the median from the second to the last third that is no growth. The heap after garbage collection varies by about as much from one sample
 * to the next, with the calls that are under way. A call that leaves 100 bytes behind exceeds it after 42,000 calls.
 */
const maxGrowthMiB = 4;
/** What the process keeps in any case of each connection that it had: buffers of sockets that are used again, code that was compiled. */
const maxRemainsMiB = 16;
/** The default of `limits.maxUnsentBytes`. */
const maxUnsentBytes = 256 * mebibyte;
const neighbourMs = 10_000;
const patienceMs = 60_000;

/** Runs the load. @throws {Error} The server ended, or did not start. */
export async function runLoad(options: LoadOptions): Promise<LoadReport> {
  const { print, provider } = options;
  assertFiles(options);
  const broken: string[] = [];
  await using place = await startPlace(provider);
  const quiet = await startQuiet(place);
  try {
    const idle = await neighbourFigures(place, quiet, options);
    const streams = await openStreams(place, options.streams);
    print(`${streams.length} streams are open`);
    const underLoad = await loadFigures({ place, quiet, streams, options, broken });
    const readers = await readerFigures({ place, quiet, options, broken });
    const lost = streams.filter(({ ended }) => ended !== undefined);
    if (lost.length > 0) broken.push(`${lost.length} idle streams ended beside readers that read nothing`);
    closeStreams(streams);
    for (const problem of place.problems) broken.push(`an error reached the app: ${problem}`);
    return { ...underLoad, readers, neighbours: idle, broken };
  } finally {
    await quiet.close();
  }
}

/** @throws {TypeError} The process may not open as many files as there are connections. */
function assertFiles({ streams, callers, readers }: LoadOptions): void {
  const { userLimits } = process.report.getReport() as unknown as { userLimits: { open_files: { soft: number | string } } };
  const needed = streams + callers + readers + 200;
  const allowed = Number(userLimits.open_files.soft);
  if (allowed < needed)
    throw new TypeError(`a process may open ${allowed} files, and ${needed} are needed: raise the limit with ulimit -n`);
}

interface Phase {
  readonly place: Place;
  readonly quiet: Quiet;
  readonly options: LoadOptions;
  readonly broken: string[];
}

async function loadFigures({
  place,
  quiet,
  streams,
  options,
  broken,
}: Phase & { streams: IdleStream[] }): Promise<Omit<LoadReport, 'readers' | 'neighbours' | 'broken'>> {
  const { seconds, seed, print } = options;
  const callers = new Callers(place);
  await callers.start(options.callers, seed);
  await place.ask('delay');
  await quiet.take();
  const samples: number[] = [];
  let rssMiB = 0;
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  let now = startedAt;
  while (now < endsAt) {
    await delay(Math.min(sampleMs, endsAt - now));
    await quiet.pause();
    const memory = await place.ask('memory');
    await quiet.resume();
    samples.push(memory.usedMiB);
    rssMiB = memory.rssMiB;
    now = performance.now();
    if (samples.length % 5 === 0)
      print(
        `${Math.round((now - startedAt) / 1000)} s: ${callers.answered} calls, ${callers.failed} failed, memory ${rounded(memory.usedMiB)} MiB`,
      );
  }
  const loop = await place.ask('delay');
  const { hello, call, failures } = await quiet.take();
  const callsPerSecond = rounded(callers.answered / ((performance.now() - startedAt) / 1000));
  await callers.stop();
  const third = Math.floor(samples.length / 3);
  const second = medianOf(samples.slice(third, 2 * third));
  const last = medianOf(samples.slice(-third));
  print(`${callsPerSecond} calls a second; event loop ${loopInWords(loop)}; ${rounded(loop.cpu * 100)} % of a core`);
  print(`the host's route: ${inWords(latenciesOf(hello))}; memory ${rounded(second)} MiB, then ${rounded(last)} MiB`);
  for (const failure of [...callers.failures, ...failures.slice(0, 10)]) broken.push(failure);
  if (callers.failed > callers.failures.length) broken.push(`${callers.failed} calls failed`);
  for (const kind of kindNames) if (!callers.counts.has(kind)) broken.push(`no ${kind} was answered`);
  if (last - second > maxGrowthMiB) broken.push(`memory grew from ${rounded(second)} to ${rounded(last)} MiB`);
  if (loop.p99Ms > maxLoopP99Ms) broken.push(`the event loop was late: ${loopInWords(loop)}; p99 is to be under ${maxLoopP99Ms} ms`);
  const toldMs = await tell(place, streams, broken);
  print(`${streams.length} streams had the notification within ${toldMs} ms`);
  return {
    calls: Object.fromEntries(callers.counts),
    callsPerSecond,
    loop,
    hello: latenciesOf(hello),
    call: latenciesOf(call),
    memory: { second: rounded(second), last: rounded(last), mebibytes: samples.map(rounded), rssMiB: rounded(rssMiB) },
    toldMs,
  };
}

function loopInWords(loop: LoopDelay): string {
  return `${inWords(loop)}, p99 without the time of other processes ${rounded(loop.ownP99Ms)} ms`;
}

/** Has every stream be told of a change. @returns Milliseconds until the last was. */
async function tell(place: Place, streams: readonly IdleStream[], broken: string[]): Promise<number> {
  const startedAt = performance.now();
  const ended = streams.filter(stream => stream.ended !== undefined);
  if (ended.length > 0) broken.push(`${ended.length} streams have ended: ${ended[0]?.kind}, ${ended[0]?.ended}`);
  await place.ask('announce');
  const isWaiting = () => streams.some(({ isTold, ended: why }) => !isTold && why === undefined);
  while (isWaiting() && performance.now() - startedAt < patienceMs) await delay(5);
  const untold = streams.filter(({ isTold }) => !isTold);
  if (untold.length > 0) broken.push(`${untold.length} streams were not told that a list has changed, such as ${untold[0]?.kind}`);
  return Math.round(performance.now() - startedAt);
}

/** Opens readers that read nothing. The bounds are `maxUnsentBytes` for the JSON of all together, and `maxStreamBufferBytes` for each stream. */
async function readerFigures({ place, quiet, options, broken }: Phase): Promise<ReadersReport> {
  const { print } = options;
  const before = await place.ask('memory');
  const connectionsBefore = await place.ask('connections');
  await quiet.take();
  const sockets = await openReaders(place, options.readers);
  const startedAt = performance.now();
  let mostMiB = 0;
  let mostRssMiB = 0;
  const remain = async () => (await place.ask('connections')) - connectionsBefore;
  let left = await remain();
  while (left > 0 && performance.now() - startedAt < patienceMs) {
    await place.ask('update');
    const { usedMiB, rssMiB } = await place.ask('memory');
    mostMiB = Math.max(mostMiB, usedMiB);
    mostRssMiB = Math.max(mostRssMiB, rssMiB);
    left = await remain();
    print(`${left} of ${options.readers} readers, memory ${rounded(usedMiB)} MiB`);
  }
  const goneMs = Math.round(performance.now() - startedAt);
  const { hello, call, failures } = await quiet.take();
  destroy(sockets);
  const streamCount = Math.ceil(options.readers / 2);
  const boundMiB = rounded(before.usedMiB + (maxUnsentBytes + streamCount * maxStreamBufferBytes) / mebibyte);
  if (left > 0)
    broken.push(`${left} readers that read nothing still have their connections after ${patienceMs / 1000} s (sendMs: ${sendMs})`);
  if (mostMiB > boundMiB) broken.push(`readers that read nothing took ${rounded(mostMiB)} MiB; their bounds are ${boundMiB} MiB in all`);
  for (const failure of failures.slice(0, 10)) broken.push(`beside readers that read nothing: ${failure}`);
  const after = await place.ask('memory');
  if (after.usedMiB - before.usedMiB > maxRemainsMiB)
    broken.push(`memory was ${rounded(before.usedMiB)} MiB before the readers and is ${rounded(after.usedMiB)} MiB after them`);
  print(
    `readers: memory ${rounded(before.usedMiB)} MiB before, at most ${rounded(mostMiB)} MiB (bound ${boundMiB}), ${rounded(after.usedMiB)} MiB after`,
  );
  return {
    beforeMiB: rounded(before.usedMiB),
    mostMiB: rounded(mostMiB),
    mostRssMiB: rounded(mostRssMiB),
    boundMiB,
    afterMiB: rounded(after.usedMiB),
    goneMs,
    call: latenciesOf(call),
    hello: latenciesOf(hello),
  };
}

function destroy(sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.destroy();
}

/** What the quiet caller notices of a caller that is refused, without any other load. */
async function neighbourFigures(place: Place, quiet: Quiet, { print, seconds }: LoadOptions): Promise<LoadReport['neighbours']> {
  const figures: Record<string, Latencies & { refused: number }> = {};
  const time = Math.min(neighbourMs, seconds * 100);
  // The first calls are those of a server whose code is not compiled yet.
  await delay(time);
  for (const noise of [undefined, ...noises]) {
    const noisy = noise && (await startNoisy(place, noise));
    const refusedBefore = noisy?.refused() ?? 0;
    await quiet.take();
    await delay(time);
    const { call, failures } = await quiet.take();
    const refused = (noisy?.refused() ?? 0) - refusedBefore;
    await noisy?.stop();
    if (failures.length > 0) throw new Error(`beside ${noise ?? 'nobody'}: ${failures[0]}`);
    const name = noise ?? 'alone';
    figures[name] = { ...latenciesOf(call), refused };
    print(`quiet caller, ${name}: ${inWords(latenciesOf(call))}; ${Math.round((refused * 1000) / time)} refusals a second`);
  }
  return figures;
}
