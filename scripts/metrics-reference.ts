/** docs/reference/metrics.md, written from the metrics that the program registers. */
import { Registry } from 'prom-client';
import { createInstruments } from '../src/telemetry/metrics.ts';

/** What prom-client keeps of a metric; its types declare less. */
interface RegisteredMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

const introduction = `# Metrics

Generated from \`src/telemetry/metrics.ts\`. \`GET /metrics\` answers in Prometheus' text form, on
\`server.port\` while that is bound to loopback, else on \`server.admin_port\`. Once keys exist it
needs one with the scope \`read\`.

Names follow OpenTelemetry's GenAI conventions where one exists and begin with \`unbusy_\` elsewhere.
Units are base units. The number of label values is bounded: beyond it, further models and tenants
count as \`other\`. Histograms have the usual \`_bucket\`, \`_sum\` and \`_count\`.`;

export function metricsReference(): string {
  const registry = new Registry();
  createInstruments(registry);
  const metrics = registry.getMetricsAsArray() as unknown as readonly RegisteredMetric[];
  const rows = metrics
    .map(({ name, help, type, labelNames }) => {
      const labels = labelNames.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${labels} | ${help} |`;
    })
    .sort();
  return `${introduction}

| name | type | labels | meaning |
|---|---|---|---|
${rows.join('\n')}
`;
}
