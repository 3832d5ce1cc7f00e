/**
 * Ordered messages between two peers, over any WebSocket or other transport. Web standards only.
 *
 * @module
 */

export * from "./channels.ts";
export * from "./clock.ts";
export * from "./connection.ts";
export * from "./handshake.ts";
export * from "./heartbeat.ts";
export * from "./macrotask.ts";
export * from "./memory_transport.ts";
export * from "./outbox.ts";
export * from "./port_transport.ts";
export * from "./reassembly.ts";
export * from "./send_queue.ts";
export * from "./slow_consumer.ts";
export * from "./stream_window.ts";
export * from "./timer_queue.ts";
export * from "./transport.ts";
export * from "./websocket_transport.ts";
