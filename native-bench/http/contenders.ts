/** What the contenders are called in the report. */
export const leiniao = 'leiniao';
export const receipts = 'leiniao with receipts';
export const bare = 'bare uWebSockets.js';
export const later = 'bare, answering later';
export const asking = 'bare, asking a thread';
export const redis = 'Fastify + Redis';
export const piscina = 'uWebSockets.js + Piscina';
export const postgres = 'Fastify + PostgreSQL';
