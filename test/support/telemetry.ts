import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import type { DataPoint, Histogram } from '@opentelemetry/sdk-metrics';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';

/** The SDK of OpenTelemetry, as an app sets it up, with what it has recorded. */
export interface RecordedTelemetry extends Disposable {
  /** The spans that have ended, in the order of their ends. */
  readonly spans: ReadableSpan[];
  /** The names of the spans that have begun and not ended. */
  readonly open: () => string[];
  /** The points of a histogram. */
  readonly points: (name: string) => Promise<DataPoint<Histogram>[]>;
  /** Forgets the spans that have ended, and returns them. */
  readonly take: () => ReadableSpan[];
}

class Reader extends MetricReader {
  protected onShutdown(): Promise<void> {
    return Promise.resolve();
  }
  protected onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

/** Registers the SDK in this process until it is disposed of. */
export function recordTelemetry(): RecordedTelemetry {
  const spans: ReadableSpan[] = [];
  const open = new Set<ReadableSpan>();
  const processor: SpanProcessor = {
    onStart: span => void open.add(span as object as ReadableSpan),
    onEnd: span => {
      open.delete(span);
      spans.push(span);
    },
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
  const reader = new Reader();
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] }));
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [processor] }));
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  return {
    spans,
    open: () => [...open].map(({ name }) => name),
    take: () => spans.splice(0),
    points: async name => {
      const { resourceMetrics } = await reader.collect();
      const found = resourceMetrics.scopeMetrics.flatMap(scope => scope.metrics).filter(metric => metric.descriptor.name === name);
      return found.flatMap(metric => metric.dataPoints as DataPoint<Histogram>[]);
    },
    [Symbol.dispose]: () => {
      for (const api of [context, propagation, trace, metrics]) api.disable();
    },
  };
}
