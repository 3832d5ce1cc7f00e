/**
 * Values to bytes and back: what every part of Troupe agrees on. Imports no other layer, no timers, no sockets.
 *
 * @module
 */

export * from "./actor_reference.ts";
export * from "./bodies.ts";
export * from "./close_code.ts";
export * from "./describe_bytes.ts";
export * from "./error_envelope.ts";
export * from "./errors.ts";
export * from "./frame.ts";
export * from "./ids.ts";
export * from "./limits.ts";
export * from "./messages.ts";
export * from "./own_bytes.ts";
export * from "./snapshot.ts";
export * from "./stack.ts";
export * from "./structure.ts";
export * from "./ticket.ts";
export * from "./token_path.ts";
export * from "./values.ts";
export * from "./version.ts";
