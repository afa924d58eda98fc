/**
 * An event as a CloudEvent in its JSON format (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md).
 * Attributes beyond the core are named as extensions are: lower-case letters and digits alone. `sequence` and
 * `traceparent` are those of the documented extensions.
 */
import type { RecordedEvent } from '../../../shared/portable/events.js';

/** @param storeId of the store, which is the source: ids are unique in it */
export function toCloudEvent(event: RecordedEvent, storeId: string): Record<string, unknown> {
  const { agent, session, correlationId, traceparent } = event.metadata;
  const { data } = event;
  const bytes = data instanceof Uint8Array;
  return {
    specversion: '1.0',
    id: event.id,
    source: `urn:keeperlog:${storeId}`,
    type: event.type,
    subject: event.stream,
    time: event.time.toISOString(),
    sequence: String(event.sequence).padStart(16, '0'), // to be compared as a string
    revision: String(event.revision),
    schemaversion: event.schemaVersion,
    ...(event.tags.length > 0 && { tags: event.tags.join(' ') }),
    ...(event.causes.length > 0 && { causes: event.causes.join(' ') }),
    ...(agent !== undefined && { agent }),
    ...(session !== undefined && { session }),
    ...(correlationId !== undefined && { correlationid: correlationId }),
    ...(traceparent !== undefined && { traceparent }),
    datacontenttype: bytes ? 'application/octet-stream' : 'application/json',
    ...(bytes ? { data_base64: Buffer.from(data).toString('base64') } : { data }),
  };
}
