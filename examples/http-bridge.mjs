/**
 * An HTTP bridge that embeds the store: commands are answered once they are durable, and every request is audited.
 *   node examples/http-bridge.mjs [DIR] [PORT]   # until SIGINT or SIGTERM; without DIR the store is a temporary one
 *   curl -i -H 'content-type: application/json' -d '{"type":"OrderPlaced"}' "$URL/streams/orders/1?expect=none"
 *   curl "$URL/streams/orders/1"                 # JSON lines; the audit is the stream audit/http
 */
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { Readable } from 'node:stream';
import Fastify from 'fastify';
import { isKeeperError, openStore, toWire } from 'keeperlog';

const AUDIT = 'audit/http';
const EVENT = { type: 'object', properties: { metadata: { type: 'object' } } }; // the store checks the rest
const INVALID = { ERR_INVALID_EVENT: 400, ERR_INVALID_OPTIONS: 400, ERR_INVALID_QUERY: 400, ERR_EVENT_TOO_LARGE: 413 };
const STATUS = { ...INVALID, ERR_CONFLICT: 409, ERR_IDEMPOTENCY_REUSED: 409, ERR_BACKPRESSURE: 503, ERR_DEGRADED: 503 };

export async function start(dir = ':memory:', port = 0, host = '127.0.0.1') {
  const server = Fastify({ logger: { level: 'warn' }, genReqId: () => crypto.randomUUID() });
  const store = await openStore({ dir, logger: server.log });
  // The server first: it answers what has begun, and the store is there until it has.
  const close = async () => {
    await server.close();
    await store.flush().finally(() => store.close());
  };
  server.setErrorHandler((error, _request, reply) => {
    if (!isKeeperError(error)) return reply.send(error);
    if (error.retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(error.retryAfterMs / 1000));
    return reply.code(STATUS[error.code] ?? 500).send(toWire(error, { remote: true }));
  });
  // Accepted now, durable later. Where the audit cannot take a request, this throws, and nothing is done for it.
  server.addHook('onRequest', async ({ id, method, url, ip, log }) => {
    const event = { type: 'RequestReceived', data: { method, url, ip }, metadata: { correlationId: id } };
    store.enqueue(AUDIT, event).durable.catch((error) => log.error(error, 'a request is missing from the audit'));
  });
  // Blocks the thread until the event is synced: no other request comes between the check and the answer.
  server.post('/streams/*', { schema: { body: EVENT } }, async ({ params, query, body, id }, reply) => {
    if (params['*'] === AUDIT) return reply.code(403).send({ message: 'only the bridge writes the audit' });
    const expect = /^\d+$/.test(query.expect) ? Number(query.expect) : query.expect;
    const event = { ...body, metadata: { ...body.metadata, correlationId: id } };
    return reply.code(201).send(store.appendSync(params['*'], event, { expect }));
  });
  server.get('/streams/*', async ({ params }, reply) =>
    reply.type('application/x-ndjson').send(Readable.from(jsonLines(store.readStream(params['*'])))),
  );
  const url = await server.listen({ port, host }).catch((error) => close().then(() => Promise.reject(error)));
  return { url, store, close };
}

async function* jsonLines(events) {
  for await (const event of events) yield `${JSON.stringify(event)}\n`;
}

if (process.argv[1] && realpathSync(process.argv[1]) === import.meta.filename) {
  const { url, store, close } = await start(process.argv[2], Number(process.argv[3] ?? 0));
  const ended = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  console.log(`listening on ${url}, events in ${store.stats().dir}`);
  await ended.then(close);
  console.log('closed: what was answered and what was audited is durable');
}
