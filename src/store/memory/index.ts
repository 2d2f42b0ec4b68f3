export { LocalHintBus } from './hints.ts';
export { createMemoryEventTransport } from './event-transport.ts';
export { createMemoryJobStore } from './job-store.ts';
